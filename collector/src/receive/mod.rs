//! How spans come in. A request is admitted or refused here, span by span; what it means is `normalize`'s.

pub mod grpc;
pub mod limits;
pub mod llmtrace;
pub mod tls;
pub mod watch;
