//! The JSON Schema of a plugin configuration, made from the settings that the filter reads.

use meshtap_filter::config::{CREDENTIALS, NOT_METADATA, NOT_METADATA_PREFIXES, Setting, Values, settings};
use meshtap_filter::rules::MAX_ENTRIES;
use serde_json::{Map, Value, json};

/// For editors and pipelines. The filter refuses nothing: what the schema does not allow is replaced by its default.
pub fn schema() -> Value {
    let settings = settings();
    let keys: Vec<(&str, &Values)> =
        settings.iter().map(|Setting { path, values }| (path.as_str(), values)).collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "meshtap filter, spec.pluginConfig of its WasmPlugin",
    });
    if let (Value::Object(schema), Value::Object(object)) = (&mut schema, object(&keys)) {
        schema.extend(object);
    }
    // One that names no place is a mistake.
    if let Some(items) = schema.pointer_mut("/properties/exclude/items").and_then(Value::as_object_mut) {
        items.insert("anyOf".to_owned(), json!([{"required": ["host"]}, {"required": ["path"]}]));
    }
    // An editor's own, which the filter leaves alone.
    if let Some(properties) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.insert("$schema".to_owned(), json!({"type": "string"}));
    }
    schema
}

/// The object that has these keys, each relative to it.
fn object(keys: &[(&str, &Values)]) -> Value {
    let mut properties = Map::new();
    for (path, values) in keys {
        match path.split_once('.') {
            None => {
                properties.insert((*path).to_owned(), of(values));
            }
            Some((folder, _)) if !properties.contains_key(folder.trim_end_matches("[]")) => {
                let inside: Vec<_> = keys
                    .iter()
                    .filter_map(|(path, values)| {
                        Some((path.strip_prefix(folder)?.strip_prefix('.')?, *values))
                    })
                    .collect();
                match folder.strip_suffix("[]") {
                    Some(list) => {
                        let items =
                            json!({"type": "array", "maxItems": MAX_ENTRIES, "items": object(&inside)});
                        properties.insert(list.to_owned(), items);
                    }
                    None => {
                        properties.insert(folder.to_owned(), object(&inside));
                    }
                }
            }
            Some(_) => {}
        }
    }
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// Letters, digits, `-`, `_`, `*` and, but in front, `.`; no or more than one colon, as in an IPv6 address.
const HOST: &str = "^([*0-9A-Z_a-z-][*.0-9A-Z_a-z-]*|\
    ([*0-9A-Z_a-z-][*.0-9A-Z_a-z-]*)?:[*.0-9A-Z_a-z-]*:[*.:0-9A-Z_a-z-]*)$";
const PATH: &str = r"^[/*][!$-;=@-Z_-z~]*$";

/// A pattern for a name of letters and `-`. The language has no switch for it.
fn in_any_case(name: &str) -> String {
    let either = |letter: char| match letter {
        'a'..='z' => format!("[{}{letter}]", letter.to_ascii_uppercase()),
        other => other.to_string(),
    };
    name.chars().map(either).collect()
}

fn place(pattern: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 512, "pattern": pattern, "default": "*"})
}

fn of(values: &Values) -> Value {
    match values {
        Values::Number { min, max, default } => {
            json!({"type": "integer", "minimum": min, "maximum": max, "default": default})
        }
        Values::Text { default } => {
            let mut text = json!({"type": "string", "minLength": 1, "maxLength": 512, "pattern": "^[!-~]*$", "default": default});
            if default.is_empty() {
                text.as_object_mut().map(|text| text.remove("default"));
            }
            text
        }
        Values::Host => place(HOST),
        Values::Path => place(PATH),
        Values::Boolean { default } => json!({"type": "boolean", "default": default}),
        Values::Share => json!({"type": "number", "minimum": 0, "maximum": 1, "default": 1}),
        Values::Names(names) => json!({"type": "array", "items": {"type": "string", "enum": names}}),
        // No text has more characters than bytes.
        Values::Texts { max_items, min_chars, max_bytes } => json!({
            "type": "array",
            "maxItems": max_items,
            "items": {"type": "string", "minLength": min_chars, "maxLength": max_bytes},
        }),
        Values::Secret => json!({"type": "string", "minLength": 16, "maxLength": 512}),
        Values::HeaderNames => json!({
            "type": "array",
            "maxItems": 8,
            "items": {
                "type": "string",
                "pattern": "^[A-Za-z0-9._-]{1,64}$",
                "not": {"pattern": format!("^({})$", CREDENTIALS.map(in_any_case).join("|"))},
            },
        }),
        Values::Headers => json!({
            "type": "object",
            "maxProperties": 16,
            "propertyNames": {
                "pattern": "^[a-z0-9._-]{1,64}$",
                "not": {"anyOf": [
                    {"pattern": format!("^({})", NOT_METADATA_PREFIXES.join("|"))},
                    {"enum": NOT_METADATA},
                ]},
            },
            "additionalProperties": {"type": "string", "maxLength": 4096, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        }),
        Values::Choice { names, default } => json!({"type": "string", "enum": names, "default": default}),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use meshtap_filter::config::parse;

    use super::*;

    /// The schema says of a name what the filter says of it.
    #[test]
    fn names_of_headers_are_those_that_the_filter_takes() {
        let takes = |document: Value| parse(document.to_string().as_bytes()).1.is_empty();
        let as_id = |name: &str| takes(json!({"correlation": {"user_headers": [name]}}));
        let as_metadata = |name: &str| takes(json!({"collector": {"headers": {name: "x"}}}));
        assert!(as_id("x-ok") && as_metadata("x-ok"));
        for name in CREDENTIALS {
            assert!(!as_id(name), "{name}");
        }
        for name in NOT_METADATA.into_iter().chain(["grpc-timeout", "x-envoy-max-retries", "X-Upper"]) {
            assert!(!as_metadata(name), "{name}");
        }
    }

    #[test]
    fn the_shipped_schema_is_this_one() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../istio/plugin-config.schema.json");
        let made = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&file, &made).unwrap();
        }
        let shipped = std::fs::read_to_string(&file).unwrap();
        assert!(shipped == made, "{} is old: run the tests with UPDATE_DOCS=1", file.display());
    }

    /// What docs/configuration.md says about every key: its default and its bounds.
    #[test]
    fn the_page_has_every_key() {
        let page =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md"))
                .unwrap();
        // The collector has keys of the same names.
        let (_, page) = page.split_once("\n## The filter\n").unwrap();
        for Setting { path, values } in settings() {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{path}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/configuration.md has no row for {path}"));
            let wanted = match values {
                Values::Number { min, max, default } => {
                    vec![format!("| {default} |"), format!("| {min}–{max} |")]
                }
                Values::Choice { names, default } => {
                    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                    vec![format!("| `{default}` |"), format!("| {} |", names.join(", "))]
                }
                Values::Boolean { default } => vec![format!("| {default} |")],
                Values::Share => vec!["| 1.0 |".to_owned(), "| 0.0–1.0 |".to_owned()],
                Values::Text { .. }
                | Values::Host
                | Values::Path
                | Values::Names(_)
                | Values::Texts { .. }
                | Values::Secret
                | Values::HeaderNames
                | Values::Headers => Vec::new(),
            };
            for part in wanted {
                assert!(row.contains(&part), "the row of {path} does not say {part}: {row}");
            }
        }
    }
}
