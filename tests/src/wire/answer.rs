//! What an upstream does.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Barrier;

use super::{Headers, headers};

/// The script of one answer. Unless it says otherwise it ends as HTTP says.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub(super) steps: Vec<Step>,
    /// It does not wait for the request's body.
    pub(super) is_early: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Head(u16, Headers),
    Body(Bytes),
    Raw(Bytes),
    Seen,
    Meet(Arc<Barrier>),
    Trailers(Headers),
    Echo,
    Hang,
    Reset,
    Close,
}

impl Answer {
    /// Nothing yet: what follows comes instead of a head.
    pub fn nothing() -> Self {
        Self::default()
    }

    pub fn status(status: u16) -> Self {
        Self::default().head(status, &[])
    }

    /// A document with its length.
    pub fn json(status: u16, body: &str) -> Self {
        let length = body.len().to_string();
        let names = [("content-type", "application/json"), ("content-length", &length)];
        Self::default().head(status, &names).body(body)
    }

    /// The beginning of an event stream.
    pub fn events() -> Self {
        Self::default().head(200, &[("content-type", "text/event-stream")])
    }

    /// Several before the one that counts have a status below 200.
    #[must_use]
    pub fn head(self, status: u16, names: &[(&str, &str)]) -> Self {
        self.step(Step::Head(status, headers(names)))
    }

    /// One write.
    #[must_use]
    pub fn body(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Body(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Bytes that are no HTTP message; over HTTP/1.1 only.
    #[must_use]
    pub fn raw(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Raw(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Comes before the request's body is whole, over HTTP/1.1.
    #[must_use]
    pub fn early(mut self) -> Self {
        self.is_early = true;
        self
    }

    /// Waits until the client has read all of the body that was sent.
    #[must_use]
    pub fn seen(self) -> Self {
        self.step(Step::Seen)
    }

    /// Waits until the others that meet here have come as far.
    #[must_use]
    pub fn meet(self, others: &Arc<Barrier>) -> Self {
        self.step(Step::Meet(Arc::clone(others)))
    }

    #[must_use]
    pub fn trailers(self, names: &[(&str, &str)]) -> Self {
        self.step(Step::Trailers(headers(names)))
    }

    /// Sends back what comes, until the other side has closed.
    #[must_use]
    pub fn echo(self) -> Self {
        self.step(Step::Echo)
    }

    /// Says nothing more until the other side has left.
    #[must_use]
    pub fn hang(self) -> Self {
        self.step(Step::Hang)
    }

    /// Resets the connection (HTTP/1.1) or the stream (HTTP/2).
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Closes the connection, whatever is still to come.
    #[must_use]
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}
