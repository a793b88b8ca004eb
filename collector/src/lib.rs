//! meshtap's collector: receives what the filter sees of LLM traffic, stores it, and answers questions about it.
//!
//! The path of a batch: `receive` (admits or refuses) → `normalize` (OTLP to [`model::SpanRecord`]) → `store`. Beside it:
//! `query` and `admin` over HTTP, `telemetry`, `config`. `app` builds the stages and stops them, from the source to the
//! sink. Stages share `model` and nothing else of each other. Heartbeats of the filter leave that path at `receive`, for
//! [`sidecars`].
//!
//! Apart from all that, `wasm` runs the filter module without Envoy, `replay` puts recordings through it, and
//! `plugin_config` reads the filter's configuration.

pub mod admin;
pub mod app;
pub mod config;
pub mod hex;
pub mod model;
pub mod normalize;
pub mod plugin_config;
pub mod query;
pub mod receive;
pub mod replay;
pub mod sidecars;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod wasm;
pub mod wasm_image;
pub mod wasm_module;
