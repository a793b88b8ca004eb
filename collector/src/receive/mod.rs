//! How spans come in. A request is admitted or refused here, span by span, and made durable; what it means is worked out
//! behind the queue, by `normalize`.
//!
//! [`intake`] is what every transport does with a request; [`grpc`], [`http`] and [`llmtrace`] only carry: [`incoming`]
//! reads bodies, as many as there is `room` for, `coding` decompresses them, `call` is what gRPC needs around them. `admission` goes through a
//! request, [`limits`] says what of it is taken, by its bytes (`wire`), and `cutter` leaves out the rest. `account` sees to
//! it that every span is counted where it ends.

mod account;
mod admission;
mod beginning;
mod call;
mod coding;
mod cutter;
pub mod grpc;
pub mod http;
pub mod http1;
pub mod incoming;
pub mod intake;
mod json;
pub mod limits;
pub mod listener;
pub mod llmtrace;
mod places;
mod refusals;
mod room;
pub mod service;
mod taking;
#[cfg(test)]
mod tests;
pub mod tls;
