//! What a backend's answer means: taken, refused for good, or to be sent again, as OTLP 1.x has it.
//!
//! | | again | for good |
//! |---|---|---|
//! | OTLP/gRPC | CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS; RESOURCE_EXHAUSTED with RetryInfo | every other code |
//! | OTLP/HTTP | 429, 502, 503, 504 | every other status but 2xx |
//!
//! A 2xx whose body is neither protobuf nor JSON comes from something else than a backend: again.
//!
//! No answer, for whatever reason, is one that may come: again.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::telemetry::export::Refusal;

/// Of a backend's message, for the log.
const MAX_MESSAGE_CHARS: usize = 300;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Unavailable {
        /// How long the backend asks to wait.
        after: Option<Duration>,
        why: String,
    },
    Refused {
        reason: Refusal,
        why: String,
    },
}

impl Failure {
    pub(super) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable { after: None, why: why.into() }
    }
}

pub(super) fn of_grpc(status: &Status) -> Failure {
    let after = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let why = format!("{:?}: {}", status.code(), shortened(status.message()));
    let reason = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => return Failure::Unavailable { after, why },
        Code::ResourceExhausted if after.is_some() => return Failure::Unavailable { after, why },
        Code::ResourceExhausted => Refusal::Exhausted,
        Code::InvalidArgument => Refusal::Invalid,
        Code::Unauthenticated | Code::PermissionDenied => Refusal::Unauthorized,
        Code::Unimplemented | Code::NotFound => Refusal::NotFound,
        _ => Refusal::Other,
    };
    Failure::Refused { reason, why }
}

/// Whoever answers like that has not read the request: a login page, or a proxy's welcome. It may pass.
pub(super) fn foreign(status: StatusCode, content_type: &[u8]) -> Failure {
    let kind = String::from_utf8_lossy(content_type);
    Failure::unavailable(format!("{status} with an answer that is not of OTLP: content type {kind:?}"))
}

pub(super) fn of_http(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let why = format!("{status}: {}", message(headers, body));
    let reason = match status.as_u16() {
        429 | 502 | 503 | 504 => {
            return Failure::Unavailable { after: retry_after(headers, SystemTime::now()), why };
        }
        400 | 422 => Refusal::Invalid,
        401 | 403 => Refusal::Unauthorized,
        404 | 405 => Refusal::NotFound,
        413 => Refusal::TooLarge,
        _ => Refusal::Other,
    };
    Failure::Refused { reason, why }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds = value.trim().parse().ok().map(Duration::from_secs);
    seconds.or_else(|| httpdate::parse_http_date(value).ok()?.duration_since(now).ok())
}

/// What the body of an error says: a `google.rpc.Status` as OTLP wants it, or text.
fn message(headers: &HeaderMap, body: &[u8]) -> String {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let status = kind.filter(|kind| kind.starts_with(PROTOBUF.as_bytes()));
    let status = status.and_then(|_| tonic_types::pb::Status::decode(body).ok());
    match status {
        Some(status) => shortened(&status.message),
        None => shortened(&String::from_utf8_lossy(body)),
    }
}

pub(super) const PROTOBUF: &str = "application/x-protobuf";

/// One line of a text that may be anything.
pub(super) fn shortened(text: &str) -> String {
    let line = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    line.take(MAX_MESSAGE_CHARS).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn codes_of_grpc() {
        let again = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ];
        for code in (1..17).map(Code::from) {
            let failure = of_grpc(&Status::new(code, "because"));
            let is_again = matches!(failure, Failure::Unavailable { after: None, .. });
            assert_eq!(is_again, again.contains(&code), "{code:?}: {failure:?}");
        }
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(7)));
        let busy = Status::with_error_details(Code::ResourceExhausted, "busy", details);
        let why = "ResourceExhausted: busy".to_owned();
        assert_eq!(of_grpc(&busy), Failure::Unavailable { after: Some(Duration::from_secs(7)), why });
    }

    #[test]
    fn statuses_of_http() {
        for status in (300..600).filter_map(|code| StatusCode::from_u16(code).ok()) {
            let failure = of_http(status, &HeaderMap::new(), b"");
            let is_again = matches!(failure, Failure::Unavailable { after: None, .. });
            assert_eq!(is_again, [429, 502, 503, 504].contains(&status.as_u16()), "{failure:?}");
        }
    }

    #[test]
    fn a_backend_says_when_to_come_back() {
        let now = httpdate::parse_http_date("Fri, 21 Nov 2025 10:00:00 GMT").unwrap();
        for (value, seconds) in [
            ("120", Some(120)),
            ("Fri, 21 Nov 2025 10:00:30 GMT", Some(30)),
            ("Fri, 21 Nov 2025 09:00:00 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            let found = retry_after(&headers(&[(header::RETRY_AFTER, value)]), now);
            assert_eq!(found, seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn its_message_is_one_short_line() {
        let status = tonic_types::pb::Status { message: "no\nsuch tenant".to_owned(), ..Default::default() };
        let protobuf = headers(&[(header::CONTENT_TYPE, PROTOBUF)]);
        assert_eq!(message(&protobuf, &status.encode_to_vec()), "no such tenant");
        assert_eq!(message(&HeaderMap::new(), b"<html>\xff"), "<html>\u{fffd}");
        assert_eq!(message(&HeaderMap::new(), &[b'x'; 5_000]).len(), MAX_MESSAGE_CHARS);
    }
}
