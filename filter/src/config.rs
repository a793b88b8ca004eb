//! The plugin configuration: one JSON document -> a valid [`Config`], whatever the document holds.
//!
//! Refusing a configuration would take the whole proxy down, so nothing here fails: a bad value is replaced by its
//! default and reported as a [`Problem`], an unknown key is ignored and reported. An absent document means defaults.

mod headers;
mod section;
#[cfg(not(target_arch = "wasm32"))]
mod settings;

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use nojson::{JsonValueKind, RawJson};

pub use self::headers::{CREDENTIALS, NOT_METADATA, NOT_METADATA_PREFIXES};
use self::section::{Json, Section, beginning, kind};
#[cfg(not(target_arch = "wasm32"))]
pub use self::settings::{Setting, Values, settings};
use crate::fingerprint::{self, Key};
use crate::redact::{self, Redactor};
use crate::rules::{Place, Rule, Rules};

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
    pub identity: Identity,
    pub correlation: Correlation,
    pub api_key: ApiKey,
    pub heartbeat: Heartbeat,
    pub content: Content,
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
    /// Sent with every call.
    pub headers: Vec<Header>,
}

/// One piece of gRPC metadata, valid as HTTP has it. The value is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// Never the value.
impl fmt::Debug for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
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
    /// Most bytes of headers and bodies that all exchanges of a VM keep before they are read; 0 reads each at once.
    pub max_unread_bytes: usize,
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

/// What is said of both ends of a call beyond the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Their SPIFFE ids, which the host is asked for with every call.
    pub principals: bool,
}

/// What stands for the API keys of calls, and for texts where the content's mode is `Fingerprint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Where the configuration names none it comes from the host. Absent on a host that has no randomness.
    pub fingerprint_key: Option<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correlation {
    /// Request headers that hold an id, names in lower case. Of those of one kind the first counts that is there.
    pub headers: Vec<(Id, String)>,
}

/// Whose or what's id a header may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    User,
    Session,
    Tenant,
    Correlation,
}

impl Id {
    pub const COUNT: usize = 4;
}

/// The headers that are looked at unless a list says otherwise.
const ID_HEADERS: [(Id, &str); 9] = [
    (Id::User, "x-user-id"),
    (Id::User, "x-llmtrace-user-id"),
    (Id::Session, "x-session-id"),
    (Id::Session, "x-llmtrace-session-id"),
    (Id::Tenant, "x-tenant-id"),
    (Id::Tenant, "x-llmtrace-tenant-id"),
    (Id::Correlation, "x-correlation-id"),
    (Id::Correlation, "x-llmtrace-trace-id"),
    (Id::Correlation, "x-request-id"),
];

/// How often a VM says that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// 0 for never.
    pub interval_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            collector: Collector {
                cluster: DEFAULT_CLUSTER.to_owned(),
                authority: authority_of_cluster(DEFAULT_CLUSTER),
                timeout_ms: 5_000,
                headers: Vec::new(),
            },
            detect: Detect::Known,
            rules: Rules::default(),
            // A thousand spans are about a MiB: four batches of them, and eight seconds of them while nobody answers.
            batch: Batch { max_spans: 512, max_bytes: 256 << 10, max_age_ms: 500 },
            queue: Queue { max_bytes: 8 << 20, max_in_flight: 4 },
            retry: Retry { initial_backoff_ms: 500, max_backoff_ms: 10_000 },
            limits: Limits {
                max_attribute_bytes: 512,
                max_list_bytes: 8 << 10,
                max_raw_usage_bytes: 2_048,
                max_frame_bytes: 32 << 10,
                max_window_bytes: 8 << 20,
                max_decoder_bytes: 64 << 20,
                max_unread_bytes: 1 << 20,
                max_expansion_ratio: 256,
            },
            identity: Identity { principals: false },
            correlation: Correlation {
                headers: ID_HEADERS.iter().map(|(id, name)| (*id, (*name).to_owned())).collect(),
            },
            api_key: ApiKey { fingerprint_key: None },
            heartbeat: Heartbeat { interval_ms: 60_000 },
            content: Content {
                mode: ContentMode::Off,
                max_message_bytes: 8 << 10,
                max_span_bytes: 32 << 10,
                sample_rate: SampleRate::ALL,
                errors: true,
            },
            redactor: Rc::new(Redactor::new(&redact::Rules::default()).0),
        }
    }
}

/// The Service of the shipped kustomize base, as Istio names its cluster.
const DEFAULT_CLUSTER: &str = "outbound|4317||meshtap-collector.meshtap-system.svc.cluster.local";

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `batch.max_spans`; `(document)` for all of it.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Where a mistake is in no key.
const DOCUMENT: &str = "(document)";

/// Reads a plugin configuration. Never fails: see the module's description.
pub fn parse(document: &[u8]) -> (Config, Vec<Problem>) {
    let (config, findings) = examine(document);
    (config, findings.problems)
}

/// The same, with the SHA-256 of the document without the secrets in it. Cold, as what it calls: that is smaller, and once.
#[cold]
pub fn parse_and_hash(document: &[u8]) -> (Config, Vec<Problem>, String) {
    let (config, Findings { problems, secrets, .. }) = examine(document);
    let mut public = document.to_vec();
    for secret in secrets {
        public.get_mut(secret).unwrap_or_default().fill(0);
    }
    // No JSON has such a byte.
    public.retain(|byte| *byte != 0);
    let hash = fingerprint::with_hex("", &fingerprint::sha256(&public));
    (config, problems, hash)
}

/// What was found in a document beside the configuration.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    /// Where secrets stand in the document, quotes included.
    secrets: Vec<Range<usize>>,
    /// Every setting that there is, whether the document has it or not.
    #[cfg(not(target_arch = "wasm32"))]
    settings: Vec<Setting>,
}

#[cold]
fn examine(document: &[u8]) -> (Config, Findings) {
    let mut findings = Findings::default();
    let config = read_document(document, &mut findings).unwrap_or_else(|message| {
        let message = format!("{message}; using defaults");
        // Nobody can say where in it the secrets are.
        findings.secrets.push(0..document.len());
        findings.problems.push(Problem { path: DOCUMENT.to_owned(), message });
        Config::default()
    });
    (config, findings)
}

fn read_document(document: &[u8], findings: &mut Findings) -> Result<Config, String> {
    if document.trim_ascii().is_empty() {
        return Ok(Config::default());
    }
    let text = std::str::from_utf8(document).map_err(|error| format!("not valid JSON ({error})"))?;
    let json = RawJson::parse(text).map_err(|error| format!("not valid JSON ({error})"))?;
    match json.value().kind() {
        JsonValueKind::Object => Ok(read(json.value(), findings)),
        other => Err(format!("expected an object, found {}", kind(other))),
    }
}

#[cold]
fn read(object: Json<'_>, findings: &mut Findings) -> Config {
    let default = Config::default();
    hide(object, &["api_key", "fingerprint_key"], &mut findings.secrets);
    hide(object, &["collector", "headers"], &mut findings.secrets);
    let mut root = Section::new("", Some(object), findings);
    let mut config = Config {
        collector: root.section("collector", |section| {
            let cluster = section.text("cluster", default.collector.cluster);
            let authority = section.text("authority", authority_of_cluster(&cluster));
            let timeout_ms = section.number("timeout_ms", 100, 60_000, default.collector.timeout_ms);
            let headers = section.object("headers", |section| section.headers(16, 8 << 10));
            Collector { cluster, authority, timeout_ms, headers }
        }),
        detect: root.choice(
            "detect",
            &[("known", Detect::Known), ("heuristic", Detect::Heuristic)],
            default.detect,
        ),
        rules: rules(&mut root),
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
        limits: root.section("limits", |section| read_limits(section, &default.limits)),
        identity: root.section("identity", |section| Identity {
            principals: section.boolean("principals", default.identity.principals),
        }),
        correlation: root.section("correlation", |section| {
            let mut headers = Vec::new();
            for (key, id) in [
                ("user_headers", Id::User),
                ("session_headers", Id::Session),
                ("tenant_headers", Id::Tenant),
                ("correlation_headers", Id::Correlation),
            ] {
                section.id_headers(key, id, &mut headers);
            }
            Correlation { headers }
        }),
        api_key: root.section("api_key", |section| ApiKey {
            fingerprint_key: section.secret("fingerprint_key").as_deref().map(Key::from_text),
        }),
        heartbeat: root.section("heartbeat", |section| Heartbeat {
            interval_ms: section.number("interval_ms", 0, 3_600_000, default.heartbeat.interval_ms),
        }),
        content: root.section("content", |section| read_content(section, &default.content)),
        redactor: root.section("redaction", read_redaction),
    };
    let known = root.findings.problems.len();
    root.finish();
    withhold_content(&mut config, findings, known);
    config
}

/// Notes where the value behind a path is, each of a key that is repeated, and what stands in its way: it may be the
/// secret in the wrong place.
fn hide(value: Json<'_>, path: &[&str], secrets: &mut Vec<Range<usize>>) {
    if let (Some((key, rest)), Ok(members)) = (path.split_first(), value.to_object()) {
        for (name, member) in members {
            if name.to_unquoted_string_str().is_ok_and(|name| name == *key) {
                hide(member, rest, secrets);
            }
        }
    } else {
        let start = value.position();
        secrets.push(start..start.saturating_add(value.as_raw_str().len()));
    }
}

/// What stands in for a host or a path that is none.
const USING_ALL: &str = "; using \"*\"";
/// What is wrong with a key that is repeated.
const TWICE: &str = "stands here more than once; the last counts";

/// What is wrong with a rule may have been there to keep content in the pod, and so may a section whose name is not known,
/// as those are that are reported behind the first `known` problems, or one that stands in another. Until it is mended no
/// content leaves.
#[cold]
fn withhold_content(config: &mut Config, findings: &mut Findings, known: usize) {
    const SECTIONS: [&str; 6] = ["match", "exclude", "rules", "redaction", "literals", "patterns"];
    let may_widen = |(at, problem): &(usize, &Problem)| {
        let key = problem.path.rsplit('.').next().unwrap_or_default();
        let is_of = |section: &&str| problem.path.starts_with(section) || key == *section;
        // What stands in for a bad value of these lets out less, or nothing.
        let is_replaced = ["content.mode", "content.sample_rate", "content.errors"].contains(&&*problem.path)
            && problem.message != TWICE;
        // Kinds that are not known are not switched off.
        let off = problem.path.strip_prefix("redaction.off");
        let is_redacted =
            off.is_some_and(|at| (at.is_empty() || at.starts_with('[')) && problem.message != TWICE);
        *at >= known
            || (SECTIONS.iter().any(is_of) && !is_redacted)
            || key == "content"
            || (problem.path.starts_with("content.") && !is_replaced)
    };
    let Some((_, mistake)) = findings.problems.iter().enumerate().find(may_widen) else { return };
    let message =
        format!("off until {} is mended, which may be there to keep content in the pod", mistake.path);
    let of_rules = config.rules.rules.iter_mut().filter_map(|rule| rule.content.as_mut());
    let mut was_on = false;
    for mode in of_rules.chain([&mut config.content.mode]) {
        was_on |= std::mem::replace(mode, ContentMode::Off) != ContentMode::Off;
    }
    if was_on {
        // Of many mistakes only the first are told.
        findings.problems.insert(0, Problem { path: "content.mode".to_owned(), message });
    }
}

#[cold]
fn rules(section: &mut Section<'_, '_>) -> Rules {
    Rules {
        only: section.list("match", place),
        exclude: section.sound_entries("exclude", excluded),
        rules: section.list("rules", |section| Rule {
            place: place(section),
            detect: section.choice(
                "detect",
                &[("inherit", None), ("known", Some(Detect::Known)), ("heuristic", Some(Detect::Heuristic))],
                None,
            ),
            content: section.choice(
                "content",
                &[
                    ("inherit", None),
                    ("off", Some(ContentMode::Off)),
                    ("fingerprint", Some(ContentMode::Fingerprint)),
                    ("redacted", Some(ContentMode::Redacted)),
                    ("full", Some(ContentMode::Full)),
                ],
                None,
            ),
            provider: Some(section.text("provider", String::new()))
                .filter(|name| !name.is_empty())
                .map(Rc::from),
        }),
    }
}

#[inline(never)]
#[cold]
fn place(section: &mut Section<'_, '_>) -> Place {
    #[cfg(not(target_arch = "wasm32"))]
    section.note_place();
    let mut host = section.pattern("host", "a host without scheme and port,", is_host).to_ascii_lowercase();
    // Of an absolute name, as calls are compared without it.
    if host.len() > 1 && host.ends_with('.') && host != "*." {
        host.pop();
    }
    Place { host, path: section.pattern("path", "a path from its first slash on, without query,", is_path) }
}

/// As hosts are compared: one colon stands before a port, more are those of an IPv6 address. What else no host has was
/// meant as a regular expression, or as a list.
fn is_host(pattern: &str) -> bool {
    let colons = pattern.bytes().filter(|byte| *byte == b':').count();
    colons != 1
        && !pattern.starts_with('.')
        && pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:_*".contains(&byte))
}

fn is_path(pattern: &str) -> bool {
    pattern.starts_with(['/', '*']) && !pattern.bytes().any(|byte| b"?#^|\\{}[]<>\"".contains(&byte))
}

/// One that names no place would keep every call from being seen. Who wants that says `"*"`.
#[cold]
fn excluded(section: &mut Section<'_, '_>) -> Place {
    let before = section.findings.problems.len();
    let place = place(section);
    if section.findings.problems.len() > before {
        return place;
    }
    let is_said = |key| {
        let (_, value) = section.find(key);
        value.is_some_and(|value| value.to_unquoted_string_str().is_ok_and(|text| text == "*"))
    };
    if place.host == "*" && place.path == "*" && !["host", "path"].into_iter().any(is_said) {
        section.report_whole("names no host and no path, which would be every call (say \"*\" for all)");
    }
    place
}

fn read_limits(section: &mut Section<'_, '_>, default: &Limits) -> Limits {
    Limits {
        max_attribute_bytes: section.number(
            "max_attribute_bytes",
            64,
            MAX_ATTRIBUTE_BYTES,
            default.max_attribute_bytes,
        ),
        max_list_bytes: section.number("max_list_bytes", 1 << 10, 64 << 10, default.max_list_bytes),
        max_raw_usage_bytes: section.number(
            "max_raw_usage_bytes",
            0,
            MAX_RAW_USAGE_BYTES,
            default.max_raw_usage_bytes,
        ),
        max_frame_bytes: section.number("max_frame_bytes", 1 << 10, 1 << 20, default.max_frame_bytes),
        max_window_bytes: section.number("max_window_bytes", 32 << 10, 64 << 20, default.max_window_bytes),
        max_decoder_bytes: section.number(
            "max_decoder_bytes",
            64 << 10,
            MAX_DECODER_BYTES,
            default.max_decoder_bytes,
        ),
        max_unread_bytes: section.number("max_unread_bytes", 0, 64 << 20, default.max_unread_bytes),
        max_expansion_ratio: u64::from(section.number("max_expansion_ratio", 2, 10_000, 256_u32)),
    }
}

fn read_content(section: &mut Section<'_, '_>, default: &Content) -> Content {
    let max = MAX_CONTENT_BYTES;
    Content {
        mode: section.choice("mode", CONTENT_MODES, default.mode),
        max_message_bytes: section.number("max_message_bytes", 256, max, default.max_message_bytes),
        max_span_bytes: section.number("max_span_bytes", 1 << 10, max, default.max_span_bytes),
        sample_rate: section.sample_rate("sample_rate"),
        // Less content is the safer mistake.
        errors: section.boolean_or("errors", default.errors, false),
    }
}

fn read_redaction(section: &mut Section<'_, '_>) -> Rc<Redactor> {
    #[cfg(not(target_arch = "wasm32"))]
    section.note_redaction();
    let literals = section.texts("literals");
    let ignore_case = section.boolean("ignore_case", false);
    let patterns = section.texts("patterns");
    let mut off = Vec::new();
    for name in section.texts("off").into_iter().filter(|name| !name.is_empty()) {
        if let Some(kind) = redact::Kind::BUILT_IN.iter().find(|kind| kind.name() == name) {
            off.push(*kind);
        } else {
            let known = redact::Kind::BUILT_IN.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            let name = beginning(&name);
            section.report("off", format!("no kind is called {name:?}; known are {known}; ignored"));
        }
    }
    let (redactor, mistakes) = Redactor::new(&redact::Rules { off, literals, ignore_case, patterns });
    for Problem { path, message } in mistakes {
        section.report(&path, message);
    }
    Rc::new(redactor)
}

/// The largest value that `limits.max_decoder_bytes` may have: a VM has 1 GiB at most, in which everything else has to fit
/// too, and traps beyond it.
pub const MAX_DECODER_BYTES: usize = 256 << 20;
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

#[cfg(test)]
mod tests;
