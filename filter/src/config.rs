//! The plugin configuration: one JSON document -> a valid [`Config`], whatever the document holds.
//!
//! Refusing a configuration would take the whole proxy down, so nothing here fails: a bad value is replaced by its
//! default and reported as a [`Problem`], an unknown key is ignored and reported. An absent document means defaults.

#[cfg(not(target_arch = "wasm32"))]
mod keys;

use std::borrow::Cow;
use std::rc::Rc;

#[cfg(not(target_arch = "wasm32"))]
pub use self::keys::{Key, Values, keys};

use crate::rules::{MAX_ENTRIES, Place, Rule, Rules};

use nojson::{JsonValueKind, RawJson, RawJsonValue};

/// Everything that can be set, with its valid values only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub collector: Collector,
    pub detect: Detect,
    pub rules: Rules,
    pub batch: Batch,
    pub queue: Queue,
    pub retry: Retry,
    pub limits: Limits,
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
    /// Most bytes of all texts of which an exchange has several: finish reasons, names of tools, stop sequences.
    pub max_list_bytes: usize,
    /// Longest usage object that is kept verbatim; a longer one is left out and counted.
    pub max_raw_usage_bytes: usize,
    /// Longest frame of an AWS event stream that is held until its checksum is known; a longer one is read as it comes.
    pub max_frame_bytes: usize,
    /// Largest window that decompressing one body may take; a body that asks for more is not read, and counted.
    pub max_window_bytes: usize,
    /// Most memory that all decoders of a VM may take together; a body that asks for more is not read, and counted.
    pub max_decoder_bytes: usize,
    /// How many times its size a compressed body may expand to; beyond it the rest is not read, and counted.
    pub max_expansion_ratio: u64,
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
            rules: Rules::default(),
            batch: Batch { max_spans: 512, max_bytes: 128 << 10, max_age_ms: 500 },
            queue: Queue { max_bytes: 4 << 20, max_in_flight: 4 },
            retry: Retry { initial_backoff_ms: 500, max_backoff_ms: 10_000 },
            limits: Limits {
                max_attribute_bytes: 1_024,
                max_list_bytes: 8 << 10,
                max_raw_usage_bytes: 2_048,
                max_frame_bytes: 32 << 10,
                max_window_bytes: 8 << 20,
                max_decoder_bytes: 64 << 20,
                max_expansion_ratio: 256,
            },
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
    let mut findings = Findings::default();
    let config = read_document(document, &mut findings).unwrap_or_else(|message| {
        findings.push(Problem { path: String::new(), message: format!("{message}; using defaults") });
        Config::default()
    });
    (config, findings.problems)
}

/// What came up while a document was read.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    /// Every key that there is, whether the document has it or not.
    #[cfg(not(target_arch = "wasm32"))]
    keys: Vec<Key>,
}

impl Findings {
    fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}

fn read_document(document: &[u8], problems: &mut Findings) -> Result<Config, String> {
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

fn read(object: Json<'_>, problems: &mut Findings) -> Config {
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
        rules: Rules {
            only: root.list("match", place),
            exclude: root.list("exclude", place),
            rules: root.list("rules", |section| Rule {
                place: place(section),
                detect: section.choice(
                    "detect",
                    &[
                        ("inherit", None),
                        ("known", Some(Detect::Known)),
                        ("heuristic", Some(Detect::Heuristic)),
                    ],
                    None,
                ),
                provider: Some(section.text("provider", String::new()))
                    .filter(|name| !name.is_empty())
                    .map(Rc::from),
            }),
        },
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
            max_list_bytes: section.number(
                "max_list_bytes",
                1 << 10,
                64 << 10,
                default.limits.max_list_bytes,
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
    };
    root.finish();
    config
}

#[inline(never)]
fn place(section: &mut Section<'_, '_>) -> Place {
    let host = section.text("host", "*".to_owned()).to_ascii_lowercase();
    Place { host, path: section.text("path", "*".to_owned()) }
}

/// The largest value that `limits.max_attribute_bytes` may have.
pub const MAX_ATTRIBUTE_BYTES: usize = 4_096;
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
    problems: &'p mut Findings,
}

impl<'a, 'p> Section<'a, 'p> {
    fn new(path: &str, object: Option<Json<'a>>, problems: &'p mut Findings) -> Self {
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
    #[inline(never)]
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

    #[inline(never)]
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

    /// A list of objects.
    fn list<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'_, '_>) -> T) -> Vec<T> {
        #[cfg(not(target_arch = "wasm32"))]
        read(&mut Section::new(&format!("{}[]", self.path_of(key)), None, self.problems));
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Ok(items) = value.to_array() else {
            let found = kind(value.kind());
            self.report(key, format!("expected an array of objects, found {found}; using none"));
            return Vec::new();
        };
        let mut list = Vec::new();
        for (at, item) in items.enumerate() {
            let place = format!("{key}[{at}]");
            if at >= MAX_ENTRIES {
                self.report(
                    &place,
                    format!("more than {MAX_ENTRIES} entries; those from here on are ignored"),
                );
                break;
            }
            if !item.kind().is_object() {
                self.report(&place, format!("expected an object, found {}; ignored", kind(item.kind())));
                continue;
            }
            let path = self.path_of(&place);
            let mut section = Section::new(&path, Some(item), self.problems);
            list.push(read(&mut section));
            section.finish();
        }
        list
    }

    #[inline(never)]
    fn text(&mut self, key: &'static str, default: String) -> String {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Text { default: default.clone() });
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

    fn number<N>(&mut self, key: &'static str, min: u32, max: impl TryInto<u32>, default: N) -> N
    where
        N: TryFrom<u32> + TryInto<u32> + Copy,
    {
        let max = max.try_into().unwrap_or(u32::MAX);
        let number = self.whole_number(key, min, max, default.try_into().unwrap_or(u32::MAX));
        N::try_from(number).unwrap_or(default)
    }

    /// Istio hands whole numbers over as doubles, so `512.0` is one.
    #[inline(never)]
    fn whole_number(&mut self, key: &'static str, min: u32, max: u32, default: u32) -> u32 {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Number { min, max, default });
        let Some(value) = self.value(key) else {
            return default;
        };
        let number = value.as_number_str().ok().and_then(whole_number);
        number.filter(|number| (min..=max).contains(number)).unwrap_or_else(|| {
            let message = format!(
                "expected a whole number from {min} to {max}, found {}; using {default}",
                shown(value)
            );
            self.report(key, message);
            default
        })
    }

    fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        default: T,
    ) -> T {
        let names: Vec<&'static str> = choices.iter().map(|(name, _)| *name).collect();
        let of_default = choices.iter().position(|(_, choice)| *choice == default).unwrap_or(0);
        choices.get(self.chosen(key, &names, of_default)).map_or(default, |(_, choice)| *choice)
    }

    /// Which of the names it is.
    #[inline(never)]
    fn chosen(&mut self, key: &'static str, names: &[&'static str], default: usize) -> usize {
        let fallback = names.get(default).copied().unwrap_or_default();
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Choice { names: names.to_vec(), default: fallback });
        let Some(value) = self.value(key) else {
            return default;
        };
        let text = value.to_unquoted_string_str().ok();
        names.iter().position(|name| text.as_deref() == Some(name)).unwrap_or_else(|| {
            let message =
                format!("expected one of {}, found {}; using {fallback}", names.join(", "), shown(value));
            self.report(key, message);
            default
        })
    }

    #[inline(never)]
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
    let number: f64 = digits.parse().ok()?;
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
    fn mistakes_in_lists_name_their_entry() {
        let document =
            r#"{"match": 3, "exclude": [{"hots": "a"}, 4], "rules": [{"detect": "all"}, {"path": ""}]}"#;
        let expected = [
            "match: expected an array of objects, found a number; using none",
            "exclude[0].hots: unknown key, ignored; known here: host, path",
            "exclude[1]: expected an object, found a number; ignored",
            "rules[0].detect: expected one of inherit, known, heuristic, found \"all\"; using inherit",
            "rules[1].path: expected a text of 1 to 512 visible ASCII characters, found \"\"; using \"*\"",
        ];
        assert_eq!(problems(document), expected);
        let many = format!("{{\"match\": [{}]}}", vec!["{}"; 65].join(","));
        assert_eq!(problems(&many), ["match[64]: more than 64 entries; those from here on are ignored"]);
    }

    #[test]
    fn every_key_is_read() {
        let document = r#"{
            "match": [{"host": "*.Example.com"}],
            "exclude": [{"path": "*/embeddings"}],
            "rules": [{"host": "llm", "path": "/v1/*", "detect": "heuristic", "provider": "vllm"}],
            "collector": {"cluster": "meshtap", "authority": "collector.example", "timeout_ms": 1000},
            "detect": "heuristic",
            "batch": {"max_spans": 10.0, "max_bytes": 65536, "max_age_ms": 50},
            "queue": {"max_bytes": 1048576, "max_in_flight": 2},
            "retry": {"initial_backoff_ms": 100, "max_backoff_ms": 1000},
            "limits": {"max_attribute_bytes": 128, "max_list_bytes": 2048, "max_raw_usage_bytes": 0, "max_frame_bytes": 2048, "max_window_bytes": 65536,
                "max_decoder_bytes": 1048576, "max_expansion_ratio": 10}
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
                rules: Rules {
                    only: vec![Place { host: "*.example.com".into(), path: "*".into() }],
                    exclude: vec![Place { host: "*".into(), path: "*/embeddings".into() }],
                    rules: vec![Rule {
                        place: Place { host: "llm".into(), path: "/v1/*".into() },
                        detect: Some(Detect::Heuristic),
                        provider: Some("vllm".into()),
                    }],
                },
                batch: Batch { max_spans: 10, max_bytes: 65_536, max_age_ms: 50 },
                queue: Queue { max_bytes: 1 << 20, max_in_flight: 2 },
                retry: Retry { initial_backoff_ms: 100, max_backoff_ms: 1_000 },
                limits: Limits {
                    max_attribute_bytes: 128,
                    max_list_bytes: 2_048,
                    max_raw_usage_bytes: 0,
                    max_frame_bytes: 2_048,
                    max_window_bytes: 65_536,
                    max_decoder_bytes: 1 << 20,
                    max_expansion_ratio: 10
                },
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
                "colector: unknown key, ignored; known here: collector, detect, match, exclude, rules, batch, queue, retry, limits",
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
