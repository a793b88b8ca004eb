//! meshtap's collector: receives what the filter sees of LLM traffic, stores it, and answers questions about it.
//!
//! The path of a request: `receive` (admits or refuses, span by span) → `queue` (durable; now it is answered) → `pump`
//! (reads it, has `normalize` make [`model::SpanRecord`]s of it, batches them) → `store`; `export` reads the queue too,
//! for other backends. Beside it: `query` and `admin` over HTTP, `telemetry`, `config`. `app` builds the stages and stops
//! them, from the source to the sink. Stages share `model` and nothing else of each other. Heartbeats of the filter leave
//! that path at `receive`, for [`sidecars`].
//!
//! Apart from all that, `wasm` runs the filter module without Envoy, `replay` puts recordings through it, and
//! `plugin_config` reads the filter's configuration.

pub mod admin;
pub mod app;
pub mod backoff;
pub mod config;
pub mod export;
pub mod hex;
pub mod late_store;
pub mod migrate;
pub mod model;
pub mod normalize;
pub mod plugin_config;
pub mod private;
pub mod pump;
pub mod query;
pub mod queue;
pub mod receive;
pub mod replay;
pub mod sidecars;
pub mod stage;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod tls;
mod upkeep;
pub mod wasm;
pub mod wasm_image;
pub mod wasm_module;
mod wire;
