//! Endings as the official SDK meets them, in both stores: what it raises, and what the spans say.

use meshtap_tests::client::Call;
use meshtap_tests::mesh;
use meshtap_tests::standin::record::End;
use meshtap_tests::standin::scenario::Scenario;

use crate::expect::{answered, complete, counted, each_span, failed, finished, timed, uncounted};

#[test]
fn client_cancels_mid_stream() {
    let call = Call::chat("end-cancelled", "gpt-4o")
        .streamed()
        .with_usage()
        .scenario(Scenario::HangMidStream)
        .cancelled_after(4);
    let seen = mesh::shared().observe(&call);
    assert_eq!(seen.bare.outcome.chunks.len(), 4);
    each_span(&call, &seen, |span, exchange| {
        assert_eq!(exchange.end, Some(End::ClientGone));
        failed(span, "client_cancelled", "cancelled");
        answered(span, exchange);
        timed(span);
        uncounted(span);
    });
}

#[test]
fn client_hangs_up_at_the_end_marker() {
    // The SDK closes the connection when it has read `[DONE]`, and does not wait for the response's own end.
    let call = Call::chat("end-marker", "gpt-4o").streamed().with_usage().scenario(Scenario::NoEnd);
    let seen = mesh::shared().observe(&call);
    assert_eq!(seen.bare.outcome.error_class(), "");
    each_span(&call, &seen, |span, exchange| {
        assert_eq!(exchange.end, Some(End::ClientGone));
        complete(span, exchange);
        counted(span, exchange);
        finished(span, "stop");
    });
}

#[test]
fn provider_fails() {
    let call = Call::chat("end-500", "gpt-4o").scenario(Scenario::Error500);
    let seen = mesh::shared().observe(&call);
    assert_eq!(seen.bare.outcome.error_class(), "InternalServerError");
    each_span(&call, &seen, |span, _| {
        failed(span, "complete", "500");
        assert_eq!(span.http_status_code, Some(500));
        uncounted(span);
    });
}

#[test]
fn provider_limits_the_rate() {
    let call = Call::chat("end-429", "gpt-4o").streamed().scenario(Scenario::Error429);
    let seen = mesh::shared().observe(&call);
    assert_eq!(seen.bare.outcome.error_class(), "RateLimitError");
    each_span(&call, &seen, |span, _| {
        failed(span, "complete", "429");
        assert_eq!(span.http_status_code, Some(429));
        assert_eq!(span.attribute("meshtap.error.code").as_deref(), Some("rate_limit_exceeded"));
        uncounted(span);
    });
}

#[test]
fn provider_resets_before_it_answers() {
    let call = Call::chat("end-reset", "gpt-4o").scenario(Scenario::ResetBeforeHeaders);
    let seen = mesh::shared().observe(&call);
    assert_eq!(seen.bare.outcome.status, 503);
    each_span(&call, &seen, |span, _| {
        failed(span, "upstream_reset", "upstream_reset");
        assert_eq!(span.http_status_code, Some(503));
        uncounted(span);
    });
}

#[test]
fn provider_resets_mid_stream() {
    let call = Call::chat("end-reset-stream", "gpt-4o").streamed().scenario(Scenario::ResetMidStream);
    let seen = mesh::shared().observe(&call);
    assert_ne!(seen.bare.outcome.error_class(), "");
    each_span(&call, &seen, |span, exchange| {
        assert_eq!(exchange.end, Some(End::Reset));
        failed(span, "upstream_reset", "upstream_reset");
        assert_eq!(span.http_status_code, Some(200));
        answered(span, exchange);
        uncounted(span);
    });
}

#[test]
fn an_error_inside_a_good_stream_counts() {
    let call = Call::chat("end-error-in-stream", "gpt-4o").streamed().scenario(Scenario::ErrorInStream);
    let seen = mesh::shared().observe(&call);
    assert_eq!(seen.bare.outcome.error_class(), "APIError");
    each_span(&call, &seen, |span, exchange| {
        assert_eq!(span.end.as_deref(), Some("complete"));
        assert!(span.error_type.is_some());
        assert_eq!(span.status.to_lowercase(), "error");
        assert_eq!(span.http_status_code, Some(200));
        answered(span, exchange);
        uncounted(span);
    });
}
