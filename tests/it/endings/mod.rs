//! Every way in which an exchange ends, under the real Envoy: one span each, and both ends see what they see without
//! the filter. What the spans say stands in `docs/endings.md`, which names these tests.
//!
//! - [`sidecar`] is the Envoy with its routes; [`case`] makes a call with and without the filter and says what must
//!   hold of it; [`bodies`] are the answers.
//! - [`sdk`]: as the official SDK meets them. All others are about bytes on the wire.

mod bodies;
mod bodiless;
mod case;
mod client;
mod complete;
mod connections;
mod documented;
mod local_replies;
mod malformed;
mod neighbours;
mod retries;
mod sdk;
mod sidecar;
mod timeouts;
mod trailers;
mod upgrades;
mod upstream;
