//! Servers that one runs oneself, by the paths they have of their own (`detect: heuristic`), and Vertex AI's endpoints.

use super::*;

#[test]
fn rerankings_of_any_server() {
    let request = r#"{"model":"bge","query":"é","documents":["a"]}"#;
    let usage = r#"{"id":"rerank-1","model":"bge-1","usage":{"prompt_tokens":56,"total_tokens":56},"results":[{"index":0,"relevance_score":0.5}]}"#;
    for (path, provider) in [
        ("/v2/rerank", "cohere"),
        ("/v1/rerank", "openai"),
        ("/rerank", "openai"),
        ("/reranking", "openai"),
        ("/score", "openai"),
        ("/v1/score", "openai"),
    ] {
        Call::json(&format!("vllm.models:8000{path}"), request, usage)
            .check(&format!("{provider} rerank bge stream=- -> bge-1 rerank-1 [] calls[] in=56 out=- read=- write=- think=- total=56"));
        // Before vLLM counted prompts apart, and llama.cpp.
        let total = r#"{"id":"r","model":"m","usage":{"total_tokens":56},"results":[]}"#;
        Call::json(&format!("vllm.models:8000{path}"), request, total)
            .counts("in=56 out=- read=- write=- think=- total=56");
    }
    Call::json("tei.models/rerank", r#"{"query":"a","texts":["b"]}"#, r#"[{"index":0,"score":0.9}]"#)
        .check("openai rerank - stream=- -> - - [] calls[] in=- out=- read=- write=- think=- total=-");
    // Cohere's own bills neither.
    let billed = r#"{"id":"e","results":[],"meta":{"billed_units":{"search_units":1}}}"#;
    Call::json("api.cohere.com/v2/rerank", r#"{"model":"rerank-v3.5"}"#, billed).check(
        "cohere rerank rerank-v3.5 stream=- -> - e [] calls[] in=- out=- read=- write=- think=- total=-",
    );
}

/// Before Cohere had versions, its paths were as short as those of servers that one runs oneself.
#[test]
fn paths_of_cohere_without_a_version() {
    let billed = r#"{"id":"i","meta":{"billed_units":{"input_tokens":5,"output_tokens":6}}}"#;
    for (path, operation) in
        [("chat", "chat"), ("generate", "text_completion"), ("embed", "embeddings"), ("rerank", "rerank")]
    {
        for version in ["", "v1/", "v2/"] {
            Call::json(&format!("api.cohere.ai/{version}{path}"), r#"{"model":"m"}"#, billed).check(&format!(
                "cohere {operation} m stream=- -> - i [] calls[] in=5 out=6 read=- write=- think=- total=-"
            ));
        }
    }
    let compatible = Call::json("api.cohere.ai/compatibility/v1/chat/completions", "{}", "{}").whole();
    assert_eq!(compatible.api, "openai.chat");
}

#[test]
fn vectors_of_any_server() {
    Call::json(
        "vllm.models/pooling",
        r#"{"model":"m","input":"a"}"#,
        r#"{"id":"pool-1","object":"list","model":"m-1","data":[{"object":"pooling","data":[0.1]}],"usage":{"prompt_tokens":3,"total_tokens":3}}"#,
    )
    .check("openai embeddings m stream=- -> m-1 pool-1 [] calls[] in=3 out=- read=- write=- think=- total=3");
    for (path, answer, provider) in [
        ("tei.models/embed", "[[0.1,-0.2]]", "huggingface"),
        ("tei.models/embed_all", "[[[0.1]]]", "huggingface"),
        ("tei.models/embed_sparse", r#"[[{"index":1,"value":0.5}]]"#, "huggingface"),
        ("llama.models:8080/embedding", r#"[{"index":0,"embedding":[[0.1]]}]"#, "llamacpp"),
        ("llama.models:8080/embeddings", r#"[{"index":0,"embedding":[[0.1]]}]"#, "openai"),
    ] {
        Call::json(path, r#"{"inputs":"é"}"#, answer).check(&format!(
            "{provider} embeddings - stream=- -> - - [] calls[] in=- out=- read=- write=- think=- total=-"
        ));
    }
}

#[test]
fn vectors_of_watsonx_name_their_model() {
    let answer = r#"{"model_id":"m-1","results":[{"embedding":[0.5]}],"input_token_count":10}"#;
    Call::json("us-south.ml.cloud.ibm.com/ml/v1/text/embeddings", r#"{"model_id":"m"}"#, answer).check(
        "ibm.watsonx.ai embeddings m stream=- -> m-1 - [] calls[] in=10 out=- read=- write=- think=- total=-",
    );
}

/// Hugging Face's server counts in a header.
#[test]
fn vectors_counted_in_a_header() {
    let mut call = Call::json("tei.models/embed", r#"{"inputs":"a"}"#, "[[0.5]]");
    call.headers.push(("x-compute-tokens", "8"));
    call.counts("in=8 out=- read=- write=- think=- total=-");
}

const ONE: &str = r#"{"index":0,"content":"é","model":"qwen","stop":true,"stop_type":"limit","tokens_predicted":5,"tokens_evaluated":7,"timings":{"cache_n":4,"prompt_n":3}}"#;

#[test]
fn llamacpp_answers_at_its_own_paths() {
    for path in ["/completion", "/completions", "/infill"] {
        let provider = if path == "/completions" { "openai" } else { "llamacpp" };
        let url = format!("llama.models:8080{path}");
        for request in [
            r#"{"prompt":"a","n_predict":5}"#,
            r#"{"prompt":[1,2,3],"n_predict":5}"#,
            r#"{"input_prefix":"a"}"#,
        ] {
            Call::json(&url, request, ONE).check(&format!(
                "{provider} text_completion - stream=- -> qwen - [limit] calls[] in=7 out=5 read=4 write=- think=- total=-"
            ));
        }
        let events = [
            r#"data: {"index":0,"content":"é","stop":false,"tokens_predicted":1,"tokens_evaluated":7}"#,
            &format!("data: {ONE}"),
        ];
        Call::sse(&url, r#"{"prompt":"a","stream":true}"#, &events).check(&format!(
            "{provider} text_completion - stream=yes -> qwen - [limit] calls[] in=7 out=5 read=4 write=- think=- total=-"
        ));
    }
}

/// One answer for each prompt.
#[test]
fn llamacpp_counts_all_of_several_prompts() {
    let other = ONE.replace("\"index\":0", "\"index\":1").replace("limit", "eos").replace(":5,", ":6,");
    for path in ["/completion", "/completions"] {
        let url = format!("llama.models:8080{path}");
        let span = Call::json(&url, r#"{"prompt":["a","b"],"n_predict":5}"#, &format!("[{ONE},{other}]"))
            .counts("in=14 out=11 read=- write=- think=- total=-");
        let reasons = [(0, "limit".to_owned()), (1, "eos".to_owned())];
        assert_eq!(span.facts.finish_reasons, reasons);
    }
}

/// Gateways have OpenAI's wire at the same path.
#[test]
fn completions_without_a_version_may_be_openais() {
    let usage = r#""usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}"#;
    let answer = format!(
        r#"{{"id":"c","model":"m-1","choices":[{{"index":0,"text":"a","finish_reason":"stop"}}],{usage}}}"#
    );
    let expected = |stream| {
        format!(
            "openai text_completion m stream={stream} -> m-1 c [stop] calls[] in=5 out=6 read=4 write=- think=- total=11"
        )
    };
    let url = "litellm.models:4000/completions";
    Call::json(url, r#"{"model":"m","prompt":"a","max_tokens":9,"n":2,"stop":"x"}"#, &answer)
        .check(&expected("-"));
    let events = [
        r#"data: {"id":"c","model":"m-1","choices":[{"index":0,"text":"a","finish_reason":null}]}"#,
        r#"data: {"id":"c","model":"m-1","choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#,
        &format!(r#"data: {{"id":"c","choices":[],{usage}}}"#),
        "data: [DONE]",
    ];
    Call::sse(url, r#"{"model":"m","stream":true}"#, &events).check(&expected("yes"));
    let facts = Call::json(url, r#"{"max_tokens":9,"n":2,"stop":"x","user":"u"}"#, "{}").whole().facts;
    assert_eq!(
        (facts.max_tokens, facts.choice_count, facts.user_id.as_deref()),
        (Some(9), Some(2), Some("u"))
    );
    assert_eq!(facts.stop_sequences, ["x"]);
}

#[test]
fn endpoints_of_vertex() {
    let place = "us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l";
    let answer = r#"{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"tool_calls":[{"function":{"name":"f"}}]}}],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}"#;
    let check = |path: &str, request: &str, model: &str, stream: &str| {
        Call::json(&format!("{place}/{path}"), request, answer).check(&format!(
            "gcp.vertex_ai chat {model} stream={stream} -> m c [stop] calls[f] in=5 out=6 read=- write=- think=- total=11"
        ));
    };
    check("endpoints/123:rawPredict", r#"{"messages":[]}"#, "123", "no");
    check("endpoints/123:rawPredict", r#"{"model":"llama"}"#, "llama", "no");
    check("endpoints/123:streamRawPredict", "{}", "123", "yes");
    check("endpoints/123/chat/completions", "{}", "123", "-");
    check("endpoints/123/chat/completions", r#"{"model":"llama"}"#, "llama", "-");
    check("endpoints/openapi/chat/completions", r#"{"model":"meta/llama"}"#, "meta/llama", "-");
    check("endpoints/openapi/chat/completions", "{}", "-", "-");
    for publisher in ["mistralai", "meta", "ai21"] {
        check(&format!("publishers/{publisher}/models/m-1@2:rawPredict"), "{}", "m-1@2", "no");
        check(
            &format!("publishers/{publisher}/models/m-1:streamRawPredict"),
            r#"{"stream":true}"#,
            "m-1",
            "yes",
        );
    }
    let claude = r#"{"id":"msg_1","model":"claude","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#;
    Call::json(&format!("{place}/publishers/anthropic/models/claude@1:rawPredict"), "{}", claude)
        .check("gcp.vertex_ai chat claude@1 stream=no -> claude msg_1 [end_turn] calls[] in=1 out=2 read=- write=- think=- total=-");
}

#[test]
fn models_whose_collection_is_escaped() {
    for path in ["models%2Fgemini-x", "models%2fgemini%2Dx", "publishers%2Fgoogle%2Fmodels%2Fgemini-x"] {
        let url = format!("generativelanguage.googleapis.com/v1beta/{path}:generateContent");
        assert_eq!(Call::json(&url, "{}", "{}").span().facts.request_model.as_deref(), Some("gemini-x"));
    }
}

#[test]
fn several_prompts_at_sglang_add_up() {
    let body = r#"[{"text":"x","meta_info":{"id":"a","finish_reason":{"type":"stop"},"prompt_tokens":5,"completion_tokens":7}},
        {"text":"y","meta_info":{"id":"b","finish_reason":{"type":"length"},"prompt_tokens":50,"completion_tokens":70}}]"#;
    let span = Call::json("sglang.models/generate", r#"{"text":["a","b"]}"#, body).span();
    assert_eq!((span.usage.input_tokens, span.usage.output_tokens), (Some(55), Some(77)));
}

#[test]
fn a_streamed_transcription_of_vllm_has_its_finish_reason() {
    let events = [
        r#"data: {"object":"transcription.chunk","choices":[{"delta":{"content":"a"}}]}"#,
        r#"data: {"object":"transcription.chunk","choices":[{"delta":{"content":""},"finish_reason":"stop"}]}"#,
        "data: [DONE]",
    ];
    let span = Call::sse("vllm.models/v1/audio/transcriptions", r#"{"stream":true}"#, &events).span();
    assert_eq!(span.facts.finish_reasons, [(0, "stop".to_owned())]);
}
