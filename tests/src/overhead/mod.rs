//! What a filter costs Envoy: one Envoy for each side, all with the same load, one at a time.
//!
//! - [`traffic`] is what is sent and answered, as bytes made beforehand; [`upstream`] answers it, [`load`] sends it,
//!   over kept connections; [`sink`] takes the spans and counts them.
//! - [`measure`] loads one side for a while and says what it took.
//! - [`sides`] starts Envoy without a filter, with ours, and with what ours is compared with.
//! - [`outage`] loads a filter whose collector fails; [`trend`] tells whether memory still grows.
//! - [`cost`] reads what an Envoy has taken of processor and memory, and gives the processors out.
//!
//! Envoy has one core, with one worker; everything else here shares the other. Envoy's processor time is what is
//! measured, never a latency: on a busy machine only the former means something.

pub mod cost;
pub mod load;
pub mod measure;
pub mod outage;
pub mod sides;
pub mod sink;
pub mod traffic;
pub mod trend;
pub mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::{Builder, Runtime};

/// The upstream, and the thread that everything of ours runs on.
pub struct Rig {
    runtime: Runtime,
    upstream: SocketAddr,
    events: Arc<AtomicU64>,
}

impl Rig {
    /// Its thread has the second core.
    pub fn start() -> Self {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).on_thread_start(cost::pin_thread).enable_all().build();
        let runtime = runtime.expect("the runtime starts");
        let events = Arc::new(AtomicU64::new(0));
        let upstream = runtime.block_on(upstream::start(Arc::clone(&events)));
        Self { runtime, upstream, events }
    }

    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub fn upstream(&self) -> SocketAddr {
        self.upstream
    }

    /// How many events of streams the upstream has written so far.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}
