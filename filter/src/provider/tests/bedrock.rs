//! Bedrock: what its families have of their own.

use super::*;

fn invoke(model: &str, request: &str, response: &str, expected: &str) {
    let url = format!("{BEDROCK}/{model}/invoke");
    let mut call = Call::json(&url, request, response);
    call.headers.push(("x-amzn-bedrock-input-token-count", "11"));
    call.headers.push(("x-amzn-bedrock-output-token-count", "12"));
    call.check(&format!("aws.bedrock {expected}"));
}

/// A frame around one document, as InvokeModelWithResponseStream has it.
fn chunk(json: &str) -> Vec<u8> {
    use base64::Engine as _;
    let inner = base64::engine::general_purpose::STANDARD.encode(json);
    frame("chunk", &format!(r#"{{"bytes":"{inner}","p":"abc"}}"#))
}

fn invoke_stream(model: &str, request: &str, chunks: &[&str], expected: &str) {
    let url = format!("{BEDROCK}/{model}/invoke-with-response-stream");
    let body: Vec<u8> = chunks.iter().flat_map(|json| chunk(json)).collect();
    Call::new(&url, request, "application/vnd.amazon.eventstream", body)
        .check(&format!("aws.bedrock {expected}"));
}

const METRICS: &str = r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":11,"outputTokenCount":12,"invocationLatency":9}"#;

#[test]
fn messages_of_mistral_end_with_a_stop_reason() {
    let tools = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},"stop_reason":"tool_calls"}]}"#;
    for model in ["mistral.mistral-large-2407-v1:0", "us.mistral.pixtral-large-2502-v1:0"] {
        invoke(
            model,
            r#"{"messages":[{"role":"user","content":"é"}]}"#,
            tools,
            &format!(
                "chat {model} stream=no -> - - [tool_calls] calls[f] in=11 out=12 read=- write=- think=- total=-"
            ),
        );
    }
    // Older ones take either.
    invoke(
        "mistral.mistral-large-2402-v1:0",
        r#"{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function"}]}"#,
        tools,
        "chat mistral.mistral-large-2402-v1:0 stream=no -> - - [tool_calls] calls[f] in=11 out=12 read=- write=- think=- total=-",
    );
    invoke(
        "mistral.mistral-large-2402-v1:0",
        r#"{"prompt":"a"}"#,
        r#"{"outputs":[{"text":"b","stop_reason":"stop"}]}"#,
        "text_completion mistral.mistral-large-2402-v1:0 stream=no -> - - [stop] calls[] in=11 out=12 read=- write=- think=- total=-",
    );
    let last = format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":""}},"stop_reason":"length"}}],{METRICS}}}"#
    );
    invoke_stream(
        "mistral.mistral-large-2407-v1:0",
        r#"{"messages":[]}"#,
        &[
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"stop_reason":null}]}"#,
            &last,
        ],
        "chat mistral.mistral-large-2407-v1:0 stream=yes -> - - [length] calls[] in=11 out=12 read=- write=- think=- total=-",
    );
}

/// Between two frames too.
#[test]
fn frames_that_stop_before_the_end() {
    let url = format!("{BEDROCK}/anthropic.claude-3-5-sonnet-20241022-v2:0/invoke-with-response-stream");
    let chunks = [
        r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":25,"output_tokens":1}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
    ];
    let body: Vec<u8> = chunks.iter().flat_map(|json| chunk(json)).collect();
    let span = Call::new(&url, "{}", "application/vnd.amazon.eventstream", body).whole();
    assert_eq!(span.http.response_unread, Some(Unread::Truncated));
    assert_eq!((span.usage.input_tokens, span.usage_source), (Some(25), UsageSource::ProviderPartial));
}

/// The counts of Converse come behind its stop.
#[test]
fn a_client_that_leaves_before_the_counts_has_cancelled() {
    let url = format!("{BEDROCK}/amazon.nova-lite-v1:0/converse-stream");
    let stop = frame("messageStop", r#"{"stopReason":"end_turn"}"#);
    let counts = frame("metadata", r#"{"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}}"#);
    let leaves = |body: Vec<u8>| {
        let call = Call::new(&url, "{}", "application/vnd.amazon.eventstream", body);
        let span = Call { ended: "downstream_remote_disconnect", ..call }.whole();
        (span.ending, span.usage.output_tokens)
    };
    assert_eq!(leaves(stop.clone()), (End::ClientCancelled, None));
    assert_eq!(leaves([stop, counts].concat()), (End::Complete, Some(4)));
}

/// The last chunk has the metrics, whoever made the model.
#[test]
fn a_client_that_leaves_behind_the_metrics_has_cancelled_nothing() {
    let metrics = r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":11,"outputTokenCount":12}"#;
    for (model, last) in [
        ("amazon.nova-lite-v1%3A0", r#"{"metadata":{"usage":{"inputTokens":3,"outputTokens":4}},METRICS}"#),
        ("meta.llama3-70b-instruct-v1%3A0", r#"{"generation":"","stop_reason":"stop",METRICS}"#),
        (
            "openai.gpt-oss-120b-1%3A0",
            r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2},METRICS}"#,
        ),
    ] {
        let url = format!("{BEDROCK}/{model}/invoke-with-response-stream");
        let body = chunk(&last.replace("METRICS", metrics));
        for ended in ["downstream_remote_disconnect", "upstream_reset_after_response_started{protocol_error}"]
        {
            let call = Call::new(&url, "{}", "application/vnd.amazon.eventstream", body.clone());
            let span = Call { ended, ..call }.whole();
            assert_eq!(span.usage_source, UsageSource::Provider, "{model} {ended}");
            assert_eq!(span.ending == End::Complete, ended.starts_with("down"), "{model} {ended}");
        }
    }
}

/// vLLM says beside the finish reason which stop sequence it was.
#[test]
fn a_finish_reason_goes_before_a_stop_reason() {
    let imported = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aimported-model%2Fx";
    for model in [imported, "writer.palmyra-x5-v1%3A0", "qwen.qwen3-32b-v1%3A0"] {
        for (stop, expected) in [("null", "stop"), (r#""END""#, "stop"), ("13", "stop")] {
            let body = format!(
                r#"{{"id":"c","model":"m","choices":[{{"index":0,"message":{{"content":"a"}},"finish_reason":"stop","stop_reason":{stop}}}],"usage":{{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}}}"#
            );
            let url = format!("{BEDROCK}/{model}/invoke");
            let span = Call::json(&url, "{}", &body).counts("in=5 out=6 read=- write=- think=- total=11");
            assert_eq!(span.facts.finish_reasons, [(0, expected.to_owned())], "{model} {stop}");
        }
    }
}

#[test]
fn models_say_by_their_ids_what_they_are_for() {
    for model in ["cohere.rerank-v3-5:0", "amazon.rerank-v1:0"] {
        let results = r#"{"results":[{"index":0,"relevance_score":0.1}]}"#;
        invoke(
            model,
            r#"{"query":"a","documents":["b"]}"#,
            results,
            &format!(
                "rerank {model} stream=no -> - - [] calls[] in=11 out=12 read=- write=- think=- total=-"
            ),
        );
    }
    for model in [
        "amazon.titan-image-generator-v2:0",
        "amazon.nova-canvas-v1:0",
        "stability.stable-image-core-v1:1",
        "stability.sd3-5-large-v1:0",
    ] {
        let url = format!("{BEDROCK}/{model}/invoke");
        let request = r#"{"taskType":"TEXT_IMAGE","imageGenerationConfig":{"numberOfImages":2,"seed":7}}"#;
        let span = Call::json(&url, request, r#"{"images":["QQ=="],"error":null}"#).no_counts("not_sent");
        assert_eq!(span.operation.name(), "image_generation", "{model}");
        assert_eq!((span.facts.choice_count, span.facts.seed), (Some(2), Some(7)), "{model}");
        assert_eq!(span.error_type, None);
    }
}

#[test]
fn command_streams_its_generations() {
    let only = format!(
        r#"{{"generations":[{{"finish_reason":"COMPLETE","id":"g","text":"é"}}],"id":"i","prompt":"a",{METRICS}}}"#
    );
    invoke_stream(
        "cohere.command-text-v14",
        r#"{"prompt":"a","stream":true}"#,
        &[&only],
        "text_completion cohere.command-text-v14 stream=yes -> - i [COMPLETE] calls[] in=11 out=12 read=- write=- think=- total=-",
    );
}

#[test]
fn speech_in_both_directions() {
    let body = [
        chunk(r#"{"event":{"completionStart":{"completionId":"c"}}}"#),
        chunk(r#"{"event":{"textOutput":{"content":"é"}}}"#),
        chunk(r#"{"event":{"toolUse":{"toolName":"f","toolUseId":"t","content":"{}"}}}"#),
        chunk(r#"{"event":{"contentEnd":{"stopReason":"TOOL_USE"}}}"#),
        chunk(
            r#"{"event":{"usageEvent":{"details":{"total":{}},"totalInputTokens":5,"totalOutputTokens":1,"totalTokens":6}}}"#,
        ),
        chunk(
            r#"{"event":{"usageEvent":{"details":{"total":{}},"totalInputTokens":9,"totalOutputTokens":4,"totalTokens":13}}}"#,
        ),
        chunk(r#"{"event":{"completionEnd":{"stopReason":"END_TURN"}}}"#),
    ];
    let url = format!("{BEDROCK}/amazon.nova-2-sonic-v1:0/invoke-with-bidirectional-stream");
    Call::new(&url, "", "application/vnd.amazon.eventstream", body.concat())
        .check("aws.bedrock chat amazon.nova-2-sonic-v1:0 stream=yes -> - - [END_TURN] calls[f] in=9 out=4 read=- write=- think=- total=13");
}

#[test]
fn what_is_asked_of_bedrock() {
    let facts = |path: &str, request: &str| {
        let url = format!("{BEDROCK}/{path}");
        Call::json(&url, request, "{}").whole().facts
    };
    for fields in [r#"{"top_k":5}"#, r#"{"k":5}"#, r#"{"inferenceConfig":{"topK":5}}"#] {
        let request = format!(
            r#"{{"additionalModelRequestFields":{fields},"toolConfig":{{"tools":[{{"toolSpec":{{"name":"f"}}}},{{"cachePoint":{{"type":"default"}}}}]}}}}"#
        );
        let seen = facts("anthropic.claude-x/converse", &request);
        assert_eq!((seen.top_k, seen.offered_tools), (Some(5.0), 1), "{fields}");
    }
    let seen = facts(
        "amazon.nova-2-lite-v1:0/converse",
        r#"{"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}},"outputConfig":{"textFormat":{"type":"json_schema","structure":{}}}}"#,
    );
    assert_eq!(seen.reasoning_level.as_deref(), Some("low"));
    assert_eq!(seen.output_format.as_deref(), Some("json_schema"));
    let titan = r#"{"inputText":"a","textGenerationConfig":{"maxTokenCount":9,"stopSequences":["User:"]}}"#;
    assert_eq!(facts("amazon.titan-text-express-v1/invoke", titan).stop_sequences, ["User:"]);
    for (model, request) in [
        ("amazon.titan-embed-text-v2:0", r#"{"inputText":"a","dimensions":256}"#),
        (
            "amazon.titan-embed-image-v1",
            r#"{"inputText":"a","embeddingConfig":{"outputEmbeddingLength":256}}"#,
        ),
        ("cohere.embed-v4:0", r#"{"texts":["a"],"output_dimension":256}"#),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            r#"{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingDimension":256}}"#,
        ),
    ] {
        assert_eq!(facts(&format!("{model}/invoke"), request).dimensions, Some(256), "{model}");
    }
}
