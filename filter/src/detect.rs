//! Tells LLM calls from other traffic, and picks their adapter: one table of API shapes by path, one of hosts.
//!
//! A path alone has the shape of an API; the host says whose it is. Hosts that are not in the table are looked at only
//! with `detect: heuristic`. A new service that is compatible with a known API is one row in [`HOSTS`].

use crate::config::Detect;
use crate::provider::{
    Adapter, anthropic, bedrock_agent, bedrock_converse, bedrock_invoke, cohere, gemini, gemini_interactions,
    ollama, openai_chat, openai_media, openai_responses, vectors, watsonx,
};

mod path;

pub use path::split_authority;
use path::{decoded, ends_with, model_before_method, segment_after};

/// What an exchange was recognised as.
#[derive(Debug, Clone)]
pub struct Detected {
    /// `gen_ai.provider.name`.
    pub provider_name: &'static str,
    pub adapter: &'static Adapter,
    /// The model that the URL names.
    pub model: Option<String>,
    /// What the URL says about streaming, or what the API does unless told otherwise.
    pub streams: Option<bool>,
    /// Model and streaming are the URL's to say, whatever the body holds.
    pub url_decides: bool,
}

/// `None` when the exchange is not an LLM call, or not one of a host that is looked at.
pub fn detect(method: &[u8], authority: &[u8], path: &[u8], mode: Detect) -> Option<Detected> {
    if method != b"POST" {
        return None;
    }
    let (host, _) = split_authority(authority);
    let host = std::str::from_utf8(host).ok()?.to_ascii_lowercase();
    let path = std::str::from_utf8(path.split(|byte| *byte == b'?').next()?).ok()?;
    let known = HOSTS.iter().find(|known| known.matches(&host));
    if known.is_none() && mode == Detect::Known {
        return None;
    }
    let shape = known.and_then(|known| known.shape(path)).or_else(|| shape(path))?;
    let provider_name = known.map_or(shape.compatible_with, |known| known.provider_name);
    let Shape { adapter, model, streams, url_decides, .. } = shape;
    Some(Detected { provider_name, adapter, model, streams, url_decides })
}

/// Where a host name has to match.
#[derive(Debug, Clone, Copy)]
enum Host {
    Is(&'static str),
    EndsWith(&'static str),
    /// Both ends, around a region or an account.
    Between(&'static str, &'static str),
}

/// One provider's host.
#[derive(Debug)]
pub struct KnownHost {
    host: Host,
    /// `gen_ai.provider.name`.
    provider_name: &'static str,
}

impl KnownHost {
    fn matches(&self, host: &str) -> bool {
        match self.host {
            Is(name) => host == name,
            EndsWith(end) => host.ends_with(end),
            Between(start, end) => {
                host.len() > start.len().saturating_add(end.len())
                    && host.starts_with(start)
                    && host.ends_with(end)
            }
        }
    }

    /// Where a provider's path means something else than on other hosts.
    fn shape(&self, path: &str) -> Option<Shape> {
        match self.provider_name {
            "cohere" => COHERE
                .iter()
                .find(|(end, _)| ends_with(path, end))
                .map(|(_, adapter)| Shape::of("cohere", adapter)),
            _ => None,
        }
    }
}

macro_rules! hosts {
    ($($provider:literal: $($host:expr),+;)*) => {
        /// Names are those of the conventions where they have one, the service's own otherwise.
        pub static HOSTS: &[KnownHost] = &[$($(KnownHost { host: $host, provider_name: $provider }),+),*];
    };
}

use Host::{Between, EndsWith, Is};

hosts! {
    "openai": Is("api.openai.com"), EndsWith(".api.openai.com"), Is("chatgpt.com");
    "azure.ai.openai": EndsWith(".openai.azure.com"), EndsWith(".cognitiveservices.azure.com");
    "azure.ai.inference": EndsWith(".services.ai.azure.com"), EndsWith(".models.ai.azure.com"), EndsWith(".inference.ai.azure.com"), Is("models.github.ai"), Is("models.inference.ai.azure.com");
    "anthropic": Is("api.anthropic.com");
    "gcp.gemini": Is("generativelanguage.googleapis.com");
    "gcp.vertex_ai": Is("aiplatform.googleapis.com"), EndsWith("-aiplatform.googleapis.com"), EndsWith(".rep.googleapis.com");
    "aws.bedrock": Between("bedrock-runtime.", ".amazonaws.com"), Between("bedrock-runtime-fips.", ".amazonaws.com"), Between("bedrock-agent-runtime.", ".amazonaws.com"), Between("bedrock-mantle.", ".api.aws"), Between("bedrock-runtime.", ".amazonaws.com.cn");
    "cohere": Is("api.cohere.com"), Is("api.cohere.ai");
    "mistral_ai": Is("api.mistral.ai"), Is("codestral.mistral.ai");
    "groq": Is("api.groq.com");
    "deepseek": Is("api.deepseek.com");
    "x_ai": Is("api.x.ai"), EndsWith(".api.x.ai");
    "perplexity": Is("api.perplexity.ai");
    "ibm.watsonx.ai": EndsWith(".ml.cloud.ibm.com");
    "moonshot_ai": Is("api.moonshot.ai"), Is("api.moonshot.cn");
    "openrouter": Is("openrouter.ai");
    "together": Is("api.together.xyz"), Is("api.together.ai");
    "fireworks": Is("api.fireworks.ai");
    "cerebras": Is("api.cerebras.ai");
    "huggingface": Is("router.huggingface.co"), Is("api-inference.huggingface.co"), EndsWith(".endpoints.huggingface.cloud");
    "ollama": Is("ollama.com");
    "voyage": Is("api.voyageai.com");
    "jina": Is("api.jina.ai");
    "ai21": Is("api.ai21.com");
    "writer": Is("api.writer.com");
    "zai": Is("api.z.ai"), Is("open.bigmodel.cn");
    "alibaba": Is("dashscope.aliyuncs.com"), Is("dashscope-intl.aliyuncs.com"), Is("dashscope-us.aliyuncs.com");
    "nvidia": Is("integrate.api.nvidia.com");
    "sambanova": Is("api.sambanova.ai");
    "deepinfra": Is("api.deepinfra.com");
    "novita": Is("api.novita.ai");
    "hyperbolic": Is("api.hyperbolic.xyz");
    "venice": Is("api.venice.ai");
    "avian": Is("api.avian.io");
    "doubleword": Is("api.doubleword.ai");
    "crusoe": Is("api.inference.crusoecloud.com");
    "github_copilot": Is("api.githubcopilot.com"), EndsWith(".githubcopilot.com");
    "databricks": EndsWith(".azuredatabricks.net"), EndsWith(".cloud.databricks.com"), EndsWith(".gcp.databricks.com");
    "snowflake": EndsWith(".snowflakecomputing.com");
    "cloudflare": Is("api.cloudflare.com"), Is("gateway.ai.cloudflare.com");
    "vercel": Is("ai-gateway.vercel.sh");
    "pydantic": Is("gateway.pydantic.dev");
    "replicate": Is("api.replicate.com");
    "aleph_alpha": Is("api.aleph-alpha.com");
    "aws.sagemaker": Between("runtime.sagemaker.", ".amazonaws.com");
}

/// What a path looks like.
struct Shape {
    /// Whose API it is compatible with. The conventions name that one when nothing better is known.
    compatible_with: &'static str,
    adapter: &'static Adapter,
    model: Option<String>,
    streams: Option<bool>,
    url_decides: bool,
}

impl Shape {
    fn of(compatible_with: &'static str, adapter: &'static Adapter) -> Self {
        Self { compatible_with, adapter, model: None, streams: None, url_decides: false }
    }
}

/// Cohere's paths are too short to be told from others on any host but its own.
static COHERE: &[(&str, &Adapter)] = &[
    ("/v1/chat", &cohere::CHAT),
    ("/v2/chat", &cohere::CHAT),
    ("/v1/generate", &cohere::GENERATE),
    ("/v1/embed", &cohere::EMBED),
    ("/v2/embed", &cohere::EMBED),
    ("/v1/rerank", &cohere::RERANK),
    ("/v2/rerank", &cohere::RERANK),
];

/// How paths end, whatever comes before: gateways put their own in front.
static ENDINGS: &[(&str, &str, &Adapter)] = &[
    // Before what they end like.
    ("/text/chat", "openai", &watsonx::CHAT),
    ("/text/chat_stream", "openai", &watsonx::CHAT),
    ("/text/embeddings", "ibm.watsonx.ai", &watsonx::EMBEDDINGS),
    ("/chat/completions", "openai", &openai_chat::CHAT),
    ("/completions", "openai", &openai_chat::COMPLETIONS),
    ("/responses", "openai", &openai_responses::RESPONSES),
    ("/responses/compact", "openai", &openai_responses::COMPACT),
    ("/responses/input_tokens", "openai", &openai_media::COUNT_TOKENS),
    ("/api/embeddings", "ollama", &ollama::EMBED),
    ("/embeddings", "openai", &vectors::EMBEDDINGS),
    ("/multimodalembeddings", "openai", &vectors::EMBEDDINGS),
    ("/moderations", "openai", &openai_media::MODERATIONS),
    ("/images/generations", "openai", &openai_media::IMAGES),
    ("/images/edits", "openai", &openai_media::IMAGES),
    ("/images/variations", "openai", &openai_media::IMAGES),
    ("/audio/speech", "openai", &openai_media::SPEECH),
    ("/audio/transcriptions", "openai", &openai_media::TRANSCRIPTIONS),
    ("/audio/translations", "openai", &openai_media::TRANSCRIPTIONS),
    ("/rerank", "openai", &vectors::RERANK),
    ("/v1/messages", "anthropic", &anthropic::MESSAGES),
    ("/messages/count_tokens", "anthropic", &openai_media::COUNT_TOKENS),
    ("/v1/complete", "anthropic", &anthropic::COMPLETE),
    ("/interactions", "gcp.gemini", &gemini_interactions::INTERACTIONS),
    ("/api/chat", "ollama", &ollama::CHAT),
    ("/api/generate", "ollama", &ollama::GENERATE),
    ("/api/embed", "ollama", &ollama::EMBED),
    ("/v1/chat", "openai", &openai_chat::CHAT),
    ("/generation/text", "ibm.watsonx.ai", &watsonx::GENERATION),
    ("/generation/text_stream", "ibm.watsonx.ai", &watsonx::GENERATION),
    ("/text/generation", "ibm.watsonx.ai", &watsonx::GENERATION),
    ("/text/generation_stream", "ibm.watsonx.ai", &watsonx::GENERATION),
];

/// Methods of Google's APIs, behind a colon.
static METHODS: &[(&str, &Adapter, Option<bool>)] = &[
    ("generateContent", &gemini::GENERATE_CONTENT, Some(false)),
    ("streamGenerateContent", &gemini::GENERATE_CONTENT, Some(true)),
    ("embedContent", &gemini::EMBED_CONTENT, None),
    ("batchEmbedContents", &gemini::EMBED_CONTENT, None),
    ("countTokens", &gemini::COUNT_TOKENS, None),
    ("predict", &gemini::PREDICT, None),
    ("rawPredict", &anthropic::MESSAGES, Some(false)),
    ("streamRawPredict", &anthropic::MESSAGES, Some(true)),
];

fn shape(path: &str) -> Option<Shape> {
    bedrock(path).or_else(|| google(path)).or_else(|| {
        let (_, compatible_with, adapter) = ENDINGS.iter().find(|(end, ..)| ends_with(path, end))?;
        // Azure names the deployment, which is the model that was asked for unless the body says otherwise.
        let model = segment_after(path, "/deployments/").map(decoded);
        let by_default = adapter.streams_by_default;
        let streams = (by_default || path.ends_with("_stream")).then_some(true);
        Some(Shape { model, streams, ..Shape::of(compatible_with, adapter) })
    })
}

fn bedrock(path: &str) -> Option<Shape> {
    if path.starts_with("/agents/") && path.contains("/sessions/") && path.ends_with("/text") {
        return Some(Shape { streams: Some(true), ..Shape::of("aws.bedrock", &bedrock_agent::INVOKE_AGENT) });
    }
    let (id, action) = path.strip_prefix("/model/")?.rsplit_once('/')?;
    let model = decoded(id);
    let (adapter, streams) = match action {
        "converse" => (&bedrock_converse::CONVERSE, false),
        "converse-stream" => (&bedrock_converse::CONVERSE, true),
        "invoke" => (bedrock_invoke::adapter(&model), false),
        "invoke-with-response-stream" => (bedrock_invoke::adapter(&model), true),
        "count-tokens" => (&bedrock_converse::COUNT_TOKENS, false),
        _ => return None,
    };
    Some(Shape {
        compatible_with: "aws.bedrock",
        adapter,
        model: Some(model),
        streams: Some(streams),
        url_decides: true,
    })
}

fn google(path: &str) -> Option<Shape> {
    let (model, method) = model_before_method(path)?;
    let (_, adapter, streams) = METHODS.iter().find(|(name, ..)| *name == method)?;
    let is_vertex = path.contains("/publishers/");
    let compatible_with = if is_vertex { "gcp.vertex_ai" } else { "gcp.gemini" };
    let is_embedding = method == "predict" && model.contains("embed");
    let adapter = if is_embedding { &gemini::PREDICT_EMBEDDINGS } else { *adapter };
    Some(Shape { compatible_with, adapter, model: Some(model), streams: *streams, url_decides: true })
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;
