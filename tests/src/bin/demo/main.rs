//! `make demo`: everything on this machine, with half a minute of traffic.
//!
//! Three workloads, each behind an Envoy of its own with the filter, call a stand-in provider with the official SDK;
//! the collector keeps what they did in SQLite and answers queries. Stays up until Ctrl-C.
//!
//! `DEMO_ONCE=1` ends it after the tables, with success only when spans of every workload were seen.
//! `MESHTAP_DEMO_SECONDS` is how long the traffic lasts; [`settings`] names the ports.
#![expect(clippy::print_stdout, reason = "a program that shows things")]

mod interrupt;
mod settings;
mod table;
mod traffic;
mod workloads;

use std::collections::BTreeSet;
use std::panic;
use std::process::ExitCode;

use meshtap_tests::client::OpenAiClient;
use meshtap_tests::collector::{Collector, Store, loopback};
use meshtap_tests::envoy::{Envoy, Filter, Listener};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::standin::Standin;
use meshtap_tests::tools;
use meshtap_tests::wait;

use self::interrupt::Interrupt;
use self::settings::Settings;
use self::workloads::Profile;

const LISTENER: &str = "egress";

/// Everything that runs; ends when dropped.
struct Demo {
    _sandbox: Sandbox,
    _standin: Standin,
    collector: Collector,
    sidecars: Vec<Sidecar>,
}

/// One workload: its proxy and the application behind it.
struct Sidecar {
    profile: Profile,
    envoy: Envoy,
    client: OpenAiClient,
}

fn main() -> ExitCode {
    // What fails panics with its log, and that is the message.
    panic::set_hook(Box::new(|failure| {
        println!("\ndemo: {}", failure.payload_as_str().unwrap_or("failed"));
    }));
    match panic::catch_unwind(run) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(message)) => {
            println!("\ndemo: {message}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn run() -> Result<(), String> {
    let settings = Settings::read()?;
    settings.check_ports()?;
    let interrupt = Interrupt::listen();
    println!("demo: starting {} Envoys, the collector and the provider's stand-in", workloads::ALL.len());
    let demo = Demo::start(&settings);
    print_addresses(&demo);
    println!();
    let calls = traffic::run(&demo, settings.traffic, &interrupt);
    let seen = wait_for_spans(&demo, calls);
    table::print_newest(&demo.collector);
    table::print_usage(&demo.collector);
    if settings.once {
        return every_workload_was_seen(&demo, seen, calls);
    }
    if !interrupt.is_raised() {
        print_addresses(&demo);
        println!("\nCtrl-C ends it.");
        interrupt.wait();
    }
    println!();
    Ok(())
}

impl Demo {
    fn start(settings: &Settings) -> Self {
        let sandbox = Sandbox::kept_at(tools::workspace().join(".demo"));
        let standin = Standin::start();
        let (grpc, http) = (loopback(settings.grpc_port), loopback(settings.http_port));
        let mut collector = Collector::stopped(&sandbox, "collector", &Store::Sqlite, grpc, http);
        collector.start_again(&sandbox);
        let sidecars = workloads::ALL.iter().zip(settings.envoy_ports.clone()).map(|(profile, port)| {
            let filter = Filter::exporting_to(collector.grpc());
            let listener = Listener::new(LISTENER, standin.address()).port(port).filter(filter);
            let workload = profile.workload();
            Sidecar {
                profile: *profile,
                envoy: Envoy::start(&sandbox, &workload, &[listener]),
                client: OpenAiClient::start(&sandbox, &format!("client-{}", workload.name)),
            }
        });
        let sidecars = sidecars.collect();
        Self { _sandbox: sandbox, _standin: standin, collector, sidecars }
    }

    /// Panics with the log of a part that has ended.
    fn assert_parts_run(&self) {
        let proxies = self.sidecars.iter().map(|sidecar| sidecar.envoy.process());
        for part in self.collector.process().into_iter().chain(proxies) {
            part.assert_runs();
        }
    }
}

/// Spans travel in batches: the last ones are still on their way when the traffic ends.
fn wait_for_spans(demo: &Demo, calls: u64) -> u64 {
    let mut seen = 0;
    let _ = wait::poll(|| {
        seen = traffic::stored(&demo.collector);
        (seen >= calls).then_some(())
    });
    seen
}

fn every_workload_was_seen(demo: &Demo, seen: u64, calls: u64) -> Result<(), String> {
    let rows = demo.collector.usage("workload");
    let named: BTreeSet<&str> = rows.iter().filter_map(|row| row["workload"].as_str()).collect();
    let missing: Vec<&str> =
        workloads::ALL.iter().map(|profile| profile.name).filter(|name| !named.contains(name)).collect();
    if !missing.is_empty() {
        return Err(format!("no spans of {} arrived", missing.join(", ")));
    }
    if seen != calls {
        return Err(format!("{seen} spans arrived of {calls} calls"));
    }
    println!("\ndemo: {calls} calls were made and {seen} spans arrived, from {} workloads", named.len());
    Ok(())
}

fn print_addresses(demo: &Demo) {
    let http = demo.collector.http();
    println!("\nOpen:");
    println!("  http://{http}/api/v1/spans?limit=20");
    println!("  http://{http}/api/v1/usage?group_by=workload,model");
    println!("  http://{http}/metrics");
    for sidecar in &demo.sidecars {
        println!(
            "  http://{}/stats?filter=meshtap   Envoy of {}",
            sidecar.envoy.admin(),
            sidecar.profile.name
        );
    }
    if let Some(sidecar) = demo.sidecars.first() {
        println!("\nOr make a call of your own, as {}:", sidecar.profile.name);
        println!(
            "  curl -H 'Host: api.openai.com' -H 'Content-Type: application/json' \\\n    \
             -d '{{\"model\":\"gpt-4o\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}' \\\n    \
             http://{}/v1/chat/completions",
            sidecar.envoy.address(LISTENER)
        );
    }
}
