//! The one shape of an error: `{"error": {"code", "message", "field"}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::warn;

use crate::store::StoreError;

#[derive(Debug, PartialEq, Eq)]
pub enum ApiError {
    /// A parameter that is unknown, malformed or out of range.
    InvalidParameter {
        field: String,
        message: String,
    },
    /// No such resource, or no such route.
    NotFound {
        message: String,
    },
    MethodNotAllowed,
    /// As many queries run as may.
    Overloaded,
    Timeout,
    StoreUnavailable,
    Internal,
}

impl ApiError {
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::InvalidParameter { field: field.to_owned(), message: message.into() }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::InvalidParameter { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Overloaded | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn code(&self) -> &'static str {
        match self {
            Self::InvalidParameter { .. } => "invalid_parameter",
            Self::NotFound { .. } => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::StoreUnavailable => "store_unavailable",
            Self::Internal => "internal",
        }
    }

    fn into_body(self) -> Body {
        let code = self.code();
        let (message, field) = match self {
            Self::InvalidParameter { field, message } => (message, Some(field)),
            Self::NotFound { message } => (message, None),
            Self::MethodNotAllowed => ("this route answers GET only".to_owned(), None),
            Self::Overloaded => (
                "too many queries at the same time (http.max_concurrent_queries); try again later".to_owned(),
                None,
            ),
            Self::Timeout => (
                "the query took too long (http.query_timeout); ask for a shorter time range".to_owned(),
                None,
            ),
            Self::StoreUnavailable => ("the store is unavailable; try again later".to_owned(), None),
            Self::Internal => ("the query failed; the collector's log says why".to_owned(), None),
        };
        Body { error: Details { code, message, field } }
    }
}

/// The details stay in the log: they may name hosts and paths.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        warn!(error = error.chain(), transient = error.is_transient(), "a query failed");
        if error.is_transient() { Self::StoreUnavailable } else { Self::Internal }
    }
}

#[derive(Serialize)]
struct Body {
    error: Details,
}

#[derive(Serialize)]
struct Details {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status(), Json(self.into_body())).into_response()
    }
}
