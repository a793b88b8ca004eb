//! The official OpenAI SDK as the client: one Python process that makes calls side by side.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::standin;
use crate::standin::record::Headers;
use crate::standin::scenario::Scenario;
use crate::tools;

/// The host that the application believes it talks to.
pub const HOST: &str = "api.openai.com";
/// Longer than the SDK waits for a response itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// One call of `chat.completions.create`.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names the case at the stand-in; see [`standin::CALL`].
    pub case: String,
    pub scenario: Scenario,
    pub headers: Vec<(String, String)>,
    /// The arguments of `create`.
    pub body: Value,
    pub cancel_after: Option<usize>,
}

impl Call {
    /// A question to a chat model, answered in one piece.
    pub fn chat(case: &str, model: &str) -> Self {
        let body = json!({
            "model": model,
            "messages": [
                {"role": "system", "content": "You are terse."},
                {"role": "user", "content": "What does a façade cost? 🙂"},
            ],
            "temperature": 0.5,
            "max_tokens": 256,
        });
        Self {
            case: case.to_owned(),
            scenario: Scenario::Answer,
            headers: Vec::new(),
            body,
            cancel_after: None,
        }
    }

    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    #[must_use]
    pub fn streamed(self) -> Self {
        self.set("stream", json!(true))
    }

    /// Asks for usage at the end of the stream.
    #[must_use]
    pub fn with_usage(self) -> Self {
        self.set("stream_options", json!({"include_usage": true}))
    }

    /// Closes the response after so many chunks.
    #[must_use]
    pub fn cancelled_after(mut self, chunks: usize) -> Self {
        self.cancel_after = Some(chunks);
        self
    }

    /// Has the provider take its time before it answers.
    #[must_use]
    pub fn think_ms(self, pause: u64) -> Self {
        self.header(standin::THINK_MS, &pause.to_string())
    }

    /// Pauses the provider between events.
    #[must_use]
    pub fn chunk_ms(self, pause: u64) -> Self {
        self.header(standin::CHUNK_MS, &pause.to_string())
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets an argument of `create`.
    #[must_use]
    pub fn set(mut self, argument: &str, value: Value) -> Self {
        self.body[argument] = value;
        self
    }

    pub fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }

    /// The name of this call when it goes `via` some way.
    pub fn name(&self, via: &str) -> String {
        format!("{}@{via}", self.case)
    }
}

/// What the client saw.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub request_headers: Headers,
    pub request_body: Vec<u8>,
    /// Zero when no response came.
    pub status: u16,
    pub headers: Headers,
    /// The bytes on the wire, as far as they came.
    pub body: Vec<u8>,
    /// What the SDK returned for a call that is not streamed.
    pub parsed: Value,
    /// What the SDK's stream yielded.
    pub chunks: Vec<Value>,
    pub error: Option<SdkError>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SdkError {
    pub class: String,
    pub message: String,
}

impl Outcome {
    /// The class of the SDK's exception, empty when there was none.
    pub fn error_class(&self) -> &str {
        self.error.as_ref().map_or("", |error| &error.class)
    }
}

type Waiting = Arc<Mutex<HashMap<u64, Sender<Answer>>>>;

/// A running client process.
pub struct OpenAiClient {
    process: Process,
    input: Mutex<(u64, ChildStdin)>,
    waiting: Waiting,
}

static SHARED: LazyLock<OpenAiClient> =
    LazyLock::new(|| OpenAiClient::start(&Sandbox::new("openai-client"), "openai-client"));

impl OpenAiClient {
    /// The one that tests share: importing the SDK is what takes time.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    #[track_caller]
    pub fn start(sandbox: &Sandbox, name: &str) -> Self {
        let mut command = Command::new(tools::python());
        command.arg("-u").arg(tools::own_file("clients/openai_client.py"));
        // Nothing of the user's environment may send calls elsewhere.
        for variable in
            ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_BASE_URL", "OPENAI_ORG_ID"]
        {
            command.env_remove(variable);
        }
        let (process, input, output) = Process::spawn_piped(name, command, sandbox);
        let waiting = Waiting::default();
        let answered = Arc::clone(&waiting);
        thread::spawn(move || hand_out_answers(output, &answered));
        Self { process, input: Mutex::new((0, input)), waiting }
    }

    /// Makes a call to `address` and waits for its end. `via` tells calls of one case apart.
    #[track_caller]
    pub fn call(&self, address: SocketAddr, via: &str, call: &Call) -> Outcome {
        let answer = self.send(address, via, call);
        match answer.recv_timeout(PATIENCE) {
            Ok(answer) => answer.outcome(),
            Err(RecvTimeoutError::Timeout) => {
                panic!("the client does not answer\n{}", self.process.log_tail())
            }
            Err(RecvTimeoutError::Disconnected) => panic!("the client ended\n{}", self.process.log_tail()),
        }
    }

    fn send(&self, address: SocketAddr, via: &str, call: &Call) -> Receiver<Answer> {
        let mut headers: HashMap<&str, &str> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let name = call.name(via);
        headers.extend([("Host", HOST), (standin::CALL, &name), (standin::SCENARIO, call.scenario.name())]);
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.0 += 1;
        let command = json!({
            "id": input.0,
            "base_url": format!("http://{address}/v1"),
            "headers": headers,
            "stream_until": call.cancel_after,
            "body": call.body,
        });
        let (reply, answer) = channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(input.0, reply);
        if let Err(error) = writeln!(input.1, "{command}") {
            panic!("the client takes no calls: {error}\n{}", self.process.log_tail());
        }
        answer
    }

    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// Runs until the client closes its output; whoever still waits then sees that it ended.
fn hand_out_answers(output: ChildStdout, waiting: &Waiting) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let Ok(answer) = serde_json::from_str::<Answer>(&line) else { continue };
        let asked = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&answer.id);
        if let Some(asked) = asked {
            let _ = asked.send(answer);
        }
    }
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    request: Option<Message>,
    response: Option<Message>,
    parsed: Value,
    chunks: Vec<Value>,
    error: Option<SdkError>,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(default)]
    status: u16,
    headers: Headers,
    body: String,
}

impl Answer {
    fn outcome(self) -> Outcome {
        let request = self.request.unwrap_or_default();
        let response = self.response.unwrap_or_default();
        Outcome {
            request_body: decoded(&request.body),
            request_headers: request.headers,
            status: response.status,
            body: decoded(&response.body),
            headers: response.headers,
            parsed: self.parsed,
            chunks: self.chunks,
            error: self.error,
        }
    }
}

fn decoded(text: &str) -> Vec<u8> {
    BASE64.decode(text).expect("the client sends base64")
}
