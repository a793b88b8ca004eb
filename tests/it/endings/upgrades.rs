//! Connections that stop being HTTP.

use meshtap_tests::wire::{Answer, ReplyEnd};

use super::bodies::{CHAT, OPENAI, openai};
use super::case::{Case, chat};

/// No WebSocket frame, but what a reader of bodies would take for an answer.
const RAW: &str = OPENAI;

fn switching() -> Answer {
    Answer::nothing().head(101, &[("connection", "upgrade"), ("upgrade", "websocket")]).echo()
}

fn upgrade(mut case: Case) -> Case {
    case.request.body.clear();
    case.header("connection", "upgrade").header("upgrade", "websocket").route("websocket")
}

/// How the official SDK opens a session.
fn realtime(name: &str, answer: Answer) -> Case {
    upgrade(Case::new(name, "GET", "api.openai.com", "/v1/realtime?model=gpt-realtime", "", answer))
}

#[test]
fn realtime_session() {
    let seen = realtime("realtime", switching())
        .says_after("", RAW)
        .leaves_after(RAW)
        .observe()
        .complete()
        .because("downstream_remote_disconnect", &["DC"])
        .status(101)
        .no_tokens("upgraded")
        .no_attribute("meshtap.response.unread")
        .no_attribute("gen_ai.response.id");
    assert_eq!(seen.span.name, "realtime gpt-realtime");
    assert_eq!(seen.span.request_model.as_deref(), Some("gpt-realtime"));
    assert_eq!(seen.reply.body, RAW.as_bytes());
}

#[test]
fn realtime_session_that_the_upstream_refuses() {
    let seen = realtime("realtime-refused", Answer::json(401, r#"{"error":{"code":"no_key"}}"#))
        .observe()
        .failed("complete", "401")
        .because("via_upstream", &[])
        .status(401)
        .no_tokens("error_response");
    assert_eq!(seen.span.request_model.as_deref(), Some("gpt-realtime"));
}

#[test]
fn realtime_session_that_the_proxy_does_not_allow() {
    let path = "/v1/realtime?model=gpt-realtime";
    Case::new("realtime-forbidden", "GET", "api.openai.com", path, "", switching())
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .observe()
        .failed("local_reply", "403")
        .because("upgrade_failed", &[])
        .status(403)
        .no_tokens("error_response");
}

#[test]
fn websocket_on_a_path_that_is_no_call() {
    let case = Case::new("realtime-other", "GET", "api.openai.com", "/v1/models", "", switching());
    let unseen = upgrade(case).says_after("", RAW).leaves_after(RAW).observe_nothing();
    assert_eq!((unseen.reply.status, unseen.reply.body.as_slice()), (101, RAW.as_bytes()));
}

#[test]
fn websocket_on_the_path_of_a_call() {
    let seen = upgrade(chat("websocket", switching()))
        .says_after("", RAW)
        .leaves_after(RAW)
        .observe()
        .complete()
        .because("downstream_remote_disconnect", &["DC"])
        .status(101)
        .no_tokens("upgraded")
        .no_attribute("meshtap.response.unread")
        .no_attribute("meshtap.request.unread")
        .no_attribute("gen_ai.response.id");
    assert_eq!(seen.reply.body, RAW.as_bytes());
}

#[test]
fn websocket_that_the_upstream_closes() {
    let answer = Answer::nothing()
        .head(101, &[("connection", "upgrade"), ("upgrade", "websocket")])
        .body(RAW)
        .seen()
        .close();
    upgrade(chat("websocket-closed", answer))
        .observe()
        .complete()
        .because("upstream_reset_after_response_started{connection_termination", &["UC"])
        .status(101)
        .no_tokens("upgraded");
}

#[test]
fn websocket_that_the_upstream_refuses() {
    upgrade(chat("websocket-refused", Answer::json(401, r#"{"error":{"code":"no_key"}}"#)))
        .observe()
        .failed("complete", "401")
        .because("via_upstream", &[])
        .status(401)
        .no_tokens("error_response");
}

#[test]
fn upgrade_to_http2_that_the_proxy_ignores() {
    chat("h2c", openai())
        .header("connection", "upgrade, http2-settings")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAAP__")
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(19, 10, "provider")
        .attribute("meshtap.request.bytes", &CHAT.len().to_string());
}

#[test]
fn connect() {
    let answer = Answer::status(200).echo();
    let case = Case::new("connect", "CONNECT", "api.openai.com:443", "api.openai.com:443", "", answer);
    let unseen = case.says_after("", RAW).leaves_after(RAW).observe_nothing();
    assert_eq!((unseen.reply.status, unseen.reply.body.as_slice()), (200, RAW.as_bytes()));
    assert_eq!(unseen.reply.end, ReplyEnd::Left);
}
