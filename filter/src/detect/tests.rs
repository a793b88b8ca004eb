use super::*;

fn detected(authority: &str, path: &str, mode: Detect) -> Option<String> {
    let detected = detect(b"POST", authority.as_bytes(), path.as_bytes(), mode, &Rules::default())?;
    let model = detected.model.map(|model| format!(" {model}")).unwrap_or_default();
    Some(format!("{} {}{model}", detected.provider_name, detected.adapter.name))
}

fn known(authority: &str, path: &str) -> Option<String> {
    detected(authority, path, Detect::Known)
}

fn check(authority: &str, path: &str, expected: &str) {
    assert_eq!(known(authority, path).as_deref(), Some(expected), "{authority}{path}");
}

#[test]
fn known_hosts() {
    check("api.openai.com", "/v1/chat/completions", "openai openai.chat");
    check("API.openai.com:80", "/v1/chat/completions?a=b", "openai openai.chat");
    check("api.openai.com", "/v1/responses", "openai openai.responses");
    check(
        "x.openai.azure.com",
        "/openai/deployments/my%20gpt/chat/completions?api-version=1",
        "azure.ai.openai openai.chat my gpt",
    );
    check("api.anthropic.com", "/v1/messages?beta=true", "anthropic anthropic.messages");
    check("api.cohere.com", "/v2/chat", "cohere cohere.chat");
    check(
        "generativelanguage.googleapis.com",
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
        "gcp.gemini gemini.generate_content gemini-2.5-pro",
    );
    check(
        "us-east5-aiplatform.googleapis.com",
        "/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:streamRawPredict",
        "gcp.vertex_ai anthropic.messages claude@1",
    );
    check(
        "bedrock-runtime.us-east-1.amazonaws.com",
        "/model/us.anthropic.claude-sonnet-4%3A0/converse-stream",
        "aws.bedrock bedrock.converse us.anthropic.claude-sonnet-4:0",
    );
    check(
        "bedrock-runtime.us-east-1.amazonaws.com",
        "/model/amazon.nova-lite-v1:0/invoke",
        "aws.bedrock bedrock.nova amazon.nova-lite-v1:0",
    );
    check("openrouter.ai", "/api/v1/chat/completions", "openrouter openai.chat");
}

#[test]
fn other_traffic() {
    assert_eq!(known("api.openai.com", "/v1/models"), None);
    assert_eq!(known("api.openai.com", "/v1/chat/completions/x"), None);
    assert_eq!(known("api.openai.com.evil.example", "/v1/chat/completions"), None);
    assert_eq!(known("vllm.models", "/v1/chat/completions"), None);
    let get =
        detect(b"GET", b"api.openai.com", b"/v1/chat/completions", Detect::Heuristic, &Rules::default());
    assert!(get.is_none());
}

#[test]
fn sessions_begin_with_get() {
    let session = |method: &[u8], authority: &str, path: &str| {
        let detected =
            detect(method, authority.as_bytes(), path.as_bytes(), Detect::Known, &Rules::default())?;
        Some(format!("{} {} {:?}", detected.provider_name, detected.adapter.name, detected.model))
    };
    let get = |authority, path| session(b"GET", authority, path);
    for (authority, path, expected) in [
        (
            "api.openai.com",
            "/v1/realtime?model=gpt-realtime",
            "openai openai.realtime Some(\"gpt-realtime\")",
        ),
        ("api.openai.com", "/v1/realtime", "openai openai.realtime None"),
        (
            "x.openai.azure.com",
            "/openai/realtime?api-version=1&deployment=mine",
            "azure.ai.openai openai.realtime Some(\"mine\")",
        ),
        (
            "generativelanguage.googleapis.com",
            "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k",
            "gcp.gemini gemini.live None",
        ),
    ] {
        assert_eq!(get(authority, path).as_deref(), Some(expected), "{path}");
    }
    assert_eq!(session(b"POST", "api.openai.com", "/v1/realtime"), None);
    assert_eq!(get("api.openai.com", "/v1/realtime/sessions"), None);
    assert_eq!(get("orders.shop", "/v1/realtime"), None);
}

#[test]
fn head_asks_how_a_call_would_be_answered() {
    let head = |path: &[u8]| detect(b"HEAD", b"api.openai.com", path, Detect::Known, &Rules::default());
    assert!(head(b"/v1/chat/completions").is_some());
    assert!(head(b"/v1/models").is_none());
    assert!(head(b"/v1/realtime").is_none());
}

#[test]
fn other_hosts_by_shape() {
    let by_shape = |path| detected("vllm.models:8000", path, Detect::Heuristic);
    assert_eq!(by_shape("/v1/chat/completions").as_deref(), Some("openai openai.chat"));
    assert_eq!(by_shape("/anthropic/v1/messages").as_deref(), Some("anthropic anthropic.messages"));
    assert_eq!(by_shape("/v1/orders"), None);
}

#[test]
fn rules_say_what_is_looked_at_and_whose_it_is() {
    let document = br#"{
        "exclude": [{"host": "api.openai.com", "path": "*/embeddings"}],
        "rules": [{"host": "llm.internal", "detect": "heuristic", "provider": "vllm"}, {"provider": "mine"}]
    }"#;
    let (config, problems) = crate::config::parse(document);
    assert_eq!(problems, []);
    let provider = |authority: &str, path: &str| {
        let detected = detect(b"POST", authority.as_bytes(), path.as_bytes(), config.detect, &config.rules)?;
        Some(detected.provider_name.into_owned())
    };
    assert_eq!(provider("LLM.internal:8000", "/v1/chat/completions?x").as_deref(), Some("vllm"));
    assert_eq!(provider("other.internal", "/v1/chat/completions"), None);
    assert_eq!(provider("api.openai.com", "/v1/responses").as_deref(), Some("mine"));
    assert_eq!(provider("api.openai.com", "/v1/embeddings?x"), None);
}

#[test]
fn files_that_were_uploaded_before_are_no_uploads() {
    let known = |path| detected("api.openai.com", path, Detect::Known);
    assert!(known("/v1/files").is_some());
    assert_eq!(known("/v1/vector_stores/vs_1/files"), None);
}
