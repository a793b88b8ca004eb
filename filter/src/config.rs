//! The plugin configuration: one JSON document -> a valid [`Config`], whatever the document holds.
//!
//! Refusing a configuration would take the whole proxy down, so nothing here fails: a bad value is replaced by its
//! default and reported as a [`Problem`], an unknown key is ignored and reported. An absent document means defaults.

#[cfg(not(target_arch = "wasm32"))]
mod settings;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

#[cfg(not(target_arch = "wasm32"))]
pub use self::settings::{Setting, Values, settings};

use nojson::{JsonValueKind, RawJson, RawJsonValue};

use crate::decimal;
use crate::fingerprint::{self, Key};
use crate::redact::{self, Redactor};
use crate::rules::{MAX_ENTRIES, Place, Rule, Rules};

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

/// The same, with the SHA-256 of the document without the secrets in it.
pub fn parse_and_hash(document: &[u8]) -> (Config, Vec<Problem>, String) {
    let (config, Findings { problems, secrets, .. }) = examine(document);
    let mut public = document.to_vec();
    for secret in secrets {
        public.get_mut(secret).unwrap_or_default().fill(0);
    }
    // No JSON has such a byte.
    public.retain(|byte| *byte != 0);
    let mut hash = String::new();
    for byte in fingerprint::sha256(&public) {
        for digit in [byte >> 4, byte & 0xf] {
            hash.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
    }
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
        JsonValueKind::Null => Ok(Config::default()),
        JsonValueKind::Object => Ok(read(json.value(), findings)),
        other => Err(format!("expected an object, found {}", kind(other))),
    }
}

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
/// as those are that are reported behind the first `known` problems. Until it is mended no content leaves.
fn withhold_content(config: &mut Config, findings: &mut Findings, known: usize) {
    const SECTIONS: [&str; 4] = ["match", "exclude", "rules", "redaction"];
    let may_widen = |(at, problem): &(usize, &Problem)| {
        let is_of = |section: &&str| problem.path.starts_with(*section);
        // What stands in for a bad value of these lets out less, or nothing.
        let is_replaced = ["content.mode", "content.sample_rate", "content.errors"].contains(&&*problem.path)
            && problem.message != TWICE;
        *at >= known
            || (SECTIONS.iter().any(is_of) && !problem.path.starts_with("redaction.off"))
            || problem.path == "content"
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
fn place(section: &mut Section<'_, '_>) -> Place {
    #[cfg(not(target_arch = "wasm32"))]
    section.note_place();
    let mut host = section.pattern("host", "a host without scheme and port,", is_host).to_ascii_lowercase();
    // Of an absolute name, as calls are compared without it.
    if host.len() > 1 && host.ends_with('.') {
        host.pop();
    }
    Place { host, path: section.pattern("path", "a path from its first slash on, without query,", is_path) }
}

/// One that names no place would keep every call from being seen. Who wants that says `"*"`.
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
    for name in section.texts("off") {
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

/// A value of the document. The crate keeps it as it is written, without turning numbers into floats and back: the
/// module is 21 KB smaller than with serde_json.
type Json<'a> = RawJsonValue<'a, 'a>;

/// One of a list: what it says, and where its mistakes are in [`Findings::problems`].
struct Entry<T> {
    value: T,
    mistakes: Range<usize>,
}

/// One object of the document: remembers which keys were asked for, so that the others can be reported.
struct Section<'a, 'p> {
    path: String,
    object: Option<Json<'a>>,
    known: Vec<&'static str>,
    findings: &'p mut Findings,
}

impl<'a, 'p> Section<'a, 'p> {
    fn new(path: &str, object: Option<Json<'a>>, findings: &'p mut Findings) -> Self {
        Self { path: path.to_owned(), object, known: Vec::new(), findings }
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
        let (_, value) = self.find(key);
        value.filter(|value| !value.kind().is_null())
    }

    /// How often a key stands here, and its last value.
    #[inline(never)]
    fn find(&self, key: &str) -> (usize, Option<Json<'a>>) {
        let of_key = self.members().filter(|(name, _)| name == key);
        of_key.fold((0, None), |(count, _), (_, value)| (count.saturating_add(1), Some(value)))
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Says something of all of it; nothing where there is none.
    fn report_whole(&mut self, message: &str) {
        if self.object.is_some() {
            let problem = Problem { path: self.path.clone(), message: message.to_owned() };
            self.findings.problems.push(problem);
        }
    }

    fn report(&mut self, key: &str, message: String) {
        let path = self.path_of(key);
        self.findings.problems.push(Problem { path, message });
    }

    #[inline(never)]
    fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> T {
        self.object(key, |section| {
            let result = read(section);
            section.finish();
            result
        })
    }

    /// A section whose keys are anyone's.
    fn object<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> T {
        read(&mut self.open(key))
    }

    fn open(&mut self, key: &'static str) -> Section<'a, '_> {
        let object = match self.value(key) {
            Some(value) if !value.kind().is_object() => {
                let found = kind(value.kind());
                self.report(key, format!("expected an object, found {found}; using defaults"));
                None
            }
            object => object,
        };
        let path = self.path_of(key);
        Section::new(&path, object, self.findings)
    }

    /// A list of objects.
    fn list<T>(&mut self, key: &'static str, read: impl FnMut(&mut Section<'_, '_>) -> T) -> Vec<T> {
        self.entries(key, read).into_iter().map(|Entry { value, .. }| value).collect()
    }

    /// The same without those that have a mistake: they may mean more than was meant.
    fn sound_entries<T>(&mut self, key: &'static str, read: impl FnMut(&mut Section<'_, '_>) -> T) -> Vec<T> {
        let mut sound = Vec::new();
        for Entry { value, mistakes } in self.entries(key, read) {
            if mistakes.is_empty() {
                sound.push(value);
            }
            for Problem { message, .. } in self.findings.problems.get_mut(mistakes).unwrap_or_default() {
                let what = message.strip_suffix(USING_ALL).unwrap_or(message);
                *message = format!("{what}; the whole entry is ignored");
            }
        }
        sound
    }

    fn entries<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, '_>) -> T,
    ) -> Vec<Entry<T>> {
        #[cfg(not(target_arch = "wasm32"))]
        read(&mut Section::new(&format!("{}[]", self.path_of(key)), None, self.findings));
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
            let before = self.findings.problems.len();
            let mut section = Section::new(&path, Some(item), self.findings);
            let value = read(&mut section);
            section.finish();
            let mistakes = before..self.findings.problems.len();
            list.push(Entry { value, mistakes });
        }
        list
    }

    #[inline(never)]
    fn text(&mut self, key: &'static str, default: String) -> String {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Text { default: default.clone() });
        self.checked_text(key, default, "a text of", |_| true)
    }

    /// What a host or a path is compared with; all of them where there is none.
    fn pattern(&mut self, key: &'static str, expected: &str, fits: fn(&str) -> bool) -> String {
        self.checked_text(key, "*".to_owned(), expected, fits)
    }

    #[inline(never)]
    fn checked_text(
        &mut self,
        key: &'static str,
        default: String,
        expected: &str,
        fits: fn(&str) -> bool,
    ) -> String {
        let Some(value) = self.value(key) else {
            return default;
        };
        let is_valid = |text: &str| {
            (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) && fits(text)
        };
        if let Some(text) = value.to_unquoted_string_str().ok().filter(|text| is_valid(text)) {
            return text.into_owned();
        }
        let message = format!(
            "expected {expected} 1 to 512 visible ASCII characters, found {}; using {default:?}",
            shown(value)
        );
        self.report(key, message);
        default
    }

    /// An object of names and values. A bad one is left out; no message repeats a value.
    fn headers(&mut self, max_headers: usize, max_bytes: usize) -> Vec<Header> {
        #[cfg(not(target_arch = "wasm32"))]
        self.findings.settings.push(Setting { path: self.path.clone(), values: Values::Headers });
        let mut headers: Vec<Header> = Vec::new();
        let mut free = max_bytes;
        for (name, value) in self.members() {
            let value = value.to_unquoted_string_str().unwrap_or_default();
            let bytes = name.len().saturating_add(value.len());
            let is_known = headers.iter().any(|header| header.name == name);
            if !is_known && is_header(&name, &value) && headers.len() < max_headers && bytes <= free {
                free = free.saturating_sub(bytes);
                headers.push(Header { name: name.into_owned(), value: value.into_owned() });
            } else {
                let message = "expected a name in lower case that gRPC and HTTP leave free, once, and a text of 1 to \
                               4096 visible ASCII characters and spaces, at most 16 and 8192 bytes together; not sent";
                // Behind what can be a name stands what nobody should read.
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
                let colon = usize::from(name.starts_with(':'));
                let end =
                    name.bytes().skip(colon).take_while(|byte| is_part(*byte)).count().saturating_add(colon);
                self.report(&beginning(name.get(..end).unwrap_or_default()), message.to_owned());
            }
        }
        headers
    }

    fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.boolean_or(key, default, default)
    }

    /// `fallback` stands in for a bad value, `default` for none.
    fn boolean_or(&mut self, key: &'static str, default: bool, fallback: bool) -> bool {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Boolean { default });
        let Some(value) = self.value(key) else { return default };
        match value.as_raw_str() {
            "true" => true,
            "false" => false,
            _ => {
                self.report(key, format!("expected true or false, found {}; using {fallback}", shown(value)));
                fallback
            }
        }
    }

    /// A text that no message repeats.
    fn secret(&mut self, key: &'static str) -> Option<Cow<'a, str>> {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Secret);
        let value = self.value(key)?;
        let text = value.to_unquoted_string_str().ok().filter(|text| (16..=512).contains(&text.len()));
        if text.is_none() {
            self.report(key, "expected a text of 16 to 512 bytes; using a random one".to_owned());
        }
        text
    }

    /// A list of names of request headers; a bad one is left out.
    fn id_headers(&mut self, key: &'static str, id: Id, headers: &mut Vec<(Id, String)>) {
        const MAX_NAMES: usize = 8;
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::HeaderNames);
        let Some(members) = self.value(key).map(Json::to_array) else {
            let defaults = ID_HEADERS.iter().filter(|(default, _)| *default == id);
            headers.extend(defaults.map(|(id, name)| (*id, (*name).to_owned())));
            return;
        };
        let (mut good, mut bad) = (0, members.is_err());
        for member in members.into_iter().flatten() {
            let mut name = member.to_unquoted_string_str().unwrap_or_default().into_owned();
            name.make_ascii_lowercase();
            if good < MAX_NAMES && is_id_header(&name) {
                headers.push((id, name));
                good = good.saturating_add(1);
            } else {
                bad = true;
            }
        }
        if bad {
            let expected =
                "expected a list of at most 8 names of headers without credentials; others are left out";
            self.report(key, expected.to_owned());
        }
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

    fn sample_rate(&mut self, key: &'static str) -> SampleRate {
        #[cfg(not(target_arch = "wasm32"))]
        self.note(key, Values::Share);
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
    fn finish(&mut self) {
        // What an editor puts at the top is no setting.
        let is_known = |key: &str| self.known.contains(&key) || self.path.is_empty() && key == "$schema";
        for (key, _) in self.members().filter(|(key, _)| !is_known(key)) {
            let message = format!("unknown key, ignored; known here: {}", self.known.join(", "));
            let path = self.path_of(&beginning(&key));
            self.findings.problems.push(Problem { path, message });
        }
        for key in &self.known {
            if self.find(key).0 > 1 {
                let (path, message) = (self.path_of(key), TWICE.to_owned());
                self.findings.problems.push(Problem { path, message });
            }
        }
    }
}

/// As hosts are compared: one colon stands before a port, more are those of an IPv6 address.
fn is_host(pattern: &str) -> bool {
    let colons = pattern.bytes().filter(|byte| *byte == b':').count();
    colons != 1 && !pattern.bytes().any(|byte| matches!(byte, b'/' | b'[' | b']'))
}

fn is_path(pattern: &str) -> bool {
    pattern.starts_with(['/', '*']) && !pattern.contains('?')
}

/// Headers that hold no id.
pub const CREDENTIALS: [&str; 19] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-goog-api-key",
    "x-amz-security-token",
    "ocp-apim-subscription-key",
    "xi-api-key",
    "cf-aig-authorization",
    "helicone-auth",
    "private-token",
    "x-forwarded-access-token",
    "x-forwarded-client-cert",
    "x-functions-key",
    "x-portkey-api-key",
    "x-vault-token",
];

/// A credential is not an id: it must not leave the pod.
fn is_id_header(name: &str) -> bool {
    is_token(name) && !CREDENTIALS.contains(&name)
}

fn is_token(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

/// Headers of HTTP's own.
pub const NOT_METADATA: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// How the names begin that gRPC keeps for itself, and those by which Envoy is told what to do with a request.
pub const NOT_METADATA_PREFIXES: [&str; 2] = ["grpc-", "x-envoy-"];

/// A name that is neither gRPC's own nor belongs to the connection or the message; in the value spaces only inside, as
/// HTTP takes them away at the ends.
fn is_header(name: &str, value: &str) -> bool {
    is_token(name)
        && !NOT_METADATA_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !NOT_METADATA.contains(&name)
        && (1..=4_096).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && value.trim_ascii().len() == value.len()
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

/// A value as it stands in a message.
fn shown(value: Json<'_>) -> String {
    beginning(value.as_raw_str())
}

/// Enough of a text to find it again, on one line; where there is none, as it stands in a document.
fn beginning(text: &str) -> String {
    const MAX_BYTES: usize = 64;
    let end = text.floor_char_boundary(MAX_BYTES);
    let beginning = if end == 0 { "\"\"" } else { text.get(..end).unwrap_or_default() };
    let printable = |character: char| if character.is_control() { ' ' } else { character };
    let mut line: String = beginning.chars().map(printable).collect();
    if end < text.len() {
        line.push('…');
    }
    line
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
    fn a_mistake_is_one_line() {
        let document = "{\"content\": {\"mode\": [\n\t\"full\"\r\n]}, \"a\\nmeshtap: all is well\\u001b[2K\": 1, \"\\u009b2K\": 2, \"\u{85}\": 3}";
        let found = problems(document);
        assert!(found.iter().any(|problem| problem.contains("found [  \"full\"  ]")), "{found:?}");
        assert!(found.iter().any(|problem| problem.starts_with("a meshtap: all is well [2K: ")), "{found:?}");
        assert!(!found.concat().contains(char::is_control), "{found:?}");
    }

    #[test]
    fn a_key_without_a_name_has_a_path() {
        let paths = |document: &str| -> Vec<String> {
            parse(document.as_bytes()).1.into_iter().map(|problem| problem.path).collect()
        };
        assert_eq!(paths(r#"{"": 1, "batch": {"": 1}}"#), ["batch.\"\"", "\"\""]);
    }

    #[test]
    fn mistakes_in_lists_name_their_entry() {
        let document =
            r#"{"match": 3, "exclude": [{"hots": "a"}, 4], "rules": [{"detect": "all"}, {"path": ""}]}"#;
        let expected = [
            "match: expected an array of objects, found a number; using none",
            "exclude[0]: names no host and no path, which would be every call (say \"*\" for all); the whole entry is ignored",
            "exclude[0].hots: unknown key, ignored; known here: host, path; the whole entry is ignored",
            "exclude[1]: expected an object, found a number; ignored",
            "rules[0].detect: expected one of inherit, known, heuristic, found \"all\"; using inherit",
            "rules[1].path: expected a path from its first slash on, without query, 1 to 512 visible ASCII characters, found \"\"; using \"*\"",
        ];
        assert_eq!(problems(document), expected);
        let many = format!("{{\"match\": [{}]}}", vec!["{}"; 65].join(","));
        assert_eq!(problems(&many), ["match[64]: more than 64 entries; those from here on are ignored"]);
    }

    #[test]
    fn a_mistake_excludes_not_every_call() {
        for mistake in [
            r#"{"host":"*","path":"v1/embeddings"}"#,
            r#"{"host":"hr","paths":"/v1"}"#,
            r#"{"hots":"hr"}"#,
            r#"{"host":"https://hr"}"#,
            r#"{"path":"v1"}"#,
            "{}",
            r#"{"host":null}"#,
        ] {
            let (config, problems) = parse(format!(r#"{{"exclude":[{mistake}]}}"#).as_bytes());
            assert_eq!(config.rules.exclude, [], "{mistake}");
            let is_said = |problem: &Problem| {
                problem.path.starts_with("exclude[0]")
                    && problem.message.ends_with("; the whole entry is ignored")
            };
            assert!(!problems.is_empty() && problems.iter().all(is_said), "{problems:?}");
            assert!(!problems.iter().any(|problem| problem.message.contains("using")), "{problems:?}");
        }
        let (config, _) = parse(br#"{"exclude":[{"host":"HR.apps."},{"host":"."}]}"#);
        let hosts: Vec<&str> = config.rules.exclude.iter().map(|place| place.host.as_str()).collect();
        assert_eq!(hosts, ["hr.apps", "."], "without the dot of an absolute name");
        for all in [r#"{"host":"*"}"#, r#"{"path":"*"}"#] {
            let (config, problems) = parse(format!(r#"{{"exclude":[{all}]}}"#).as_bytes());
            assert_eq!((config.rules.exclude.len(), problems), (1, vec![]), "{all}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_a_mistake() {
        let document =
            r#"{"content":{"mode":"off"},"batch":{"max_spans":1,"max_spans":2},"content":{"mode":"full"}}"#;
        let expected = [
            "content.mode: off until content is mended, which may be there to keep content in the pod",
            "batch.max_spans: stands here more than once; the last counts",
            "content: stands here more than once; the last counts",
        ];
        assert_eq!(problems(document), expected);
        let (config, _) = parse(document.as_bytes());
        assert_eq!((config.batch.max_spans, config.content.mode), (2, ContentMode::Off));
        let (config, _) = parse(br#"{"content":{"mode":"off","mode":"full"}}"#);
        assert_eq!(config.content.mode, ContentMode::Off);
    }

    #[test]
    fn every_key_is_read() {
        let document = r#"{
            "match": [{"host": "*.Example.com"}],
            "exclude": [{"path": "*/embeddings"}],
            "rules": [{"host": "llm", "path": "/v1/*", "detect": "heuristic", "content": "full", "provider": "vllm"}],
            "collector": {"cluster": "meshtap", "authority": "collector.example", "timeout_ms": 1000,
                "headers": {"authorization": "Bearer 1"}},
            "detect": "heuristic",
            "batch": {"max_spans": 10.0, "max_bytes": 65536, "max_age_ms": 50},
            "queue": {"max_bytes": 1048576, "max_in_flight": 2},
            "retry": {"initial_backoff_ms": 100, "max_backoff_ms": 1000},
            "limits": {"max_attribute_bytes": 128, "max_list_bytes": 2048, "max_raw_usage_bytes": 0,
                "max_frame_bytes": 2048, "max_window_bytes": 65536, "max_decoder_bytes": 1048576,
                "max_expansion_ratio": 10, "max_unread_bytes": 4096},
            "identity": {"principals": true},
            "correlation": {"user_headers": ["X-User"], "session_headers": ["a", "b"], "tenant_headers": [],
                "correlation_headers": ["x-id"]},
            "api_key": {"fingerprint_key": "sixteen bytes or more"},
            "heartbeat": {"interval_ms": 0},
            "content": {"mode": "redacted", "max_message_bytes": 1024, "max_span_bytes": 4096, "sample_rate": 0.25,
                "errors": false},
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
                    timeout_ms: 1_000,
                    headers: vec![Header { name: "authorization".into(), value: "Bearer 1".into() }],
                },
                detect: Detect::Heuristic,
                rules: Rules {
                    only: vec![Place { host: "*.example.com".into(), path: "*".into() }],
                    exclude: vec![Place { host: "*".into(), path: "*/embeddings".into() }],
                    rules: vec![Rule {
                        place: Place { host: "llm".into(), path: "/v1/*".into() },
                        detect: Some(Detect::Heuristic),
                        content: Some(ContentMode::Full),
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
                    max_expansion_ratio: 10,
                    max_unread_bytes: 4_096,
                },
                identity: Identity { principals: true },
                correlation: Correlation {
                    headers: [
                        (Id::User, "x-user"),
                        (Id::Session, "a"),
                        (Id::Session, "b"),
                        (Id::Correlation, "x-id")
                    ]
                    .map(|(id, name)| (id, name.to_owned()))
                    .into(),
                },
                api_key: ApiKey { fingerprint_key: Some(Key::from_text("sixteen bytes or more")) },
                heartbeat: Heartbeat { interval_ms: 0 },
                content: Content {
                    mode: ContentMode::Redacted,
                    max_message_bytes: 1_024,
                    max_span_bytes: 4_096,
                    sample_rate: SampleRate::new(0.25).unwrap(),
                    errors: false
                },
                redactor: Rc::new(
                    Redactor::new(&redact::Rules {
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
                "colector: unknown key, ignored; known here: collector, detect, match, exclude, rules, batch, queue, \
                 retry, limits, identity, correlation, api_key, heartbeat, content, redaction",
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
    fn a_mistake_lets_no_content_out() {
        let modes = |document: &str| {
            let (config, problems) = parse(document.as_bytes());
            let of_rules = config.rules.rules.iter().filter_map(|rule| rule.content);
            let is_on = of_rules.chain([config.content.mode]).any(|mode| mode != ContentMode::Off);
            (
                is_on,
                problems
                    .first()
                    .map(|first| format!("{}: {}", first.path, first.message))
                    .unwrap_or_default(),
            )
        };
        for (rest, mistake) in [
            (r#""rules":[{"hots":"dev","content":"full"}]"#, "rules[0].hots"),
            (r#""rules":[{"host":"a b","content":"full"}]"#, "rules[0].host"),
            (r#""rules":[{"host":"hr","content":"redact"}]"#, "rules[0].content"),
            (r#""exclude":{"host":"hr"}"#, "exclude"),
            (r#""exclude":[{"host":"hr","paths":"/"}]"#, "exclude[0].paths"),
            (r#""exclude":[{"host":"hr:443"}]"#, "exclude[0].host"),
            (r#""exclude":[{"host":"https://hr"}]"#, "exclude[0].host"),
            (r#""exclude":[{"host":"[::1]"}]"#, "exclude[0].host"),
            (r#""exclude":[{"path":"v1/chat"}]"#, "exclude[0].path"),
            (r#""exclude":[{"path":"/v1/chat?a=b"}]"#, "exclude[0].path"),
            (r#""match":["hr"]"#, "match[0]"),
            (r#""redaction":{"patterns":["(?=x)abc"]}"#, "redaction.patterns[0]"),
            (r#""redaction":{"pattern":["abc"]}"#, "redaction.pattern"),
            (r#""redaction":{"ignore_case":"yes"}"#, "redaction.ignore_case"),
            (r#""excludes":[{"host":"hr"}]"#, "excludes"),
            (r#""rules":[{"host":"hr","content":"full"}],"content":["mode"]"#, "content"),
            (r#""content":{"mode":"full","sample_ratio":0.1}"#, "content.sample_ratio"),
            (r#""content":{"mode":"full","sample_rate":0.1,"sample_rate":1}"#, "content.sample_rate"),
            (r#""content":{"mode":"full","max_message_bytes":1}"#, "content.max_message_bytes"),
        ] {
            let (is_on, first) = modes(&format!(r#"{{"content":{{"mode":"redacted"}},{rest}}}"#));
            assert!(!is_on, "{rest}");
            let expected = format!(
                "content.mode: off until {mistake} is mended, which may be there to keep content in the pod"
            );
            assert_eq!(first, expected);
        }
        assert!(!modes(r#"{"rules":[{"hots":"dev","content":"full"}]}"#).0, "on in the rule alone");
        for rest in [
            r#""exclude":[{"host":"2001:db8::*","path":"*/chat"}]"#,
            r#""$schema":"plugin-config.schema.json""#,
        ] {
            assert_eq!(
                modes(&format!(r#"{{"content":{{"mode":"redacted"}},{rest}}}"#)),
                (true, String::new())
            );
        }
        for document in [
            r#"{"content":{"mode":"redacted"},"redaction":{"off":["emails"]}}"#,
            r#"{"content":{"mode":"redacted"},"batch":{"max_spans":0}}"#,
            r#"{"content":{"mode":"full","sample_rate":2}}"#,
        ] {
            let (is_on, first) = modes(document);
            assert!(is_on && !first.is_empty() && !first.starts_with("content.mode"), "{document} {first}");
        }
        let (_, first) = modes(r#"{"excludes":[]}"#);
        assert!(first.starts_with("excludes: "), "nothing to switch off, nothing to say: {first}");
        assert!(!parse(br#"{"content":{"mode":"full","errors":"no"}}"#).0.content.errors);
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
    fn texts_that_would_break_a_header_are_refused() {
        let (config, reported) = parse(br#"{"collector":{"authority":"a\r\nb: c"}}"#);
        assert_eq!(config, Config::default());
        assert_eq!(reported.len(), 1);
    }

    #[test]
    fn the_key_of_fingerprints_is_never_repeated() {
        for document in [
            r#"{"api_key":{"fingerprint_key":"hunter2"}}"#,
            r#"{"api_key":"hunter2"}"#,
            r#"{"api_key":{"fingerprint_key":["hunter2"]}}"#,
        ] {
            assert_eq!(parse(document.as_bytes()).0, Config::default());
            let reported = problems(document);
            assert!(reported.len() == 1 && !reported[0].contains("hunter2"), "{reported:?}");
        }
        let (config, _) = parse(br#"{"api_key":{"fingerprint_key":"hunter2 hunter2 hunter2"}}"#);
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_hash_of_a_document_tells_nothing_of_its_secrets() {
        let hash = |document: &str| parse_and_hash(document.as_bytes()).2;
        assert_eq!(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let with = |key: &str, token: &str, max: u32| {
            hash(&format!(
                r#"{{"é":1,"api_key":{{"fingerprint_key":{key}}},"batch":{{"max_spans":{max}}},"collector":{{"headers":{{"a":"{token}"}}}}}}"#
            ))
        };
        let first = with(r#""sixteen bytes or more""#, "t1", 1);
        for (key, token) in [(r#""sixteen bytes or \u006dore""#, "t2"), ("\"short\"", ""), ("[1]", "t\\n")] {
            assert_eq!(with(key, token, 1), first);
        }
        assert_ne!(with(r#""sixteen bytes or more""#, "t1", 2), first);
        for document in [
            r#"{"api_key":{"fingerprint_key":"SECRET","fingerprint_key":"k"}}"#,
            r#"{"api_key":{"fingerprint_key":"SECRET"},"api_key":{}}"#,
            r#"{"api_key":"SECRET"}"#,
            r#"{"collector":{"headers":{"a":"SECRET","a":"b"}},"collector":{"headers":[]}}"#,
            r#"{"collector":{"headers":["SECRET"]}}"#,
            r#"{"collector":["SECRET"]}"#,
            r#"{"api_key":{"fingerprint_key":"SECRET"}"#,
        ] {
            assert_eq!(hash(document), hash(&document.replace("SECRET", "other")), "{document}");
        }
    }

    #[test]
    fn headers_with_ids_hold_no_credentials() {
        let document = r#"{"identity":{"principals":"yes"},"correlation":{
            "user_headers":["Authorization","x-ok","","x y",7,":path"],"session_headers":"x","tenant_headers":{},
            "correlation_headers":["1","2","3","4","5","6","7","8","9"]}}"#;
        let (config, reported) = parse(document.as_bytes());
        let names = |wanted: Id| {
            let headers = config.correlation.headers.iter().filter(|(id, _)| *id == wanted);
            headers.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(Id::User), "x-ok");
        assert_eq!(
            (names(Id::Session), names(Id::Tenant)),
            (String::new(), String::new()),
            "no list, no guess"
        );
        assert_eq!(names(Id::Correlation), "1 2 3 4 5 6 7 8");
        assert_eq!(reported.len(), 5, "{reported:?}");
    }

    #[test]
    fn headers_of_the_calls_are_checked_one_by_one() {
        let names = |document: &str| {
            let headers = parse(document.as_bytes()).0.collector.headers;
            headers.into_iter().map(|header| header.name).collect::<Vec<_>>().join(" ")
        };
        let document = r#"{"collector":{"headers":{
            "authorization": "Bearer a b", "x-scope-orgid": "1", "": "s3cret", ":path": "s3cret", "grpc-timeout": "s3cret",
            "content-type": "s3cret", "X-Upper": "s3cret", "x y": "s3cret", "x-number": 3, "x-list": ["s3cret"],
            "x-line": "s3cret\r\nb: c", "x-end": "s3cret ", "x-empty": "", "x-umlaut": "s3cr\u00e9t",
            "authorization: Bearer s3cret": "x", "x-key=s3cret": "x"
        }}}"#;
        assert_eq!(names(document), "authorization x-scope-orgid");
        let reported = problems(document);
        assert_eq!(reported.len(), 14, "{reported:?}");
        for problem in &reported {
            assert!(problem.starts_with("collector.headers."), "{problem}");
            assert!(!problem.contains("s3cr"), "{problem}");
        }
        assert_eq!(names(r#"{"collector":{"headers":{"a":"1","b":"2","a":"3"}}}"#), "a b");
        for document in [
            r#"{"collector":{"headers":"s3cret"}}"#,
            r#"{"collector":"s3cret"}"#,
            r#"{"collector":{"headers":{"a":"s3cret"}"#,
        ] {
            assert_eq!(names(document), "");
            let reported = problems(document);
            assert!(reported.len() == 1 && !reported[0].contains("s3cret"), "{reported:?}");
        }
    }

    /// What a VM holds at most, apart from the exchanges in progress: the queue, the copies that a VM which ends makes of it,
    /// and what of several exchanges is bounded together.
    #[test]
    fn the_largest_bounds_fit_a_vm_together() {
        const VM_BYTES: u32 = 1 << 30;
        let largest = |wanted: &str| {
            settings()
                .iter()
                .find_map(|setting| match setting.values {
                    Values::Number { max, .. } if setting.path == wanted => Some(max),
                    _ => None,
                })
                .unwrap()
        };
        let queue = 3 * largest("queue.max_bytes");
        let together = queue + largest("limits.max_decoder_bytes") + largest("limits.max_unread_bytes");
        assert!(together <= VM_BYTES / 2, "{together}");
        assert!(largest("limits.max_window_bytes") <= largest("limits.max_decoder_bytes"));
        let expected = "limits.max_decoder_bytes: expected a whole number from 65536 to 268435456, found 1073741824; using 67108864";
        assert_eq!(problems(r#"{"limits": {"max_decoder_bytes": 1073741824}}"#), [expected]);
    }

    #[test]
    fn headers_of_the_calls_are_bounded_and_hidden() {
        let with = |count: usize, value: &str| {
            let headers: Vec<String> = (0..count).map(|n| format!(r#""x-{n}":"{value}""#)).collect();
            parse(format!(r#"{{"collector":{{"headers":{{{}}}}}}}"#, headers.join(",")).as_bytes())
        };
        let (config, reported) = with(20, "s3cret");
        assert_eq!((config.collector.headers.len(), reported.len()), (16, 4));
        assert!(!format!("{config:?}").contains("s3cret"));
        let (config, reported) = with(3, &"v".repeat(4_000));
        assert_eq!((config.collector.headers.len(), reported.len()), (2, 1));
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
        assert!(problems("{").first().is_some_and(|p| p.starts_with("(document): not valid JSON")));
    }
}
