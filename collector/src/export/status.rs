//! How a backend is, as `/health` shows it: whether the last request was taken.

use std::sync::{Mutex, PoisonError};

#[derive(Debug)]
pub struct Status {
    /// As `/health` names it.
    pub name: String,
    failure: Mutex<Option<String>>,
}

impl Status {
    pub(super) fn new(name: &str) -> Self {
        Self { name: format!("export.{name}"), failure: Mutex::new(None) }
    }

    pub(super) fn works(&self) {
        self.set(None);
    }

    pub(super) fn fails(&self, why: &str) {
        self.set(Some(why.to_owned()));
    }

    fn set(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// # Errors
    /// Why the last request was not taken.
    pub fn check(&self) -> Result<(), String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}
