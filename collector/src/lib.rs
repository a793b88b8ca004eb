//! meshtap's collector: receives what the filter sees of LLM traffic, stores it, and answers questions about it.
//!
//! The path of a batch: `receive` (admits or refuses) → `normalize` (OTLP to [`model::SpanRecord`]) → `store`. Beside it:
//! `query` and `admin` over HTTP, `telemetry`, `config`. `app` builds the stages and stops them, from the source to the
//! sink. Stages share `model` and nothing else of each other.

pub mod admin;
pub mod app;
pub mod config;
pub mod hex;
pub mod model;
pub mod normalize;
pub mod query;
pub mod receive;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod wasm_module;
