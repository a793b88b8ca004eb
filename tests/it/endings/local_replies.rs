//! The proxy answers by itself.

use meshtap_tests::wire::{Answer, ReplyEnd};

use super::bodies::{OPENAI, openai};
use super::case::{Case, Seen, chat};
use super::sidecar::{Door, NO_ROUTE};

#[track_caller]
fn replied(case: Case, error_type: &str, status: u16, details: &str, flags: &[&str]) -> Seen {
    let seen = case.observe();
    assert!(seen.asked.is_empty());
    seen.failed("local_reply", error_type)
        .because(details, flags)
        .status(status)
        .no_tokens("error_response")
        .reply_is(ReplyEnd::Whole)
}

#[test]
fn direct_response() {
    chat("direct", openai())
        .route("direct-200")
        .observe()
        .ended("local_reply", None)
        .because("direct_response", &[])
        .status(200)
        .tokens(19, 10, "provider");
}

#[test]
fn direct_response_that_refuses() {
    replied(chat("direct-403", openai()).route("direct-403"), "403", 403, "direct_response", &[]);
}

#[test]
fn no_route() {
    let mut case = chat("no-route", openai());
    NO_ROUTE.clone_into(&mut case.request.host);
    replied(case, "404", 404, "route_not_found", &["NR"]);
}

#[test]
fn no_cluster() {
    replied(chat("no-cluster", openai()).route("no-cluster"), "503", 503, "cluster_not_found", &["NC"]);
}

#[test]
fn no_healthy_upstream() {
    let case = chat("no-endpoint", openai()).route("no-endpoint");
    replied(case, "no_healthy_upstream", 503, "no_healthy_upstream", &["UH"]);
}

#[test]
fn circuit_breaker_overflow() {
    chat("overflow", openai())
        .route("full")
        .observe()
        .failed("upstream_reset", "overflow")
        .because("upstream_reset_before_response_started{overflow}", &["UO"])
        .status(503)
        .no_tokens("error_response");
}

#[test]
fn local_rate_limit_behind_the_filter() {
    let case = chat("limited", openai()).route("limited").primed();
    replied(case, "rate_limited", 429, "local_rate_limited", &["RL"]);
}

#[test]
fn local_rate_limit_in_front_of_the_filter() {
    let case = chat("limited-before", openai()).route("limited").door(Door::Guarded).primed();
    replied(case, "rate_limited", 429, "local_rate_limited", &["RL"]);
}

#[test]
fn rejected_by_a_filter_behind() {
    let case = chat("forbidden", openai()).route("forbidden");
    replied(case, "403", 403, "rbac_access_denied_matched_policy[all]", &[]);
}

#[test]
fn rejected_by_a_filter_in_front() {
    let case = chat("forbidden-before", openai()).route("forbidden").door(Door::Guarded);
    replied(case, "403", 403, "rbac_access_denied_matched_policy[all]", &[]);
}

#[test]
fn no_call_rejected_by_a_filter_in_front() {
    let case = Case::new("forbidden-get", "GET", "api.openai.com", "/v1/models", "", openai());
    let unseen = case.route("forbidden").door(Door::Guarded).observe_nothing();
    assert_eq!((unseen.reply.status, unseen.asked.len()), (403, 0));
}

#[test]
fn request_over_the_buffer_limit() {
    let case = chat("bounded", openai()).route("bounded");
    replied(case, "413", 413, "request_payload_too_large", &[]);
}

#[test]
fn request_over_the_buffer_limit_in_front_of_the_filter() {
    let case = chat("bounded-before", openai()).route("bounded").door(Door::Guarded);
    replied(case, "413", 413, "request_payload_too_large", &[]);
}

/// Its status is not that of the answer which passed.
#[test]
fn answer_over_the_buffer_limit_in_front_of_the_filter() {
    let long = OPENAI.replace("\"object\"", &format!("\"long\":\"{}\",\"object\"", "x".repeat(4_096)));
    chat("narrow", Answer::json(200, &long))
        .door(Door::Narrow)
        .observe()
        .failed("local_reply", "500")
        .because("response_payload_too_large", &[])
        .status(500)
        .tokens(19, 10, "provider")
        .reply_is(ReplyEnd::Whole);
}

#[test]
fn response_headers_too_large() {
    let long = "x".repeat(80 << 10);
    let answer = Answer::nothing().head(200, &[("content-type", "application/json"), ("x-long", &long)]);
    chat("large-headers", answer.hang())
        .observe()
        .failed("upstream_reset", "upstream_reset")
        .because("upstream_reset_before_response_started{protocol_error", &["UPE"])
        .status(502)
        .no_tokens("error_response")
        .attempts(1);
}

#[test]
fn upgrade_that_is_not_allowed() {
    let case = chat("no-upgrade", openai()).header("connection", "upgrade").header("upgrade", "websocket");
    replied(case, "403", 403, "upgrade_failed", &[]);
}
