//! The rarer endpoints and services: recognized, counted, and read where they say what a call took.

use super::*;
use crate::rules::Rules;

/// One call that is only counted.
fn counted(method: &str, url: &str, expected: &str) {
    let call = Call {
        method,
        ..Call::json(url, "", r#"{"id":"x_1","object":"x","status":"validating","usage":null}"#)
    };
    let span = call.no_counts("not_sent");
    assert_eq!(
        format!("{} {}", span.provider_name.as_ref(), span.operation.name()),
        expected,
        "{method} {url}"
    );
    assert_eq!(span.operation.otel_name(), span.operation.name());
}

#[test]
fn files_and_batches_are_counted_and_not_parsed() {
    counted("POST", "api.openai.com/v1/files", "openai file_upload");
    counted("POST", "api.openai.com/v1/uploads", "openai file_upload");
    counted("POST", "api.anthropic.com/v1/files", "anthropic file_upload");
    counted("POST", "x.openai.azure.com/openai/files?api-version=1", "azure.ai.openai file_upload");
    counted("POST", "generativelanguage.googleapis.com/upload/v1beta/files", "gcp.gemini file_upload");
    counted("POST", "api.openai.com/v1/batches", "openai batch");
    counted("GET", "api.openai.com/v1/batches/batch_1", "openai batch");
    counted("POST", "x.openai.azure.com/openai/batches?api-version=1", "azure.ai.openai batch");
    counted("POST", "api.anthropic.com/v1/messages/batches", "anthropic batch");
    counted("GET", "api.anthropic.com/v1/messages/batches/msgbatch_1", "anthropic batch");
    counted("POST", "api.groq.com/openai/v1/batches", "groq batch");
    counted("POST", "api.mistral.ai/v1/batch/jobs", "mistral_ai batch");
    counted("GET", "api.mistral.ai/v1/batch/jobs/1", "mistral_ai batch");
    counted("POST", "api.cohere.com/v1/embed-jobs", "cohere batch");
    counted(
        "POST",
        "generativelanguage.googleapis.com/v1beta/models/g:batchGenerateContent",
        "gcp.gemini batch",
    );
    counted(
        "POST",
        "us-east1-aiplatform.googleapis.com/v1/projects/p/locations/l/batchPredictionJobs",
        "gcp.vertex_ai batch",
    );
}

#[test]
fn what_is_read_back_is_no_call() {
    let detected = |method: &str, authority: &str, path: &str| {
        crate::detect::detect(
            method.as_bytes(),
            authority.as_bytes(),
            path.as_bytes(),
            Detect::Heuristic,
            &Rules::default(),
        )
    };
    for path in [
        "/v1/batches",
        "/v1/batches/batch_1/results",
        "/v1/files/file_1",
        "/v1/responses/resp_1",
        "/v1/chat/completions/chatcmpl_1",
        "/v1/models/gpt-5",
        "/",
        "",
    ] {
        assert!(detected("GET", "api.openai.com", path).is_none(), "{path}");
    }
    assert!(detected("DELETE", "api.openai.com", "/v1/batches/batch_1").is_none());
    // Too short to be told from anyone else's files.
    assert!(detected("POST", "orders.shop", "/v1/files").is_none());
    assert!(detected("GET", "orders.shop", "/v1/batches/1").is_none());
}

#[test]
fn a_batch_carries_its_usage_once_it_is_done() {
    let body = r#"{"id":"batch_1","object":"batch","endpoint":"/v1/responses","model":"gpt-5","status":"completed","usage":{"input_tokens":1000,"input_tokens_details":{"cached_tokens":200},"output_tokens":500,"output_tokens_details":{"reasoning_tokens":300},"total_tokens":1500},"request_counts":{"total":10}}"#;
    let mut call = Call::json("api.openai.com/v1/batches/batch_1", "", body);
    call.method = "GET";
    call.check("openai batch - stream=- -> gpt-5 batch_1 [] calls[] in=1000 out=500 read=200 write=- think=300 total=1500");
    assert_eq!(call.span().http.method, "GET");
}

#[test]
fn a_file_is_not_read_however_it_is_sent() {
    let form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nno\r\n--b\r\n";
    let mut call =
        Call::json("api.openai.com/v1/files", form, r#"{"id":"file_1","object":"file","bytes":9}"#);
    for kind in ["multipart/form-data; boundary=b", "application/octet-stream", "application/json"] {
        call.request_headers = vec![("content-type", kind)];
        let span = call.span();
        assert_eq!(span.http.request_bytes, form.len() as u64);
        assert_eq!((span.facts.request_model, span.facts.response_id.as_deref()), (None, Some("file_1")));
    }
}

/// Of a form only its short fields are read, of a file only how long it is.
#[test]
fn audio_and_images_in_forms_are_counted_and_not_parsed() {
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n{}\r\n--b--\r\n",
        "RIFF\0".repeat(40_000)
    );
    for path in ["audio/transcriptions", "audio/translations", "images/edits", "images/variations"] {
        let url = format!("api.openai.com/v1/{path}");
        let mut call = Call::json(&url, &form, r#"{"text":"a"}"#);
        call.request_headers = vec![("content-type", "multipart/form-data; boundary=b")];
        let span = call.no_counts("not_sent");
        assert_eq!(span.facts.request_model.as_deref(), Some("whisper-1"));
        assert_eq!(span.http.request_bytes, form.len() as u64);
        assert_eq!((span.http.request_unread, span.http.response_unread), (None, None));
    }
    let mut speech = Call::json("api.openai.com/v1/audio/speech", r#"{"model":"tts"}"#, "");
    speech.headers = vec![("content-type", "audio/mpeg")];
    speech.response = vec![0xff; 100_000];
    let span = speech.no_counts("content_type");
    assert_eq!((span.operation.name(), span.http.response_bytes), ("speech", 100_000));
}

#[test]
fn mistral_conversations_fim_agents_and_ocr() {
    Call::json(
        "api.mistral.ai/v1/conversations",
        r#"{"model":"mistral-medium","inputs":"a"}"#,
        r#"{"conversation_id":"conv_1","outputs":[{"type":"tool.execution","name":"web_search"},{"type":"function.call","name":"f","arguments":"{}"},
        {"type":"message.output","model":"mistral-medium-2505","content":"a"}],"usage":{"prompt_tokens":188,"completion_tokens":55,"total_tokens":7355,"connector_tokens":7112}}"#,
    )
    .check("mistral_ai chat mistral-medium stream=- -> mistral-medium-2505 - [] calls[f] in=7300 out=55 read=- write=- think=- total=7355");
    let events = [
        r#"event: conversation.response.started
data: {"type":"conversation.response.started","conversation_id":"conv_1"}"#,
        r#"event: message.output.delta
data: {"type":"message.output.delta","model":"m","content":"é"}"#,
        r#"event: function.call.delta
data: {"type":"function.call.delta","name":"f","tool_call_id":"t1","arguments":"{"}"#,
        r#"event: function.call.delta
data: {"type":"function.call.delta","name":"f","tool_call_id":"t1","arguments":"}"}"#,
        r#"event: conversation.response.done
data: {"type":"conversation.response.done","usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
    ];
    let call = Call::sse("api.mistral.ai/v1/conversations", r#"{"model":"m","stream":true}"#, &events);
    call.check("mistral_ai chat m stream=yes -> m - [] calls[f] in=3 out=4 read=- write=- think=- total=7");
    assert_eq!(call.span().stream.output_chunks, 3);

    let usage = r#"{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;
    Call::json("api.mistral.ai/v1/fim/completions", r#"{"model":"m"}"#, usage).check(
        "mistral_ai text_completion m stream=- -> m c [] calls[] in=3 out=4 read=- write=- think=- total=7",
    );
    Call::json("api.mistral.ai/v1/agents/completions", r#"{"agent_id":"a"}"#, usage)
        .check("mistral_ai chat - stream=- -> m c [] calls[] in=3 out=4 read=- write=- think=- total=7");
    let span = Call::json(
        "api.mistral.ai/v1/ocr",
        r#"{"model":"ocr"}"#,
        r#"{"pages":[],"model":"ocr-1","usage_info":{"pages_processed":2}}"#,
    )
    .no_counts("not_sent");
    assert_eq!(
        (span.operation.name(), span.facts.raw_usage.as_deref()),
        ("ocr", Some(r#"{"pages_processed":2}"#))
    );
}

#[test]
fn aleph_alpha() {
    Call::json(
        "api.aleph-alpha.com/complete",
        r#"{"model":"luminous"}"#,
        r#"{"completions":[{"completion":"a","finish_reason":"maximum_tokens"}],"model_version":"2022-04","num_tokens_prompt_total":9,"num_tokens_generated":16}"#,
    )
    .check("aleph_alpha text_completion luminous stream=- -> 2022-04 - [maximum_tokens] calls[] in=9 out=16 read=- write=- think=- total=-");
}

#[test]
fn replicate() {
    let url = "api.replicate.com/v1/models/meta/llama/predictions";
    Call::json(url, r#"{"input":{"prompt":"a"},"stream":true}"#, r#"{"id":"p1","model":"meta/llama-x","error":null,"status":"starting"}"#)
        .check("replicate text_completion meta/llama stream=yes -> meta/llama-x p1 [] calls[] in=- out=- read=- write=- think=- total=-");
    Call::json(url, "{}", r#"{"id":"p1","model":"m","output":["a"],"status":"succeeded","metrics":{"input_token_count":5,"output_token_count":6,"predict_time":0.5}}"#)
        .check("replicate text_completion meta/llama stream=- -> m p1 [] calls[] in=5 out=6 read=- write=- think=- total=-");
}

#[test]
fn hugging_face_and_its_text_generation_server() {
    let api = "api-inference.huggingface.co";
    let url = format!("{api}/models/org/zephyr");
    Call::json(&url, r#"{"inputs":"a"}"#, r#"[{"generated_text":"b"}]"#)
        .check("huggingface text_completion org/zephyr stream=- -> - - [] calls[] in=- out=- read=- write=- think=- total=-");
    for vector in ["[0.1,-0.2]", "[[0.1,-0.2],[0.3,0.4]]"] {
        Call::json(&url, r#"{"inputs":["a","b"]}"#, vector)
            .check("huggingface embeddings org/zephyr stream=- -> - - [] calls[] in=- out=- read=- write=- think=- total=-");
    }
    let mut missing = Call::new(&url, "{}", "text/plain", "Not Found");
    missing.status = Some("404");
    assert_eq!(missing.whole().operation.name(), "text_completion");
    let span =
        Call::json(&format!("{api}/models/org/m/v1/chat/completions"), r#"{"model":"m"}"#, "{}").whole();
    assert_eq!((span.api, span.facts.request_model.as_deref()), ("openai.chat", Some("m")));
    let router = "router.huggingface.co/hf-inference/models/BAAI/bge/pipeline/feature-extraction";
    let span = Call::json(router, "{}", "[0.5]").whole();
    assert_eq!(
        (span.operation.name(), span.facts.request_model.as_deref()),
        ("embeddings", Some("BAAI/bge"))
    );

    let mut call = Call::json(
        "tgi.models/generate",
        r#"{"inputs":"a"}"#,
        r#"{"generated_text":"b","details":{"finish_reason":"length","generated_tokens":20,"tokens":[{"id":1,"text":"b"}]}}"#,
    );
    call.headers.push(("x-prompt-tokens", "9"));
    call.check("huggingface text_completion - stream=- -> - - [length] calls[] in=9 out=20 read=- write=- think=- total=-");
    let events = [
        r#"data:{"index":1,"token":{"id":1,"text":"é","special":false},"generated_text":null,"details":null}"#,
        r#"data:{"index":2,"token":{"id":2,"text":"b","special":false},"generated_text":"éb","details":{"finish_reason":"eos_token","generated_tokens":2,"input_length":9}}"#,
    ];
    let call = Call::sse("tgi.models/generate_stream", r#"{"inputs":"a"}"#, &events);
    call.check("huggingface text_completion - stream=yes -> - - [eos_token] calls[] in=9 out=2 read=- write=- think=- total=-");
    assert_eq!(call.span().stream.output_chunks, 2);
    Call::json("x.us-east-1.aws.endpoints.huggingface.cloud/", "{}", r#"[{"generated_text":"b"}]"#).span();
}

#[test]
fn sglang() {
    Call::json(
        "sglang.models/generate",
        r#"{"text":"a","sampling_params":{"max_new_tokens":8}}"#,
        r#"{"text":"b","meta_info":{"id":"s1","finish_reason":{"type":"length","length":8},"prompt_tokens":5,"completion_tokens":8,"cached_tokens":4}}"#,
    )
    .check("huggingface text_completion - stream=- -> - s1 [length] calls[] in=5 out=8 read=4 write=- think=- total=-");
}

#[test]
fn sagemaker() {
    let url = "runtime.sagemaker.us-east-1.amazonaws.com/endpoints/my-llama/invocations";
    Call::json(url, r#"{"inputs":"a"}"#, r#"[{"generated_text":"b"}]"#)
        .check("aws.sagemaker text_completion my-llama stream=- -> - - [] calls[] in=- out=- read=- write=- think=- total=-");
    Call::json(url, "{}", r#"{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{}}],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}"#)
        .check("aws.sagemaker text_completion my-llama stream=- -> m c [stop] calls[] in=5 out=6 read=- write=- think=- total=11");
    let parts =
        [frame("PayloadPart", "data:{\"token\""), frame("PayloadPart", ":{\"text\":\"a\"}}\n\n")].concat();
    let url = format!("{url}-response-stream");
    let span = Call::new(&url, "{}", "application/vnd.amazon.eventstream", parts).no_counts("not_sent");
    assert_eq!((span.stream.output_chunks, span.http.response_unread), (2, None));
}

#[test]
fn llamacpp() {
    Call::json(
        "llama.models:8080/completion",
        r#"{"prompt":"a"}"#,
        r#"{"index":0,"content":"b","model":"qwen","stop":true,"stop_type":"limit","tokens_predicted":8,"tokens_evaluated":10,"timings":{"cache_n":4,"prompt_n":6}}"#,
    )
    .check("llamacpp text_completion - stream=- -> qwen - [limit] calls[] in=10 out=8 read=4 write=- think=- total=-");
    let events = [
        r#"data: {"index":0,"content":"é","tokens":[1],"stop":false,"tokens_predicted":1,"tokens_evaluated":10}"#,
        r#"data: {"index":0,"content":"","model":"qwen","stop":true,"stop_type":"eos","tokens_predicted":2,"tokens_evaluated":10}"#,
    ];
    Call::sse("llama.models:8080/completion", r#"{"stream":true}"#, &events)
        .check("llamacpp text_completion - stream=yes -> qwen - [eos] calls[] in=10 out=2 read=- write=- think=- total=-");
}

#[test]
fn cloudflare() {
    let url = "api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/meta/llama";
    let answer = r#"{"result":{"response":"a","tool_calls":[{"name":"f","arguments":{}}],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}},"success":true,"errors":[],"messages":[]}"#;
    Call::json(url, r#"{"messages":[]}"#, answer)
        .check("cloudflare chat @cf/meta/llama stream=- -> - - [] calls[f] in=5 out=6 read=- write=- think=- total=11");
    assert_eq!(Call::json(url, r#"{"prompt":"a"}"#, answer).span().operation.name(), "text_completion");
    let events = [
        r#"data: {"response":"é","p":"abc"}"#,
        r#"data: {"response":"","usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}"#,
        "data: [DONE]",
    ];
    Call::sse(url, r#"{"messages":[],"stream":true}"#, &events)
        .counts("in=5 out=1 read=- write=- think=- total=6");
    let gateway = "gateway.ai.cloudflare.com/v1/a/g";
    let span = Call::json(
        &format!("{gateway}/aws-bedrock/bedrock-runtime/us-east-1/model/amazon.nova-lite-v1:0/converse"),
        "{}",
        "{}",
    )
    .whole();
    assert_eq!((span.api, span.provider_name.as_ref()), ("bedrock.converse", "cloudflare"));
}

#[test]
fn watsonx_chat() {
    Call::json(
        "us-south.ml.cloud.ibm.com/ml/v1/text/chat?version=2024-10-08",
        r#"{"model_id":"ibm/granite","messages":[]}"#,
        r#"{"id":"chat-1","model_id":"ibm/granite","model":"ibm/granite","choices":[{"index":0,"message":{"tool_calls":[{"id":"a","type":"function","function":{"name":"f"}}]},"finish_reason":"tool_calls"}],"usage":{"completion_tokens":6,"prompt_tokens":5,"total_tokens":11}}"#,
    )
    .check("ibm.watsonx.ai chat ibm/granite stream=- -> ibm/granite chat-1 [tool_calls] calls[f] in=5 out=6 read=- write=- think=- total=11");
    let events = [
        "id: 1\nevent: message\ndata: {\"id\":\"chat-1\",\"model_id\":\"g\",\"choices\":[{\"index\":0,\"finish_reason\":null,\"delta\":{\"role\":\"assistant\",\"content\":\"é\"}}]}",
        "id: 2\nevent: message\ndata: {\"id\":\"chat-1\",\"model_id\":\"g\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"delta\":{\"content\":\"\"}}]}",
        "id: 3\nevent: message\ndata: {\"id\":\"chat-1\",\"model_id\":\"g\",\"choices\":[],\"usage\":{\"completion_tokens\":2,\"prompt_tokens\":5,\"total_tokens\":7}}",
    ];
    Call::sse("us-south.ml.cloud.ibm.com/ml/v1/text/chat_stream", r#"{"model_id":"g"}"#, &events)
        .check("ibm.watsonx.ai chat g stream=yes -> g chat-1 [stop] calls[] in=5 out=2 read=- write=- think=- total=7");
    Call::json(
        "us-south.ml.cloud.ibm.com/ml/v1/text/rerank",
        r#"{"model_id":"g"}"#,
        r#"{"model_id":"g","results":[{"index":0,"score":0.1}],"input_token_count":9}"#,
    )
    .check("ibm.watsonx.ai rerank g stream=- -> g - [] calls[] in=9 out=- read=- write=- think=- total=-");
}

#[test]
fn vertex_by_publisher() {
    let url = "us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers";
    Call::json(
        &format!("{url}/mistralai/models/mistral-large:rawPredict"),
        r#"{"model":"mistral-large"}"#,
        r#"{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{}}],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}"#,
    )
    .check("gcp.vertex_ai chat mistral-large stream=no -> m c [stop] calls[] in=5 out=6 read=- write=- think=- total=11");
    Call::json(&format!("{url}/anthropic/models/count-tokens:rawPredict"), r#"{"model":"claude"}"#, r#"{"input_tokens":9}"#)
        .check("gcp.vertex_ai count_tokens claude stream=- -> - - [] calls[] in=- out=- read=- write=- think=- total=-");
}

#[test]
fn the_same_shapes_at_other_places() {
    let api = |url: &str, expected: &str| {
        let span = Call::json(url, "{}", "{}").whole();
        assert_eq!(
            format!("{} {} {}", span.provider_name.as_ref(), span.api, span.operation.name()),
            expected,
            "{url}"
        );
    };
    api("api.portkey.ai/v1/chat/completions", "portkey openai.chat chat");
    api("api.openai.com/v1/responses/compact", "openai openai.responses responses_compact");
    api("api.openai.com/v1/responses/input_tokens", "openai count_tokens count_tokens");
    api("x.openai.azure.com/openai/v1/chat/completions", "azure.ai.openai openai.chat chat");
    api("x.services.ai.azure.com/models/chat/completions", "azure.ai.inference openai.chat chat");
    api("x.services.ai.azure.com/anthropic/v1/messages", "azure.ai.inference anthropic.messages chat");
    api("models.github.ai/inference/chat/completions", "azure.ai.inference openai.chat chat");
    api("gateway.ai.cloudflare.com/v1/a/g/openai/chat/completions", "cloudflare openai.chat chat");
    api(
        "gateway.ai.cloudflare.com/v1/a/g/google-ai-studio/v1/models/g:generateContent",
        "cloudflare gemini.generate_content generate_content",
    );
    api(
        "litellm.models/vertex_ai/v1/projects/p/locations/l/publishers/google/models/g:generateContent",
        "gcp.vertex_ai gemini.generate_content generate_content",
    );
    api("litellm.models/cohere/v2/chat", "cohere cohere.chat chat");
    api("litellm.models/bedrock/model/amazon.nova-lite-v1:0/converse", "aws.bedrock bedrock.converse chat");
    api("m.snowflakecomputing.com/api/v2/cortex/inference:complete", "snowflake openai.chat chat");
    api("generativelanguage.googleapis.com/v1beta/openai/chat/completions", "gcp.gemini openai.chat chat");
    api("api.ai21.com/studio/v1/chat/completions", "ai21 openai.chat chat");
    api("integrate.api.nvidia.com/v1/chat/completions", "nvidia openai.chat chat");
    api("api.voyageai.com/v1/contextualizedembeddings", "voyage openai.embeddings embeddings");
    api("api.jina.ai/v1/rerank", "jina rerank rerank");
    api("api.cohere.com/v2/rerank", "cohere cohere.rerank rerank");
    api("ollama.models/api/embed", "ollama ollama.embed embeddings");
}
