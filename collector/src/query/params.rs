//! Query parameters as validated types. An unknown parameter, a value that does not fit, and a parameter given twice
//! are errors that name the parameter and what would be right.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::ApiError;
use crate::config::units::parse_duration;
use crate::model::{CallSide, Dimension, SpanId, SpanKey, TimeRange, TraceId};
use crate::sidecars::VmFilter;
use crate::store::{Order, SpanFilter, UsageQuery};
use crate::time::parse_rfc3339;

/// Filters that `spans` and `usage` share.
pub const FILTERS: &[&str] = &[
    "from",
    "to",
    "model",
    "provider",
    "service",
    "workload",
    "namespace",
    "operation",
    "user",
    "session",
    "error",
    "end",
    "trace_id",
];

/// What says which calls are summed up, and how, besides the filters.
pub const SUMMING: &[&str] = &["group_by", "side", "interval", "limit"];

const DEFAULT_GROUPS: usize = 100;
const NANOS_PER_MINUTE: u128 = 60_000_000_000;
const LONGEST_INTERVAL: Duration = Duration::from_hours(366 * 24);

/// The parameters of one request.
#[derive(Debug)]
pub struct Params {
    pairs: Vec<(String, String)>,
    now_unix_nanos: u64,
}

impl Params {
    /// Refuses what is not `known`. An empty value is the same as none.
    pub fn new(pairs: Vec<(String, String)>, known: &[&[&str]]) -> Result<Self, ApiError> {
        Self::at(now(), pairs, known)
    }

    fn at(now_unix_nanos: u64, pairs: Vec<(String, String)>, known: &[&[&str]]) -> Result<Self, ApiError> {
        for (position, (name, _)) in pairs.iter().enumerate() {
            if !known.iter().any(|names| names.contains(&name.as_str())) {
                let known: Vec<&str> = known.concat();
                let message = format!("unknown parameter {name:?}; known are {}", known.join(", "));
                return Err(ApiError::invalid(name, message));
            }
            if pairs[..position].iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::invalid(name, format!("{name} is given twice; give it once")));
            }
        }
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Ok(Self { pairs, now_unix_nanos })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn parse<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let value = parse(text).ok_or_else(|| {
            ApiError::invalid(name, format!("{name} must be {expected}, got {}", quoted(text)))
        })?;
        Ok(Some(value))
    }

    pub fn limit(&self, default: usize, max: usize) -> Result<usize, ApiError> {
        let expected = format!("a whole number from 1 to {max}");
        let limit = self
            .parse("limit", &expected, |text| text.parse().ok().filter(|limit| (1..=max).contains(limit)))?;
        Ok(limit.unwrap_or(default.min(max)))
    }

    pub fn order(&self) -> Result<Order, ApiError> {
        let order = self.parse("order", "desc (newest first) or asc", |text| match text {
            "desc" => Some(Order::NewestFirst),
            "asc" => Some(Order::OldestFirst),
            _ => None,
        })?;
        Ok(order.unwrap_or(Order::NewestFirst))
    }

    pub fn cursor(&self) -> Result<Option<SpanKey>, ApiError> {
        self.parse("cursor", "the next_cursor of an earlier answer", read_cursor)
    }

    pub fn group_by(&self, default: Dimension) -> Result<Vec<Dimension>, ApiError> {
        let words: Vec<&str> = Dimension::ALL.iter().map(|dimension| dimension.as_str()).collect();
        let expected = format!("one or more of {}, separated by commas, each once", words.join(", "));
        let dimensions = self.parse("group_by", &expected, |text| {
            let found: Vec<Dimension> = text.split(',').map(Dimension::from_word).collect::<Option<_>>()?;
            let once = found.iter().enumerate().all(|(at, one)| !found[..at].contains(one));
            once.then_some(found)
        })?;
        Ok(dimensions.unwrap_or_else(|| vec![default]))
    }

    /// Nanoseconds, in whole minutes.
    pub fn interval(&self) -> Result<Option<u64>, ApiError> {
        let expected = "whole minutes up to 366d, such as 5m, 1h or 1d";
        self.parse("interval", expected, |text| {
            let interval = parse_duration(text).filter(|interval| *interval <= LONGEST_INTERVAL)?;
            let nanos = interval.as_nanos();
            (nanos > 0 && nanos.is_multiple_of(NANOS_PER_MINUTE)).then(|| u64::try_from(nanos).ok())?
        })
    }

    /// Which calls are summed up, and how.
    pub fn sums(&self, max_limit: usize) -> Result<UsageQuery, ApiError> {
        Ok(UsageQuery {
            group_by: self.group_by(Dimension::Model)?,
            filter: self.filter()?,
            side: self.side()?,
            interval_nanos: self.interval()?,
            limit: self.limit(DEFAULT_GROUPS, max_limit)?,
        })
    }

    pub fn side(&self) -> Result<CallSide, ApiError> {
        let side = self.parse("side", "outbound or inbound", CallSide::from_word)?;
        Ok(side.unwrap_or(CallSide::Outbound))
    }

    pub fn filter(&self) -> Result<SpanFilter, ApiError> {
        let equals = Dimension::ALL
            .iter()
            .filter_map(|dimension| self.text(dimension.as_str()).map(|value| (*dimension, value.to_owned())))
            .collect();
        Ok(SpanFilter {
            time: self.time()?,
            trace_id: self.parse("trace_id", "32 hexadecimal digits", TraceId::from_hex)?,
            equals,
            error: self.parse("error", "true or false", |text| text.parse().ok())?,
            end: self.text("end").map(str::to_owned),
        })
    }

    pub fn vms(&self) -> Result<VmFilter, ApiError> {
        Ok(VmFilter {
            namespace: self.text("namespace").map(str::to_owned),
            workload: self.text("workload").map(str::to_owned),
            seen_since_unix_nanos: self.time()?.from_unix_nanos,
        })
    }

    fn time(&self) -> Result<TimeRange, ApiError> {
        let expected = "RFC 3339, such as 2026-01-31T12:00:00Z, or a time ago, such as -1h";
        let from_unix_nanos = self.parse("from", expected, |text| self.instant(text))?;
        let to_unix_nanos = self.parse("to", expected, |text| self.instant(text))?;
        if let (Some(from), Some(to)) = (from_unix_nanos, to_unix_nanos)
            && to < from
        {
            return Err(ApiError::invalid("to", "to must not be before from"));
        }
        Ok(TimeRange { from_unix_nanos, to_unix_nanos })
    }

    fn instant(&self, text: &str) -> Option<u64> {
        let Some(ago) = text.strip_prefix('-') else { return parse_rfc3339(text) };
        let ago = u64::try_from(parse_duration(ago)?.as_nanos()).unwrap_or(u64::MAX);
        Some(self.now_unix_nanos.saturating_sub(ago))
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What was given, in an error message: not longer than a line.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    format!("{short:?}")
}

/// A position in a list, opaque to clients.
pub fn write_cursor(key: &SpanKey) -> String {
    format!("{:016x}{}{}", key.start_unix_nanos, key.trace_id, key.span_id)
}

fn read_cursor(text: &str) -> Option<SpanKey> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(SpanKey {
        start_unix_nanos: u64::from_str_radix(&text[..16], 16).ok()?,
        trace_id: TraceId::from_hex(&text[16..48])?,
        span_id: SpanId::from_hex(&text[48..])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    fn params(query: &[(&str, &str)]) -> Result<Params, ApiError> {
        let pairs = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Params::at(10 * HOUR, pairs, &[FILTERS, SUMMING, &["order", "cursor"]])
    }

    fn field<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        match result {
            Err(ApiError::InvalidParameter { field, message }) => {
                assert!(message.contains(&field), "{message}");
                field
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_errors() {
        assert_eq!(field(params(&[("modle", "x")])), "modle");
        assert_eq!(field(params(&[("model", "x"), ("model", "y")])), "model");
        assert_eq!(params(&[("model", "")]).unwrap().filter().unwrap(), SpanFilter::default());
    }

    #[test]
    fn limits() {
        let limit = |text| params(&[("limit", text)]).unwrap().limit(50, 100);
        assert_eq!([limit("1").unwrap(), limit("100").unwrap(), limit("").unwrap()], [1, 100, 50]);
        for bad in ["0", "101", "-1", "x", "1.5"] {
            assert_eq!(field(limit(bad)), "limit", "{bad}");
        }
    }

    #[test]
    fn times_are_absolute_or_ago() {
        let from =
            |text| params(&[("from", text)]).unwrap().filter().map(|filter| filter.time.from_unix_nanos);
        assert_eq!(from("-1h").unwrap(), Some(9 * HOUR));
        assert_eq!(from("-90d").unwrap(), Some(0));
        assert_eq!(from("1970-01-01T01:00:00Z").unwrap(), Some(HOUR));
        for bad in ["1h", "-1", "yesterday", "2026-01-01", "-"] {
            assert_eq!(field(from(bad)), "from", "{bad}");
        }
        assert_eq!(field(params(&[("from", "-1h"), ("to", "-2h")]).unwrap().filter()), "to");
    }

    #[test]
    fn groups() {
        let group_by = |text| params(&[("group_by", text)]).unwrap().group_by(Dimension::Model);
        assert_eq!(group_by("").unwrap(), [Dimension::Model]);
        assert_eq!(group_by("service,model").unwrap(), [Dimension::Service, Dimension::Model]);
        for bad in ["color", "model,model", ",", "model, provider"] {
            assert_eq!(field(group_by(bad)), "group_by", "{bad}");
        }
    }

    #[test]
    fn intervals_are_whole_minutes() {
        let interval = |text| params(&[("interval", text)]).unwrap().interval();
        assert_eq!(interval("").unwrap(), None);
        assert_eq!(interval("60s").unwrap(), Some(HOUR / 60));
        assert_eq!(interval("1h").unwrap(), Some(HOUR));
        for bad in ["0m", "90s", "1ms", "5", "367d", "-1h"] {
            assert_eq!(field(interval(bad)), "interval", "{bad}");
        }
    }

    #[test]
    fn cursors_come_back_as_they_went() {
        let key = SpanKey { start_unix_nanos: u64::MAX, trace_id: TraceId([7; 16]), span_id: SpanId([9; 8]) };
        let read = |text: &str| params(&[("cursor", text)]).unwrap().cursor();
        assert_eq!(read(&write_cursor(&key)).unwrap(), Some(key));
        for bad in ["x", &"0".repeat(64), &"é".repeat(32), &"+".repeat(64)] {
            assert_eq!(field(read(bad)), "cursor", "{bad}");
        }
    }

    #[test]
    fn filters() {
        let filter =
            params(&[("model", "m"), ("error", "true"), ("end", "timeout")]).unwrap().filter().unwrap();
        assert_eq!(filter.equals, [(Dimension::Model, "m".to_owned())]);
        assert_eq!((filter.error, filter.end.as_deref()), (Some(true), Some("timeout")));
        assert_eq!(field(params(&[("error", "yes")]).unwrap().filter()), "error");
        assert_eq!(field(params(&[("trace_id", "12")]).unwrap().filter()), "trace_id");
        assert_eq!(field(params(&[("order", "up")]).unwrap().order()), "order");
        assert_eq!(field(params(&[("side", "both")]).unwrap().side()), "side");
    }
}
