//! Plain HTTP with bytes of the caller's choice: the admin pages, the query API, and requests that no SDK would send.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

const TIMEOUT: Duration = Duration::from_mins(1);

static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(TIMEOUT))
        .max_idle_connections(0)
        .build();
    Agent::new_with_config(config)
});

/// What came back. `body` holds what had arrived when `broken` says why it did not end well.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// In the order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub broken: Option<String>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the body when it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}), status {}: {}", self.status, self.text()))
    }
}

pub fn get(address: SocketAddr, path: &str) -> Result<Reply, ureq::Error> {
    get_with(address, path, &[])
}

/// With headers of the caller's.
pub fn get_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Reply, ureq::Error> {
    let mut request = AGENT.get(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.call().map(read)
}

/// Sends `body` as it is.
pub fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Reply, ureq::Error> {
    let mut request = AGENT.post(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send(body).map(read)
}

fn read(response: ureq::http::Response<ureq::Body>) -> Reply {
    let (head, body) = response.into_parts();
    let mut reply = Reply {
        status: head.status.as_u16(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: Vec::new(),
        broken: None,
    };
    if let Err(error) = body.into_reader().read_to_end(&mut reply.body) {
        reply.broken = Some(error.to_string());
    }
    reply
}
