//! Drives a recorded exchange through the filter and returns the span that it makes of it.

use std::ops::Range;

use meshtap_filter::semconv;

use super::host::{Direction, Filter, FilterError, FilterModule, Header, LogLine, StreamId};
use crate::model::SpanRecord;
use crate::normalize;

/// One HTTP exchange from a recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exchange {
    pub method: String,
    /// Host, and port where it is not the scheme's.
    pub authority: String,
    /// With its query.
    pub path: String,
    /// Without pseudo headers.
    pub request_headers: Vec<Header>,
    pub request_body: Vec<u8>,
    /// `None` when no answer was recorded.
    pub response: Option<Response>,
    /// `None` when the recording has no times.
    pub times: Option<Times>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
}

/// Nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub start: u64,
    /// When the answer's first byte came.
    pub first_byte: u64,
    pub end: u64,
}

/// How bodies are cut into callbacks. A recording does not say how they came over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cuts {
    Whole,
    EveryByte,
    /// Pieces of random sizes, mostly small, the same for the same seed.
    Random(u64),
}

impl Cuts {
    /// The pieces of a body of `length` bytes, in order.
    fn pieces(self, length: usize) -> impl Iterator<Item = Range<usize>> {
        let mut random = fastrand::Rng::with_seed(if let Self::Random(seed) = self { seed } else { 0 });
        let mut at = 0_usize;
        std::iter::from_fn(move || {
            let size = match self {
                Self::Whole => length,
                Self::EveryByte => 1,
                Self::Random(_) if random.bool() => random.usize(1..32),
                Self::Random(_) => random.usize(1..4_096),
            };
            let piece = at..length.min(at.saturating_add(size));
            at = piece.end;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// Envoy's words for an answer that came whole, and for a client that left without one.
const ANSWERED: &str = "via_upstream";
const UNANSWERED: &str = "downstream_remote_disconnect";

/// What came of an exchange.
#[derive(Debug)]
pub struct Replayed {
    /// `None` when the filter does not take the exchange for an LLM call.
    pub span: Option<SpanRecord>,
    pub logs: Vec<LogLine>,
}

/// A filter that recorded exchanges go through, one after the other.
#[derive(Debug)]
pub struct Replayer {
    module: FilterModule,
    configuration: Vec<u8>,
    filter: Filter,
    /// What it logged before the first exchange: what it thinks of its configuration.
    pub start_logs: Vec<LogLine>,
}

impl Replayer {
    pub fn new(wasm: &[u8], configuration: &[u8]) -> Result<Self, FilterError> {
        let module = FilterModule::compile(wasm)?;
        let mut filter = module.start(configuration)?;
        let start_logs = filter.take_logs();
        Ok(Self { module, configuration: configuration.to_vec(), filter, start_logs })
    }

    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// After a trap the next exchange gets a new instance.
    pub fn replay(&mut self, exchange: &Exchange, cuts: Cuts) -> Result<Replayed, FilterError> {
        let result = drive(&mut self.filter, exchange, cuts);
        if result.is_err() {
            self.filter = self.module.start(&self.configuration)?;
        }
        let messages = result?;
        let mut span = messages.iter().find_map(|message| first_span(message));
        if let Some(span) = &mut span {
            forget_times(span, exchange.times.is_some());
        }
        Ok(Replayed { span, logs: self.filter.take_logs() })
    }
}

fn drive(filter: &mut Filter, exchange: &Exchange, cuts: Cuts) -> Result<Vec<Vec<u8>>, FilterError> {
    let times = exchange.times.unwrap_or_else(now);
    filter.set_time(times.start);
    let stream = filter.open()?;
    let pseudo = [
        (":method", exchange.method.as_str()),
        (":scheme", "https"),
        (":authority", exchange.authority.as_str()),
        (":path", exchange.path.as_str()),
    ];
    let headers = with_pseudo_headers(&pseudo, &exchange.request_headers);
    filter.headers(stream, Direction::Request, &headers, exchange.request_body.is_empty())?;
    body(filter, stream, Direction::Request, &exchange.request_body, cuts)?;
    if let Some(response) = &exchange.response {
        filter.set_time(times.first_byte);
        let status = response.status.to_string();
        let headers = with_pseudo_headers(&[(":status", &status)], &response.headers);
        filter.headers(stream, Direction::Response, &headers, response.body.is_empty())?;
        body(filter, stream, Direction::Response, &response.body, cuts)?;
    }
    filter.set_time(times.end);
    filter.close(stream, if exchange.response.is_some() { ANSWERED } else { UNANSWERED })?;
    filter.flush()
}

/// The bytes in pieces, then the empty end that HTTP/1.1 has in Envoy.
fn body(
    filter: &mut Filter,
    stream: StreamId,
    direction: Direction,
    bytes: &[u8],
    cuts: Cuts,
) -> Result<(), FilterError> {
    for piece in cuts.pieces(bytes.len()) {
        filter.body(stream, direction, bytes.get(piece).unwrap_or_default(), false)?;
    }
    if bytes.is_empty() { Ok(()) } else { filter.body(stream, direction, &[], true) }
}

fn with_pseudo_headers(pseudo: &[(&str, &str)], headers: &[Header]) -> Vec<Header> {
    let pseudo = pseudo.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    pseudo.chain(headers.iter().cloned()).collect()
}

fn now() -> Times {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since_epoch.ok().and_then(|time| u64::try_from(time.as_nanos()).ok()).unwrap_or_default();
    Times { start: now, first_byte: now, end: now }
}

fn first_span(message: &[u8]) -> Option<SpanRecord> {
    let mut first = None;
    let read = normalize::request(message, |(record, _)| {
        if first.is_none() && record.name != semconv::HEARTBEAT {
            first = Some(record);
        }
    });
    read.ok().and(first)
}

/// What the filter measured is how fast the replay is, where the recording does not say. None says when which part of a
/// body came.
fn forget_times(span: &mut SpanRecord, has_first_byte: bool) {
    if !has_first_byte {
        span.gen_ai.time_to_first_chunk_nanos = None;
    }
    span.gen_ai.time_to_first_content_nanos = None;
    span.attributes.remove(semconv::MESHTAP_OUTPUT_CHUNK_GAP_MEAN);
    span.attributes.remove(semconv::MESHTAP_OUTPUT_CHUNK_GAP_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_body() {
        for cuts in [Cuts::Whole, Cuts::EveryByte, Cuts::Random(7), Cuts::Random(8)] {
            for length in [0, 1, 5_000] {
                let pieces: Vec<Range<usize>> = cuts.pieces(length).collect();
                let joined: Vec<usize> = pieces.iter().cloned().flatten().collect();
                assert_eq!(joined, (0..length).collect::<Vec<_>>(), "{cuts:?}");
            }
        }
        assert_eq!(Cuts::Whole.pieces(9).count(), 1);
        assert_eq!(Cuts::EveryByte.pieces(9).count(), 9);
        assert!(Cuts::Random(7).pieces(5_000).count() > 2);
    }
}
