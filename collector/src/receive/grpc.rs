//! OTLP/gRPC: `TraceService/Export`, over the bytes of the request.
//!
//! UNAVAILABLE and RESOURCE_EXHAUSTED ask the sender to try again, with RetryInfo; INVALID_ARGUMENT does not. What was
//! refused span by span is reported as partial success.

use std::pin::Pin;

use bytes::{Buf as _, Bytes};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tonic::body::Body;
use tonic::codec::{
    Codec, CompressionEncoding, DecodeBuf, Decoder, EnabledCompressionEncodings, EncodeBuf, Encoder,
};
use tonic::codegen::http;
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::intake::{ExportError, Intake, RETRY_DELAY, Slot};
use super::service::Answer;
use crate::queue::AppendError;

pub const EXPORT_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The service of one listener.
#[derive(Clone, Debug)]
pub struct TraceService {
    intake: Intake,
}

impl TraceService {
    pub const fn new(intake: Intake) -> Self {
        Self { intake }
    }

    async fn export(&self, request: http::Request<Body>) -> http::Response<Body> {
        if request.uri().path() != EXPORT_PATH {
            return Status::unimplemented("only TraceService/Export is served here").into_http();
        }
        // Before the body is read.
        let slot = match self.intake.slot() {
            Ok(slot) => slot,
            Err(error) => return status(&error).into_http(),
        };
        let mut compressions = EnabledCompressionEncodings::default();
        compressions.enable(CompressionEncoding::Gzip);
        compressions.enable(CompressionEncoding::Zstd);
        let max_bytes = self.intake.limits.max_message_bytes;
        let mut reached = false;
        let export = Export { intake: &self.intake, slot: Some(slot), reached: &mut reached };
        let response = Grpc::new(Raw)
            .apply_compression_config(compressions, EnabledCompressionEncodings::default())
            .apply_max_message_size_config(Some(max_bytes), None)
            .unary(export, request)
            .await;
        if reached { response } else { self.explain(response) }
    }

    /// What failed before its bytes were there: too large, cut short, compressed in a way that we cannot read. "Too
    /// large" becomes an error that senders do not repeat for ever: OTLP takes OUT_OF_RANGE, which the codec answers, as
    /// "try again".
    fn explain(&self, response: http::Response<Body>) -> http::Response<Body> {
        let code = Status::from_header_map(response.headers()).map(|status| status.code());
        match code {
            Some(Code::OutOfRange | Code::ResourceExhausted) => {
                let error = ExportError::TooLarge(self.intake.limits.max_message_bytes);
                status(&self.intake.failed(error, 0)).into_http()
            }
            Some(Code::Ok) | None => response,
            Some(_) => {
                drop(self.intake.failed(ExportError::Malformed(String::new()), 0));
                response
            }
        }
    }
}

impl Answer for TraceService {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        self.export(request).await
    }
}

struct Export<'a> {
    intake: &'a Intake,
    slot: Option<Slot>,
    /// Whether the bytes of the request have come so far.
    reached: &'a mut bool,
}

impl<'a> UnaryService<Bytes> for Export<'a> {
    type Response = ExportTraceServiceResponse;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::Response>, Status>> + Send + 'a>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        *self.reached = true;
        let (intake, slot) = (self.intake, self.slot.take());
        Box::pin(async move {
            let slot = slot.map_or_else(|| intake.slot(), Ok).map_err(|error| status(&error))?;
            let outcome = intake.export(slot, request.into_inner()).await;
            outcome.map(Response::new).map_err(|error| status(&error))
        })
    }
}

pub(super) fn status(error: &ExportError) -> Status {
    let code = match error {
        ExportError::Malformed(_) | ExportError::TooLarge(_) => {
            return Status::invalid_argument(error.to_string());
        }
        ExportError::Overloaded | ExportError::Queue(AppendError::Full | AppendError::DiskFull) => {
            Code::ResourceExhausted
        }
        ExportError::Queue(AppendError::Failed(_) | AppendError::Closed) => Code::Unavailable,
    };
    let details = ErrorDetails::with_retry_info(Some(RETRY_DELAY));
    Status::with_error_details(code, error.to_string(), details)
}

/// Hands over requests as bytes.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = ExportTraceServiceResponse;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn encode(&mut self, item: Self::Item, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(out).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes.copy_to_bytes(bytes.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_passes_is_to_be_repeated_and_what_does_not_is_not() {
        let failed = AppendError::Failed(Arc::from("read-only"));
        for (error, code) in [
            (ExportError::Overloaded, Code::ResourceExhausted),
            (AppendError::Full.into(), Code::ResourceExhausted),
            (AppendError::DiskFull.into(), Code::ResourceExhausted),
            (failed.into(), Code::Unavailable),
            (AppendError::Closed.into(), Code::Unavailable),
            (ExportError::TooLarge(1), Code::InvalidArgument),
            (ExportError::Malformed(String::new()), Code::InvalidArgument),
        ] {
            let status = status(&error);
            assert_eq!(status.code(), code, "{error}");
            let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
            assert_eq!(delay.is_some(), code != Code::InvalidArgument, "{error}");
        }
    }
}
