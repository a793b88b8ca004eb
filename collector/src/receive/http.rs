//! OTLP/HTTP: `POST /v1/traces` in protobuf or JSON, as it is, in gzip or in zstd.
//!
//! Statuses after the OTLP specification: 200 with the partial success, 400 and 413 for what must not be sent again, 429
//! and 503 with `Retry-After` for what must, 500 for what the collector itself fails at. Errors have a `google.rpc.Status` as body, in the request's own format.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use serde_json::json;
use tonic::Code;

use super::coding::Coding;
use super::intake::{ExportError, Intake, RETRY_DELAY};
use super::json;
use crate::queue::AppendError;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

pub fn routes(intake: Intake) -> Router {
    Router::new().route("/v1/traces", post(traces)).with_state(intake)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Protobuf,
    Json,
}

/// Why a request is answered with an error.
enum Failure {
    Export(ExportError),
    Format(String),
    Coding(String),
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        Self::Export(error)
    }
}

async fn traces(State(intake): State<Intake>, request: Request<Body>) -> Response {
    let format = format(request.headers());
    let answer_in = *format.as_ref().unwrap_or(&Format::Protobuf);
    let outcome = match format {
        Ok(format) => export(&intake, format, request).await,
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(response) => success(answer_in, &response),
        Err(failure) => failed(&intake, answer_in, failure),
    }
}

async fn export(
    intake: &Intake,
    format: Format,
    request: Request<Body>,
) -> Result<ExportTraceServiceResponse, Failure> {
    let coding = coding(request.headers())?;
    let failed = |error| intake.failed(error, 0);
    let max = intake.limits.max_message_bytes;
    let body = intake.incoming.read(request.into_body()).whole(max).await.map_err(failed)?;
    let slot = intake.slot()?;
    let message = message(intake, format, coding, body).map_err(failed)?;
    Ok(intake.export(slot, message).await?)
}

/// The request in protobuf.
fn message(intake: &Intake, format: Format, coding: Coding, body: Bytes) -> Result<Bytes, ExportError> {
    let text = coding.decompressed(body, intake.limits.max_message_bytes)?;
    match format {
        Format::Protobuf => Ok(text),
        Format::Json => json::to_protobuf(&text, intake.limits.max_value_depth)
            .map_err(|error| ExportError::Malformed(error.to_string())),
    }
}

fn format(headers: &HeaderMap) -> Result<Format, Failure> {
    let given = text(headers, header::CONTENT_TYPE);
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(PROTOBUF) {
        Ok(Format::Protobuf)
    } else if essence.eq_ignore_ascii_case(JSON) {
        Ok(Format::Json)
    } else {
        Err(Failure::Format(format!("content-type {given:?} is not known; send {PROTOBUF} or {JSON}")))
    }
}

fn coding(headers: &HeaderMap) -> Result<Coding, Failure> {
    let given = text(headers, header::CONTENT_ENCODING);
    let unknown = || Failure::Coding(format!("content-encoding {given:?} is not known; send gzip or zstd"));
    Coding::of(given).ok_or_else(unknown)
}

/// Empty when it is absent; what comes twice or is no text is none that is known.
fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => "",
        (Some(value), None) => value.to_str().unwrap_or("?"),
        (Some(_), Some(_)) => "?",
    }
}

fn success(format: Format, answer: &ExportTraceServiceResponse) -> Response {
    let body = match (format, &answer.partial_success) {
        (Format::Protobuf, _) => answer.encode_to_vec(),
        (Format::Json, None) => b"{}".to_vec(),
        (Format::Json, Some(partial)) => json!({"partialSuccess": {
            "rejectedSpans": partial.rejected_spans.to_string(),
            "errorMessage": partial.error_message,
        }})
        .to_string()
        .into_bytes(),
    };
    respond(StatusCode::OK, format, body)
}

fn failed(intake: &Intake, format: Format, failure: Failure) -> Response {
    let (status, code, message) = match failure {
        Failure::Export(error) => {
            let (status, code) = codes(&error);
            (status, code, error.to_string())
        }
        Failure::Format(message) | Failure::Coding(message) => {
            drop(intake.failed(ExportError::Malformed(String::new()), 0));
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message)
        }
    };
    let body = match format {
        Format::Protobuf => {
            tonic_types::Status { code: code.into(), message, details: Vec::new() }.encode_to_vec()
        }
        Format::Json => json!({"code": i32::from(code), "message": message}).to_string().into_bytes(),
    };
    let mut response = respond(status, format, body);
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_DELAY.as_secs().into());
    }
    response
}

const fn codes(error: &ExportError) -> (StatusCode, Code) {
    match error {
        ExportError::Malformed(_) | ExportError::Broken(_) => {
            (StatusCode::BAD_REQUEST, Code::InvalidArgument)
        }
        ExportError::Internal => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
        ExportError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidArgument),
        ExportError::Overloaded
        | ExportError::TooManyBytes
        | ExportError::TooSlow
        | ExportError::Queue(AppendError::Full | AppendError::DiskFull) => {
            (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted)
        }
        // Not 408, which OTLP's senders do not repeat.
        ExportError::Late(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::DeadlineExceeded),
        ExportError::Queue(AppendError::Failed(_) | AppendError::Closed) => {
            (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable)
        }
    }
}

fn respond(status: StatusCode, format: Format, body: Vec<u8>) -> Response {
    let content_type = match format {
        Format::Protobuf => PROTOBUF,
        Format::Json => JSON,
    };
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_passes_is_to_be_repeated_and_what_does_not_is_not() {
        let failed = AppendError::Failed(Arc::from("read-only"));
        for (error, expected) in [
            (ExportError::Overloaded, 429),
            (ExportError::TooManyBytes, 429),
            (ExportError::TooSlow, 429),
            (ExportError::Late(Duration::ZERO), 503),
            (AppendError::Full.into(), 429),
            (AppendError::DiskFull.into(), 429),
            (failed.into(), 503),
            (AppendError::Closed.into(), 503),
            (ExportError::TooLarge(1), 413),
            (ExportError::Malformed(String::new()), 400),
            (ExportError::Internal, 500),
        ] {
            assert_eq!(codes(&error).0, expected, "{error}");
        }
    }
}
