//! A span in the words of the corpus: the fields that `check_corpus.py` compares.

use meshtap_collector::model::SpanRecord;
use meshtap_filter::semconv;
use serde_json::{Value, json};

pub(super) fn prediction(id: &Value, span: Option<&SpanRecord>) -> Value {
    let Some(span) = span else { return json!({ "id": id }) };
    let gen_ai = &span.gen_ai;
    let usage = &gen_ai.usage;
    let attribute = |name: &str| span.attributes.get(name).cloned().unwrap_or_default();
    let is_error = span.error_type.is_some();
    json!({
        "id": id,
        "operation": attribute(semconv::MESHTAP_OPERATION),
        "request_model": gen_ai.request_model,
        "response_model": gen_ai.response_model,
        "response_id": gen_ai.response_id,
        "stream": gen_ai.stream,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": attribute(semconv::MESHTAP_USAGE_TOTAL_TOKENS),
        "cache_read_tokens": usage.cache_read_input_tokens,
        "cache_creation_tokens": usage.cache_creation_input_tokens,
        "reasoning_tokens": usage.reasoning_output_tokens,
        "finish_reasons": gen_ai.finish_reasons,
        "tool_call_names": attribute(semconv::MESHTAP_OUTPUT_TOOL_CALLS),
        "usage_present": usage.is_known() || !attribute(semconv::MESHTAP_USAGE_RAW).is_null(),
        "is_error": is_error,
        "error_type": if is_error { provider_error(span) } else { Value::Null },
    })
}

/// The provider's word for what went wrong: its type, or its code where that is a word.
fn provider_error(span: &SpanRecord) -> Value {
    let text = |name: &str| span.attributes.get(name).and_then(Value::as_str);
    let code = text(semconv::MESHTAP_ERROR_CODE).filter(|code| code.parse::<f64>().is_err());
    text(semconv::MESHTAP_ERROR_TYPE).or(code).into()
}
