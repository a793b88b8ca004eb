//! Names and values that older releases of the GenAI conventions used, and what they are called today. Old names end
//! here. Of an attribute that comes under both, the current name is read and the old one stays as it came.

use meshtap_filter::semconv;

use crate::model::Attributes;

const NAMES: &[(&str, &str)] = &[
    // until 1.26
    ("gen_ai.usage.prompt_tokens", semconv::GEN_AI_USAGE_INPUT_TOKENS),
    ("gen_ai.usage.completion_tokens", semconv::GEN_AI_USAGE_OUTPUT_TOKENS),
    // until 1.29
    ("gen_ai.openai.request.seed", semconv::GEN_AI_REQUEST_SEED),
    // until 1.30
    ("gen_ai.openai.request.response_format", semconv::GEN_AI_OUTPUT_TYPE),
    // until 1.36
    ("gen_ai.system", semconv::GEN_AI_PROVIDER_NAME),
    ("gen_ai.openai.request.service_tier", semconv::OPENAI_REQUEST_SERVICE_TIER),
    ("gen_ai.openai.response.service_tier", semconv::OPENAI_RESPONSE_SERVICE_TIER),
    ("gen_ai.openai.response.system_fingerprint", semconv::OPENAI_RESPONSE_SYSTEM_FINGERPRINT),
    // the unreleased successor of 1.41
    ("gen_ai.usage.cache_write.input_tokens", semconv::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS),
];

const PROVIDERS: &[(&str, &str)] = &[
    ("az.ai.inference", "azure.ai.inference"),
    ("az.ai.openai", "azure.ai.openai"),
    ("xai", "x_ai"),
    ("gemini", "gcp.gemini"),
    ("vertex_ai", "gcp.vertex_ai"),
];

pub(super) fn rename(attributes: &mut Attributes) {
    for (old, new) in NAMES {
        if !attributes.contains_key(*new)
            && let Some(value) = attributes.remove(*old)
        {
            attributes.insert((*new).to_owned(), value);
        }
    }
}

pub(super) fn provider(name: String) -> String {
    PROVIDERS.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| (*new).to_owned())
}
