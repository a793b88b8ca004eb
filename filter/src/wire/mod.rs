//! Byte formats, without any knowledge of providers.
//!
//! Every parser here is fed chunks that may end anywhere: inside a UTF-8 character, an escape, a line ending. What it
//! reports never depends on where the chunks were cut, and it holds a bounded amount of memory whatever it is fed.

pub mod aws_event_stream;
pub mod encoding;
pub mod json;
pub mod lines;
pub mod multipart;
pub mod sse;
