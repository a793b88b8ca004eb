//! Tokens of each kind that a provider's wire tells apart: cached, written to the cache, reasoning, audio, image.
//!
//! The conventions of 1.41 have no attribute for audio and images: those counts ride along in the provider's own usage
//! object, whole, and must neither be added to the input and output that they are part of nor be missing there.

use super::*;

/// The counts of one answer, and its usage object untouched.
fn check(url: &str, around: (&str, &str), usage: &str, expected: &str) {
    let answer = format!("{}{usage}{}", around.0, around.1);
    let span = Call::json(url, "{}", &answer).counts(expected);
    assert_eq!(span.facts.raw_usage.as_deref(), Some(usage), "{url}");
    // Where it is longer than its bound it is left out, and that is counted.
    let padded = usage.replacen('{', &format!(r#"{{"padding":"{}","#, "x".repeat(3_000)), 1);
    let span = Call::json(url, "{}", &format!("{}{padded}{}", around.0, around.1)).counts(expected);
    assert_eq!((span.facts.raw_usage, span.facts.truncated), (None, 1), "{url}");
}

const CHAT: (&str, &str) = (r#"{"id":"c","choices":[],"usage":"#, "}");

#[test]
fn openai_chat_with_audio() {
    check(
        "api.openai.com/v1/chat/completions",
        CHAT,
        r#"{"prompt_tokens":100,"completion_tokens":80,"total_tokens":180,"prompt_tokens_details":{"cached_tokens":64,"text_tokens":20,"audio_tokens":70,"image_tokens":10},"completion_tokens_details":{"reasoning_tokens":16,"audio_tokens":50,"text_tokens":14,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#,
        "in=100 out=80 read=64 write=- think=16 total=180",
    );
}

#[test]
fn openai_responses() {
    check(
        "api.openai.com/v1/responses",
        (r#"{"id":"r","status":"completed","usage":"#, "}"),
        r#"{"input_tokens":75,"input_tokens_details":{"cached_tokens":64,"cache_write_tokens":8},"output_tokens":1186,"output_tokens_details":{"reasoning_tokens":1024},"total_tokens":1261}"#,
        "in=75 out=1186 read=64 write=8 think=1024 total=1261",
    );
}

#[test]
fn openai_images() {
    check(
        "api.openai.com/v1/images/edits",
        (r#"{"created":1,"data":[{"b64_json":"AAAA"}],"usage":"#, "}"),
        r#"{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens_details":{"image_tokens":50,"text_tokens":0}}"#,
        "in=50 out=50 read=- write=- think=- total=100",
    );
}

#[test]
fn openai_transcriptions() {
    let url = "api.openai.com/v1/audio/transcriptions";
    check(
        url,
        (r#"{"text":"a","usage":"#, "}"),
        r#"{"type":"tokens","total_tokens":138,"input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":124}"#,
        "in=14 out=124 read=- write=- think=- total=138",
    );
    // Whisper is paid by the second: no tokens are said, and none are guessed.
    let span = Call::json(url, "{}", r#"{"text":"a","usage":{"type":"duration","seconds":9}}"#)
        .no_counts("not_sent");
    assert_eq!(span.facts.raw_usage.as_deref(), Some(r#"{"type":"duration","seconds":9}"#));
    let done = r#"data: {"type":"transcript.text.done","text":"a","usage":{"type":"tokens","total_tokens":5,"input_tokens":3,"output_tokens":2}}"#;
    Call::sse(url, "{}", &[r#"data: {"type":"transcript.text.delta","delta":"a"}"#, done, "data: [DONE]"])
        .counts("in=3 out=2 read=- write=- think=- total=5");
}

#[test]
fn mistral_audio() {
    // Its prompt leaves the audio out, and its total has it: as it says, neither guessed nor summed.
    check(
        "api.mistral.ai/v1/audio/transcriptions",
        (r#"{"model":"voxtral","text":"a","usage":"#, "}"),
        r#"{"prompt_audio_seconds":3,"prompt_tokens":3,"total_tokens":389,"completion_tokens":11,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":375}}"#,
        "in=3 out=11 read=0 write=- think=- total=389",
    );
    check(
        "api.mistral.ai/v1/chat/completions",
        CHAT,
        r#"{"prompt_tokens":10,"total_tokens":33,"completion_tokens":23,"num_cached_tokens":4}"#,
        "in=10 out=23 read=4 write=- think=- total=33",
    );
}

#[test]
fn gemini() {
    check(
        "generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash-image:generateContent",
        (r#"{"candidates":[],"usageMetadata":"#, "}"),
        r#"{"promptTokenCount":1300,"candidatesTokenCount":1290,"thoughtsTokenCount":30,"toolUsePromptTokenCount":50,"cachedContentTokenCount":900,"totalTokenCount":2670,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"IMAGE","tokenCount":258},{"modality":"AUDIO","tokenCount":1032}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":900}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}],"toolUsePromptTokensDetails":[{"modality":"TEXT","tokenCount":50}]}"#,
        "in=1350 out=1320 read=900 write=- think=30 total=2670",
    );
    check(
        "generativelanguage.googleapis.com/v1beta/models/gemini-embedding-2:embedContent",
        (r#"{"embedding":{"values":[0.1]},"usageMetadata":"#, "}"),
        r#"{"promptTokenCount":260,"totalTokenCount":260,"promptTokensDetails":[{"modality":"IMAGE","tokenCount":258},{"modality":"TEXT","tokenCount":2}]}"#,
        "in=260 out=- read=- write=- think=- total=260",
    );
    check(
        "generativelanguage.googleapis.com/v1beta/interactions",
        (r#"{"id":"i","status":"completed","usage":"#, "}"),
        r#"{"total_input_tokens":7,"total_output_tokens":20,"total_thought_tokens":5,"total_cached_tokens":4,"total_tool_use_tokens":3,"total_tokens":35,"input_tokens_by_modality":[{"modality":"image","tokens":7}]}"#,
        "in=10 out=25 read=4 write=- think=5 total=35",
    );
}

#[test]
fn anthropic_caches_of_two_ages() {
    let usage = r#"{"input_tokens":21,"cache_creation_input_tokens":188086,"cache_read_input_tokens":1000,"cache_creation":{"ephemeral_5m_input_tokens":456,"ephemeral_1h_input_tokens":187630},"output_tokens":393,"service_tier":"standard","output_tokens_details":{"thinking_tokens":200}}"#;
    let expected = "in=189107 out=393 read=1000 write=188086 think=200 total=-";
    let around = (r#"{"id":"m","content":[],"usage":"#, "}");
    check("api.anthropic.com/v1/messages", around, usage, expected);
    let vertex = "us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict";
    check(vertex, around, usage, expected);
    check(&format!("{BEDROCK}/anthropic.claude-sonnet-4/invoke"), around, usage, expected);
}

#[test]
fn bedrock() {
    check(
        &format!("{BEDROCK}/anthropic.claude/converse"),
        (r#"{"output":{},"stopReason":"end_turn","usage":"#, "}"),
        r#"{"inputTokens":3,"outputTokens":7,"totalTokens":210,"cacheReadInputTokens":150,"cacheWriteInputTokens":50,"cacheDetails":[{"inputTokens":50,"ttl":"5m"}]}"#,
        "in=203 out=7 read=150 write=50 think=- total=210",
    );
    check(
        &format!("{BEDROCK}/amazon.nova-lite-v1:0/invoke"),
        (r#"{"output":{},"stopReason":"end_turn","usage":"#, "}"),
        r#"{"inputTokens":3,"outputTokens":7,"totalTokens":160,"cacheReadInputTokenCount":150,"cacheWriteInputTokenCount":0}"#,
        "in=153 out=7 read=150 write=0 think=- total=160",
    );
}

#[test]
fn cohere() {
    check(
        "api.cohere.com/v2/chat",
        (r#"{"id":"c","usage":"#, "}"),
        r#"{"billed_units":{"input_tokens":17,"output_tokens":12},"tokens":{"input_tokens":215,"output_tokens":12,"reasoning_tokens":8},"cached_tokens":192}"#,
        "in=17 out=12 read=192 write=- think=8 total=-",
    );
    check(
        "api.cohere.com/v2/embed",
        (r#"{"id":"e","embeddings":{"float":[[0.1]]},"meta":"#, "}"),
        r#"{"api_version":{"version":"2"},"billed_units":{"input_tokens":6,"image_tokens":120,"images":1}}"#,
        "in=6 out=- read=- write=- think=- total=-",
    );
}

#[test]
fn services_that_speak_openais_wire_and_add_something() {
    let check = |host: &str, usage: &str, expected: &str| {
        check(&format!("{host}/v1/chat/completions"), CHAT, usage, expected);
    };
    check(
        "api.deepseek.com",
        r#"{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,"prompt_tokens_details":{"cached_tokens":6},"prompt_cache_hit_tokens":6,"prompt_cache_miss_tokens":4,"completion_tokens_details":{"reasoning_tokens":15}}"#,
        "in=10 out=20 read=6 write=- think=15 total=30",
    );
    // Its completion leaves reasoning out, and its total gives that away.
    check(
        "api.x.ai",
        r#"{"prompt_tokens":41,"completion_tokens":104,"total_tokens":492,"prompt_tokens_details":{"text_tokens":30,"audio_tokens":0,"image_tokens":11,"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":347,"audio_tokens":0},"num_sources_used":0}"#,
        "in=41 out=451 read=5 write=- think=347 total=492",
    );
    check(
        "api.groq.com/openai",
        r#"{"queue_time":0.1,"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":20}}"#,
        "in=100 out=50 read=64 write=- think=20 total=150",
    );
    check(
        "openrouter.ai/api",
        r#"{"prompt_tokens":194,"completion_tokens":2,"total_tokens":196,"cost":0.95,"prompt_tokens_details":{"cached_tokens":100,"cache_write_tokens":50,"audio_tokens":30},"completion_tokens_details":{"reasoning_tokens":0,"image_tokens":0},"cost_details":{"upstream_inference_cost":null}}"#,
        "in=194 out=2 read=100 write=50 think=0 total=196",
    );
    check(
        "api.perplexity.ai",
        r#"{"prompt_tokens":9,"completion_tokens":300,"total_tokens":309,"citation_tokens":4000,"num_search_queries":7,"reasoning_tokens":90,"search_context_size":"low","cost":{"total_cost":0.1}}"#,
        "in=9 out=300 read=- write=- think=90 total=309",
    );
    check(
        "api.moonshot.ai",
        r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"cached_tokens":8}"#,
        "in=10 out=5 read=8 write=- think=- total=15",
    );
    for host in ["api.fireworks.ai/inference", "api.together.xyz", "api.cerebras.ai", "vllm.models:8000"] {
        check(
            host,
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":8}}"#,
            "in=10 out=5 read=8 write=- think=- total=15",
        );
    }
}

#[test]
fn voyage_pixels() {
    check(
        "api.voyageai.com/v1/multimodalembeddings",
        (r#"{"object":"list","data":[],"model":"v","usage":"#, "}"),
        r#"{"text_tokens":5,"image_pixels":2000000,"total_tokens":3576}"#,
        "in=3576 out=- read=- write=- think=- total=3576",
    );
}
