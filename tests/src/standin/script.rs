//! What the server does for one request, step by step.

use std::time::Duration;

use bytes::Bytes;

use super::record::Usage;

pub(super) struct Script {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) steps: Vec<Step>,
    pub(super) response_id: String,
    pub(super) response_model: String,
    pub(super) usage: Option<Usage>,
}

impl Script {
    /// Of an answer without id, model and usage.
    pub(super) fn new(status: u16, headers: Vec<(&'static str, String)>, steps: Vec<Step>) -> Self {
        Self {
            status,
            headers,
            steps,
            response_id: String::new(),
            response_model: String::new(),
            usage: None,
        }
    }
}

pub(super) enum Step {
    /// One write.
    Send(Bytes),
    Pause(Duration),
    /// A comment of a stream now and then, until the call is released.
    Hold,
    /// Nothing more, until the other side closes.
    Hang,
    /// As the first step: instead of a status line.
    Reset,
}
