//! The meshtap filter: a proxy-wasm module that watches LLM calls pass through an Envoy sidecar and reports each as one
//! OpenTelemetry span.
//!
//! It never pauses, buffers, delays or changes a stream. The main path, top to bottom:
//!
//! - `envoy` (only in the module itself) copies bytes from the host and decides nothing;
//! - [`recording`] keeps pieces until they are read in a row;
//! - [`detect`] tells LLM calls from other traffic and picks a [`provider`] adapter;
//! - [`exchange`] follows one call: bytes through [`wire`] formats into what the adapter looks for, and [`caller`] whose
//!   it is;
//! - [`content`] collects what the messages say, where that is switched on, behind [`fingerprint`]s or not;
//! - [`span`] is what it becomes in the end, with counts as [`usage`] and causes as [`ending`] define them;
//! - [`otlp`] encodes it under the names of [`semconv`], behind the pod's [`identity`];
//! - [`redact`] takes personal data and credentials out of text;
//! - [`export`] batches, retries and, past its bound, drops and counts ([`stats`]), by a clock of its own ([`steady`]);
//! - [`push`] and [`beside`] tell what other VMs and plugins of the proxy do; [`random`] stands in for a host without
//!   randomness.
//!
//! Everything but `envoy` is pure: no host, no clock, no randomness of its own. It builds and is tested natively.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::unreachable,
    clippy::cast_possible_wrap
)]
#![cfg_attr(
    test,
    expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests may panic")
)]

pub mod beside;
pub mod body;
pub mod caller;
pub mod config;
pub mod content;
mod decimal;
pub mod detect;
pub mod ending;
pub mod exchange;
pub mod export;
pub mod fingerprint;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod identity;
pub mod otlp;
#[cfg(any(test, target_arch = "wasm32"))]
mod pools;
mod protobuf;
pub mod provider;
pub mod push;
pub mod random;
pub mod recording;
pub mod redact;
pub mod rules;
pub mod semconv;
pub mod span;
pub mod stats;
pub mod steady;
pub mod trace_context;
pub mod usage;
pub mod wire;

#[cfg(target_arch = "wasm32")]
mod envoy;

#[cfg(test)]
mod testing;
