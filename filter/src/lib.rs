//! skeleton
pub mod semconv;
