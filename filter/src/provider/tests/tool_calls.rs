//! Tool calls of streams, which come in pieces that say more or less well which call they belong to. Each exchange runs
//! whole and byte by byte ([`Call::whole`]).

use super::*;

const CHAT: &str = "api.openai.com/v1/chat/completions";
const RESPONSES: &str = "api.openai.com/v1/responses";

/// A stream whose events each hold one list of pieces.
fn check(pieces: &[&str], expected: &[&str]) {
    let event = |piece: &&str| {
        format!(
            r#"data: {{"choices":[{{"index":0,"delta":{{"tool_calls":[{piece}]}},"finish_reason":null}}]}}"#
        )
    };
    let mut events: Vec<_> = pieces.iter().map(event).collect();
    events.push(r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#.into());
    events.push("data: [DONE]".into());
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    let span = Call::sse(CHAT, r#"{"stream":true}"#, &events).span();
    assert_eq!(span.facts.tool_calls, expected, "{pieces:#?}");
}

/// Gemini's and Ollama's faces of the API.
#[test]
fn whole_calls_under_one_place_are_several() {
    let whole = |name| {
        format!(
            r#"{{"index":0,"id":"","type":"function","function":{{"name":"{name}","arguments":"{{}}"}}}}"#
        )
    };
    let (f, g) = (whole("f"), whole("g"));
    check(&[&format!("{f},{g}")], &["f", "g"]);
    check(&[&format!("{f},{f}")], &["f", "f"]);
    check(&[&f, &g], &["f", "g"]);
    check(&[&f, &f], &["f", "f"]);
    let (f, g) = (f.replace(r#""id":"","#, ""), g.replace(r#""id":"","#, ""));
    check(&[&f, &g, &g], &["f", "g", "g"]);
    let (f, g) = (f.replace(r#""index":0,"#, ""), g.replace(r#""index":0,"#, ""));
    check(&[&format!("{f},{g}"), &g], &["f", "g", "g"]);
    let object = r#"{"index":0,"function":{"name":"f","arguments":{"a":1}}}"#;
    check(&[object, object], &["f", "f"]);
    let without_arguments = r#"{"index":0,"function":{"name":"f","arguments":""}}"#;
    check(&[&format!("{without_arguments},{without_arguments}")], &["f", "f"]);
}

#[test]
fn an_id_that_says_null_is_none() {
    let call = |name| format!(r#"{{"id":"null","function":{{"name":"{name}","arguments":"{{}}"}}}}"#);
    check(&[&format!("{},{}", call("f"), call("g"))], &["f", "g"]);
    check(&[&call("f"), &call("f")], &["f", "f"]);
}

#[test]
fn another_id_is_another_call() {
    let call = |id, name| {
        format!(r#"{{"index":0,"id":"{id}","function":{{"name":"{name}","arguments":"{{\"a\":"}}}}"#)
    };
    let more = |id| format!(r#"{{"index":0,"id":"{id}","function":{{"arguments":"1}}"}}}}"#);
    check(&[&call("a", "f"), &call("b", "f"), &more("a"), &more("b")], &["f", "f"]);
    // A piece with an id of its own is not yet a call.
    check(&[&call("a", "f"), &more("x"), &more("y")], &["f"]);
}

#[test]
fn a_name_may_come_later_than_its_id() {
    let id = r#"{"index":0,"id":"a","type":"function"}"#;
    let name = r#"{"index":0,"function":{"name":"f","arguments":""}}"#;
    let arguments = r#"{"index":0,"function":{"arguments":"{}"}}"#;
    check(&[id, name, arguments], &["f"]);
    check(&[id, arguments], &[]);
    check(&[id, name, arguments, &id.replace('a', "b"), name, arguments], &["f", "f"]);
}

#[test]
fn a_name_may_come_in_pieces() {
    let first = r#"{"index":0,"id":"a","type":"function","function":{"name":"get_"}}"#;
    let second = r#"{"index":0,"function":{"name":"weath","arguments":""}}"#;
    let third = r#"{"index":0,"function":{"name":"er","arguments":"{"}}"#;
    let arguments = r#"{"index":0,"function":{"arguments":"}"}}"#;
    check(&[first, second, third, arguments], &["get_weather"]);
    let id = |piece: &str| piece.replace(r#""index":0,"#, r#""index":0,"id":"a","#);
    check(&[first, &id(second), &id(third), &id(arguments)], &["get_weather"]);
    let piece =
        |letter: &str| format!(r#"{{"index":0,"id":"a","function":{{"name":"{}"}}}}"#, letter.repeat(1_000));
    check(&[&piece("n"), &piece("m")], &[&("n".repeat(1_000) + &"m".repeat(24))]);
}

#[test]
fn a_repeated_name_is_one_name() {
    let piece = |id: &str, arguments: &str| {
        format!(r#"{{"index":0,{id}"function":{{"name":"get_weather","arguments":"{arguments}"}}}}"#)
    };
    for (first, later) in [(r#""id":"a","#, r#""id":"a","#), (r#""id":"a","#, ""), ("", "")] {
        check(&[&piece(first, "{"), &piece(later, "\\\"a\\\":"), &piece(later, "1}")], &["get_weather"]);
        check(&[&piece(first, ""), &piece(later, ""), &piece(later, "{}")], &["get_weather"]);
    }
    // And one that grows.
    let grows = |name| format!(r#"{{"index":0,"id":"a","function":{{"name":"{name}","arguments":""}}}}"#);
    check(&[&grows("get_"), &grows("get_weather"), &grows("get_weather")], &["get_weather"]);
}

/// As an answer in one piece lists them, wherever a choice has its index.
#[test]
fn calls_stand_by_choice_and_place() {
    let event = |choice: u32, index: u32, name: &str| {
        format!(
            r#"data: {{"choices":[{{"delta":{{"tool_calls":[{{"index":{index},"id":"{name}","function":{{"name":"{name}","arguments":"{{}}"}}}}]}},"finish_reason":null,"index":{choice}}}]}}"#
        )
    };
    let more = r#"data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{}"},"index":0}]},"finish_reason":null,"index":1}]}"#;
    let end = |choice: u32| {
        format!(r#"data: {{"choices":[{{"delta":{{}},"finish_reason":"tool_calls","index":{choice}}}]}}"#)
    };
    let events = [
        event(1, 0, "c"),
        event(0, 1, "b"),
        event(0, 0, "a"),
        more.into(),
        event(1, 1, "d"),
        end(0),
        end(1),
        "data: [DONE]".into(),
    ];
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    let span = Call::sse(CHAT, r#"{"stream":true,"n":2}"#, &events).span();
    assert_eq!(span.facts.tool_calls, ["a", "b", "c", "d"]);

    let choice = |index: u32, name: &str| {
        format!(
            r#"{{"message":{{"tool_calls":[{{"id":"x","function":{{"name":"{name}"}}}}]}},"index":{index}}}"#
        )
    };
    let answer = format!(r#"{{"choices":[{},{}]}}"#, choice(1, "b"), choice(0, "a"));
    assert_eq!(Call::json(CHAT, "{}", &answer).span().facts.tool_calls, ["a", "b"]);
}

#[test]
fn calls_of_an_answer_that_breaks_off_are_kept() {
    let cut = r#"{"choices":[{"index":0,"message":{"tool_calls":[{"function":{"name":"f"}},{"function":{"na"#;
    assert_eq!(Call::json(CHAT, "{}", cut).whole().facts.tool_calls, ["f"]);
}

fn item(event: &str, place: &str, item: &str) -> String {
    format!(r#"data: {{"type":"response.output_item.{event}","item":{{{item}}}{place}}}"#)
}

fn responses(items: &[String], output: &str, expected: &[&str]) {
    let mut events = items.to_vec();
    events.push(format!(
        r#"data: {{"type":"response.completed","response":{{"id":"r","status":"completed","output":[{output}]}}}}"#
    ));
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    let span = Call::sse(RESPONSES, r#"{"stream":true}"#, &events).span();
    assert_eq!(span.facts.tool_calls, expected, "{items:#?}");
}

/// Copilot gives an item another id in each event.
#[test]
fn an_item_is_known_by_its_place_or_its_call() {
    let call = |id: &str, call: &str, name: &str| {
        format!(r#""id":"{id}","type":"function_call",{call}"name":"{name}","arguments":"""#)
    };
    let twice = |place: &str, id: &str, name: &str| {
        [item("added", place, &call("x1", id, name)), item("done", place, &call("x2", id, name))]
    };
    let places = [r#","output_index":1"#, r#","output_index":2"#];
    let ids = [r#""call_id":"c","#, r#""call_id":"d","#];
    for (places, ids) in [(places, ids), (places, [""; 2]), ([""; 2], ids)] {
        let both = [twice(places[0], ids[0], "f"), twice(places[1], ids[1], "f")].concat();
        responses(&both, "", &["f", "f"]);
        responses(&both, r#"{"type":"message"},{"type":"function_call","id":"x3","name":"g"}"#, &["g"]);
    }
    // By place, whichever is begun first.
    let (late, early) = (twice(places[1], ids[1], "f"), twice(places[0], ids[0], "g"));
    let woven = [&late[0], &early[0], &early[1], &late[1]].map(String::clone);
    responses(&woven, "", &["g", "f"]);
}

#[test]
fn a_piece_of_a_call_is_output_when_it_says_something() {
    let event = |piece: &str| format!(r#"data: {{"choices":[{{"delta":{{"tool_calls":[{piece}]}}}}]}}"#);
    let events = [
        event(r#"{"index":0,"id":"a","function":{"name":"f","arguments":""}}"#),
        event(r#"{"index":0,"id":null,"function":{"name":null,"arguments":""}}"#),
        event(r#"{"index":0,"function":{"arguments":"{"}}"#),
        event(r#"{"index":0,"function":{"arguments":"}"}}"#),
        r#"data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#.into(),
        "data: [DONE]".into(),
    ];
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    let span = Call::sse(CHAT, r#"{"stream":true}"#, &events).span();
    assert_eq!((span.stream.output_chunks, span.facts.tool_calls), (3, vec!["f".into()]));
}
