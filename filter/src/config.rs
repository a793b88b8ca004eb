//! The plugin configuration: one JSON document -> a valid [`Config`], whatever the document holds.
//!
//! Refusing a configuration would take the whole proxy down, so nothing here fails: a bad value is replaced by its
//! default and reported as a [`Problem`], an unknown key is ignored and reported. An absent document means defaults.

use std::borrow::Cow;
use std::rc::Rc;

use nojson::{JsonValueKind, RawJson, RawJsonValue};

use crate::decimal;
use crate::fingerprint::Key;
use crate::redact::{self, Redactor, Rules};

/// Everything that can be set, with its valid values only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub collector: Collector,
    pub detect: Detect,
    pub batch: Batch,
    pub queue: Queue,
    pub retry: Retry,
    pub limits: Limits,
    pub content: Content,
    pub fingerprint: Fingerprint,
    /// What is taken out of texts where the mode is `redacted`.
    pub redactor: Rc<Redactor>,
}

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Name of the Envoy cluster. It must speak HTTP/2.
    pub cluster: String,
    /// The `:authority` of the calls: an Istio cluster name holds `|`, which HTTP/2 servers refuse there.
    pub authority: String,
    /// Deadline of one call.
    pub timeout_ms: u32,
}

/// Which hosts are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detect {
    /// Only the hosts of the built-in table.
    Known,
    /// Also any other host, when path and method have the shape of a known API.
    Heuristic,
}

/// When a batch leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub max_spans: usize,
    pub max_bytes: usize,
    /// How long a finished span waits at most; the tick of the root context.
    pub max_age_ms: u32,
}

/// What is kept while the collector does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Encoded spans, waiting and in flight. Beyond it the oldest are dropped and counted.
    pub max_bytes: usize,
    pub max_in_flight: usize,
}

/// How long to wait before a batch is sent again: doubling from `initial` to `max`, with jitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    pub initial_backoff_ms: u32,
    pub max_backoff_ms: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest string attribute; a longer one is cut at a character and counted.
    pub max_attribute_bytes: usize,
    /// Longest usage object that is kept verbatim; a longer one is left out and counted.
    pub max_raw_usage_bytes: usize,
    /// Longest frame of an AWS event stream that is read; a longer one is passed over and counted.
    pub max_frame_bytes: usize,
    /// Largest window that decompressing one body may take; a body that asks for more is not read, and counted.
    pub max_window_bytes: usize,
    /// Most memory that all decoders of a VM may take together; a body that asks for more is not read, and counted.
    pub max_decoder_bytes: usize,
    /// How many times its size a compressed body may expand to; beyond it the rest is not read, and counted.
    pub max_expansion_ratio: u64,
}

/// What is kept of what the messages say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub mode: ContentMode,
    /// Most bytes of JSON of one message.
    pub max_message_bytes: usize,
    /// Most bytes of JSON of one span.
    pub max_span_bytes: usize,
    /// Of how many traces content is kept.
    pub sample_rate: SampleRate,
    /// The content of an exchange that failed is kept whatever the rate.
    pub errors: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentMode {
    Off,
    /// No text leaves the pod: a keyed fingerprint and a length stand in for each.
    Fingerprint,
    /// Texts without what is recognised as sensitive.
    Redacted,
    Full,
}

/// A part of all traces, in 2^-56: the random bits that every trace id has at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleRate(u64);

impl SampleRate {
    pub const ALL: Self = Self(1 << 56);

    /// From 0.0 to 1.0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "guarded: from 0 to 2^56")]
    pub fn new(rate: f64) -> Option<Self> {
        let whole = f64::from(1 << 28) * f64::from(1 << 28);
        (0.0..=1.0).contains(&rate).then_some(Self((rate * whole) as u64))
    }

    /// The same for every span of a trace, in whichever proxy.
    pub fn keeps(self, trace_id: &[u8; 16]) -> bool {
        let random_bits = u128::from_be_bytes(*trace_id) & u128::from(Self::ALL.0.saturating_sub(1));
        random_bits < u128::from(self.0)
    }
}

/// How what is equal is recognized without being shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Absent until the host hands in randomness, where the configuration names none.
    pub key: Option<Key>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            collector: Collector {
                cluster: DEFAULT_CLUSTER.to_owned(),
                authority: authority_of_cluster(DEFAULT_CLUSTER),
                timeout_ms: 5_000,
            },
            detect: Detect::Known,
            batch: Batch { max_spans: 512, max_bytes: 128 << 10, max_age_ms: 500 },
            queue: Queue { max_bytes: 4 << 20, max_in_flight: 4 },
            retry: Retry { initial_backoff_ms: 500, max_backoff_ms: 10_000 },
            limits: Limits {
                max_attribute_bytes: 1_024,
                max_raw_usage_bytes: 2_048,
                max_frame_bytes: 32 << 10,
                max_window_bytes: 8 << 20,
                max_decoder_bytes: 64 << 20,
                max_expansion_ratio: 256,
            },
            content: Content {
                mode: ContentMode::Off,
                max_message_bytes: 8 << 10,
                max_span_bytes: 32 << 10,
                sample_rate: SampleRate::ALL,
                errors: true,
            },
            fingerprint: Fingerprint { key: None },
            redactor: Rc::new(Redactor::new(&Rules::default()).0),
        }
    }
}

/// The Service of the shipped kustomize base, as Istio names its cluster.
const DEFAULT_CLUSTER: &str = "outbound|4317||meshtap-collector.meshtap-system.svc.cluster.local";

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `batch.max_spans`; empty for the document itself.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Reads a plugin configuration. Never fails: see the module's description.
pub fn parse(document: &[u8]) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    let config = read_document(document, &mut problems).unwrap_or_else(|message| {
        problems.push(Problem { path: String::new(), message: format!("{message}; using defaults") });
        Config::default()
    });
    (config, problems)
}

fn read_document(document: &[u8], problems: &mut Vec<Problem>) -> Result<Config, String> {
    if document.trim_ascii().is_empty() {
        return Ok(Config::default());
    }
    let text = std::str::from_utf8(document).map_err(|error| format!("not valid JSON ({error})"))?;
    let json = RawJson::parse(text).map_err(|error| format!("not valid JSON ({error})"))?;
    match json.value().kind() {
        JsonValueKind::Null => Ok(Config::default()),
        JsonValueKind::Object => Ok(read(json.value(), problems)),
        other => Err(format!("expected an object, found {}", kind(other))),
    }
}

fn read(object: Json<'_>, problems: &mut Vec<Problem>) -> Config {
    let default = Config::default();
    let mut root = Section::new("", Some(object), problems);
    let config = Config {
        collector: root.section("collector", |section| {
            let cluster = section.text("cluster", default.collector.cluster);
            let authority = section.text("authority", authority_of_cluster(&cluster));
            let timeout_ms = section.number("timeout_ms", 100, 60_000, default.collector.timeout_ms);
            Collector { cluster, authority, timeout_ms }
        }),
        detect: root.choice(
            "detect",
            &[("known", Detect::Known), ("heuristic", Detect::Heuristic)],
            default.detect,
        ),
        batch: root.section("batch", |section| Batch {
            max_spans: section.number("max_spans", 1, 4_096, default.batch.max_spans),
            max_bytes: section.number("max_bytes", 4 << 10, 1 << 20, default.batch.max_bytes),
            max_age_ms: section.number("max_age_ms", 20, 10_000, default.batch.max_age_ms),
        }),
        queue: root.section("queue", |section| Queue {
            max_bytes: section.number("max_bytes", 64 << 10, 64 << 20, default.queue.max_bytes),
            max_in_flight: section.number("max_in_flight", 1, 16, default.queue.max_in_flight),
        }),
        retry: root.section("retry", |section| Retry {
            initial_backoff_ms: section.number(
                "initial_backoff_ms",
                20,
                60_000,
                default.retry.initial_backoff_ms,
            ),
            max_backoff_ms: section.number("max_backoff_ms", 20, 300_000, default.retry.max_backoff_ms),
        }),
        limits: root.section("limits", |section| Limits {
            max_attribute_bytes: section.number(
                "max_attribute_bytes",
                64,
                MAX_ATTRIBUTE_BYTES,
                default.limits.max_attribute_bytes,
            ),
            max_raw_usage_bytes: section.number(
                "max_raw_usage_bytes",
                0,
                MAX_RAW_USAGE_BYTES,
                default.limits.max_raw_usage_bytes,
            ),
            max_frame_bytes: section.number(
                "max_frame_bytes",
                1 << 10,
                1 << 20,
                default.limits.max_frame_bytes,
            ),
            max_window_bytes: section.number(
                "max_window_bytes",
                32 << 10,
                64 << 20,
                default.limits.max_window_bytes,
            ),
            max_decoder_bytes: section.number(
                "max_decoder_bytes",
                64 << 10,
                1 << 30,
                default.limits.max_decoder_bytes,
            ),
            max_expansion_ratio: u64::from(section.number("max_expansion_ratio", 2, 10_000, 256_u32)),
        }),
        content: root.section("content", |section| read_content(section, &default.content)),
        fingerprint: root.section("fingerprint", |section| Fingerprint {
            key: section.secret("key").map(|key| Key::from_text(&key)),
        }),
        redactor: root.section("redaction", read_redaction),
    };
    root.finish();
    config
}

fn read_content(section: &mut Section<'_, '_>, default: &Content) -> Content {
    let max = MAX_CONTENT_BYTES;
    Content {
        mode: section.choice("mode", CONTENT_MODES, default.mode),
        max_message_bytes: section.number("max_message_bytes", 256, max, default.max_message_bytes),
        max_span_bytes: section.number("max_span_bytes", 1 << 10, max, default.max_span_bytes),
        sample_rate: section.sample_rate("sample_rate"),
        errors: section.boolean("errors", default.errors),
    }
}

fn read_redaction(section: &mut Section<'_, '_>) -> Rc<Redactor> {
    let literals = section.texts("literals");
    let ignore_case = section.boolean("ignore_case", false);
    let patterns = section.texts("patterns");
    let mut off = Vec::new();
    for name in section.texts("off") {
        if let Some(kind) = redact::Kind::BUILT_IN.iter().find(|kind| kind.name() == name) {
            off.push(*kind);
        } else {
            let known = redact::Kind::BUILT_IN.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            section.report("off", format!("no kind is called {name:?}; known are {known}; ignored"));
        }
    }
    let (redactor, mistakes) = Redactor::new(&Rules { off, literals, ignore_case, patterns });
    for Problem { path, message } in mistakes {
        section.report(&path, message);
    }
    Rc::new(redactor)
}

/// The largest value that `limits.max_attribute_bytes` may have.
pub const MAX_ATTRIBUTE_BYTES: usize = 4_096;
/// The largest value that `content.max_message_bytes` and `content.max_span_bytes` may have.
pub const MAX_CONTENT_BYTES: usize = 256 << 10;

const CONTENT_MODES: &[(&str, ContentMode)] = &[
    ("off", ContentMode::Off),
    ("fingerprint", ContentMode::Fingerprint),
    ("redacted", ContentMode::Redacted),
    ("full", ContentMode::Full),
];

/// The largest value that `limits.max_raw_usage_bytes` may have.
pub const MAX_RAW_USAGE_BYTES: usize = 8_192;

/// `host:port` for an Istio cluster name `direction|port|subset|host`, the name itself for any other.
fn authority_of_cluster(cluster: &str) -> String {
    let mut parts = cluster.split('|');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(port), Some(_), Some(host), None) => format!("{host}:{port}"),
        _ => cluster.to_owned(),
    }
}

/// A value of the document. The crate keeps it as it is written, without turning numbers into floats and back: the
/// module is 21 KB smaller than with serde_json.
type Json<'a> = RawJsonValue<'a, 'a>;

/// One object of the document: remembers which keys were asked for, so that the others can be reported.
struct Section<'a, 'p> {
    path: String,
    object: Option<Json<'a>>,
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl<'a, 'p> Section<'a, 'p> {
    fn new(path: &str, object: Option<Json<'a>>, problems: &'p mut Vec<Problem>) -> Self {
        Self { path: path.to_owned(), object, known: Vec::new(), problems }
    }

    fn members(&self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> + use<'a> {
        let members = self.object.and_then(|object| object.to_object().ok());
        members
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.to_unquoted_string_str().ok()?, value)))
    }

    /// Of a repeated key the last.
    fn value(&mut self, key: &'static str) -> Option<Json<'a>> {
        self.known.push(key);
        let (_, value) = self.members().filter(|(name, _)| name == key).last()?;
        (!value.kind().is_null()).then_some(value)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn report(&mut self, key: &str, message: String) {
        let path = self.path_of(key);
        self.problems.push(Problem { path, message });
    }

    fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> T {
        let object = match self.value(key) {
            Some(value) if !value.kind().is_object() => {
                let found = kind(value.kind());
                self.report(key, format!("expected an object, found {found}; using defaults"));
                None
            }
            object => object,
        };
        let path = self.path_of(key);
        let mut section = Section::new(&path, object, self.problems);
        let result = read(&mut section);
        section.finish();
        result
    }

    fn text(&mut self, key: &'static str, default: String) -> String {
        let Some(value) = self.value(key) else {
            return default;
        };
        let is_valid =
            |text: &str| (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(text) = value.to_unquoted_string_str().ok().filter(|text| is_valid(text)) {
            return text.into_owned();
        }
        let message = format!(
            "expected a text of 1 to 512 visible ASCII characters, found {}; using {default:?}",
            shown(value)
        );
        self.report(key, message);
        default
    }

    /// Whole numbers; Istio hands them over as doubles, so `512.0` is one.
    fn number<N>(&mut self, key: &'static str, min: u32, max: impl TryInto<u32>, default: N) -> N
    where
        N: TryFrom<u32> + std::fmt::Display,
    {
        let max = max.try_into().unwrap_or(u32::MAX);
        let Some(value) = self.value(key) else {
            return default;
        };
        let whole = value
            .as_number_str()
            .ok()
            .and_then(whole_number)
            .filter(|number| (min..=max).contains(number))
            .and_then(|number| N::try_from(number).ok());
        whole.unwrap_or_else(|| {
            let message = format!(
                "expected a whole number from {min} to {max}, found {}; using {default}",
                shown(value)
            );
            self.report(key, message);
            default
        })
    }

    fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        match self.value(key) {
            None => default,
            Some(value) if value.kind() == JsonValueKind::Boolean => value.as_raw_str() == "true",
            Some(other) => {
                self.report(key, format!("expected true or false, found {}; using {default}", shown(other)));
                default
            }
        }
    }

    fn sample_rate(&mut self, key: &'static str) -> SampleRate {
        let Some(value) = self.value(key) else { return SampleRate::ALL };
        let rate = value.as_number_str().ok().and_then(decimal::parse);
        rate.and_then(SampleRate::new).unwrap_or_else(|| {
            // Less content is the safer mistake.
            let message = format!("expected a number from 0.0 to 1.0, found {}; using 0.0", shown(value));
            self.report(key, message);
            SampleRate(0)
        })
    }

    /// A list of texts; what is none is reported and left out.
    fn texts(&mut self, key: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        let Some(value) = self.value(key) else { return texts };
        let Ok(items) = value.to_array() else {
            self.report(key, format!("expected a list of texts, found {}; ignored", kind(value.kind())));
            return texts;
        };
        for (index, item) in items.enumerate() {
            if let Ok(text) = item.to_unquoted_string_str() {
                texts.push(text.into_owned());
            } else {
                let message = format!("expected a text, found {}; ignored", kind(item.kind()));
                self.report(&format!("{key}[{index}]"), message);
            }
        }
        texts
    }

    /// A text that no message repeats.
    fn secret(&mut self, key: &'static str) -> Option<Cow<'a, str>> {
        let value = self.value(key)?;
        let text = value.to_unquoted_string_str().ok().filter(|text| (16..=512).contains(&text.len()));
        if text.is_none() {
            let message = "expected a text of 16 to 512 bytes; using a random one";
            self.report(key, message.to_owned());
        }
        text
    }

    fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        default: T,
    ) -> T {
        let Some(value) = self.value(key) else {
            return default;
        };
        let text = value.to_unquoted_string_str().ok();
        let chosen = choices.iter().find(|(name, _)| text.as_deref() == Some(name));
        if let Some((_, choice)) = chosen {
            return *choice;
        }
        let names = choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let fallback =
            choices.iter().find(|(_, choice)| *choice == default).map_or("the default", |(name, _)| name);
        self.report(key, format!("expected one of {names}, found {}; using {fallback}", shown(value)));
        default
    }

    fn finish(self) {
        for (key, _) in self.members().filter(|(key, _)| !self.known.contains(&key.as_ref())) {
            let shown: String = key.chars().take(64).collect();
            let message = format!("unknown key, ignored; known here: {}", self.known.join(", "));
            let path = self.path_of(&shown);
            self.problems.push(Problem { path, message });
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "guarded: a whole number in the range of u32"
)]
fn whole_number(digits: &str) -> Option<u32> {
    let number = decimal::parse(digits)?;
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
}

/// A value as it stands in a message: enough to find it again.
fn shown(value: Json<'_>) -> String {
    const MAX_CHARACTERS: usize = 64;
    let text = value.as_raw_str();
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn kind(kind: JsonValueKind) -> &'static str {
    match kind {
        JsonValueKind::Null => "null",
        JsonValueKind::Boolean => "a boolean",
        JsonValueKind::Integer | JsonValueKind::Float => "a number",
        JsonValueKind::String => "a text",
        JsonValueKind::Array => "an array",
        JsonValueKind::Object => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(document: &str) -> Vec<String> {
        parse(document.as_bytes()).1.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
    }

    #[test]
    fn nothing_means_defaults() {
        for document in ["", "  ", "{}", "null", r#"{"batch":null}"#] {
            assert_eq!(parse(document.as_bytes()), (Config::default(), vec![]), "{document}");
        }
        assert_eq!(
            Config::default().collector.authority,
            "meshtap-collector.meshtap-system.svc.cluster.local:4317"
        );
    }

    #[test]
    fn every_key_is_read() {
        let document = r#"{
            "collector": {"cluster": "meshtap", "authority": "collector.example", "timeout_ms": 1000},
            "detect": "heuristic",
            "batch": {"max_spans": 10.0, "max_bytes": 65536, "max_age_ms": 50},
            "queue": {"max_bytes": 1048576, "max_in_flight": 2},
            "retry": {"initial_backoff_ms": 100, "max_backoff_ms": 1000},
            "limits": {"max_attribute_bytes": 128, "max_raw_usage_bytes": 0, "max_frame_bytes": 2048, "max_window_bytes": 65536,
                "max_decoder_bytes": 1048576, "max_expansion_ratio": 10},
            "content": {"mode": "redacted", "max_message_bytes": 1024, "max_span_bytes": 4096, "sample_rate": 0.25,
                "errors": false},
            "fingerprint": {"key": "sixteen bytes or more"},
            "redaction": {"off": ["phone"], "literals": ["Falcon"], "ignore_case": true, "patterns": ["ACME-\\d{6}"]}
        }"#;
        let (config, problems) = parse(document.as_bytes());
        assert_eq!(problems, vec![]);
        assert_eq!(
            config,
            Config {
                collector: Collector {
                    cluster: "meshtap".into(),
                    authority: "collector.example".into(),
                    timeout_ms: 1_000
                },
                detect: Detect::Heuristic,
                batch: Batch { max_spans: 10, max_bytes: 65_536, max_age_ms: 50 },
                queue: Queue { max_bytes: 1 << 20, max_in_flight: 2 },
                retry: Retry { initial_backoff_ms: 100, max_backoff_ms: 1_000 },
                limits: Limits {
                    max_attribute_bytes: 128,
                    max_raw_usage_bytes: 0,
                    max_frame_bytes: 2_048,
                    max_window_bytes: 65_536,
                    max_decoder_bytes: 1 << 20,
                    max_expansion_ratio: 10
                },
                content: Content {
                    mode: ContentMode::Redacted,
                    max_message_bytes: 1_024,
                    max_span_bytes: 4_096,
                    sample_rate: SampleRate::new(0.25).unwrap(),
                    errors: false
                },
                fingerprint: Fingerprint { key: Some(Key::from_text("sixteen bytes or more")) },
                redactor: Rc::new(
                    Redactor::new(&Rules {
                        off: vec![redact::Kind::Phone],
                        literals: vec!["Falcon".into()],
                        ignore_case: true,
                        patterns: vec![r"ACME-\d{6}".into()],
                    })
                    .0
                ),
            }
        );
    }

    #[test]
    fn the_authority_follows_the_cluster() {
        let (config, _) = parse(br#"{"collector":{"cluster":"outbound|4317|v1|otel.observability.svc"}}"#);
        assert_eq!(config.collector.authority, "otel.observability.svc:4317");
        let (config, _) = parse(br#"{"collector":{"cluster":"plain"}}"#);
        assert_eq!(config.collector.authority, "plain");
    }

    #[test]
    fn unknown_keys_are_reported_with_their_path() {
        assert_eq!(
            problems(r#"{"colector":{},"batch":{"size":1}}"#),
            [
                "batch.size: unknown key, ignored; known here: max_spans, max_bytes, max_age_ms",
                "colector: unknown key, ignored; known here: collector, detect, batch, queue, retry, limits, \
                 content, fingerprint, redaction",
            ]
        );
    }

    #[test]
    fn bad_values_become_defaults_and_are_reported() {
        let document = r#"{"collector":3,"detect":"all","batch":{"max_spans":0,"max_bytes":"1","max_age_ms":1.5},
            "queue":{"max_in_flight":-1,"max_bytes":1e99}}"#;
        let (config, reported) = parse(document.as_bytes());
        assert_eq!(config, Config::default());
        assert_eq!(reported.len(), 7, "{reported:?}");
        assert!(problems(document).contains(
            &"batch.max_spans: expected a whole number from 1 to 4096, found 0; using 512".to_owned()
        ));
        assert!(
            problems(document).contains(
                &r#"detect: expected one of known, heuristic, found "all"; using known"#.to_owned()
            )
        );
    }

    #[test]
    fn content_that_is_misspelled_stays_in_the_pod() {
        let (config, reported) = parse(br#"{"content":{"mode":"Full","sample_rate":"1","errors":1}}"#);
        assert_eq!((config.content.mode, config.content.sample_rate), (ContentMode::Off, SampleRate(0)));
        assert_eq!(reported.len(), 3);
        for (rate, valid) in [("0", true), ("1", true), ("0.5", true), ("1.1", false), ("-0.1", false)] {
            let document = format!(r#"{{"content":{{"sample_rate":{rate}}}}}"#);
            assert_eq!(problems(&document).is_empty(), valid, "{rate}");
        }
    }

    #[test]
    fn mistakes_in_rules_are_reported_and_the_others_used() {
        let document = r#"{"redaction":{"off":["emails","iban"],"literals":["ab","Falcon",7],"ignore_case":1,"patterns":"x"}}"#;
        assert_eq!(
            problems(document),
            [
                "redaction.literals[2]: expected a text, found a number; ignored",
                "redaction.ignore_case: expected true or false, found 1; using false",
                "redaction.patterns: expected a list of texts, found a text; ignored",
                "redaction.off: no kind is called \"emails\"; known are email, phone, credit_card, iban, api_key, jwt, \
                 private_key, ip_address; ignored",
                "redaction.literals[0]: shorter than 3 characters: a longer one finds less by chance; not used",
            ]
        );
        let (config, _) = parse(document.as_bytes());
        let redacted = |text| config.redactor.redact(text, false, &mut redact::Found::default()).into_owned();
        assert_eq!(redacted("Falcon me@example.com"), "[REDACTED:literal] [REDACTED:email]");
        assert_eq!(redacted("DE89 3704 0044 0532 0130 00"), "DE89 3704 0044 0532 0130 00");
    }

    #[test]
    fn a_rate_keeps_whole_traces() {
        let trace = |end: u64| {
            let mut id = [0xff; 16];
            id[8..].copy_from_slice(&end.to_be_bytes());
            id
        };
        let quarter = SampleRate::new(0.25).unwrap();
        assert!(quarter.keeps(&trace(0xff3f_ffff_ffff_ffff)), "the bits before the last 56 do not count");
        assert!(!quarter.keeps(&trace(0x0040_0000_0000_0000)));
        assert!(SampleRate::ALL.keeps(&[0xff; 16]));
        assert!(!SampleRate::new(0.0).unwrap().keeps(&[0; 16]));
    }

    #[test]
    fn secrets_are_never_repeated() {
        for document in [
            r#"{"fingerprint":{"key":"hunter2"}}"#,
            r#"{"fingerprint":"hunter2"}"#,
            r#"{"fingerprint":{"key":["hunter2"]}}"#,
        ] {
            let (config, _) = parse(document.as_bytes());
            assert_eq!(config, Config::default());
            let reported = problems(document);
            assert_eq!(reported.len(), 1, "{document}");
            assert!(!reported[0].contains("hunter2"), "{reported:?}");
        }
        let (config, _) = parse(br#"{"fingerprint":{"key":"hunter2 hunter2 hunter2"}}"#);
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn texts_that_would_break_a_header_are_refused() {
        let (config, reported) = parse(br#"{"collector":{"authority":"a\r\nb: c"}}"#);
        assert_eq!(config, Config::default());
        assert_eq!(reported.len(), 1);
    }

    #[test]
    fn messages_stay_short() {
        let long = format!(r#"{{"detect":"{}","{}":1}}"#, "é".repeat(100_000), "k".repeat(100_000));
        for message in problems(&long) {
            assert!(message.len() < 400, "{}", message.len());
        }
    }

    #[test]
    fn documents_that_are_no_objects() {
        assert!(problems("[1]").first().is_some_and(|p| p.contains("expected an object, found an array")));
        assert!(problems("{").first().is_some_and(|p| p.contains("not valid JSON")));
    }
}
