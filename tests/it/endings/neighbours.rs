//! Another plugin of the same proxy traps when an answer comes by. Envoy ends that stream, and refuses those after it.

use meshtap_tests::envoy::Settings;
use meshtap_tests::wire::ReplyEnd;
use serde_json::Value;

use super::bodies::openai;
use super::case::{Seen, chat};
use super::sidecar::Sidecar;

#[test]
fn plugin_in_front_traps() {
    let seen = traps("trap-in-front", |plugin| Settings { before: vec![plugin], ..Settings::default() });
    seen.tokens(19, 10, "provider");
}

#[test]
fn plugin_behind_traps() {
    let seen = traps("trap-behind", |plugin| Settings { after: vec![plugin], ..Settings::default() });
    seen.no_tokens("cut_off");
}

#[track_caller]
fn traps(name: &str, place: impl Fn(Value) -> Settings) -> Seen {
    let sidecar = Sidecar::beside_one_that_traps(name, place);
    let call = |name: &str| chat(name, openai()).observe_beside_others(&sidecar);
    let seen = call(name)
        .failed("local_reply", "_OTHER")
        .because("wasm_fail_stream", &[])
        .status(200)
        .reply_is(ReplyEnd::Broken)
        .attempts(1);
    call(&format!("{name}-after"))
        .failed("local_reply", "503")
        .because("wasm_fail_stream", &[])
        .status(503)
        .no_tokens("error_response")
        .reply_is(ReplyEnd::Whole)
        .attempts(0);
    seen
}
