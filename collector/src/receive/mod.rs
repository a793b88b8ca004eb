//! How spans come in. A request is admitted or refused here, span by span, and made durable; what it means is worked out
//! behind the queue, by `normalize`.
//!
//! [`intake`] is what every transport does with a request; [`grpc`] and [`http`] only carry. `admission` goes through a
//! request, [`limits`] says what of it is taken, by its bytes (`wire`), and `cutter` leaves out the rest.

mod admission;
mod cutter;
pub mod grpc;
pub mod http;
pub mod http1;
pub mod intake;
mod json;
pub mod limits;
pub mod listener;
pub mod llmtrace;
mod refusals;
pub mod service;
pub mod tls;
