//! Tells LLM calls from other traffic, and picks their adapter: one table of API shapes by path, one of hosts.
//!
//! A path alone has the shape of an API; the host says whose it is. Hosts that are not in the table are looked at only
//! with `detect: heuristic`. A new service that is compatible with a known API is one row in [`HOSTS`].

use std::borrow::Cow;

use crate::config::{ContentMode, Detect};
use crate::provider::{
    Adapter, Operation, aleph_alpha, anthropic, bedrock_agent, bedrock_converse, bedrock_invoke, cohere,
    gemini, gemini_interactions, llamacpp, mistral_conversations, ollama, openai_chat, openai_media,
    openai_responses, replicate, tgi, vectors, watsonx, workers_ai,
};
use crate::rules::Rules;
use crate::wire::{is_same, lower_case, split};

mod path;
mod verdicts;

pub use path::split_authority;
use path::{between, decoded, ends_with, has_end, model_before_method, query_value, segment_after};
pub use verdicts::Verdicts;

/// What an exchange was recognised as.
#[derive(Debug, Clone)]
pub struct Detected {
    /// `gen_ai.provider.name`.
    pub provider_name: Cow<'static, str>,
    pub adapter: &'static Adapter,
    /// The model that the URL names.
    pub model: Option<String>,
    /// The conversation that the URL names.
    pub conversation: Option<String>,
    /// What the URL says about streaming, or what the API does unless told otherwise.
    pub streams: Option<bool>,
    /// What is kept of the messages at this place, where a rule says it.
    pub content: Option<ContentMode>,
    /// Model and streaming are the URL's to say, whatever the body holds.
    pub url_decides: bool,
}

/// `None` when the exchange is not an LLM call, or not one of a host that is looked at.
pub fn detect(method: &[u8], authority: &[u8], path: &[u8], mode: Detect, rules: &Rules) -> Option<Detected> {
    let is_read = method == b"GET";
    // HEAD asks how a call would be answered: an exchange like any other, without bodies.
    if !is_read && method != b"POST" && method != b"HEAD" {
        return None;
    }
    let (host, _) = split_authority(authority);
    let host = lower_case(std::str::from_utf8(host).ok()?);
    let mut parts = path.splitn(2, |byte| *byte == b'?');
    let path = std::str::from_utf8(parts.next()?).ok()?;
    let query = parts.next().unwrap_or_default();
    if !rules.allow(&host, path) {
        return None;
    }
    let rule = rules.rule(&host, path);
    let mode = rule.and_then(|rule| rule.detect).unwrap_or(mode);
    let known = HOSTS.iter().find(|known| known.matches(&host));
    if known.is_none() && mode == Detect::Known {
        return None;
    }
    let mut detected = if is_read { read(known, path, query)? } else { at(known, path)? };
    // A file that was uploaded before is put into a store.
    if detected.adapter.operation == Operation::FileUpload && split(path, "/vector_stores/").is_some() {
        return None;
    }
    detected.content = rule.and_then(|rule| rule.content);
    if let Some(provider) = rule.and_then(|rule| rule.provider.as_deref()) {
        detected.provider_name = Cow::Owned(provider.to_owned());
    } else if let Some(known) = known {
        detected.provider_name = Cow::Borrowed(known.provider_name);
    }
    Some(detected)
}

fn at(known: Option<&KnownHost>, path: &str) -> Option<Detected> {
    known
        .and_then(|known| known.path(path, false))
        .or_else(|| by_path(path))
        .or_else(|| known.and_then(|known| known.path(path, true)))
}

/// What begins with GET: a session. Of all that can be read back only a batch says something new: what it took. Its id is
/// the last segment.
fn read(known: Option<&KnownHost>, path: &str, query: &[u8]) -> Option<Detected> {
    if let Some((_, compatible_with, adapter)) = SESSIONS.iter().find(|(end, ..)| ends_with(path, end)) {
        let model = query_value(query, "model").or_else(|| query_value(query, "deployment"));
        return Some(Detected { model, ..Detected::as_at(compatible_with, adapter) });
    }
    let (path, _) = path.rsplit_once('/')?;
    at(known, path).filter(|detected| detected.adapter.operation == Operation::Batch)
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
            Is(name) => is_same(host.as_bytes(), name.as_bytes()),
            EndsWith(end) => has_end(host, end),
            Between(start, end) => {
                host.len() > start.len().saturating_add(end.len())
                    && has_end(host, end)
                    && host.starts_with(start)
            }
        }
    }

    /// Where a path means something at this host that it does not mean at any. Paths that end in what they name
    /// (`open`) come after all others.
    fn path(&self, path: &str, open: bool) -> Option<Detected> {
        AT_HOSTS.iter().find_map(|(provider, before, after, adapter)| {
            if after.is_empty() != open || !(provider.is_empty() || *provider == self.provider_name) {
                return None;
            }
            let name = between(path, before, after)?;
            let mut detected = Detected::as_at(self.provider_name, adapter);
            detected.streams = after.ends_with("-stream").then_some(true);
            let names =
                if *before == CONVERSATIONS { &mut detected.conversation } else { &mut detected.model };
            *names = (!name.is_empty()).then(|| decoded(name));
            Some(detected)
        })
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
    "azure.ai.openai": EndsWith(".openai.azure.com"), EndsWith(".openai.azure.us"), EndsWith(".cognitiveservices.azure.com");
    "azure.ai.inference": EndsWith(".services.ai.azure.com"), EndsWith(".models.ai.azure.com"), EndsWith(".inference.ai.azure.com"), Is("models.github.ai"), Is("models.inference.ai.azure.com");
    "anthropic": Is("api.anthropic.com");
    "gcp.gemini": Is("generativelanguage.googleapis.com");
    "gcp.vertex_ai": Is("aiplatform.googleapis.com"), EndsWith("-aiplatform.googleapis.com"), EndsWith(".rep.googleapis.com");
    "aws.bedrock": Between("bedrock-runtime.", ".amazonaws.com"), Between("bedrock-runtime-fips.", ".amazonaws.com"), Between("bedrock-agent-runtime.", ".amazonaws.com"), Between("bedrock-mantle.", ".api.aws"), Between("bedrock-runtime.", ".amazonaws.com.cn");
    "cohere": Is("api.cohere.com"), Is("api.cohere.ai");
    "mistral_ai": Is("api.mistral.ai"), Is("api.eu.mistral.ai"), Is("codestral.mistral.ai");
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
    "portkey": Is("api.portkey.ai");
    "nebius": Is("api.studio.nebius.ai"), Is("api.tokenfactory.nebius.com");
    "siliconflow": Is("api.siliconflow.cn"), Is("api.siliconflow.com");
    "volcengine": EndsWith(".volces.com");
    "minimax": Is("api.minimax.io");
    "baseten": Is("inference.baseten.co");
}

impl Detected {
    /// What the names that the URL has take of memory.
    pub fn bytes(&self) -> usize {
        let names = [&self.model, &self.conversation];
        names.into_iter().flatten().fold(0, |sum, name| sum.saturating_add(name.len()))
    }

    /// What a path looks like, by whose API it is compatible with: the conventions name that one when nothing better is
    /// known.
    fn as_at(provider_name: &'static str, adapter: &'static Adapter) -> Self {
        let provider_name = Cow::Borrowed(provider_name);
        Self {
            provider_name,
            adapter,
            model: None,
            conversation: None,
            streams: None,
            content: None,
            url_decides: false,
        }
    }
}

const CONVERSATIONS: &str = "/conversations/";

/// Paths that are too short to be told from others on any host but their provider's (or, without one, on any known
/// host), and those that name a model: what comes before its name, and after.
static AT_HOSTS: &[(&str, &str, &str, &Adapter)] = &[
    ("cohere", "", "/chat", &cohere::CHAT),
    ("cohere", "", "/generate", &cohere::GENERATE),
    ("cohere", "", "/rerank", &cohere::RERANK),
    ("cohere", "", "/embed", &cohere::EMBED),
    ("cohere", "", "/embed-jobs", &openai_media::BATCHES),
    ("aleph_alpha", "", "/complete", &aleph_alpha::COMPLETE),
    ("replicate", "/models/", "/predictions", &replicate::PREDICTIONS),
    ("replicate", "", "/predictions", &replicate::PREDICTIONS),
    ("aws.sagemaker", "/endpoints/", "/invocations", &tgi::GENERATE),
    ("aws.sagemaker", "/endpoints/", "/invocations-response-stream", &tgi::GENERATE),
    ("databricks", "/serving-endpoints/", "/invocations", &openai_chat::CHAT),
    ("snowflake", "", "/cortex/inference:complete", &openai_chat::CHAT),
    ("huggingface", "/models/", "/pipeline/feature-extraction", &tgi::EMBED),
    ("huggingface", "/pipeline/feature-extraction/", "", &tgi::EMBED),
    ("huggingface", "/models/", "", &tgi::GENERATE),
    ("huggingface", "", "/", &tgi::GENERATE),
    ("cloudflare", "/ai/run/", "", &workers_ai::RUN),
    ("cloudflare", "/workers-ai/", "", &workers_ai::RUN),
    ("mistral_ai", "", "/conversations", &mistral_conversations::CONVERSATIONS),
    ("mistral_ai", CONVERSATIONS, "", &mistral_conversations::CONVERSATIONS),
    ("mistral_ai", "", "/ocr", &openai_media::OCR),
    ("mistral_ai", "", "/batch/jobs", &openai_media::BATCHES),
    ("", "", "/batches", &openai_media::BATCHES),
    ("", "", "/batchPredictionJobs", &openai_media::BATCHES),
    ("perplexity", "", "/v1/sonar", &openai_chat::CHAT),
    ("perplexity", "", "/v1/agent", &openai_responses::RESPONSES),
    ("", "", "/files", &openai_media::FILES),
    ("", "", "/uploads", &openai_media::FILES),
];

/// Paths that say something only where nothing comes before them.
static WHOLE_PATHS: &[(&str, &str, &Adapter)] = &[
    ("/generate", "huggingface", &tgi::GENERATE),
    ("/generate_stream", "huggingface", &tgi::GENERATE),
    ("/completion", "llamacpp", &llamacpp::COMPLETION),
    ("/completions", "openai", &llamacpp::COMPLETIONS),
    ("/infill", "llamacpp", &llamacpp::COMPLETION),
    ("/embedding", "llamacpp", &vectors::EMBEDDINGS),
    ("/embed", "huggingface", &tgi::EMBED),
    ("/embed_all", "huggingface", &tgi::EMBED),
    ("/embed_sparse", "huggingface", &tgi::EMBED),
    ("/pooling", "openai", &vectors::EMBEDDINGS),
    ("/score", "openai", &vectors::RERANK),
    ("/v1/score", "openai", &vectors::RERANK),
];

/// How paths end, whatever comes before: gateways put their own in front.
static ENDINGS: &[(&str, &str, &Adapter)] = &[
    // Before what they end like.
    ("/v2/text/chat", "ibm.watsonx.ai", &watsonx::CHAT),
    ("/v2/text/chat_stream", "ibm.watsonx.ai", &watsonx::CHAT),
    ("/v2/text/embeddings", "ibm.watsonx.ai", &watsonx::RESEARCH_EMBEDDINGS),
    ("/text/chat", "ibm.watsonx.ai", &openai_chat::WATSONX),
    ("/text/chat_stream", "ibm.watsonx.ai", &openai_chat::WATSONX),
    ("/text/embeddings", "ibm.watsonx.ai", &watsonx::EMBEDDINGS),
    ("/text/rerank", "ibm.watsonx.ai", &watsonx::RERANK),
    ("/chat/completions", "openai", &openai_chat::CHAT),
    ("/agents/completions", "mistral_ai", &openai_chat::CHAT),
    ("/completions", "openai", &openai_chat::COMPLETIONS),
    ("/responses", "openai", &openai_responses::RESPONSES),
    ("/responses/compact", "openai", &openai_responses::COMPACT),
    ("/responses/input_tokens", "openai", &openai_media::COUNT_TOKENS),
    ("/api/embeddings", "ollama", &ollama::EMBED),
    ("/embeddings", "openai", &vectors::EMBEDDINGS),
    ("/multimodalembeddings", "openai", &vectors::EMBEDDINGS),
    ("/contextualizedembeddings", "openai", &vectors::EMBEDDINGS),
    ("/moderations", "openai", &openai_media::MODERATIONS),
    ("/images/generations", "openai", &openai_media::IMAGES),
    ("/images/edits", "openai", &openai_media::IMAGES),
    ("/images/variations", "openai", &openai_media::IMAGES),
    ("/audio/speech", "openai", &openai_media::SPEECH),
    ("/audio/transcriptions", "openai", &openai_media::TRANSCRIPTIONS),
    ("/audio/translations", "openai", &openai_media::TRANSCRIPTIONS),
    ("/v2/rerank", "cohere", &cohere::RERANK),
    ("/rerank", "openai", &vectors::RERANK),
    ("/reranking", "openai", &vectors::RERANK),
    ("/v1/messages", "anthropic", &anthropic::MESSAGES),
    ("/messages/count_tokens", "anthropic", &openai_media::COUNT_TOKENS),
    ("/v1/complete", "anthropic", &anthropic::COMPLETE),
    ("/interactions", "gcp.gemini", &gemini_interactions::INTERACTIONS),
    ("/api/chat", "ollama", &ollama::CHAT),
    ("/api/generate", "ollama", &ollama::GENERATE),
    ("/api/embed", "ollama", &ollama::EMBED),
    ("/v1/chat", "openai", &openai_chat::CHAT),
    ("/v2/chat", "cohere", &cohere::CHAT),
    ("/v1/embed", "cohere", &cohere::EMBED),
    ("/v2/embed", "cohere", &cohere::EMBED),
    ("/generation/text", "ibm.watsonx.ai", &watsonx::GENERATION),
    ("/generation/text_stream", "ibm.watsonx.ai", &watsonx::GENERATION),
    ("/text/generation", "ibm.watsonx.ai", &watsonx::GENERATION),
    ("/text/generation_stream", "ibm.watsonx.ai", &watsonx::GENERATION),
];

/// Sessions over WebSockets, which are opened with GET. The model stands in the query, if anywhere before the session.
static SESSIONS: &[(&str, &str, &Adapter)] = &[
    ("/v1/realtime", "openai", &openai_media::REALTIME),
    ("/openai/realtime", "openai", &openai_media::REALTIME),
    (".GenerativeService.BidiGenerateContent", "gcp.gemini", &openai_media::LIVE),
    (".LlmBidiService/BidiGenerateContent", "gcp.vertex_ai", &openai_media::LIVE),
];

/// Methods of Google's APIs, behind a colon.
static METHODS: &[(&str, &Adapter, Option<bool>)] = &[
    ("generateContent", &gemini::GENERATE_CONTENT, Some(false)),
    ("streamGenerateContent", &gemini::GENERATE_CONTENT, Some(true)),
    ("embedContent", &gemini::EMBED_CONTENT, None),
    ("batchEmbedContents", &gemini::EMBED_CONTENT, None),
    ("batchGenerateContent", &openai_media::BATCHES, None),
    ("asyncBatchEmbedContent", &openai_media::BATCHES, None),
    ("countTokens", &gemini::COUNT_TOKENS, None),
    ("predict", &gemini::PREDICT, None),
    ("rawPredict", &anthropic::MESSAGES, Some(false)),
    ("streamRawPredict", &anthropic::MESSAGES, Some(true)),
];

fn by_path(path: &str) -> Option<Detected> {
    bedrock(path).or_else(|| google(path)).or_else(|| {
        let (_, compatible_with, adapter) = WHOLE_PATHS
            .iter()
            .find(|(whole, ..)| path == *whole)
            .or_else(|| ENDINGS.iter().find(|(end, ..)| ends_with(path, end)))?;
        // Azure names the deployment, which is the model that was asked for unless the body says otherwise; OpenAI once
        // called them engines, and Vertex calls them endpoints, of which one holds models by name.
        let model = segment_after(path, "/deployments/")
            .or_else(|| segment_after(path, "/engines/"))
            .or_else(|| segment_after(path, "/endpoints/").filter(|endpoint| *endpoint != "openapi"));
        let model = model.map(decoded);
        let by_default = adapter.streams_by_default;
        let streams = (by_default || path.ends_with("_stream")).then_some(true);
        Some(Detected { model, streams, ..Detected::as_at(compatible_with, adapter) })
    })
}

fn bedrock(path: &str) -> Option<Detected> {
    if path.starts_with("/agents/") && path.ends_with("/text") {
        let session = segment_after(path, "/sessions/")?;
        let detected = Detected::as_at("aws.bedrock", &bedrock_agent::INVOKE_AGENT);
        return Some(Detected { conversation: Some(decoded(session)), streams: Some(true), ..detected });
    }
    let (id, action) = split(path, "/model/")?.1.rsplit_once('/')?;
    let model = decoded(id);
    let (adapter, streams) = match action {
        "converse" => (&bedrock_converse::CONVERSE, false),
        "converse-stream" => (&bedrock_converse::CONVERSE, true),
        "invoke" => (bedrock_invoke::adapter(&model), false),
        "invoke-with-response-stream" | "invoke-with-bidirectional-stream" => {
            (bedrock_invoke::adapter(&model), true)
        }
        "count-tokens" => (&bedrock_converse::COUNT_TOKENS, false),
        _ => return None,
    };
    let detected = Detected::as_at("aws.bedrock", adapter);
    Some(Detected { model: Some(model), streams: Some(streams), url_decides: true, ..detected })
}

fn google(path: &str) -> Option<Detected> {
    let (model, method) = model_before_method(path)?;
    let (_, adapter, streams) = METHODS.iter().find(|(name, ..)| *name == method)?;
    let is_endpoint = split(path, "/endpoints/").is_some();
    let is_vertex = is_endpoint || split(path, "/publishers/").is_some();
    let compatible_with = if is_vertex { "gcp.vertex_ai" } else { "gcp.gemini" };
    let mut url_decides = true;
    let adapter = match method {
        "predict" if split(&model, "embed").is_some() => &gemini::PREDICT_EMBEDDINGS,
        // A model only by its place in the path: the body names the one that counts.
        "rawPredict" if model == "count-tokens" => {
            return Some(Detected::as_at(compatible_with, &openai_media::COUNT_TOKENS));
        }
        // Whose wire it is, the publisher says: Mistral, AI21 and others have OpenAI's, as what one deploys oneself.
        "rawPredict" | "streamRawPredict" if is_vertex && split(path, "/anthropic/").is_none() => {
            // The name of an endpoint says less than the body.
            url_decides = !is_endpoint;
            &openai_chat::CHAT
        }
        _ => *adapter,
    };
    let detected = Detected::as_at(compatible_with, adapter);
    Some(Detected { model: Some(model), streams: *streams, url_decides, ..detected })
}

/// Every adapter of the tables, each once.
#[cfg(any(test, feature = "fuzzing"))]
pub fn adapters() -> Vec<&'static Adapter> {
    let endings = ENDINGS.iter().chain(WHOLE_PATHS).map(|(_, _, adapter)| *adapter);
    let at_hosts = AT_HOSTS.iter().map(|(.., adapter)| *adapter);
    let methods = METHODS.iter().map(|(_, adapter, _)| *adapter);
    let families = bedrock_invoke::FAMILIES.iter().map(|(_, adapter)| *adapter);
    let others = [
        &bedrock_converse::CONVERSE,
        &bedrock_converse::COUNT_TOKENS,
        &bedrock_invoke::CHAT,
        &bedrock_invoke::OPAQUE,
        &bedrock_agent::INVOKE_AGENT,
        &gemini::PREDICT_EMBEDDINGS,
        &openai_media::REALTIME,
        &openai_media::LIVE,
    ];
    let mut adapters: Vec<&'static Adapter> = Vec::new();
    for adapter in endings.chain(at_hosts).chain(methods).chain(families).chain(others) {
        if !adapters.iter().any(|known| std::ptr::eq(*known, adapter)) {
            adapters.push(adapter);
        }
    }
    adapters
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod tests;
