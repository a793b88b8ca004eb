//! How spans come in. A request is admitted or refused here, span by span, and made durable; what it means is worked out
//! behind the queue, by `normalize`.
//!
//! [`intake`] is what every transport does with a request; [`grpc`] and [`http`] only carry. [`limits`] says what is
//! taken, by the bytes of the request (`wire`).

pub mod grpc;
pub mod http;
pub mod http1;
pub mod intake;
mod json;
pub mod limits;
pub mod listener;
pub mod llmtrace;
pub mod service;
pub mod tls;
