//! A real ClickHouse server on a free port.

use std::net::SocketAddr;
use std::process::{ChildStdin, Command};

use crate::http::{self, Reply};
use crate::ports;
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::tools;

pub struct ClickHouse {
    /// Closing the input would end the server.
    running: Option<(Process, ChildStdin)>,
    address: SocketAddr,
}

impl ClickHouse {
    #[track_caller]
    pub fn start(sandbox: &Sandbox) -> Self {
        let mut server = Self { running: None, address: ports::free_address() };
        server.start_again(sandbox);
        server
    }

    /// Ends it at once, as a node that fails does.
    pub fn kill(&mut self) {
        drop(self.running.take());
    }

    /// Starts it where it was, over the data that it left.
    #[track_caller]
    pub fn start_again(&mut self, sandbox: &Sandbox) {
        let address = self.address;
        let mut command = Command::new(tools::own_program("clickhouse_local"));
        command.arg(tools::chdb()).arg(sandbox.path("clickhouse")).arg(address.port().to_string());
        let (process, input, _) = Process::spawn_piped("clickhouse", command, sandbox);
        process.wait_ready(|| http::get(address, "/ping").ok().filter(|reply| reply.status == 200));
        self.running = Some((process, input));
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an empty database, dropping one of the same name.
    #[track_caller]
    pub fn database(&self, name: &str) -> String {
        self.query(&format!("DROP DATABASE IF EXISTS {name} SYNC"));
        self.query(&format!("CREATE DATABASE {name}"));
        name.to_owned()
    }

    /// The result in tab-separated lines.
    #[track_caller]
    pub fn query(&self, sql: &str) -> String {
        match http::post(self.address, "/", &[], sql.as_bytes()) {
            Ok(reply @ Reply { status: 200, .. }) => reply.text(),
            Ok(reply) => panic!("ClickHouse refused {sql}: {}", reply.text()),
            Err(error) => panic!("ClickHouse did not answer {sql}: {error}"),
        }
    }
}
