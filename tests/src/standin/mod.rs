//! A stand-in for an LLM provider: OpenAI's chat completions on the wire, over HTTP/1.1, on a port of its own. Also, where
//! only good answers matter, its embeddings and responses, and Anthropic's messages.
//!
//! A request says what it wants in headers: [`SCENARIO`] how the provider behaves, [`CHUNK_MS`] how long it pauses
//! between events and [`THINK_MS`] before the first, [`CALL`] under which name the exchange is remembered. Whether the answer is streamed, and whether
//! the stream ends with usage, is decided by the request's body, as at the real API.
//!
//! - [`scenario`] names the behaviours; `openai` turns one and a request into a `script` of headers and steps;
//!   `chat` knows the JSON shapes. `openai_others` and `anthropic` only answer well.
//! - `server` plays scripts; [`record`] keeps what came in and what went out, byte for byte.

mod anthropic;
mod chat;
mod openai;
mod openai_others;
pub mod record;
pub mod scenario;
mod script;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use tokio::sync::oneshot;

use self::record::{Exchange, Records};
use crate::wait;

/// Names the exchange: `CASE@WHATEVER`. Everything in the answer that would vary is derived from `CASE`, so that two
/// calls of one case get the same bytes.
pub const CALL: &str = "x-standin-call";
/// One of [`scenario::Scenario`]'s names; without it the provider just answers.
pub const SCENARIO: &str = "x-standin-scenario";
/// Milliseconds before the answer begins.
pub const THINK_MS: &str = "x-standin-think-ms";
/// Milliseconds between two events of a stream.
pub const CHUNK_MS: &str = "x-standin-chunk-ms";

/// Runs until dropped.
pub struct Standin {
    address: SocketAddr,
    records: Arc<Records>,
    stop: Option<oneshot::Sender<()>>,
}

impl Standin {
    pub fn start() -> Self {
        let records = Arc::new(Records::default());
        let (stop, stopped) = oneshot::channel();
        let (started, address) = channel();
        let served = Arc::clone(&records);
        thread::spawn(move || server::run(served, &started, stopped));
        let address = address.recv().expect("the stand-in listens");
        Self { address, records, stop: Some(stop) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The exchange of this name, once it is over.
    #[track_caller]
    pub fn exchange(&self, call: &str) -> Exchange {
        wait::until(&format!("the end of the exchange {call} at the stand-in"), || self.records.ended(call))
    }

    /// How often a call of this name has come in.
    pub fn times(&self, call: &str) -> usize {
        self.records.times(call)
    }

    /// Lets a stream of the scenario [`scenario::Scenario::Held`] go on to its end.
    pub fn release(&self, call: &str) {
        self.records.release(call);
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}
