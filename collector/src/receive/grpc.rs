//! OTLP/gRPC: `TraceService/Export`, over the bytes of the request.
//!
//! What was refused span by span is reported as partial success; errors are those of `call`.

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http;

use super::call::{self, Failure, Messages};
use super::intake::Intake;
use super::service::Answer;

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

    async fn export(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Failure> {
        let (slot, request) = Messages::of(&self.intake, request)?.only().await?;
        let response = self.intake.export(slot, request).await?;
        Ok(call::answer(&response))
    }
}

impl Answer for TraceService {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        if request.uri().path() != EXPORT_PATH {
            return Status::unimplemented("only TraceService/Export is served here").into_http();
        }
        self.export(request).await.unwrap_or_else(|failure| call::failed(&self.intake, failure))
    }
}
