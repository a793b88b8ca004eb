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

pub(super) enum Step {
    /// One write.
    Send(Bytes),
    Pause(Duration),
    /// Nothing more, until the other side closes.
    Hang,
    /// As the first step: instead of a status line.
    Reset,
}
