//! One gRPC call as its bytes: messages in, each with a place among the requests that are worked on, and an answer out.
//!
//! The framing is read here so that a place is taken after a message is there and before it is decompressed or decoded.

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::coding::Coding;
use super::incoming::Reading;
use super::intake::{ExportError, Intake, RETRY_DELAY, Slot};
use crate::queue::AppendError;

const CONTENT_TYPE: &str = "application/grpc";
const ENCODING: &str = "grpc-encoding";
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";
/// A flag, and the length of the message.
const PREFIX: usize = 5;

/// Why a call is not answered with a message.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is none of gRPC.
    NoGrpc,
    Encoding(String),
    Export(ExportError),
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        Self::Export(error)
    }
}

/// What comes in of a call.
#[derive(Debug)]
pub(super) struct Messages<'a> {
    intake: &'a Intake,
    reading: Reading<Body>,
    coding: Coding,
}

impl<'a> Messages<'a> {
    pub(super) fn of(intake: &'a Intake, request: Request<Body>) -> Result<Self, Failure> {
        let text = |name| {
            request.headers().get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap_or("?"))
        };
        if !text(header::CONTENT_TYPE.as_str()).starts_with(CONTENT_TYPE) {
            return Err(Failure::NoGrpc);
        }
        let encoding = text(ENCODING);
        let Some(coding) = Coding::of(encoding) else {
            return Err(Failure::Encoding(encoding.to_owned()));
        };
        Ok(Self { intake, reading: intake.incoming.read(request.into_body()), coding })
    }

    /// The only message of a call that has one.
    pub(super) async fn only(mut self) -> Result<(Slot, Bytes), ExportError> {
        let framed = self.only_framed().await.map_err(|error| self.intake.failed(error, 0))?;
        self.admit(framed)
    }

    /// The next one of a call that may have many, which may take its time to begin.
    pub(super) async fn next(&mut self) -> Result<Option<(Slot, Bytes)>, ExportError> {
        let framed = async { if self.reading.begins().await? { self.next_framed().await } else { Ok(None) } };
        let framed = framed.await.map_err(|error| self.intake.failed(error, 0))?;
        framed.map(|framed| self.admit(framed)).transpose()
    }

    async fn only_framed(&mut self) -> Result<Framed, ExportError> {
        let framed = self.next_framed().await?.ok_or_else(|| malformed("the call has no message"))?;
        if self.reading.reach(1).await? {
            return Err(malformed("the call has more than one message"));
        }
        Ok(framed)
    }

    async fn next_framed(&mut self) -> Result<Option<Framed>, ExportError> {
        let max = self.intake.limits.max_message_bytes;
        if !self.reading.reach(PREFIX).await? {
            let nothing = self.reading.arrived().is_empty();
            return if nothing { Ok(None) } else { Err(malformed("the call ends within a message")) };
        }
        let prefix = self.reading.arrived().first_chunk::<PREFIX>();
        let [flag, length @ ..] = *prefix.unwrap_or(&[0; PREFIX]);
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > max {
            return Err(ExportError::TooLarge(max));
        }
        let coding = match flag {
            0 => Coding::Identity,
            1 if self.coding != Coding::Identity => self.coding,
            _ => {
                return Err(malformed(
                    "a message is marked as compressed, and grpc-encoding does not say how",
                ));
            }
        };
        if !self.reading.reach(PREFIX + length).await? {
            return Err(malformed("the call ends within a message"));
        }
        drop(self.reading.take(PREFIX));
        Ok(Some(Framed { coding, bytes: self.reading.take(length) }))
    }

    fn admit(&self, message: Framed) -> Result<(Slot, Bytes), ExportError> {
        let slot = self.intake.slot()?;
        let bytes = message.coding.decompressed(message.bytes, self.intake.limits.max_message_bytes);
        Ok((slot, bytes.map_err(|error| self.intake.failed(error, 0))?))
    }
}

/// A message as it came.
struct Framed {
    coding: Coding,
    bytes: Bytes,
}

fn malformed(what: &str) -> ExportError {
    ExportError::Malformed(what.to_owned())
}

/// The one answer of a call.
pub(super) fn answer(message: &impl Message) -> Response<Body> {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame.put_slice(&message.encode_to_vec());
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(frame.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// What the sender needs to know. An error of a request has been counted where it came up.
pub(super) fn failed(intake: &Intake, failure: Failure) -> Response<Body> {
    match failure {
        Failure::NoGrpc => {
            drop(intake.failed(malformed(""), 0));
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            response
        }
        Failure::Encoding(encoding) => {
            drop(intake.failed(malformed(""), 0));
            let message = format!("grpc-encoding {encoding:?} is not known; send gzip or zstd");
            let mut status = Status::unimplemented(message);
            let known = MetadataValue::from_static("identity,gzip,zstd");
            status.metadata_mut().insert(ACCEPT_ENCODING, known);
            status.into_http()
        }
        Failure::Export(error) => status(&error).into_http(),
    }
}

/// UNAVAILABLE and RESOURCE_EXHAUSTED ask the sender to try again, with RetryInfo; INVALID_ARGUMENT and INTERNAL do not.
fn status(error: &ExportError) -> Status {
    let code = match error {
        ExportError::Malformed(_) | ExportError::Broken(_) | ExportError::TooLarge(_) => {
            return Status::invalid_argument(error.to_string());
        }
        ExportError::Internal => return Status::internal(error.to_string()),
        ExportError::Overloaded
        | ExportError::TooManyBytes
        | ExportError::TooSlow
        | ExportError::Queue(AppendError::Full | AppendError::DiskFull) => Code::ResourceExhausted,
        ExportError::Late(_) | ExportError::Queue(AppendError::Failed(_) | AppendError::Closed) => {
            Code::Unavailable
        }
    };
    let details = ErrorDetails::with_retry_info(Some(RETRY_DELAY));
    Status::with_error_details(code, error.to_string(), details)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_passes_is_to_be_repeated_and_what_does_not_is_not() {
        let failed = AppendError::Failed(Arc::from("read-only"));
        for (error, code) in [
            (ExportError::Overloaded, Code::ResourceExhausted),
            (ExportError::TooManyBytes, Code::ResourceExhausted),
            (ExportError::TooSlow, Code::ResourceExhausted),
            (AppendError::Full.into(), Code::ResourceExhausted),
            (AppendError::DiskFull.into(), Code::ResourceExhausted),
            (failed.into(), Code::Unavailable),
            (AppendError::Closed.into(), Code::Unavailable),
            (ExportError::Late(Duration::ZERO), Code::Unavailable),
            (ExportError::TooLarge(1), Code::InvalidArgument),
            (ExportError::Malformed(String::new()), Code::InvalidArgument),
            (ExportError::Internal, Code::Internal),
        ] {
            let status = status(&error);
            assert_eq!(status.code(), code, "{error}");
            let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
            let passes = matches!(code, Code::ResourceExhausted | Code::Unavailable);
            assert_eq!(delay.is_some(), passes, "{error}");
        }
    }
}
