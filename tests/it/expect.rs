//! What a span must say, given what both ends of its call saw.

use meshtap_tests::client::{Call, HOST};
use meshtap_tests::mesh::{Observed, PARENT_SPAN, STORES, Seen};
use meshtap_tests::spans::{Span, SpanUsage};
use meshtap_tests::standin::record::{Exchange, Usage};

/// Makes sure that nothing was touched, and shows each store's span to `check`.
#[track_caller]
pub(crate) fn each_span(call: &Call, seen: &Seen, check: impl Fn(&Span, &Exchange)) {
    seen.assert_untouched();
    assert_eq!(seen.observed.len(), STORES.len());
    for Observed { store, side, span } in &seen.observed {
        say_on_failure(store, span, || {
            belongs_to(span, &seen.trace);
            names_the_call(span, call);
            is_in_order(span);
            check(span, &side.exchange);
        });
    }
}

/// The span in full, when something about it is wrong.
fn say_on_failure(store: &str, span: &Span, check: impl FnOnce()) {
    struct Shown<'a>(&'a str, &'a Span);
    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("in {}: {:#?}", self.0, self.1);
            }
        }
    }
    let shown = Shown(store, span);
    check();
    drop(shown);
}

/// A child of the span that the client named.
fn belongs_to(span: &Span, trace: &str) {
    assert_eq!(span.trace_id, trace);
    assert_eq!(span.parent_span_id.as_deref(), Some(PARENT_SPAN));
    assert_ne!(span.span_id, PARENT_SPAN);
}

/// What the request alone says.
fn names_the_call(span: &Span, call: &Call) {
    assert_eq!(span.name, format!("chat {}", call.model()));
    assert_eq!(span.kind.to_lowercase(), "client");
    assert_eq!(span.operation_name.as_deref(), Some("chat"));
    assert_eq!(span.provider_name.as_deref(), Some("openai"));
    assert_eq!(span.request_model.as_deref(), Some(call.model()));
    assert_eq!(span.stream.unwrap_or(false), call.body["stream"] == true);
    assert_eq!(span.attribute("server.address").as_deref(), Some(HOST));
    assert_eq!(span.attribute("url.path").as_deref(), Some("/v1/chat/completions"));
}

/// start ≤ first chunk ≤ first content ≤ end.
fn is_in_order(span: &Span) {
    let first_chunk = span.time_to_first_chunk_ms.unwrap_or(0.0);
    let first_content = span.time_to_first_content_ms.unwrap_or(first_chunk);
    assert!(0.0 <= first_chunk && first_chunk <= first_content, "{first_chunk} > {first_content}");
    assert!(first_content <= span.duration_ms, "{first_content} > {}", span.duration_ms);
    assert!(span.start_time <= span.end_time, "{} > {}", span.start_time, span.end_time);
}

/// A good answer, seen to its end.
pub(crate) fn complete(span: &Span, exchange: &Exchange) {
    assert_eq!(span.end.as_deref(), Some("complete"));
    assert_eq!(span.error_type, None);
    assert_eq!(span.http_status_code, Some(200));
    assert_ne!(span.status.to_lowercase(), "error");
    answered(span, exchange);
}

/// The answer's own names.
pub(crate) fn answered(span: &Span, exchange: &Exchange) {
    assert_eq!(span.response_id.as_ref(), Some(&exchange.response_id));
    assert_eq!(span.response_model.as_ref(), Some(&exchange.response_model));
}

pub(crate) fn finished(span: &Span, reason: &str) {
    assert_eq!(span.finish_reasons.as_deref(), Some([reason.to_owned()].as_slice()));
}

/// A stream's times are there.
pub(crate) fn timed(span: &Span) {
    assert!(span.time_to_first_chunk_ms.is_some_and(|time| time > 0.0), "time to first chunk");
    assert!(span.time_to_first_content_ms.is_some_and(|time| time > 0.0), "time to first content");
}

/// The provider's own counts.
pub(crate) fn counted(span: &Span, exchange: &Exchange) {
    let Some(Usage { input, output, cached_input, reasoning_output, .. }) = exchange.usage else {
        panic!("the provider reported no usage");
    };
    assert_eq!(
        span.usage,
        SpanUsage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            cache_read_input_tokens: Some(cached_input),
            cache_creation_input_tokens: None,
            reasoning_output_tokens: Some(reasoning_output),
            source: Some("provider".to_owned()),
        }
    );
}

/// Nothing was counted: absent, not zero.
pub(crate) fn uncounted(span: &Span) {
    assert_eq!(span.usage, SpanUsage { source: Some("absent".to_owned()), ..SpanUsage::default() });
}

pub(crate) fn failed(span: &Span, end: &str, error_type: &str) {
    assert_eq!(span.end.as_deref(), Some(end));
    assert_eq!(span.error_type.as_deref(), Some(error_type));
    assert_eq!(span.status.to_lowercase(), "error");
}
