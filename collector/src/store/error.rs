//! Why an operation of a store failed, and what that says about trying it again.

use std::error::Error;

/// What stands behind a failure, as far as the store can tell. It is decided by the kind of error, never by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The store as a whole: whatever is asked meets the same, until that has passed.
    Store,
    /// The store at this moment, or how much was asked of it at once: the same may succeed later, or never, and less of
    /// it may succeed now.
    Load,
    /// What was asked: it fails for ever.
    Request,
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    message: String,
    cause: Cause,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { message: message.into(), cause, source: None }
    }

    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Cause::Store, message)
    }

    pub fn overloaded(message: impl Into<String>) -> Self {
        Self::new(Cause::Load, message)
    }

    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Cause::Request, message)
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Whether the same operation may succeed later without anyone changing it.
    pub const fn is_transient(&self) -> bool {
        !matches!(self.cause, Cause::Request)
    }

    /// The message with those of its causes.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
