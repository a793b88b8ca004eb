//! Each API in the shape that its provider documents.

use super::*;

#[test]
fn openai_chat() {
    let request = r#"{"model":"gpt-4o","messages":[
        {"role":"system","content":"Be brief."},
        {"role":"user","name":"x","content":[{"type":"text","text":"What is \"this\"?\n😀"},
            {"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}},
            {"type":"image_url","image_url":{"url":" DATA:image/png;base64,AAAA"}},
            {"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},
            {"type":"file","file":{"file_id":"file-1"}}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{\"at\": \"a\\nb\"}"}}]},
        {"role":"tool","tool_call_id":"call_1","content":"{\"seen\":1}"},
        {"content":[{"type":"text","text":"and?"}],"tool_call_id":"call_2","role":"tool"}],
        "tools":[{"type":"function","function":{"name":"look","description":"long","parameters":{}}},{"type":"web_search"}]}"#;
    let answer = r#"{"choices":[
        {"index":0,"message":{"role":"assistant","content":"A","refusal":null,"annotations":[]},"finish_reason":"stop"},
        {"index":1,"message":{"role":"assistant","reasoning_content":"Hm.","content":"","refusal":"No."},"finish_reason":"length"}]}"#;
    let input = r#"input [{"role":"system","parts":[{"type":"text","content":"Be brief."}]},{"role":"user","parts":[{"type":"text","content":"What is \"this\"?\n😀"},{"type":"uri","modality":"image","uri":"https://example.com/a.png"},{"type":"blob","modality":"image","mime_type":"image/png"},{"type":"blob","modality":"audio","format":"wav"},{"type":"file","modality":"document","file_id":"file-1"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"call_1","name":"look","arguments":{"at":"a\nb"}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"call_1","response":"{\"seen\":1}"}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"call_2","response":"and?"}]}]"#;
    let tools = r#"tools [{"type":"function","name":"look"},{"type":"web_search","name":"web_search"}]"#;
    let output = r#"output [{"role":"assistant","parts":[{"type":"text","content":"A"}],"finish_reason":"stop"},{"role":"assistant","parts":[{"type":"reasoning","content":"Hm."},{"type":"refusal","content":"No."}],"finish_reason":"length"}]"#;
    Call::json(CHAT, request, answer).check(&format!("{input}\n{output}\n{tools}"));
}

#[test]
fn openai_chat_stream() {
    // Two choices beside each other, the second of which names its place last; calls in pieces.
    Call::sse(
        CHAT,
        r#"{"messages":[]}"#,
        &[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"reasoning_content":"Let me"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"reasoning_content":" see."}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"H\u00e9"}},{"delta":{"content":"other"},"index":1}]}"#,
            r#"{"choices":[{"delta":{"content":" one"},"index":1},{"index":0,"delta":{"content":"llo"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c0","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c1","type":"function","function":{"name":"g","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"},{"index":1,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
            "[DONE]",
        ],
    )
    .check(
        r#"output [{"role":"assistant","parts":[{"type":"reasoning","content":"Let me see."},{"type":"text","content":"Héllo"},{"type":"tool_call","id":"c0","name":"f","arguments":{"a":1}},{"type":"tool_call","id":"c1","name":"g","arguments":{}}],"finish_reason":"tool_calls"},{"role":"assistant","parts":[{"type":"text","content":"other one"}],"finish_reason":"stop"}]"#,
    );
}

/// vLLM gives reasoning under its old name, too.
#[test]
fn reasoning_under_two_names_is_one() {
    let says = |text: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"reasoning":"{text}","reasoning_content":"{text}"}}}}]}}"#
        )
    };
    let events = ["mail", " ann", "@", "example", ".com", " now"].map(says);
    let mut events: Vec<_> = events.iter().map(String::as_str).collect();
    events.push(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#);
    let expected = |text: &str| {
        format!(
            r#"output [{{"role":"assistant","parts":[{{"type":"reasoning","content":"{text}"}}],"finish_reason":"stop"}}]"#
        )
    };
    Call::sse(CHAT, "{}", &events).check(&expected("mail ann@example.com now"));
    let redacted = Call::sse(CHAT, "{}", &events).mode(ContentMode::Redacted);
    redacted.check(&expected("mail [REDACTED:email] now"));
    let answer = r#"{"choices":[{"index":0,"message":{"reasoning":"Hm.","reasoning_content":"Hm."},"finish_reason":"stop"}]}"#;
    Call::json(CHAT, "{}", answer).check(&expected("Hm."));
}

/// Perplexity's events have the message so far beside the delta; Mistral's at Bedrock have nothing else.
#[test]
fn messages_in_events() {
    let says = |delta: &str, so_far: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"message":{{"content":"{so_far}"}},"delta":{{"content":"{delta}"}}}}]}}"#
        )
    };
    let events =
        [says("Mail", "Mail"), says(" ann@exam", "Mail ann@exam"), says("ple.com", "Mail ann@example.com")];
    let events: Vec<_> = events.iter().map(String::as_str).collect();
    Call::sse("api.perplexity.ai/chat/completions", "{}", &events)
        .mode(ContentMode::Redacted)
        .check(r#"output [{"role":"assistant","parts":[{"type":"text","content":"Mail [REDACTED:email]"}],"finish_reason":"unknown"}]"#);
}

/// Tools that the client runs, at the Responses API and at Cohere.
#[test]
fn tools_that_the_client_runs() {
    let request = r#"{"input":[
        {"type":"shell_call","call_id":"c1","action":{"commands":["ls"]}},
        {"type":"shell_call_output","call_id":"c1","output":[{"stdout":"a\n","stderr":"b"}]},
        {"type":"apply_patch_call","call_id":"c2","operation":{"type":"delete_file"}},
        {"type":"computer_call_output","call_id":"c3","output":{"type":"computer_screenshot"}}]}"#;
    Call::json("api.openai.com/v1/responses", request, "{}").check(
        r#"input [{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"shell_call","arguments":{"commands":["ls"]}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"c1","response":"a\n\nb"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"c2","name":"apply_patch_call","arguments":{"type":"delete_file"}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"c3","response":""}]}]"#,
    );
    let request = r#"{"model":"command-a","messages":[{"role":"tool","tool_call_id":"a","content":[{"type":"document","document":{"data":"{\"x\":1}"}}]}]}"#;
    Call::json("api.cohere.com/v2/chat", request, "{}").check(
        r#"input [{"role":"tool","parts":[{"type":"tool_call_response","id":"a","response":"{\"x\":1}"}]}]"#,
    );
}

#[test]
fn compatible_streams_that_say_less() {
    // A place used twice for two calls, and calls without a place.
    Call::sse(
        CHAT,
        "{}",
        &[
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"delta":{"function_call":{"name":"old","arguments":""}}}]}"#,
            r#"{"choices":[{"delta":{"function_call":{"arguments":"{\"x\":"}}}]}"#,
            r#"{"choices":[{"delta":{"function_call":{"arguments":"2}"}},"finish_reason":"function_call"}]}"#,
        ],
    )
    .check(
        r#"output [{"role":"assistant","parts":[{"type":"tool_call","id":"a","name":"f","arguments":{}},{"type":"tool_call","id":"b","name":"g","arguments":{}},{"type":"tool_call","name":"old","arguments":{"x":2}}],"finish_reason":"function_call"}]"#,
    );
    // Mistral's thoughts are items.
    Call::sse(
        "api.mistral.ai/v1/chat/completions",
        "{}",
        &[
            r#"{"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Well"}]}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"."}]}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"Yes"}, "finish_reason":"stop"}]}"#,
        ],
    )
    .check(
        r#"output [{"role":"assistant","parts":[{"type":"reasoning","content":"Well."},{"type":"text","content":"Yes"}],"finish_reason":"stop"}]"#,
    );
}

#[test]
fn openai_completions() {
    let answer = r#"{"choices":[{"text":" you","index":0,"finish_reason":"stop"}]}"#;
    let url = "api.openai.com/v1/completions";
    Call::json(url, r#"{"prompt":"How are"}"#, answer).check(
        r#"input [{"role":"user","parts":[{"type":"text","content":"How are"}]}]
output [{"role":"assistant","parts":[{"type":"text","content":" you"}],"finish_reason":"stop"}]"#,
    );
    Call::sse(url, r#"{"prompt":["a","b"]}"#, &[r#"{"choices":[{"text":"c","index":0}]}"#, answer, "[DONE]"])
        .check(
            r#"input [{"role":"user","parts":[{"type":"text","content":"a"}]},{"role":"user","parts":[{"type":"text","content":"b"}]}]
output [{"role":"assistant","parts":[{"type":"text","content":"c you"}],"finish_reason":"stop"}]"#,
        );
}

const RESPONSES: &str = "api.openai.com/v1/responses";
const RESPONSES_OUTPUT: &str = r#"[{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"Thinking."}],"encrypted_content":"AAAA"},
    {"id":"ws_1","type":"web_search_call","status":"completed","action":{"query":"q"}},
    {"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello.","annotations":[]},{"type":"refusal","refusal":"No."}]},
    {"id":"fc_1","type":"function_call","call_id":"call_1","name":"f","arguments":"{\"a\":[1]}"}]"#;
const RESPONSES_PARTS: &str = r#"output [{"role":"assistant","parts":[{"type":"reasoning","content":"Thinking."},{"type":"server_tool_call","name":"web_search_call","server_tool_call":{"type":"web_search_call","arguments":{"query":"q"}}},{"type":"text","content":"Hello."},{"type":"refusal","content":"No."},{"type":"tool_call","id":"call_1","name":"f","arguments":{"a":[1]}}],"finish_reason":"completed"}]"#;

#[test]
fn openai_responses() {
    let request = r#"{"model":"gpt-5","instructions":"Be brief.","input":[
        {"role":"user","content":"hi"},
        {"type":"message","role":"user","content":[{"type":"input_text","text":"look"},{"type":"input_image","image_url":"https://x/y.png"},{"type":"input_file","file_id":"file-2"}]},
        {"type":"reasoning","id":"rs_0","summary":[{"type":"summary_text","text":"Hm."}],"encrypted_content":"AAAA"},
        {"type":"function_call","call_id":"call_0","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"call_0","output":"done"},
        {"type":"function_call_output","output":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}],"call_id":"call_9"},
        {"type":"item_reference","id":"msg_0"}],
        "tools":[{"type":"function","name":"f","parameters":{}},{"type":"web_search"}]}"#;
    Call::json(RESPONSES, request, &format!(r#"{{"status":"completed","output":{RESPONSES_OUTPUT}}}"#)).check(&format!(
        "{}\n{RESPONSES_PARTS}\n{}",
        r#"system [{"type":"text","content":"Be brief."}]
input [{"role":"user","parts":[{"type":"text","content":"hi"}]},{"role":"user","parts":[{"type":"text","content":"look"},{"type":"uri","modality":"image","uri":"https://x/y.png"},{"type":"file","modality":"document","file_id":"file-2"}]},{"role":"assistant","parts":[{"type":"reasoning","content":"Hm."}]},{"role":"assistant","parts":[{"type":"tool_call","id":"call_0","name":"f","arguments":{}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"call_0","response":"done"}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"call_9","response":"a\nb"}]},{"role":"user","parts":[{"type":"item_reference"}]}]"#,
        r#"tools [{"type":"function","name":"f"},{"type":"web_search","name":"web_search"}]"#,
    ));
}

const RESPONSES_EVENTS: [&str; 14] = [
    r#"{"type":"response.created","response":{"status":"in_progress","output":[]}}"#,
    r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}"#,
    r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"Think"}"#,
    r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"ing."}"#,
    r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"Thinking."}]}}"#,
    r#"{"type":"response.output_item.added","output_index":1,"item":{"id":"msg_1","type":"message","role":"assistant","content":[]}}"#,
    r#"{"type":"response.content_part.added","output_index":1,"content_index":0,"part":{"type":"output_text","text":""}}"#,
    r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"Hel"}"#,
    r#"{"delta":"lo.","output_index":1,"type":"response.output_text.delta"}"#,
    r#"{"type":"response.output_text.done","output_index":1,"content_index":0,"text":"Hello."}"#,
    r#"{"type":"response.output_item.added","output_index":2,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"f","arguments":""}}"#,
    r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"a\":"}"#,
    r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":"[1]}"}"#,
    r#"{"type":"response.audio.delta","output_index":2,"delta":"AAAA"}"#,
];

#[test]
fn openai_responses_stream() {
    // Its last event says everything again.
    let last = format!(
        r#"{{"type":"response.completed","response":{{"status":"completed","output":{}}}}}"#,
        RESPONSES_OUTPUT.replace('\n', " ")
    );
    let events: Vec<&str> = RESPONSES_EVENTS.into_iter().chain([last.as_str()]).collect();
    Call::sse(RESPONSES, r#"{"input":"hi"}"#, &events)
        .check(&format!("input [{{\"role\":\"user\",\"parts\":[{{\"type\":\"text\",\"content\":\"hi\"}}]}}]\n{RESPONSES_PARTS}"));
    // Without it, the pieces are what there is.
    let mut cut = Call::sse(RESPONSES, "{}", &RESPONSES_EVENTS);
    cut.ended = "upstream_reset_after_response_started{connection_termination}";
    cut.check(
        r#"output [{"role":"assistant","parts":[{"type":"reasoning","content":"Thinking."},{"type":"text","content":"Hello."},{"type":"tool_call","id":"call_1","name":"f","arguments":{"a":[1]}}],"finish_reason":"in_progress"}]"#,
    );
}

const ANTHROPIC: &str = "api.anthropic.com/v1/messages";

#[test]
fn anthropic_messages() {
    let request = r#"{"model":"claude","max_tokens":5,"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],
        "messages":[{"role":"user","content":"hi"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"AAAA"},{"type":"redacted_thinking","data":"AAAA"},{"type":"text","text":"Let me look."},{"type":"tool_use","id":"t1","name":"look","input":{"at":["a",1]}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"one"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},{"type":"text","text":"two"}]},
            {"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AAAA"}},{"type":"image","source":{"type":"url","url":"https://x/y.png"}}]}],
        "tools":[{"name":"look","input_schema":{"type":"object"}},{"type":"web_search_20250305","name":"web_search"}]}"#;
    let answer = r#"{"id":"m","role":"assistant","content":[{"type":"thinking","thinking":"So.","signature":"AAAA"},{"type":"text","text":"A"},{"type":"text","text":"B"},
        {"type":"server_tool_use","id":"s1","name":"web_search","input":{"query":"q"}},{"type":"web_search_tool_result","tool_use_id":"s1","content":[{"type":"web_search_result","encrypted_content":"AAAA"}]},
        {"type":"tool_use","id":"t2","name":"look","input":{}}],"stop_reason":"tool_use"}"#;
    Call::json(ANTHROPIC, request, answer).check(
        r#"system [{"type":"text","content":"Be brief."}]
input [{"role":"user","parts":[{"type":"text","content":"hi"}]},{"role":"assistant","parts":[{"type":"reasoning","content":"Hm."},{"type":"redacted_thinking"},{"type":"text","content":"Let me look."},{"type":"tool_call","id":"t1","name":"look","arguments":{"at":["a",1]}}]},{"role":"user","parts":[{"type":"tool_call_response","id":"t1","response":"one\ntwo"},{"type":"blob","modality":"image","mime_type":"image/jpeg"},{"type":"uri","modality":"image","uri":"https://x/y.png"}]}]
output [{"role":"assistant","parts":[{"type":"reasoning","content":"So."},{"type":"text","content":"A"},{"type":"text","content":"B"},{"type":"server_tool_call","id":"s1","name":"web_search","server_tool_call":{"type":"web_search","arguments":{"query":"q"}}},{"type":"tool_call_response","id":"s1","response":""},{"type":"tool_call","id":"t2","name":"look","arguments":{}}],"finish_reason":"tool_use"}]
tools [{"type":"function","name":"look"},{"type":"web_search_20250305","name":"web_search"}]"#,
    );
}

#[test]
fn anthropic_stream() {
    Call::sse(
        ANTHROPIC,
        r#"{"system":"Be brief.","messages":[]}"#,
        &[
            r#"{"type":"message_start","message":{"id":"m","role":"assistant","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"So"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"."}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"AAAA"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"He"}}"#,
            r#"{"delta":{"type":"text_delta","text":"llo"},"index":1,"type":"content_block_delta"}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t1","name":"look","input":{}}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"at\":"}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":" \"x\"}"}}"#,
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"After."}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}"#,
            r#"{"type":"message_stop"}"#,
        ],
    )
    .check(
        r#"system [{"type":"text","content":"Be brief."}]
output [{"role":"assistant","parts":[{"type":"reasoning","content":"So."},{"type":"text","content":"Hello"},{"type":"tool_call","id":"t1","name":"look","arguments":{"at":"x"}},{"type":"text","content":"After."}],"finish_reason":"tool_use"}]"#,
    );
}

#[test]
fn anthropic_text_completions() {
    Call::json(
        "api.anthropic.com/v1/complete",
        r#"{"prompt":"\n\nHuman: hi"}"#,
        r#"{"completion":" hello","stop_reason":"stop_sequence"}"#,
    )
    .check(
        r#"input [{"role":"user","parts":[{"type":"text","content":"\n\nHuman: hi"}]}]
output [{"role":"assistant","parts":[{"type":"text","content":" hello"}],"finish_reason":"stop_sequence"}]"#,
    );
}

const GEMINI_STREAM: [&str; 4] = [
    r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Think","thought":true}]},"index":0}]}"#,
    r#"{"candidates":[{"content":{"role":"model","parts":[{"thought":true,"text":"ing."},{"text":"He"}]},"index":0}]}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"llo"}],"role":"model"},"index":0}]}"#,
    r#"{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"f","args":{"a":2}},"thoughtSignature":"AAAA"}]},"finishReason":"STOP","index":0}]}"#,
];
const GEMINI_OUTPUT: &str = r#"output [{"role":"assistant","parts":[{"type":"reasoning","content":"Thinking."},{"type":"text","content":"Hello"},{"type":"tool_call","name":"f","arguments":{"a":1}},{"type":"tool_call","name":"f","arguments":{"a":2}}],"finish_reason":"STOP"}]"#;

#[test]
fn gemini() {
    let request = r#"{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[
        {"role":"user","parts":[{"text":"look"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"file_data":{"mime_type":"video/mp4","file_uri":"gs://b/v.mp4"}}]},
        {"role":"model","parts":[{"functionCall":{"id":"c1","name":"f","args":{"x":"y"}}}]},
        {"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"result":[1]}}}]}],
        "tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"}]},{"googleSearch":{}}]}"#;
    let base = "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash";
    let url = format!("{base}:generateContent");
    let answer =
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}"#;
    Call::json(&url, request, answer).check(
        r#"system [{"type":"text","content":"Be brief."}]
input [{"role":"user","parts":[{"type":"text","content":"look"},{"type":"blob","modality":"image","mime_type":"image/png"},{"type":"uri","modality":"video","mime_type":"video/mp4","uri":"gs://b/v.mp4"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"f","arguments":{"x":"y"}}]},{"role":"user","parts":[{"type":"tool_call_response","id":"c1","name":"f","response":{"result":[1]}}]}]
output [{"role":"assistant","parts":[{"type":"text","content":"Hi"}],"finish_reason":"STOP"}]
tools [{"type":"function","name":"f"},{"type":"function","name":"g"}]"#,
    );
    // One object needs no list around it.
    let request = r#"{"systemInstruction":{"parts":{"text":"Be brief."}},"contents":{"role":"user","parts":{"text":"look"}},"tools":{"functionDeclarations":[{"name":"f"}]}}"#;
    let answer = r#"{"candidates":[{"content":{"role":"model","parts":{"text":"Hm","thought":true}},"finishReason":"STOP"}]}"#;
    Call::json(&url, request, answer).check(
        r#"system [{"type":"text","content":"Be brief."}]
input [{"role":"user","parts":[{"type":"text","content":"look"}]}]
output [{"role":"assistant","parts":[{"type":"reasoning","content":"Hm"}],"finish_reason":"STOP"}]
tools [{"type":"function","name":"f"}]"#,
    );
    let url = format!("{base}:streamGenerateContent");
    Call::sse(&url, "{}", &GEMINI_STREAM).check(GEMINI_OUTPUT);
    let array = format!("[{}]", GEMINI_STREAM.join(",\n"));
    Call::json(&url, "{}", &array).check(GEMINI_OUTPUT);
    // Without the places of the candidates.
    Call::json(&url, "{}", &array.replace(",\"index\":0", "")).check(GEMINI_OUTPUT);
}

fn frame(event_type: &str, payload: &str) -> Vec<u8> {
    let mut headers = vec![11];
    headers.extend(b":event-type");
    headers.push(7);
    headers.extend(u16::try_from(event_type.len()).unwrap().to_be_bytes());
    headers.extend(event_type.as_bytes());
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let mut frame = total.to_be_bytes().to_vec();
    frame.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend(crc.checksum(&frame).to_be_bytes());
    frame.extend(&headers);
    frame.extend(payload.as_bytes());
    let checksum = crc.checksum(&frame);
    frame.extend(checksum.to_be_bytes());
    frame
}

const AWS_STREAM: &str = "application/vnd.amazon.eventstream";
const CONVERSE_OUTPUT: &str = r#"output [{"role":"assistant","parts":[{"type":"reasoning","content":"So."},{"type":"text","content":"Hello"},{"type":"tool_call","id":"t1","name":"f","arguments":{"a":1}}],"finish_reason":"tool_use"}]"#;

#[test]
fn bedrock_converse() {
    let base = "bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3";
    let request = r#"{"system":[{"text":"Be brief."}],"messages":[
        {"role":"user","content":[{"text":"look"},{"image":{"format":"png","source":{"bytes":"AAAA"}}},{"document":{"format":"pdf","name":"d","source":{"s3Location":{"uri":"s3://b/d.pdf"}}}}]},
        {"role":"assistant","content":[{"toolUse":{"toolUseId":"t0","name":"f","input":{"x":1}}}]},
        {"role":"user","content":[{"toolResult":{"toolUseId":"t0","content":[{"json":{"y":2}}],"status":"success"}}]}],
        "toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{}}}]}}"#;
    let answer = r#"{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"So.","signature":"AAAA"}}},{"text":"Hello"},{"toolUse":{"toolUseId":"t1","name":"f","input":{"a":1}}}]}},"stopReason":"tool_use"}"#;
    Call::json(&format!("{base}/converse"), request, answer).check(&format!(
        "{}\n{CONVERSE_OUTPUT}\n{}",
        r#"system [{"type":"text","content":"Be brief."}]
input [{"role":"user","parts":[{"type":"text","content":"look"},{"type":"blob","modality":"image","format":"png"},{"type":"uri","modality":"document","format":"pdf","uri":"s3://b/d.pdf"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"t0","name":"f","arguments":{"x":1}}]},{"role":"user","parts":[{"type":"tool_call_response","id":"t0","response":{"y":2}}]}]"#,
        r#"tools [{"type":"function","name":"f"}]"#,
    ));
    let stream = [
        frame("messageStart", r#"{"role":"assistant"}"#),
        frame("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"So."}}}"#),
        frame("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"Hel"}}"#),
        frame("contentBlockDelta", r#"{"delta":{"text":"lo"},"contentBlockIndex":1}"#),
        frame(
            "contentBlockStart",
            r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#,
        ),
        frame("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\":"}}}"#),
        frame("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"1}"}}}"#),
        frame("messageStop", r#"{"stopReason":"tool_use"}"#),
    ]
    .concat();
    Call::new(&format!("{base}/converse-stream"), "{}", AWS_STREAM, stream).check(CONVERSE_OUTPUT);
}

/// A frame of that length is read before its checksum is known.
#[test]
fn an_answer_that_turns_out_to_be_damaged_says_nothing() {
    let url = "bedrock-runtime.us-east-1.amazonaws.com/model/m/converse-stream";
    let request = r#"{"messages":[{"role":"user","content":[{"text":"look"}]}]}"#;
    let input = r#"input [{"role":"user","parts":[{"type":"text","content":"look"}]}]"#;
    let output = r#"output [{"role":"assistant","parts":[{"type":"text","content":"Hello"}],"finish_reason":"unknown"}]"#;
    let delta = |text: &str, spaces: usize| {
        let spaces = " ".repeat(spaces);
        let payload = format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}}{spaces}}}"#);
        frame("contentBlockDelta", &payload)
    };
    let mut stream = [delta("Hel", 0), delta("lo", 40_000)].concat();
    Call::new(url, request, AWS_STREAM, stream.clone()).check(&format!("{input}\n{output}"));
    *stream.last_mut().unwrap() ^= 1;
    Call::new(url, request, AWS_STREAM, stream).check(input);
}

#[test]
fn bedrock_guarded_and_cited_texts() {
    Call::json(
        "bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
        r#"{"messages":[{"role":"user","content":[{"guardContent":{"text":{"text":"a fact","qualifiers":["query"]}}}]}]}"#,
        r#"{"output":{"message":{"role":"assistant","content":[{"citationsContent":{"citations":[{"sourceContent":[{"text":"source"}]}],"content":[{"text":"cited"}]}}]}},"stopReason":"end_turn"}"#,
    )
    .check(
        r#"input [{"role":"user","parts":[{"type":"text","content":"a fact"}]}]
output [{"role":"assistant","parts":[{"type":"text","content":"cited"}],"finish_reason":"end_turn"}]"#,
    );
}

#[test]
fn bedrock_invoke_by_family() {
    use base64::Engine as _;
    let chunk = |json: &str| {
        let inner = base64::engine::general_purpose::STANDARD.encode(json);
        frame("chunk", &format!(r#"{{"bytes":"{inner}"}}"#))
    };
    let url = |model: &str| format!("bedrock-runtime.us-east-1.amazonaws.com/model/{model}/invoke");
    let said =
        r#"output [{"role":"assistant","parts":[{"type":"text","content":"Hello"}],"finish_reason":"stop"}]"#;
    let asked = r#"input [{"role":"user","parts":[{"type":"text","content":"hi"}]}]"#;
    for (model, request, answer) in [
        ("meta.llama3", r#"{"prompt":"hi"}"#, r#"{"generation":"Hello","stop_reason":"stop"}"#),
        (
            "amazon.titan-text",
            r#"{"inputText":"hi"}"#,
            r#"{"results":[{"outputText":"Hello","completionReason":"stop"}]}"#,
        ),
        (
            "mistral.mistral-7b",
            r#"{"prompt":"hi"}"#,
            r#"{"outputs":[{"text":"Hello","stop_reason":"stop"}]}"#,
        ),
        (
            "ai21.j2-mid",
            r#"{"prompt":"hi"}"#,
            r#"{"completions":[{"data":{"text":"Hello"},"finishReason":{"reason":"stop"}}]}"#,
        ),
        (
            "anthropic.claude-3",
            r#"{"messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"content":[{"type":"text","text":"Hello"}],"stop_reason":"stop"}"#,
        ),
        (
            "amazon.nova-lite",
            r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#,
            r#"{"output":{"message":{"role":"assistant","content":[{"text":"Hello"}]}},"stopReason":"stop"}"#,
        ),
        ("cohere.command-r", r#"{"message":"hi"}"#, r#"{"text":"Hello","finish_reason":"stop"}"#),
    ] {
        Call::json(&url(model), request, answer).check(&format!("{asked}\n{said}"));
    }
    for (model, events) in [
        ("meta.llama3", [r#"{"generation":"Hel"}"#, r#"{"generation":"lo","stop_reason":"stop"}"#]),
        (
            "amazon.nova-lite",
            [
                r#"{"contentBlockDelta":{"delta":{"text":"Hel"},"contentBlockIndex":0}}"#,
                r#"{"contentBlockDelta":{"delta":{"text":"lo"},"contentBlockIndex":0}}"#,
            ],
        ),
        (
            "anthropic.claude-3",
            [
                r#"{"type":"content_block_delta","index":0,"delta":{"text":"Hel"}}"#,
                r#"{"type":"content_block_delta","index":0,"delta":{"text":"lo"}}"#,
            ],
        ),
    ] {
        let url = format!("{}-with-response-stream", url(model));
        let content = Call::new(&url, "{}", AWS_STREAM, events.map(chunk).concat()).content();
        assert!(shown(&content).contains(r#"[{"type":"text","content":"Hello"}]"#), "{model} {content:?}");
    }
}

#[test]
fn ollama() {
    Call::lines(
        "127.0.0.1:11434/api/chat",
        r#"{"model":"m","messages":[{"role":"user","content":"look","images":["AAAA"]},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","tool_name":"f","content":"2"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#,
        &[
            r#"{"message":{"role":"assistant","thinking":"So","content":""},"done":false}"#,
            r#"{"message":{"role":"assistant","thinking":".","content":""},"done":false}"#,
            r#"{"message":{"role":"assistant","content":"Hel"},"done":false}"#,
            r#"{"message":{"role":"assistant","content":"lo"},"done":false}"#,
            r#"{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"b":2}}}]},"done":false}"#,
            r#"{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}"#,
        ],
    )
    .check(
        r#"input [{"role":"user","parts":[{"type":"text","content":"look"},{"type":"blob","modality":"image"}]},{"role":"assistant","parts":[{"type":"tool_call","name":"f","arguments":{"a":1}}]},{"role":"tool","parts":[{"type":"tool_call_response","response":"2"}]}]
output [{"role":"assistant","parts":[{"type":"reasoning","content":"So."},{"type":"text","content":"Hello"},{"type":"tool_call","name":"f","arguments":{"b":2}}],"finish_reason":"stop"}]
tools [{"type":"function","name":"f"}]"#,
    );
    Call::lines(
        "127.0.0.1:11434/api/generate",
        r#"{"model":"m","system":"Be brief.","prompt":"hi"}"#,
        &[r#"{"response":"Hel","done":false}"#, r#"{"response":"lo","done":true,"done_reason":"stop"}"#],
    )
    .check(
        r#"system [{"type":"text","content":"Be brief."}]
input [{"role":"user","parts":[{"type":"text","content":"hi"}]}]
output [{"role":"assistant","parts":[{"type":"text","content":"Hello"}],"finish_reason":"stop"}]"#,
    );
}

#[test]
fn cohere() {
    // The newest message stands before the older ones.
    let request = r#"{"message":"new","preamble":"Be brief.","chat_history":[{"role":"USER","message":"old"},{"message":"yes","role":"CHATBOT"}],"tools":[{"name":"f"}]}"#;
    let input = r#"system [{"type":"text","content":"Be brief."}]
input [{"role":"USER","parts":[{"type":"text","content":"old"}]},{"role":"CHATBOT","parts":[{"type":"text","content":"yes"}]},{"role":"user","parts":[{"type":"text","content":"new"}]}]"#;
    let whole =
        r#"{"text":"Hello","tool_calls":[{"name":"f","parameters":{"a":1}}],"finish_reason":"COMPLETE"}"#;
    let output = r#"output [{"role":"assistant","parts":[{"type":"text","content":"Hello"},{"type":"tool_call","name":"f","arguments":{"a":1}}],"finish_reason":"COMPLETE"}]"#;
    let expected = format!("{input}\n{output}\ntools [{{\"type\":\"function\",\"name\":\"f\"}}]");
    Call::json("api.cohere.com/v1/chat", request, whole).check(&expected);
    let last = format!(
        r#"{{"event_type":"stream-end","is_finished":true,"finish_reason":"COMPLETE","response":{whole}}}"#
    );
    Call::lines(
        "api.cohere.com/v1/chat",
        request,
        &[
            r#"{"event_type":"text-generation","text":"Hel"}"#,
            r#"{"event_type":"text-generation","text":"lo"}"#,
            &last,
        ],
    )
    .check(&expected);

    // Results stand beside the newest message, which is empty, or in a turn.
    let result = r#"{"call":{"name":"f","parameters":{"a":1}},"outputs":[{"n":"ann@example.com"}]}"#;
    let request = format!(
        r#"{{"message":"","chat_history":[{{"role":"CHATBOT","message":"I will.","tool_calls":[{{"name":"f","parameters":{{"a":1}}}}]}},{{"role":"TOOL","tool_results":[{result}]}}],"tool_results":[{result},{result}]}}"#
    );
    let seen = r#"{"type":"tool_call_response","name":"f","response":[{"n":"ann@example.com"}]}"#;
    let input = format!(
        r#"input [{{"role":"CHATBOT","parts":[{{"type":"text","content":"I will."}},{{"type":"tool_call","name":"f","arguments":{{"a":1}}}}]}},{{"role":"TOOL","parts":[{seen}]}},{{"role":"tool","parts":[{seen},{seen}]}}]"#
    );
    let call = Call::json("api.cohere.com/v1/chat", &request, "{}");
    call.check(&input);
    call.mode(ContentMode::Redacted).check(&input.replace("ann@example.com", "[REDACTED:email]"));
    // One that says nothing is one; beside a message it is the user's, whichever stands first.
    for nothing in [r#","outputs":"""#, r#","outputs":null"#, ""] {
        let request = format!(r#"{{"tool_results":[{{"call":{{"name":"f"}}{nothing}}}]}}"#);
        let input =
            r#"input [{"role":"tool","parts":[{"type":"tool_call_response","name":"f","response":""}]}]"#;
        Call::json("api.cohere.com/v1/chat", &request, "{}").check(input);
    }
    let results = format!(r#""tool_results":[{result}]"#);
    for [one, two] in [[r#""message":"so?""#, results.as_str()], [&results, r#""message":"so?""#]] {
        let content = Call::json("api.cohere.com/v1/chat", &format!("{{{one},{two}}}"), "{}").content();
        let input = content.input_messages.unwrap();
        assert!(input.starts_with(r#"[{"role":"user","parts":["#) && input.contains(seen), "{input}");
    }

    let request = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","tool_plan":"I will.","tool_calls":[{"id":"c0","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c0","content":"done"}]}"#;
    let input = r#"input [{"role":"user","parts":[{"type":"text","content":"hi"}]},{"role":"assistant","parts":[{"type":"reasoning","content":"I will."},{"type":"tool_call","id":"c0","name":"f","arguments":{}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"c0","response":"done"}]}]"#;
    let output = r#"output [{"role":"assistant","parts":[{"type":"reasoning","content":"Then."},{"type":"text","content":"Hello"},{"type":"tool_call","id":"c1","name":"f","arguments":{"a":1}}],"finish_reason":"TOOL_CALL"}]"#;
    Call::json(
        "api.cohere.com/v2/chat",
        request,
        r#"{"message":{"role":"assistant","content":[{"type":"thinking","thinking":"Then."},{"type":"text","text":"Hello"}],"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"TOOL_CALL"}"#,
    )
    .check(&format!("{input}\n{output}"));
    Call::sse(
        "api.cohere.com/v2/chat",
        request,
        &[
            r#"{"type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":""}}}"#,
            r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"Then."}}}"#,
            r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}"#,
            r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hel"}}}}"#,
            r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"lo"}}}}"#,
            r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":{"name":"f","arguments":""}}}}}"#,
            r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":"}}}}}"#,
            r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}}"#,
            r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL"}}"#,
        ],
    )
    .check(&format!("{input}\n{output}"));
}

#[test]
fn bare_text() {
    let asked = r#"input [{"role":"user","parts":[{"type":"text","content":"hi"}]}]"#;
    let said = r#"[{"type":"text","content":"Hello"}]"#;
    for call in [
        Call::json(
            "api.aleph-alpha.com/complete",
            r#"{"prompt":[{"type":"text","data":"hi"}]}"#,
            r#"{"completions":[{"completion":"Hello","finish_reason":"stop"}]}"#,
        ),
        Call::json(
            "us-south.ml.cloud.ibm.com/ml/v1/text/generation",
            r#"{"input":"hi"}"#,
            r#"{"results":[{"generated_text":"Hello","stop_reason":"eos"}]}"#,
        ),
        Call::json("tgi.local/generate", r#"{"inputs":"hi"}"#, r#"{"generated_text":"Hello"}"#),
        Call::json("tgi.local/generate", r#"{"inputs":"hi"}"#, r#"[{"generated_text":"Hello"}]"#),
        Call::sse(
            "tgi.local/generate_stream",
            r#"{"inputs":"hi"}"#,
            &[
                r#"{"token":{"text":"Hel"},"generated_text":null}"#,
                r#"{"token":{"text":"lo"},"generated_text":"Hello","details":{"finish_reason":"length"}}"#,
            ],
        ),
        Call::json("llama.local/completion", r#"{"prompt":"hi"}"#, r#"{"content":"Hello","stop":true}"#),
        Call::sse(
            "llama.local/completion",
            r#"{"prompt":"hi"}"#,
            &[r#"{"content":"Hel","stop":false}"#, r#"{"content":"lo","stop":true}"#],
        ),
    ] {
        let shown = shown(&call.content());
        assert!(shown.starts_with(asked) && shown.contains(said), "{}: {shown}", call.url);
    }
}
