//! The query API: JSON over HTTP, read-only. Handlers extract, call the store, and map; there is no SQL here.

mod bounded;
pub mod error;
mod kept;
pub mod latency;
pub mod params;
pub mod router;
pub mod sidecars;
pub mod spans;
mod sums;
pub mod traces;
pub mod usage;

pub(crate) use spans::Span as SpanBody;
