//! Lists of spans as JSON, up to `http.max_response_bytes`. One span is always there, so that a client gets on from page
//! to page.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;

use super::error::ApiError;
use super::spans::Span;
use crate::model::{SpanKey, SpanRecord};

/// The elements of an array.
#[derive(Debug)]
pub(super) struct Spans {
    json: Vec<u8>,
    /// Of the last one.
    pub(super) last: Option<SpanKey>,
    /// Whether some had no room.
    pub(super) cut: bool,
}

impl Spans {
    pub(super) fn new(records: Vec<SpanRecord>, max_bytes: usize) -> Result<Self, ApiError> {
        let mut spans = Self { json: Vec::new(), last: None, cut: false };
        for record in records {
            let (key, start) = (record.key(), spans.json.len());
            if spans.last.is_some() {
                spans.json.push(b',');
            }
            write(&mut spans.json, &Span::from(record))?;
            if spans.json.len() > max_bytes && spans.last.is_some() {
                spans.json.truncate(start);
                spans.cut = true;
                break;
            }
            spans.last = Some(key);
        }
        Ok(spans)
    }

    /// An object of these spans and, behind them, the fields of another object.
    pub(super) fn into_response(self, others: &impl Serialize) -> Result<Response, ApiError> {
        let mut body = b"{\"spans\":[".to_vec();
        body.extend(self.json);
        body.extend(b"],");
        let fields = body.len();
        write(&mut body, others)?;
        // Its opening bracket.
        body.remove(fields);
        Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
    }
}

fn write(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), ApiError> {
    serde_json::to_writer(out, value).map_err(|error| {
        error!(%error, "an answer cannot be written");
        ApiError::Internal
    })
}
