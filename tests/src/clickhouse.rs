//! A real ClickHouse server on a free port.

use std::net::SocketAddr;
use std::process::{ChildStdin, Command};

use meshtap_collector::config::{self, Config, Retention};

use crate::http::{self, Reply};
use crate::ports;
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::tools;

pub struct ClickHouse {
    /// Closing the input would end the server.
    running: Option<(Process, ChildStdin)>,
    name: String,
    address: SocketAddr,
    /// What the launcher is told beside its folder and port.
    others: Vec<String>,
}

impl ClickHouse {
    #[track_caller]
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::launch(sandbox, "clickhouse", Vec::new())
    }

    /// With a configuration file of the server's own (XML), which may name users, and a port for other servers.
    #[track_caller]
    pub fn start_with(sandbox: &Sandbox, name: &str, config: &str, tcp: SocketAddr) -> Self {
        let config = sandbox.write(&format!("{name}.xml"), config);
        Self::launch(sandbox, name, vec![config.display().to_string(), tcp.port().to_string()])
    }

    #[track_caller]
    fn launch(sandbox: &Sandbox, name: &str, others: Vec<String>) -> Self {
        let address = ports::free_address();
        let mut server = Self { running: None, name: name.to_owned(), address, others };
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
        let Self { name, address, others, .. } = &*self;
        let address = *address;
        let mut command = Command::new(tools::own_program("clickhouse_local"));
        command.arg(tools::chdb()).arg(sandbox.path(name)).arg(address.port().to_string()).args(others);
        let (process, input, _) = Process::spawn_piped(name, command, sandbox);
        process.wait_ready(|| http::get(address, "/ping").ok().filter(|reply| reply.status == 200));
        self.running = Some((process, input));
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a collector that stores in this database is told of it, and how long it keeps things.
    pub fn as_store(&self, database: &str) -> (config::ClickHouse, Retention) {
        let defaults = Config::default().store;
        let retention = defaults.retention();
        (
            config::ClickHouse { url: self.url(), database: database.to_owned(), ..defaults.clickhouse },
            retention,
        )
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
        self.query_in("default", sql)
    }

    /// The same, where names without a database are of this one.
    #[track_caller]
    pub fn query_in(&self, database: &str, sql: &str) -> String {
        let answer = self.ask(&[("x-clickhouse-database", database)], sql);
        answer.unwrap_or_else(|refusal| panic!("ClickHouse refused {sql}: {refusal}"))
    }

    /// The result, or what the server says instead.
    #[track_caller]
    pub fn query_as(&self, user: &str, password: &str, sql: &str) -> Result<String, String> {
        self.ask(&[("x-clickhouse-user", user), ("x-clickhouse-key", password)], sql)
    }

    #[track_caller]
    fn ask(&self, headers: &[(&str, &str)], sql: &str) -> Result<String, String> {
        match http::post(self.address, "/", headers, sql.as_bytes()) {
            Ok(reply @ Reply { status: 200, .. }) => Ok(reply.text()),
            Ok(reply) => Err(reply.text()),
            Err(error) => panic!("ClickHouse did not answer {sql}: {error}"),
        }
    }
}
