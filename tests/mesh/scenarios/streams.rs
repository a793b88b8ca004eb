//! Streams that are under way while something else happens, for as long as it takes.

use meshtap_mesh::app::{Answer, Call, Pending};
use meshtap_mesh::pod::Pod;
use meshtap_mesh::provider::Provider;

/// An SSE stream whose provider goes on to its end when it is told to, and not before.
pub(crate) struct Stream<'a> {
    provider: &'a Provider,
    name: String,
    pending: Pending,
}

impl<'a> Stream<'a> {
    /// Begins one of this name, which is its model too, and waits for its first bytes.
    #[track_caller]
    pub(crate) fn begin(provider: &'a Provider, pod: &Pod, name: &str) -> Self {
        let pending = pod.begin(&Call::chat(name).held().model(name)).has_begun();
        Self { provider, name: name.to_owned(), pending }
    }

    /// Panics when it was cut.
    #[track_caller]
    pub(crate) fn assert_goes_on(&self) {
        assert!(!self.pending.is_finished(), "the stream {} was cut", self.name);
    }

    /// Lets it end.
    pub(crate) fn release(self) -> Answer {
        self.provider.standin.release(&format!("{}@mesh", self.name));
        self.pending.end()
    }

    /// It was under way until now, comes to its end marker, and is what the provider sent, byte for byte.
    #[track_caller]
    pub(crate) fn ends_whole(self) {
        self.assert_goes_on();
        let (provider, call) = (self.provider, format!("{}@mesh", self.name));
        let answer = self.release();
        assert!(answer.is_whole_stream(), "{call}: {answer:?}");
        assert!(answer.body.as_bytes() == provider.standin.exchange(&call).sent, "{call}: other bytes");
    }
}
