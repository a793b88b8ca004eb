//! What a call asks for, in all the ways in which it can be said.

use super::*;
use crate::provider::Facts;

fn facts(url: &str, request: &str) -> Facts {
    Call::json(url, request, "{}").whole().facts
}

const GEMINI: &str = "generativelanguage.googleapis.com/v1beta/models/g";

/// JSON of protocol buffers: either spelling is right.
#[test]
fn gemini_in_either_spelling() {
    let camel = r#"{"generationConfig":{"maxOutputTokens":64,"temperature":0.5,"topP":0.9,"topK":40,"candidateCount":2,"seed":7,"frequencyPenalty":0.1,"presencePenalty":0.2,"stopSequences":["é"],"responseMimeType":"application/json","thinkingConfig":{"thinkingLevel":"low"}},"tools":[{"functionDeclarations":[{"name":"a"}]}]}"#;
    let snake = r#"{"generation_config":{"max_output_tokens":64,"temperature":0.5,"top_p":0.9,"top_k":40,"candidate_count":2,"seed":7,"frequency_penalty":0.1,"presence_penalty":0.2,"stop_sequences":["é"],"response_mime_type":"application/json","thinking_config":{"thinking_level":"low"}},"tools":[{"function_declarations":[{"name":"a"}]}]}"#;
    let seen = facts(&format!("{GEMINI}:generateContent"), camel);
    assert_eq!((seen.max_tokens, seen.seed, seen.choice_count), (Some(64), Some(7), Some(2)));
    assert_eq!((seen.temperature, seen.top_p, seen.top_k), (Some(0.5), Some(0.9), Some(40.0)));
    assert_eq!((seen.frequency_penalty, seen.presence_penalty), (Some(0.1), Some(0.2)));
    assert_eq!((seen.stop_sequences.len(), seen.offered_tools), (1, 1));
    assert_eq!(
        (seen.output_format.as_deref(), seen.reasoning_level.as_deref()),
        (Some("application/json"), Some("low"))
    );
    assert_eq!(seen, facts(&format!("{GEMINI}:generateContent"), snake));
    // Text models of Vertex AI have the same under another name.
    let parameters = camel.replace("generationConfig", "parameters");
    let predicted = facts(
        "x-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/text-bison:predict",
        &parameters,
    );
    assert_eq!((predicted.max_tokens, predicted.choice_count), (Some(64), Some(2)));
}

#[test]
fn gemini_tools_need_no_list() {
    for declarations in ["functionDeclarations", "function_declarations"] {
        let object = format!(r#"{{"tools":{{"{declarations}":[{{"name":"a"}},{{"name":"b"}}]}}}}"#);
        assert_eq!(facts(&format!("{GEMINI}:generateContent"), &object).offered_tools, 2);
        let list = format!(
            r#"{{"tools":[{{"{declarations}":[{{"name":"a"}}]}},{{"{declarations}":[{{"name":"b"}}]}}]}}"#
        );
        assert_eq!(facts(&format!("{GEMINI}:generateContent"), &list).offered_tools, 2);
    }
}

#[test]
fn kinds_of_output() {
    let format = |url: &str, request: &str, expected: Option<&str>| {
        assert_eq!(facts(url, request).output_format.as_deref(), expected, "{request}");
    };
    let gemini = |config: &str, expected| {
        format(
            &format!("{GEMINI}:generateContent"),
            &format!(r#"{{"generationConfig":{config}}}"#),
            expected,
        );
    };
    gemini(r#"{"responseModalities":["IMAGE"]}"#, Some("IMAGE"));
    gemini(r#"{"responseModalities":["TEXT","IMAGE"]}"#, Some("IMAGE"));
    gemini(r#"{"response_modalities":["Image","Text"]}"#, Some("Image"));
    gemini(r#"{"responseModalities":["TEXT"]}"#, None);
    for schema in ["responseSchema", "response_schema", "responseJsonSchema", "response_json_schema"] {
        gemini(&format!(r#"{{"{schema}":{{"type":"OBJECT"}}}}"#), Some("json_schema"));
    }
    let chat = "api.openai.com/v1/chat/completions";
    format(chat, r#"{"modalities":["text","audio"],"audio":{"voice":"a","format":"wav"}}"#, Some("audio"));
    format(chat, r#"{"modalities":["text"]}"#, None);
}

#[test]
fn dimensions_of_vectors() {
    let vertex = "x-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models";
    for (url, request) in [
        (format!("{GEMINI}:embedContent"), r#"{"outputDimensionality":256}"#),
        (format!("{GEMINI}:embedContent"), r#"{"output_dimensionality":256}"#),
        (
            format!("{GEMINI}:batchEmbedContents"),
            r#"{"requests":[{"outputDimensionality":256},{"outputDimensionality":256}]}"#,
        ),
        (
            format!("{vertex}/text-embedding-004:predict"),
            r#"{"instances":[],"parameters":{"outputDimensionality":256}}"#,
        ),
    ] {
        assert_eq!(facts(&url, request).dimensions, Some(256), "{url} {request}");
    }
}

#[test]
fn cohere_has_words_of_its_own() {
    let seen = facts(
        "api.cohere.com/v1/generate",
        r#"{"model":"command","prompt":"a","num_generations":2,"k":5,"p":0.5,"stop_sequences":["é","b"],"end_sequences":["c"]}"#,
    );
    assert_eq!((seen.choice_count, seen.top_k, seen.top_p), (Some(2), Some(5.0), Some(0.5)));
    assert_eq!(seen.stop_sequences, ["é", "b", "c"]);
}

/// A form says the same as JSON does.
#[test]
fn forms_of_images_and_audio() {
    let field = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = [
        field("model", "m"),
        field("n", "3"),
        field("temperature", "0.5"),
        field("response_format", "verbose_json"),
        field("stream", "true"),
        field("user", "é"),
        "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"n\"\r\n\r\n9\r\n--b--\r\n"
            .to_owned(),
    ]
    .concat();
    let json =
        r#"{"model":"m","n":3,"temperature":0.5,"response_format":"verbose_json","stream":true,"user":"é"}"#;
    for path in ["images/edits", "images/variations", "audio/transcriptions", "audio/translations"] {
        let url = format!("api.openai.com/v1/{path}");
        let mut call = Call::json(&url, &form, "{}");
        call.request_headers = vec![("content-type", "multipart/form-data; boundary=b")];
        let seen = call.span().facts;
        assert_eq!(seen, facts(&url, json), "{path}");
        assert_eq!((seen.choice_count, seen.temperature, seen.stream), (Some(3), Some(0.5), Some(true)));
        assert_eq!(seen.output_format.as_deref(), Some("verbose_json"));
        call.request = field("n", "three").into_bytes();
        assert_eq!(call.whole().facts.choice_count, None, "no number");
    }
}
