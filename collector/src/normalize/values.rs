//! Words that vocabularies have for the same thing: kinds of spans, operations, providers.

/// Stands for the operation of a span that its sender calls something, but that is no operation of the conventions: such
/// a span is a plain one.
pub(super) const PLAIN: &str = "";

/// `openinference.span.kind`. A chain is what the conventions call a workflow: its usage is that of the calls inside it.
pub(super) const OPENINFERENCE_KINDS: &[(&str, &str)] = &[
    ("LLM", "chat"),
    ("EMBEDDING", "embeddings"),
    ("RERANKER", "rerank"),
    ("RETRIEVER", "retrieval"),
    ("TOOL", "execute_tool"),
    ("AGENT", "invoke_agent"),
    ("CHAIN", "invoke_workflow"),
    ("GUARDRAIL", PLAIN),
    ("EVALUATOR", PLAIN),
    ("PROMPT", PLAIN),
];

/// `traceloop.span.kind`.
pub(super) const TRACELOOP_KINDS: &[(&str, &str)] =
    &[("workflow", "invoke_workflow"), ("agent", "invoke_agent"), ("tool", "execute_tool"), ("task", PLAIN)];

/// `llm.request.type` of OpenLLMetry.
pub(super) const REQUEST_TYPES: &[(&str, &str)] =
    &[("chat", "chat"), ("completion", "text_completion"), ("embedding", "embeddings"), ("rerank", "rerank")];

/// `langsmith.span.kind`, where `gen_ai.operation.name` beside it is none of the conventions or a wrong one. A call
/// (`llm`) has a right one.
pub(super) const LANGSMITH_KINDS: &[(&str, &str)] = &[
    ("chain", "invoke_workflow"),
    ("tool", "execute_tool"),
    ("retriever", "retrieval"),
    ("embedding", "embeddings"),
    ("prompt", PLAIN),
    ("parser", PLAIN),
];

/// `langsmith.span.kind` of spans that say no operation.
pub(super) const LANGSMITH_CALLS: &[(&str, &str)] = &[("llm", "chat")];

/// `ai.operationId` of the Vercel AI SDK. The outer span of a pair sums up the inner ones.
pub(super) const VERCEL_OPERATIONS: &[(&str, &str)] = &[
    ("ai.generateText.doGenerate", "chat"),
    ("ai.streamText.doStream", "chat"),
    ("ai.generateObject.doGenerate", "chat"),
    ("ai.streamObject.doStream", "chat"),
    ("ai.embed.doEmbed", "embeddings"),
    ("ai.embedMany.doEmbed", "embeddings"),
    ("ai.rerank.doRerank", "rerank"),
    ("ai.toolCall", "execute_tool"),
    ("ai.generateText", "invoke_agent"),
    ("ai.streamText", "invoke_agent"),
    ("ai.generateObject", "invoke_agent"),
    ("ai.streamObject", "invoke_agent"),
    ("ai.embed", "invoke_workflow"),
    ("ai.embedMany", "invoke_workflow"),
    ("ai.rerank", "invoke_workflow"),
];

pub(super) const STREAMING_OPERATIONS: &[(&str, &str)] = &[
    ("ai.streamText.doStream", "true"),
    ("ai.streamText", "true"),
    ("ai.streamObject.doStream", "true"),
    ("ai.streamObject", "true"),
];

/// Frameworks that stand where a provider belongs.
pub(super) const FRAMEWORKS: &[&str] =
    &["crewai", "haystack", "langchain", "langgraph", "llama_index", "llamaindex"];

/// Providers in lower case, and the names that the conventions or the filter (docs/providers.md) have for them.
pub(super) const PROVIDERS: &[(&str, &str)] = &[
    ("az.ai.inference", "azure.ai.inference"),
    ("az.ai.openai", "azure.ai.openai"),
    ("xai", "x_ai"),
    ("gemini", "gcp.gemini"),
    ("vertex_ai", "gcp.vertex_ai"),
    // OpenLLMetry
    ("azure", "azure.ai.openai"),
    ("aws", "aws.bedrock"),
    ("vertexai", "gcp.vertex_ai"),
    ("google", "gcp.gen_ai"),
    ("mistralai", "mistral_ai"),
    ("mistral", "mistral_ai"),
    ("watsonx", "ibm.watsonx.ai"),
    ("hugging_face", "huggingface"),
    ("togetherai", "together"),
    ("together_ai", "together"),
    ("moonshot", "moonshot_ai"),
    // OpenInference: provider and system
    ("azure/openai", "azure.ai.openai"),
    ("google/vertexai", "gcp.vertex_ai"),
    // LangSmith
    ("google_genai", "gcp.gemini"),
    ("google_vertexai", "gcp.vertex_ai"),
    ("amazon_bedrock", "aws.bedrock"),
    ("bedrock", "aws.bedrock"),
    // Vercel AI SDK, without the model's kind after the last dot
    ("amazon-bedrock", "aws.bedrock"),
    ("azure-openai", "azure.ai.openai"),
    ("google.generative-ai", "gcp.gemini"),
    ("google.vertex", "gcp.vertex_ai"),
    ("vertex.anthropic", "gcp.vertex_ai"),
];

/// What the Vercel AI SDK writes after a provider's name.
const MODEL_KINDS: &[&str] = &[
    "chat",
    "completion",
    "embedding",
    "image",
    "messages",
    "reranking",
    "responses",
    "speech",
    "transcription",
];

/// What the rest of a span says better than its word for the operation.
pub(super) fn operation(operation: String, span_name: &str, has_prompts: bool) -> String {
    match operation.as_str() {
        // OpenLLMetry said `completion` of chats with Anthropic, and named their spans rightly.
        "text_completion" if span_name.ends_with("anthropic.chat") => "chat".to_owned(),
        // OpenInference has one kind for both.
        "chat" if has_prompts => "text_completion".to_owned(),
        _ => operation,
    }
}

/// The name of a provider. Names are in lower case.
pub(super) fn provider(name: &str) -> String {
    let name = name.to_lowercase();
    let base = match name.rsplit_once('.') {
        Some((base, kind)) if MODEL_KINDS.contains(&kind) => base,
        _ => name.as_str(),
    };
    let base = match base.split_once('/') {
        Some((provider, _)) if word(PROVIDERS, base).is_none() => provider,
        _ => base,
    };
    word(PROVIDERS, base).unwrap_or(base).to_owned()
}

/// What a word stands for.
pub(super) fn word(words: &[(&str, &'static str)], given: &str) -> Option<&'static str> {
    words.iter().find(|(word, _)| word.eq_ignore_ascii_case(given)).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_one_name() {
        for (given, expected) in [
            ("openai", "openai"),
            ("OpenAI", "openai"),
            ("openai.chat", "openai"),
            ("openai.responses", "openai"),
            ("azure.chat", "azure.ai.openai"),
            ("azure-openai.chat", "azure.ai.openai"),
            ("azure.ai.openai", "azure.ai.openai"),
            ("azure.ai.inference", "azure.ai.inference"),
            ("azure/openai", "azure.ai.openai"),
            ("google.vertex.chat", "gcp.vertex_ai"),
            ("google.generative-ai", "gcp.gemini"),
            ("google/gemini", "gcp.gen_ai"),
            ("vertex.anthropic.messages", "gcp.vertex_ai"),
            ("anthropic/anthropic", "anthropic"),
            ("Anthropic", "anthropic"),
            ("aws.bedrock", "aws.bedrock"),
            ("amazon-bedrock", "aws.bedrock"),
            ("togetherai.chat", "together"),
            ("xai.chat", "x_ai"),
            ("a house of our own", "a house of our own"),
        ] {
            assert_eq!(provider(given), expected, "{given}");
        }
    }
}
