//! An application in a pod: HTTP calls from inside the pod's network, captured by its sidecar as any other, and a server
//! that its sidecar stands before.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use meshtap_tests::standin::scenario::Scenario;
use meshtap_tests::standin::{CALL, CHUNK_MS, SCENARIO};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};
use ureq::Agent;

use crate::pod::Pod;
use crate::relay::join;

/// Longer than a stream is held: an agent that waits for packets gives up after 30 s.
const TIMEOUT: Duration = Duration::from_mins(3);
const FIRST_BYTE: Duration = Duration::from_secs(40);

/// A request of an application.
#[derive(Clone, Debug)]
pub struct Call {
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Call {
    /// A chat completion. `name` is how the stand-in remembers it.
    pub fn chat(name: &str) -> Self {
        let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]});
        let headers = vec![(CALL.to_owned(), format!("{name}@mesh"))];
        Self { url: "http://api.openai.com/v1/chat/completions".to_owned(), headers, body }
    }

    /// Streamed, with usage at its end.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        self.body["stream"] = json!(true);
        self.body["stream_options"] = json!({"include_usage": true});
        self
    }

    /// With a pause between the events of the stream.
    #[must_use]
    pub fn slowly(self, pause: Duration) -> Self {
        self.streamed().header(CHUNK_MS, &pause.as_millis().to_string())
    }

    /// Streamed up to its middle, and on when the stand-in is told to release it.
    #[must_use]
    pub fn held(self) -> Self {
        self.behaving(Scenario::Held).streamed()
    }

    /// With a provider that behaves so.
    #[must_use]
    pub fn behaving(self, scenario: Scenario) -> Self {
        self.header(SCENARIO, scenario.name())
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// To another scheme, host and port; the path stays.
    #[must_use]
    pub fn to(mut self, origin: &str) -> Self {
        let path = self.url.splitn(4, '/').nth(3).unwrap_or_default();
        self.url = format!("{origin}/{path}");
        self
    }

    /// With another model, by which its span is found.
    #[must_use]
    pub fn model(mut self, model: &str) -> Self {
        self.body["model"] = json!(model);
        self
    }
}

/// What the application got.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 0 when there was none.
    pub status: u16,
    pub body: String,
    /// Why the answer did not end well.
    pub broken: Option<String>,
    pub took: Duration,
}

impl Answer {
    /// A stream that came to its end marker.
    pub fn is_whole_stream(&self) -> bool {
        self.status == 200 && self.broken.is_none() && self.body.ends_with("data: [DONE]\n\n")
    }
}

/// A call that goes on while the test does something else.
pub struct Pending {
    first_byte: Receiver<()>,
    thread: JoinHandle<Answer>,
}

impl Pending {
    /// Waits until the first bytes of the answer are there.
    #[must_use]
    #[track_caller]
    pub fn has_begun(self) -> Self {
        let begun = self.first_byte.recv_timeout(FIRST_BYTE);
        assert!(begun.is_ok(), "the answer did not begin");
        self
    }

    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    #[track_caller]
    pub fn end(self) -> Answer {
        self.thread.join().expect("the call was made")
    }
}

impl Pod {
    /// Makes a call from inside the pod and waits for its end.
    #[track_caller]
    pub fn call(&self, call: &Call) -> Answer {
        self.begin(call).end()
    }

    /// Makes a call from inside the pod.
    pub fn begin(&self, call: &Call) -> Pending {
        let (begun, first_byte) = channel();
        let (call, path) = (call.clone(), self.network.path());
        let thread = thread::spawn(move || {
            let namespace = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("the pod's network");
            make(&call, || {
                let _ = begun.send(());
            })
        });
        Pending { first_byte, thread }
    }

    /// The application's own server: connections to this port of the pod are answered by who listens at `behind`.
    pub fn serve(&self, port: u16, behind: SocketAddr) {
        let listening = self.network.inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)));
        let listener = listening.unwrap_or_else(|e| panic!("port {port} of the pod: {e}"));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || join(stream, TcpStream::connect(behind)?));
            }
        });
    }
}

fn make(call: &Call, begun: impl FnOnce()) -> Answer {
    let started = Instant::now();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(TIMEOUT))
        .max_idle_connections(0);
    let agent = Agent::new_with_config(config.build());
    let mut request = agent.post(&call.url).header("content-type", "application/json");
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let mut answer = Answer { status: 0, body: String::new(), broken: None, took: Duration::ZERO };
    match request.send(call.body.to_string()) {
        Ok(response) => {
            answer.status = response.status().as_u16();
            answer.broken = read(response.into_body().into_reader(), &mut answer.body, begun)
                .err()
                .map(|e| e.to_string());
        }
        Err(error) => answer.broken = Some(error.to_string()),
    }
    answer.took = started.elapsed();
    answer
}

fn read(mut body: impl io::Read, text: &mut String, begun: impl FnOnce()) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut first = [0; 1024];
    let count = body.read(&mut first)?;
    bytes.extend_from_slice(first.get(..count).unwrap_or_default());
    begun();
    let ended = body.read_to_end(&mut bytes);
    *text = String::from_utf8_lossy(&bytes).into_owned();
    ended.map(drop)
}
