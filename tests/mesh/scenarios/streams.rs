//! Streams that are under way while something else happens, for as long as it takes, and as long after it as Envoy takes to
//! close what a change has replaced.

use std::thread;
use std::time::{Duration, Instant};

use meshtap_mesh::app::{Answer, Call, Pending};
use meshtap_mesh::istiod::DRAIN_SECONDS;
use meshtap_mesh::pod::Pod;
use meshtap_mesh::provider::Provider;
use meshtap_tests::wait;

/// How long news of a closed connection are on their way to a client on a busy machine.
const LATEST_NEWS: Duration = Duration::from_secs(5);

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

    /// Whether it goes on after all that a change has replaced is gone: Envoy closes the connections of a listener's old
    /// filter chains `drainDuration` after it has new ones. Begins once the change is in force.
    #[track_caller]
    pub(crate) fn outlives_the_change(&self, pod: &Pod) -> bool {
        thread::park_timeout(Duration::from_secs(DRAIN_SECONDS + 1));
        wait::until("the end of old filter chains", || {
            (pod.stat("listener_manager.total_filter_chains_draining") == 0).then_some(())
        });
        !self.pending.is_finished()
    }

    /// What becomes of it, as the document says it: it ends whole, or the change has cut it after its first bytes.
    #[track_caller]
    pub(crate) fn fate(self, pod: &Pod) -> &'static str {
        // Envoy counts a chain as gone before its connections' other ends have heard of it.
        if self.outlives_the_change(pod) && !self.ends_soon() {
            self.ends_whole();
            return "whole";
        }
        let answer = self.release();
        assert!(answer.status == 200 && answer.broken.is_some(), "{answer:?}");
        "cut after `drainDuration` (45 s by default)"
    }

    /// Whether it ends within a few seconds, though nobody lets it.
    fn ends_soon(&self) -> bool {
        let deadline = Instant::now() + LATEST_NEWS;
        while Instant::now() < deadline && !self.pending.is_finished() {
            thread::park_timeout(Duration::from_millis(10));
        }
        self.pending.is_finished()
    }

    /// It outlives the change, and then ends whole.
    #[track_caller]
    pub(crate) fn ends_whole_after_the_change(self, pod: &Pod) {
        assert!(self.outlives_the_change(pod), "the stream {} was cut by the change", self.name);
        self.ends_whole();
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
