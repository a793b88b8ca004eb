//! The settings of what is exported onward: one section for each backend, under a name of the user's choice.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::mistakes::Mistakes;
use super::queue::Queue;
use super::read::Reader;
use crate::export::tls;

/// One backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Exporter {
    /// As it is written in the key, in metrics and in logs.
    pub name: String,
    /// `http://host:port` or `https://host:port`; for OTLP/HTTP with the path before `/v1/traces`.
    pub endpoint: Uri,
    pub protocol: Protocol,
    /// Of every request. Their values do not show.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub compression: Compression,
    /// For one request, from connecting to the end of the answer.
    pub timeout: Duration,
    /// Segments that wait for this backend; beyond it the oldest are skipped.
    pub max_backlog_bytes: usize,
    /// Requests at the same time.
    pub max_in_flight: usize,
    /// Between attempts at a backend that is away, at first; it doubles each time.
    pub min_backoff: Duration,
    pub max_backoff: Duration,
    pub tls: ClientTls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// PEM files for connections to a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// Under which key the section stands.
    pub section: String,
    /// Who signs the backend's certificate; without it those that the system trusts.
    pub ca: Option<PathBuf>,
    /// What we show, where the backend asks for it.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// How often the files are looked at, at most.
    pub reload_interval: Duration,
}

const SECTION: &str = "export";
const MAX_EXPORTERS: usize = 16;
const MAX_NAME_BYTES: usize = 32;
/// Each holds a request in memory.
const MAX_IN_FLIGHT: usize = 1_000;
/// Set by us, or by what carries the request.
const RESERVED: &[&str] =
    &["connection", "content-encoding", "content-length", "content-type", "host", "te", "transfer-encoding"];

pub(super) fn read(reader: &mut Reader) -> Vec<Exporter> {
    reader.settings.names(SECTION).into_iter().map(|name| read_one(reader, name)).collect()
}

fn read_one(reader: &mut Reader, name: String) -> Exporter {
    let key = |last: &str| format!("{SECTION}.{name}.{last}");
    let endpoint = read_endpoint(reader, &key("endpoint"));
    let protocols = [("grpc", Protocol::Grpc), ("http/protobuf", Protocol::HttpProtobuf)];
    let compressions =
        [("gzip", Compression::Gzip), ("zstd", Compression::Zstd), ("none", Compression::None)];
    Exporter {
        endpoint,
        protocol: reader.word(&key("protocol"), Protocol::Grpc, &protocols),
        headers: read_headers(reader, &key("headers")),
        compression: reader.word(&key("compression"), Compression::Gzip, &compressions),
        timeout: reader.duration(&key("timeout"), "10s"),
        max_backlog_bytes: reader.size(&key("max_backlog_bytes"), "1GiB", isize::MAX.unsigned_abs()),
        max_in_flight: reader.count_up_to(&key("max_in_flight"), 4, MAX_IN_FLIGHT),
        min_backoff: reader.duration(&key("min_backoff"), "500ms"),
        max_backoff: reader.duration(&key("max_backoff"), "30s"),
        tls: read_tls(reader, format!("{SECTION}.{name}.tls")),
        name,
    }
}

fn read_endpoint(reader: &mut Reader, key: &str) -> Uri {
    let fix = "write it as http://host:4317 or https://host:4317, without user, password and query";
    if !reader.settings.has(key) {
        reader.mistakes.add(key, "is missing", fix);
    }
    reader.read(key, Uri::default(), "is not an endpoint", fix, |text| {
        text.text.parse().ok().filter(is_endpoint)
    })
}

/// As in `OTEL_EXPORTER_OTLP_HEADERS`: `name=value,name=value`, values percent-encoded where they have to be.
fn read_headers(reader: &mut Reader, key: &str) -> Vec<(HeaderName, HeaderValue)> {
    let fix = "write it as name=value,name=value, with %2C for a comma in a value; names of HTTP's own cannot be set";
    reader.read(key, Vec::new(), "is not a list of headers", fix, |text| {
        text.text.split(',').filter(|pair| !pair.trim().is_empty()).map(header).collect()
    })
}

fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let name: HeaderName = name.trim().parse().ok()?;
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    let is_reserved = RESERVED.contains(&name.as_str()) || name.as_str().starts_with("grpc-");
    (!is_reserved).then_some((name, value))
}

fn read_tls(reader: &mut Reader, section: String) -> ClientTls {
    let mut path = |last| {
        let path = reader.text(&format!("{section}.{last}"), "");
        (!path.is_empty()).then(|| PathBuf::from(path))
    };
    let (ca, cert, key) = (path("ca"), path("cert"), path("key"));
    let reload_interval = reader.duration(&format!("{section}.reload_interval"), "30s");
    ClientTls { section, ca, cert, key, reload_interval }
}

fn is_endpoint(uri: &Uri) -> bool {
    let scheme = uri.scheme_str().is_some_and(|scheme| matches!(scheme, "http" | "https"));
    let host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    scheme && host && uri.query().is_none()
}

fn is_name(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= MAX_NAME_BYTES && name.bytes().all(letters)
}

pub(super) fn check(exporters: &[Exporter], queue: &Queue, mistakes: &mut Mistakes) {
    if exporters.len() > MAX_EXPORTERS {
        mistakes.add(
            SECTION,
            format!("has more than {MAX_EXPORTERS} backends"),
            "send to an OpenTelemetry Collector that sends to them",
        );
    }
    for exporter in exporters {
        check_one(exporter, queue, mistakes);
    }
}

fn check_one(exporter: &Exporter, queue: &Queue, mistakes: &mut Mistakes) {
    let key = |last: &str| format!("{SECTION}.{}.{last}", exporter.name);
    if !is_name(&exporter.name) {
        let problem = "is not a name of a backend";
        let fix = format!("use up to {MAX_NAME_BYTES} lower-case letters, digits and underscores");
        mistakes.add(&format!("{SECTION}.{}", exporter.name), problem, fix);
    }
    if exporter.protocol == Protocol::Grpc && exporter.endpoint.path() != "/" {
        mistakes.add(&key("endpoint"), "has a path, which OTLP/gRPC has not", "remove it, or set protocol");
    }
    if exporter.max_backlog_bytes / 2 < queue.segment_bytes {
        mistakes.add(
            &key("max_backlog_bytes"),
            "is less than 2 times queue.segment_bytes, and segments are skipped as a whole",
            "raise it, or make queue.segment_bytes smaller",
        );
    }
    if exporter.max_backoff < exporter.min_backoff {
        mistakes.add(&key("max_backoff"), "is less than min_backoff", "swap them");
    }
    if let Err(error) = tls::config(&exporter.tls) {
        mistakes.add(&error.key, error.problem, error.fix);
    }
}
