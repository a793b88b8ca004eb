//! Ports and length, from the environment.

use std::env;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::time::Duration;

use super::workloads;

/// HTTP API and metrics of the collector.
const HTTP_PORT: (&str, u16) = ("MESHTAP_DEMO_HTTP_PORT", 8080);
/// Where the Envoys send spans.
const GRPC_PORT: (&str, u16) = ("MESHTAP_DEMO_GRPC_PORT", 4317);
/// The first workload's Envoy; the others follow.
const ENVOY_PORT: (&str, u16) = ("MESHTAP_DEMO_ENVOY_PORT", 10_000);
const SECONDS: (&str, u16) = ("MESHTAP_DEMO_SECONDS", 30);

pub(super) struct Settings {
    pub(super) http_port: u16,
    pub(super) grpc_port: u16,
    pub(super) envoy_ports: Range<u16>,
    pub(super) traffic: Duration,
    pub(super) once: bool,
}

impl Settings {
    pub(super) fn read() -> Result<Self, String> {
        let first = number(ENVOY_PORT)?;
        let count = u16::try_from(workloads::ALL.len()).unwrap_or(u16::MAX);
        let end = first
            .checked_add(count)
            .ok_or_else(|| format!("{} leaves no room for {count} ports", ENVOY_PORT.0))?;
        Ok(Self {
            http_port: number(HTTP_PORT)?,
            grpc_port: number(GRPC_PORT)?,
            envoy_ports: first..end,
            traffic: Duration::from_secs(number(SECONDS)?.into()),
            once: env::var("DEMO_ONCE").is_ok_and(|once| !matches!(once.as_str(), "" | "0")),
        })
    }

    /// Names every port that is taken and what would move it.
    pub(super) fn check_ports(&self) -> Result<(), String> {
        let single = [
            (self.http_port, HTTP_PORT.0, "the collector's HTTP API"),
            (self.grpc_port, GRPC_PORT.0, "spans"),
        ];
        let envoys = self.envoy_ports.clone().map(|port| (port, ENVOY_PORT.0, "Envoy"));
        // Each is held until all are checked, so that two that are the same are noticed too.
        let mut held = Vec::new();
        let mut taken = Vec::new();
        for (port, variable, what) in single.into_iter().chain(envoys) {
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(listener) => held.push(listener),
                Err(_) => taken.push(format!(
                    "  port {port} for {what} is taken; choose another with {variable}=PORT make demo"
                )),
            }
        }
        if taken.is_empty() { Ok(()) } else { Err(format!("cannot start:\n{}", taken.join("\n"))) }
    }
}

fn number((variable, default): (&str, u16)) -> Result<u16, String> {
    match env::var(variable) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .map_err(|_| format!("{variable} must be a whole number up to {}, got {text:?}", u16::MAX)),
        _ => Ok(default),
    }
}
