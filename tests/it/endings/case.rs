//! One call, made without the filter and with it, and what must hold of its span.

use std::collections::BTreeMap;

use meshtap_tests::envoy::Counters;
use meshtap_tests::mesh::{self, PARENT_SPAN, assert_same_bytes};
use meshtap_tests::spans::{Span, SpanUsage};
use meshtap_tests::standin;
use meshtap_tests::wire::{Answer, Headers, Http1, Next, Reply, ReplyEnd, Request, http2};

use super::bodies::{CHAT, MESSAGES};
use super::sidecar::{Door, ROUTE, Sidecar, sidecar};

/// Differ from call to call by themselves, or carry what tells calls apart.
const VARYING: [&str; 6] = [
    "date",
    "x-envoy-upstream-service-time",
    "x-request-id",
    "traceparent",
    "x-envoy-expected-rq-timeout-ms",
    standin::CALL,
];

pub(super) struct Case {
    name: String,
    pub(super) request: Request,
    answers: Vec<Answer>,
    door: Door,
    is_http2: bool,
    says: (When, Vec<u8>),
    leaves: When,
    is_primed: bool,
}

/// When the client does something.
#[derive(Clone)]
enum When {
    Never,
    AtOnce,
    /// The upstream has the request.
    Asked,
    /// The reply's head is there, and this in its body.
    Read(String),
}

/// A call of OpenAI's chat completions. The name is the case's own.
pub(super) fn chat(name: &str, answer: Answer) -> Case {
    Case::new(name, "POST", "api.openai.com", "/v1/chat/completions", CHAT, answer)
}

/// A streamed call of Anthropic's messages.
pub(super) fn messages(name: &str, answer: Answer) -> Case {
    Case::new(name, "POST", "api.anthropic.com", "/v1/messages", MESSAGES, answer)
}

impl Case {
    pub(super) fn new(name: &str, method: &str, host: &str, path: &str, body: &str, answer: Answer) -> Self {
        let request = Request {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        };
        let request =
            if body.is_empty() { request } else { request.header("content-type", "application/json") };
        Self {
            name: name.to_owned(),
            request,
            answers: vec![answer],
            door: Door::default(),
            is_http2: false,
            says: (When::Never, Vec::new()),
            leaves: When::Never,
            is_primed: false,
        }
    }

    /// What the next attempts get.
    pub(super) fn then(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    pub(super) fn route(self, name: &str) -> Self {
        self.header(ROUTE, name)
    }

    pub(super) fn door(mut self, door: Door) -> Self {
        self.door = door;
        self
    }

    /// The client speaks HTTP/2.
    pub(super) fn http2(mut self) -> Self {
        self.is_http2 = true;
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Bytes that follow what HTTP has a client send.
    pub(super) fn says_more(mut self, bytes: &str) -> Self {
        self.says = (When::AtOnce, bytes.as_bytes().to_vec());
        self
    }

    /// Bytes that follow once `text` is in the body that the client has read.
    pub(super) fn says_after(mut self, text: &str, bytes: &str) -> Self {
        self.says = (When::Read(text.to_owned()), bytes.as_bytes().to_vec());
        self
    }

    pub(super) fn leaves_at_once(mut self) -> Self {
        self.leaves = When::AtOnce;
        self
    }

    pub(super) fn leaves_when_asked(mut self) -> Self {
        self.leaves = When::Asked;
        self
    }

    pub(super) fn leaves_after(mut self, text: &str) -> Self {
        self.leaves = When::Read(text.to_owned());
        self
    }

    /// Each way is gone once before, by a call that nobody looks at.
    pub(super) fn primed(mut self) -> Self {
        self.is_primed = true;
        self
    }

    /// Makes the call both ways, and expects one span.
    #[track_caller]
    pub(super) fn observe(self) -> Seen {
        self.observe_by(&sidecar())
    }

    #[track_caller]
    pub(super) fn observe_by(self, sidecar: &Sidecar) -> Seen {
        let seen = self.observe_beside_others(sidecar);
        assert_no_module_failed(sidecar);
        seen
    }

    /// The same where a module that is not ours may have failed.
    #[track_caller]
    pub(super) fn observe_beside_others(self, sidecar: &Sidecar) -> Seen {
        let made = self.make(sidecar);
        let span = sidecar.collector.wait_for_span(&made.query);
        assert!(span.start_time <= span.end_time, "{span:#?}");
        let counted = counted(sidecar, &made.before, 1);
        Seen { span, reply: made.reply, asked: made.asked, counted }
    }

    /// Makes the call both ways, and expects no span of it, though one of a call that comes after it.
    #[track_caller]
    pub(super) fn observe_nothing(self) -> Unseen {
        let sidecar = sidecar();
        let made = self.make(&sidecar);
        let after = chat(&format!("{}-after", self.name), super::bodies::openai()).door(self.door);
        let [_, observed] = after.door.ways();
        let trace = mesh::new_trace_id();
        after.make_one(&sidecar, observed, &trace);
        sidecar.collector.wait_for_span(&format!("trace_id={trace}"));
        let spans = sidecar.collector.spans(&made.query);
        assert!(spans.is_empty(), "{spans:#?}");
        finished(&sidecar, &made.before, 1);
        Unseen { reply: made.reply, asked: made.asked }
    }

    #[track_caller]
    fn make(&self, sidecar: &Sidecar) -> Made {
        let trace = mesh::new_trace_id();
        if self.is_primed {
            for via in self.door.ways() {
                let prime =
                    Self::new(&format!("{}-prime", self.name), "GET", "prime", "/", "", Answer::status(204));
                let headers = self.request.headers.iter().filter(|(name, _)| name == ROUTE).cloned();
                let request = Request { headers: headers.collect(), ..prime.request.clone() };
                Self { request, ..prime }.make_one(sidecar, via, &trace);
            }
        }
        let before = sidecar.envoy.counters();
        let [bare, observed] = self.door.ways().map(|via| self.make_one(sidecar, via, &trace));
        assert_eq!(bare.1.len(), observed.1.len(), "attempts");
        for (bare, observed) in bare.1.iter().zip(&observed.1) {
            assert_same_request(observed, bare);
        }
        assert_same_reply(&observed.0, &bare.0);
        Made { query: format!("trace_id={trace}"), reply: observed.0, asked: observed.1, before }
    }

    /// What came back, and what the upstream was asked.
    #[track_caller]
    fn make_one(&self, sidecar: &Sidecar, via: &str, trace: &str) -> (Reply, Vec<Request>) {
        let Sidecar { upstream, envoy, .. } = sidecar;
        let call = format!("{}@{via}", self.name);
        upstream.will_answer(&call, &self.answers);
        let request = self
            .request
            .clone()
            .header("traceparent", &format!("00-{trace}-{PARENT_SPAN}-01"))
            .header(standin::CALL, &call);
        let is_time = |when: &When, reply: &Reply| match when {
            When::Never => false,
            When::AtOnce => true,
            When::Asked => !upstream.asked(&call).is_empty(),
            When::Read(text) => reply.status > 0 && String::from_utf8_lossy(&reply.body).contains(text),
        };
        let mut has_more = true;
        let mut watch = |reply: &Reply| {
            upstream.has_seen(&call, reply);
            let (when, bytes) = &self.says;
            if has_more && is_time(when, reply) {
                has_more = false;
                Next::Say(bytes.clone())
            } else if is_time(&self.leaves, reply) {
                Next::Leave
            } else {
                Next::Stay
            }
        };
        let address = envoy.address(via);
        let reply = if self.is_http2 {
            http2(address, &[request], |_, reply| watch(reply)).remove(0)
        } else {
            let mut client = Http1::connect(address);
            client.send(&request);
            client.reply(&request, &mut watch)
        };
        (reply, upstream.asked(&call))
    }
}

struct Made {
    query: String,
    reply: Reply,
    asked: Vec<Request>,
    before: Counters,
}

/// The filter has counted that many spans since `before`, no more than that, and no failure.
#[track_caller]
pub(super) fn finished(sidecar: &Sidecar, before: &Counters, spans: u64) {
    counted(sidecar, before, spans);
    assert_no_module_failed(sidecar);
}

#[track_caller]
fn assert_no_module_failed(sidecar: &Sidecar) {
    let log = sidecar.envoy.log();
    assert!(!log.contains("in-VM backtrace") && !log.contains("Wasm VM failed"), "{log}");
}

/// What the filter counted since `before`, once it has counted that many spans; no more than that.
#[track_caller]
fn counted(sidecar: &Sidecar, before: &Counters, spans: u64) -> BTreeMap<String, u64> {
    let counted = sidecar.envoy.wait_for_counters("the spans to be counted", |now| {
        let grown = now.since(before);
        let settled = ["meshtap_spans_finished_total", "meshtap_spans_exported_total"]
            .iter()
            .all(|name| grown.get(*name).is_some_and(|count| *count >= spans));
        settled.then_some(grown)
    });
    assert_eq!(counted.get("meshtap_spans_finished_total"), Some(&spans), "{counted:?}");
    assert_eq!(counted.get("meshtap_spans_exported_total"), Some(&spans), "{counted:?}");
    assert_eq!(counted.get("meshtap_host_errors_total"), None, "{counted:?}");
    counted
}

/// One exchange with a span.
pub(super) struct Seen {
    pub(super) span: Span,
    pub(super) reply: Reply,
    pub(super) asked: Vec<Request>,
    counted: BTreeMap<String, u64>,
}

/// One exchange without.
pub(super) struct Unseen {
    pub(super) reply: Reply,
    pub(super) asked: Vec<Request>,
}

impl Seen {
    #[track_caller]
    pub(super) fn complete(self) -> Self {
        self.ended("complete", None)
    }

    #[track_caller]
    pub(super) fn failed(self, end: &str, error_type: &str) -> Self {
        self.ended(end, Some(error_type))
    }

    #[track_caller]
    pub(super) fn ended(self, end: &str, error_type: Option<&str>) -> Self {
        let Span { end: said, error_type: error, status, .. } = &self.span;
        assert_eq!((said.as_deref(), error.as_deref()), (Some(end), error_type), "{:#?}", self.span);
        assert_eq!(status.to_lowercase() == "error", error_type.is_some(), "{:#?}", self.span);
        self
    }

    /// The status on the span and at the client; zero when none came.
    #[track_caller]
    pub(super) fn status(self, status: u16) -> Self {
        assert_eq!(self.reply.status, status);
        assert_eq!(self.span.http_status_code.unwrap_or(0), status, "{:#?}", self.span);
        self
    }

    /// Input and output tokens, and where they came from.
    #[track_caller]
    pub(super) fn tokens(self, input: u64, output: u64, source: &str) -> Self {
        let SpanUsage { input_tokens, output_tokens, source: said, .. } = &self.span.usage;
        assert_eq!(
            (*input_tokens, *output_tokens, said.as_deref()),
            (Some(input), Some(output), Some(source)),
            "{:#?}",
            self.span
        );
        assert_eq!(self.counted.get("meshtap_usage_absent_total"), None);
        self
    }

    /// No counts, and why.
    #[track_caller]
    pub(super) fn no_tokens(self, reason: &str) -> Self {
        let absent = SpanUsage { source: Some("absent".to_owned()), ..SpanUsage::default() };
        assert_eq!(self.span.usage, absent, "{:#?}", self.span);
        self.attribute("meshtap.usage.absent_reason", reason).counted("meshtap_usage_absent_total")
    }

    #[track_caller]
    pub(super) fn attempts(self, count: u64) -> Self {
        assert_eq!(u64::try_from(self.asked.len()).ok(), Some(count), "requests at the upstream");
        self.attribute("meshtap.envoy.attempts", &count.to_string())
    }

    /// What Envoy says: its code details, up to what varies, and its flags by their short names.
    #[track_caller]
    pub(super) fn because(self, details: &str, flags: &[&str]) -> Self {
        let said = self.span.attribute("meshtap.envoy.response_code_details").unwrap_or_default();
        assert!(said.starts_with(details) && !details.is_empty() || said == details, "{said:?}");
        let mask = self.span.attribute("meshtap.envoy.response_flags");
        let mask: u64 = mask.and_then(|mask| mask.parse().ok()).unwrap_or(0);
        let set: Vec<&str> =
            FLAGS.iter().filter(|(_, bit)| mask & (1 << bit) != 0).map(|(name, _)| *name).collect();
        assert_eq!(set, flags, "{mask}");
        self
    }

    /// How the reply ended for the client.
    #[track_caller]
    pub(super) fn reply_is(self, end: ReplyEnd) -> Self {
        assert_eq!(self.reply.end, end, "{:?}", self.reply);
        self
    }

    #[track_caller]
    pub(super) fn attribute(self, name: &str, value: &str) -> Self {
        assert_eq!(self.span.attribute(name).as_deref(), Some(value), "{:#?}", self.span);
        self
    }

    #[track_caller]
    pub(super) fn no_attribute(self, name: &str) -> Self {
        assert_eq!(self.span.attribute(name), None, "{:#?}", self.span);
        self
    }

    #[track_caller]
    pub(super) fn counted(self, name: &str) -> Self {
        assert_eq!(self.counted.get(name), Some(&1), "{:?}", self.counted);
        self
    }
}

/// Envoy's names of the bits that occur here.
const FLAGS: [(&str, u32); 20] = [
    ("UH", 1),
    ("UT", 2),
    ("LR", 3),
    ("UR", 4),
    ("UF", 5),
    ("UC", 6),
    ("UO", 7),
    ("NR", 8),
    ("RL", 11),
    ("UAEX", 12),
    ("DC", 14),
    ("URX", 15),
    ("SI", 16),
    ("IH", 17),
    ("DPE", 18),
    ("UMSDR", 19),
    ("DT", 22),
    ("UPE", 23),
    ("NC", 24),
    ("DR", 28),
];

#[track_caller]
pub(super) fn assert_same_reply(observed: &Reply, bare: &Reply) {
    assert_same_bytes(&observed.body, &bare.body, "the reply's body");
    assert_eq!(masked(&observed.headers), masked(&bare.headers), "the reply's headers");
    let but_those = |reply: &Reply| Reply { body: Vec::new(), headers: Headers::new(), ..reply.clone() };
    assert_eq!(but_those(observed), but_those(bare));
}

#[track_caller]
fn assert_same_request(observed: &Request, bare: &Request) {
    assert_same_bytes(&observed.body, &bare.body, "the request's body");
    assert_eq!(masked(&observed.headers), masked(&bare.headers), "the request's headers");
    let line = |request: &Request| (request.method.clone(), request.host.clone(), request.path.clone());
    assert_eq!(line(observed), line(bare));
    assert_eq!(observed.trailers, bare.trailers);
}

fn masked(headers: &Headers) -> Headers {
    let kept = |(name, value): &(String, String)| {
        (name.clone(), if VARYING.contains(&name.as_str()) { String::new() } else { value.clone() })
    };
    headers.iter().map(kept).collect()
}
