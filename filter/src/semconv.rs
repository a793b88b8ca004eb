//! Every attribute name that meshtap writes, in one place.
//!
//! Names follow the OpenTelemetry GenAI semantic conventions 1.41 (the last release that contains them:
//! <https://opentelemetry.io/schemas/1.41.0>), the general conventions of the same release for `http.*`,
//! `server.*`, `url.*`, `user_agent.*`, `service.*` and `k8s.*`, and our own `meshtap.*` namespace for what they do
//! not name.

/// The version of the conventions that the names below follow.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.41.0";
/// The instrumentation scope of every span that the filter builds.
pub const SCOPE_NAME: &str = "meshtap.filter";

pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
pub const GEN_AI_PROVIDER_NAME: &str = "gen_ai.provider.name";
pub const GEN_AI_OUTPUT_TYPE: &str = "gen_ai.output.type";

pub const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";
pub const GEN_AI_REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
pub const GEN_AI_REQUEST_TEMPERATURE: &str = "gen_ai.request.temperature";
pub const GEN_AI_REQUEST_TOP_P: &str = "gen_ai.request.top_p";
pub const GEN_AI_REQUEST_TOP_K: &str = "gen_ai.request.top_k";
pub const GEN_AI_REQUEST_ENCODING_FORMATS: &str = "gen_ai.request.encoding_formats";
pub const GEN_AI_EMBEDDINGS_DIMENSION_COUNT: &str = "gen_ai.embeddings.dimension.count";
pub const GEN_AI_CONVERSATION_ID: &str = "gen_ai.conversation.id";
pub const GEN_AI_REQUEST_STOP_SEQUENCES: &str = "gen_ai.request.stop_sequences";
pub const GEN_AI_REQUEST_FREQUENCY_PENALTY: &str = "gen_ai.request.frequency_penalty";
pub const GEN_AI_REQUEST_PRESENCE_PENALTY: &str = "gen_ai.request.presence_penalty";
pub const GEN_AI_REQUEST_SEED: &str = "gen_ai.request.seed";
pub const GEN_AI_REQUEST_CHOICE_COUNT: &str = "gen_ai.request.choice.count";
pub const GEN_AI_REQUEST_STREAM: &str = "gen_ai.request.stream";

pub const GEN_AI_RESPONSE_ID: &str = "gen_ai.response.id";
pub const GEN_AI_RESPONSE_MODEL: &str = "gen_ai.response.model";
pub const GEN_AI_RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
/// Seconds, double: from the start of the request to the first event of a streamed answer.
pub const GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";

// JSON texts after the schemas of the conventions, which allow that where a span has no structured attributes.
pub const GEN_AI_SYSTEM_INSTRUCTIONS: &str = "gen_ai.system_instructions";
pub const GEN_AI_INPUT_MESSAGES: &str = "gen_ai.input.messages";
pub const GEN_AI_OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
pub const GEN_AI_TOOL_DEFINITIONS: &str = "gen_ai.tool.definitions";

pub const GEN_AI_USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub const GEN_AI_USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub const GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub const GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
pub const GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";

pub const OPENAI_API_TYPE: &str = "openai.api.type";
pub const OPENAI_REQUEST_SERVICE_TIER: &str = "openai.request.service_tier";
pub const OPENAI_RESPONSE_SERVICE_TIER: &str = "openai.response.service_tier";
pub const OPENAI_RESPONSE_SYSTEM_FINGERPRINT: &str = "openai.response.system_fingerprint";

pub const SERVER_ADDRESS: &str = "server.address";
pub const SERVER_PORT: &str = "server.port";
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
pub const URL_PATH: &str = "url.path";
pub const USER_AGENT_ORIGINAL: &str = "user_agent.original";
pub const ERROR_TYPE: &str = "error.type";

pub const SERVICE_NAME: &str = "service.name";
pub const SERVICE_NAMESPACE: &str = "service.namespace";
pub const SERVICE_VERSION: &str = "service.version";
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
pub const K8S_NAMESPACE_NAME: &str = "k8s.namespace.name";
pub const K8S_POD_NAME: &str = "k8s.pod.name";
pub const K8S_NODE_NAME: &str = "k8s.node.name";
pub const K8S_DEPLOYMENT_NAME: &str = "k8s.deployment.name";
pub const K8S_CLUSTER_NAME: &str = "k8s.cluster.name";

/// The family of the wire format, as docs/providers.md lists it.
pub const MESHTAP_API: &str = "meshtap.api";
/// What the API is for, where `gen_ai.operation.name` makes no difference (`responses`, `rerank`, …).
pub const MESHTAP_OPERATION: &str = "meshtap.operation";
/// The end user: of a header of `correlation.user_headers`, else as the body names one.
pub const MESHTAP_USER_ID: &str = "meshtap.user.id";
/// Of a header of `correlation.session_headers`, `.tenant_headers`, `.correlation_headers`.
pub const MESHTAP_SESSION_ID: &str = "meshtap.session.id";
pub const MESHTAP_TENANT_ID: &str = "meshtap.tenant.id";
pub const MESHTAP_CORRELATION_ID: &str = "meshtap.correlation.id";
/// Of the API key of the call, by `api_key.fingerprint_key`: never the key itself, nor a part of it.
pub const MESHTAP_API_KEY_FINGERPRINT: &str = "meshtap.api_key.fingerprint";
/// SPIFFE ids of who calls and who is called, with `identity.principals`.
pub const MESHTAP_SOURCE_PRINCIPAL: &str = "meshtap.source.principal";
pub const MESHTAP_DESTINATION_PRINCIPAL: &str = "meshtap.destination.principal";
/// The answer that the request goes on from.
pub const MESHTAP_REQUEST_PREVIOUS_RESPONSE_ID: &str = "meshtap.request.previous_response_id";
/// How many tools the request offers.
pub const MESHTAP_REQUEST_TOOLS: &str = "meshtap.request.tools";
/// How much the model is asked to reason, in the provider's words.
pub const MESHTAP_REQUEST_REASONING_LEVEL: &str = "meshtap.request.reasoning_level";
/// Names of the tool calls that the client has to run, in order.
pub const MESHTAP_OUTPUT_TOOL_CALLS: &str = "meshtap.output.tool_calls";
/// The total that the provider itself gives.
pub const MESHTAP_USAGE_TOTAL_TOKENS: &str = "meshtap.usage.total_tokens";
/// `provider` | `provider_partial` | `estimated` | `absent`: where the token counts of the span came from.
pub const MESHTAP_USAGE_SOURCE: &str = "meshtap.usage.source";
/// Why counts are absent although an answer came; only beside `meshtap.usage.source` = `absent`.
pub const MESHTAP_USAGE_ABSENT_REASON: &str = "meshtap.usage.absent_reason";
/// The provider's own usage object, verbatim JSON, bounded.
pub const MESHTAP_USAGE_RAW: &str = "meshtap.usage.raw";
/// `complete` | `client_cancelled` | `upstream_reset` | `timeout` | `local_reply`.
pub const MESHTAP_END: &str = "meshtap.end";
/// Seconds, double: from the start of the request to the first text, reasoning or tool delta.
pub const MESHTAP_TIME_TO_FIRST_CONTENT: &str = "meshtap.time_to_first_content";
/// How many stream events carried output (text, reasoning or tool deltas).
pub const MESHTAP_OUTPUT_CHUNKS: &str = "meshtap.output.chunks";
/// Seconds, double: mean and longest gap between two consecutive output chunks.
pub const MESHTAP_OUTPUT_CHUNK_GAP_MEAN: &str = "meshtap.output.chunk_gap.mean";
pub const MESHTAP_OUTPUT_CHUNK_GAP_MAX: &str = "meshtap.output.chunk_gap.max";
/// Body bytes as they passed the sidecar.
pub const MESHTAP_REQUEST_BYTES: &str = "meshtap.request.bytes";
pub const MESHTAP_RESPONSE_BYTES: &str = "meshtap.response.bytes";
/// What of the bodies could not be read: the same words as the counters' reasons.
pub const MESHTAP_REQUEST_UNREAD: &str = "meshtap.request.unread";
pub const MESHTAP_RESPONSE_UNREAD: &str = "meshtap.response.unread";
/// The provider's own kind of error (`invalid_request_error`, `INVALID_ARGUMENT`, …), bounded.
pub const MESHTAP_ERROR_TYPE: &str = "meshtap.error.type";
/// The provider's own error code, bounded.
pub const MESHTAP_ERROR_CODE: &str = "meshtap.error.code";
/// `fingerprint` | `redacted` | `full`: what was done to the texts of the span. Absent where there are none.
pub const MESHTAP_CONTENT_MODE: &str = "meshtap.content.mode";
/// True when a text was cut or a message left out to stay within the bounds.
pub const MESHTAP_CONTENT_TRUNCATED: &str = "meshtap.content.truncated";
/// What was taken out of the texts, as `KIND:COUNT`.
pub const MESHTAP_CONTENT_REDACTIONS: &str = "meshtap.content.redactions";
/// How many messages of the request were left out, the oldest first.
pub const MESHTAP_CONTENT_DROPPED_MESSAGES: &str = "meshtap.content.dropped_messages";
pub const MESHTAP_MESH_ID: &str = "meshtap.mesh.id";
pub const MESHTAP_ENVOY_CLUSTER: &str = "meshtap.envoy.cluster";
pub const MESHTAP_ENVOY_ROUTE: &str = "meshtap.envoy.route";
pub const MESHTAP_ENVOY_ATTEMPTS: &str = "meshtap.envoy.attempts";
/// Envoy's `response.code_details`, verbatim, bounded.
pub const MESHTAP_ENVOY_RESPONSE_CODE_DETAILS: &str = "meshtap.envoy.response_code_details";
/// Envoy's response flags as the bit mask it reports.
pub const MESHTAP_ENVOY_RESPONSE_FLAGS: &str = "meshtap.envoy.response_flags";

/// The name of the span that says that a filter is there. It is no call.
pub const HEARTBEAT: &str = "meshtap.heartbeat";
/// One of a proxy's VMs, and one configuration in it: chosen by chance when it starts.
pub const MESHTAP_VM_ID: &str = "meshtap.vm.id";
pub const MESHTAP_MODULE_VERSION: &str = "meshtap.module.version";
/// A hash of the module's sources.
pub const MESHTAP_MODULE_BUILD: &str = "meshtap.module.build";
/// Of the plugin configuration in force, without the secrets in it.
pub const MESHTAP_CONFIG_SHA256: &str = "meshtap.config.sha256";
/// Mistakes in it, and where the first of them are.
pub const MESHTAP_CONFIG_PROBLEMS: &str = "meshtap.config.problems";
pub const MESHTAP_CONFIG_PROBLEM_PATHS: &str = "meshtap.config.problem_paths";
/// LLM calls seen to their end since the configuration took effect, and spans of theirs that were dropped or rejected.
pub const MESHTAP_SPANS_FINISHED: &str = "meshtap.spans.finished";
pub const MESHTAP_SPANS_DROPPED: &str = "meshtap.spans.dropped";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_attribute_is_documented() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let page = |name| fs::read_to_string(docs.join(name)).unwrap();
        let (of_spans, of_heartbeats) = (page("spans.md"), page("configuration.md"));
        let constants = include_str!("semconv.rs").split("#[cfg(test)]").next().unwrap();
        let values = constants.lines().filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1));
        let attributes: Vec<&str> = values
            .filter(|value| ![super::SCHEMA_URL, super::SCOPE_NAME, super::HEARTBEAT].contains(value))
            .collect();
        assert!(attributes.len() > 90);
        for attribute in attributes {
            let name = format!("`{attribute}`");
            assert!(of_spans.contains(&name) || of_heartbeats.contains(&name), "{name} stands nowhere");
        }
    }
}
