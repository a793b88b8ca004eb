//! One backend: how a request goes to it, over OTLP/gRPC or OTLP/HTTP, and what comes back.
//!
//! Requests are sent as bytes over one client of hyper, which keeps connections and makes new ones. The frame of a
//! unary gRPC call is put around them here, so that a request is compressed once, by who reads the queue, however often
//! it is sent; with zstd it goes out as it lies in the queue.

use std::io::Write as _;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::write::GzEncoder;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tonic::Status;

use super::answer::{self, Failure, PROTOBUF};
use super::clients::Clients;
use crate::config::{self, Compression, Protocol};
use crate::queue::segment::{Coding, Packed};
use crate::receive::grpc::EXPORT_PATH;
use crate::tls::TlsError;

const TRACES_PATH: &str = "/v1/traces";
/// Some backends answer so whatever they are sent.
const JSON: &[u8] = b"application/json";
/// Of an answer; none that means something is longer.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Before a message of gRPC: whether it is compressed, and its length.
const FRAME_BYTES: usize = 5;

/// A request as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Load {
    body: Bytes,
    /// How it is compressed.
    coding: Option<&'static str>,
}

impl Load {
    /// `None` when the entry is not what it should be, whatever its checksum says.
    pub(super) fn new(packed: &Packed, protocol: Protocol, compression: Compression) -> Option<Self> {
        let (body, coding) = match (compression, packed.coding) {
            (Compression::Zstd, Coding::Zstd) => (packed.payload.clone(), Some("zstd")),
            // Small, or small enough by itself.
            (_, Coding::Plain) => (packed.payload.clone(), None),
            (Compression::Gzip, Coding::Zstd) => (gzip(&packed.request()?)?, Some("gzip")),
            (Compression::None, Coding::Zstd) => (packed.request()?, None),
        };
        let body = match protocol {
            Protocol::Grpc => frame(&body, coding.is_some())?,
            Protocol::HttpProtobuf => body,
        };
        Some(Self { body, coding })
    }
}

fn gzip(request: &[u8]) -> Option<Bytes> {
    let out = Vec::with_capacity(request.len() / 4);
    let mut encoder = GzEncoder::new(out, flate2::Compression::fast());
    encoder.write_all(request).ok()?;
    Some(encoder.finish().ok()?.into())
}

fn frame(message: &[u8], is_compressed: bool) -> Option<Bytes> {
    let mut framed = BytesMut::with_capacity(FRAME_BYTES + message.len());
    framed.put_u8(u8::from(is_compressed));
    framed.put_u32(u32::try_from(message.len()).ok()?);
    framed.put_slice(message);
    Some(framed.freeze())
}

/// What of a request that was taken was not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) spans: i64,
    pub(super) why: String,
}

#[derive(Debug)]
pub(super) struct Backend {
    clients: Clients,
    protocol: Protocol,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
}

impl Backend {
    pub(super) fn new(settings: &config::Exporter) -> Result<Self, TlsError> {
        Ok(Self {
            clients: Clients::new(settings)?,
            protocol: settings.protocol,
            uri: target(&settings.endpoint, settings.protocol),
            headers: headers(settings),
            timeout: settings.timeout,
        })
    }

    pub(super) async fn send(&self, load: &Load) -> Result<Rejected, Failure> {
        let outcome = tokio::time::timeout(self.timeout, self.exchange(load)).await;
        let late = |_| Failure::unavailable(format!("no answer within {} ms", self.timeout.as_millis()));
        let (status, headers, body, trailers) = outcome.map_err(late)??;
        match self.protocol {
            Protocol::Grpc if status == StatusCode::OK => {
                let found = Status::from_header_map(trailers.as_ref().unwrap_or(&headers));
                match found.ok_or_else(|| Failure::unavailable("an answer without a status"))? {
                    status if status.code() == tonic::Code::Ok => {
                        Ok(rejected(body.get(FRAME_BYTES..).unwrap_or_default()))
                    }
                    status => Err(answer::of_grpc(&status)),
                }
            }
            Protocol::HttpProtobuf if status.is_success() => {
                let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
                if kind.starts_with(PROTOBUF.as_bytes()) {
                    Ok(rejected(&body))
                } else if body.is_empty() || kind.starts_with(JSON) {
                    Ok(Rejected::default())
                } else {
                    Err(answer::foreign(status, kind))
                }
            }
            // What answered a gRPC call like that is not gRPC, but something before it.
            _ => Err(answer::of_http(status, &headers, &body)),
        }
    }

    async fn exchange(&self, load: &Load) -> Result<Answer, Failure> {
        let response = self.clients.current().await.request(self.request(load)).await;
        read(response.map_err(|error| Failure::unavailable(chain(&error)))?).await
    }

    fn request(&self, load: &Load) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(load.body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(coding) = load.coding {
            let name = match self.protocol {
                Protocol::Grpc => header::HeaderName::from_static("grpc-encoding"),
                Protocol::HttpProtobuf => header::CONTENT_ENCODING,
            };
            request.headers_mut().insert(name, HeaderValue::from_static(coding));
        }
        request
    }
}

fn target(endpoint: &Uri, protocol: Protocol) -> Uri {
    let path = match protocol {
        Protocol::Grpc => EXPORT_PATH.to_owned(),
        Protocol::HttpProtobuf => format!("{}{TRACES_PATH}", endpoint.path().trim_end_matches('/')),
    };
    let mut parts = endpoint.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    Uri::from_parts(parts).unwrap_or_else(|_| endpoint.clone())
}

fn headers(settings: &config::Exporter) -> HeaderMap {
    let mut headers: HeaderMap = settings.headers.iter().cloned().collect();
    let fixed = HeaderValue::from_static;
    headers.insert(header::USER_AGENT, fixed(concat!("meshtap/", env!("CARGO_PKG_VERSION"))));
    match settings.protocol {
        Protocol::Grpc => {
            headers.insert(header::CONTENT_TYPE, fixed("application/grpc"));
            headers.insert(header::TE, fixed("trailers"));
            let timeout = format!("{}m", settings.timeout.as_millis().min(99_999_999));
            headers.extend(HeaderValue::try_from(timeout).ok().map(|timeout| (GRPC_TIMEOUT, timeout)));
        }
        Protocol::HttpProtobuf => {
            headers.insert(header::CONTENT_TYPE, fixed(PROTOBUF));
        }
    }
    headers
}

const GRPC_TIMEOUT: header::HeaderName = header::HeaderName::from_static("grpc-timeout");

/// Status, headers, body, trailers.
type Answer = (StatusCode, HeaderMap, Bytes, Option<HeaderMap>);

async fn read(response: Response<Incoming>) -> Result<Answer, Failure> {
    let (head, body) = response.into_parts();
    let read = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    let read = read.map_err(|error| Failure::unavailable(format!("the answer cannot be read: {error}")))?;
    let trailers = read.trailers().cloned();
    Ok((head.status, head.headers, read.to_bytes(), trailers))
}

/// An answer that cannot be read says nothing; its status has said that the request was taken.
fn rejected(message: &[u8]) -> Rejected {
    let partial = ExportTraceServiceResponse::decode(message).ok().and_then(|answer| answer.partial_success);
    partial.map_or_else(Rejected::default, |partial| Rejected {
        spans: partial.rejected_spans,
        why: answer::shortened(&partial.error_message),
    })
}

/// An error with its causes. None of them holds a header.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
