//! Where plugin configurations stand: in a file of their own, or inside of what brings them to a proxy: a `WasmPlugin`, a
//! `TrafficExtension`, an `EnvoyFilter`, a list of such, or Envoy's own configuration. YAML or JSON.

use anyhow::Context as _;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::config::raw::essence;

/// One configuration of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The manifest that it stands in, for a message.
    pub(super) place: String,
    /// As the proxy hands it to the filter.
    pub(super) configuration: String,
    /// Why there is none that the filter can read.
    pub(super) fault: Option<String>,
}

/// Every configuration in the text of a file.
///
/// # Errors
/// When the text is neither JSON nor YAML, and when it is manifests none of which holds a configuration.
pub(super) fn find(text: String) -> anyhow::Result<Vec<Found>> {
    let documents = match serde_saphyr::from_multiple::<Value>(&text) {
        Ok(documents) => documents,
        // What is no JSON either the filter says in its own words.
        Err(_) if text.trim_start().starts_with('{') => {
            return Ok(vec![Found { configuration: text, ..Found::default() }]);
        }
        Err(error) => anyhow::bail!("neither JSON nor YAML: {}", essence(&error.to_string())),
    };
    let mut found = Vec::new();
    for document in &documents {
        walk(document, "", &mut found);
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let is_manifest =
        |document: &Value| document.get("apiVersion").is_some() && document.get("kind").is_some();
    // A key that comes twice is seen in the text alone.
    let is_json = serde_json::from_str::<Value>(&text).is_ok();
    match documents.as_slice() {
        [] => {
            Ok(vec![Found { configuration: if is_json { text } else { String::new() }, ..Found::default() }])
        }
        [document] if !is_manifest(document) => {
            // What begins as JSON the filter gets as JSON: YAML forgives it quotes, commas and a mark of its byte order.
            let is_meant = text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
            let configuration = if is_json || is_meant { text } else { json(Some(document)) };
            Ok(vec![Found { configuration, ..Found::default() }])
        }
        _ => anyhow::bail!(
            "no plugin configuration in it: no WasmPlugin, no TrafficExtension with `wasm`, no EnvoyFilter with a Wasm filter"
        ),
    }
}

/// Looks for configurations in `value` and all that it holds.
fn walk(value: &Value, place: &str, found: &mut Vec<Found>) {
    if let Value::Array(items) = value {
        return items.iter().for_each(|item| walk(item, place, found));
    }
    let Value::Object(members) = value else { return };
    let named = name(value);
    let place = named.as_deref().unwrap_or(place);
    let configuration = match value.get("kind").and_then(Value::as_str) {
        Some("WasmPlugin") => Some(plugin_config(value.get("spec"))),
        Some("TrafficExtension") => value.pointer("/spec/wasm").map(|wasm| plugin_config(Some(wasm))),
        _ => wasm_filter(value).map(of_envoy),
    };
    let place = place.to_owned();
    match configuration {
        Some(Ok(configuration)) => found.push(Found { place, configuration, fault: None }),
        Some(Err(error)) => {
            found.push(Found { place, fault: Some(format!("{error:#}")), ..Found::default() });
        }
        None => members.values().for_each(|member| walk(member, &place, found)),
    }
}

/// `EnvoyFilter meshtap: ` of a manifest.
fn name(value: &Value) -> Option<String> {
    let kind = value.get("kind")?.as_str()?;
    let name = value.pointer("/metadata/name").and_then(Value::as_str);
    name.map(|name| format!("{kind} {name}: "))
}

/// What Istio makes of `pluginConfig`. It has no key of another spelling.
fn plugin_config(spec: Option<&Value>) -> anyhow::Result<String> {
    const KEY: &str = "pluginConfig";
    let is_meant = |key: &&String| *key != KEY && key.replace(['_', '-'], "").eq_ignore_ascii_case(KEY);
    if let Some(key) = spec.and_then(Value::as_object).and_then(|spec| spec.keys().find(is_meant)) {
        anyhow::bail!("expected `{KEY}`: Kubernetes knows no `{key}`, and drops it or refuses the manifest");
    }
    Ok(json(spec.and_then(|spec| spec.get(KEY))))
}

/// A key of YAML with nothing behind it is none to Kubernetes and Envoy.
fn json(value: Option<&Value>) -> String {
    value.filter(|value| !value.is_null()).map(Value::to_string).unwrap_or_default()
}

/// The `PluginConfig` of Envoy's Wasm filter, where `value` is one.
fn wasm_filter(value: &Value) -> Option<&Value> {
    let is_wasm = |key: &str| {
        let of = value.get(key).and_then(Value::as_str);
        of.is_some_and(|of| of.ends_with("/envoy.extensions.filters.http.wasm.v3.Wasm"))
    };
    if is_wasm("@type") {
        value.get("config")
    } else if is_wasm("type_url") {
        // In a TypedStruct.
        value.pointer("/value/config")
    } else {
        None
    }
}

/// What Envoy hands to the filter: <https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/wasm/v3/wasm.proto>
fn of_envoy(config: &Value) -> anyhow::Result<String> {
    let Some(any) = config.get("configuration").filter(|any| !any.is_null()) else {
        return Ok(String::new());
    };
    let of = any.get("@type").and_then(Value::as_str).unwrap_or_default();
    let is_none = any.as_object().is_some_and(Map::is_empty);
    match (of.rsplit('/').next(), any.get("value").filter(|value| !value.is_null())) {
        (Some("google.protobuf.StringValue"), Some(Value::String(text))) => Ok(text.clone()),
        (Some("google.protobuf.BytesValue"), Some(Value::String(text))) => {
            let bytes = decoded(text).context("a google.protobuf.BytesValue in base64")?;
            String::from_utf8(bytes).context("a google.protobuf.BytesValue that holds JSON")
        }
        (
            Some("google.protobuf.StringValue" | "google.protobuf.BytesValue" | "google.protobuf.Struct"),
            None,
        ) => Ok(String::new()),
        (Some("google.protobuf.Struct"), Some(Value::Object(members))) if members.is_empty() => {
            Ok(String::new())
        }
        _ if is_none => Ok(String::new()),
        (Some("google.protobuf.Struct"), _) => anyhow::bail!(
            "expected a google.protobuf.StringValue that holds JSON: Envoy hands the filter a Struct as bytes that are none"
        ),
        _ => anyhow::bail!("expected a google.protobuf.StringValue with its value, which holds JSON"),
    }
}

/// Base64 of either alphabet, padded or not: <https://protobuf.dev/programming-guides/json/>
fn decoded(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    const PADDED_OR_NOT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, PADDED_OR_NOT).decode(text.replace('-', "+").replace('_', "/"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use meshtap_filter::config;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let of = |found: Found| {
            if found.fault.is_some() {
                return vec![format!("{}configuration", found.place)];
            }
            let (_, problems) = config::parse(found.configuration.as_bytes());
            problems
                .into_iter()
                .map(move |problem| format!("{}{}", found.place, problem.path))
                .collect::<Vec<_>>()
        };
        find(text.to_owned()).unwrap().into_iter().flat_map(of).collect()
    }

    fn error(text: &str) -> String {
        format!("{:#}", find(text.to_owned()).unwrap_err())
    }

    const PLUGIN: &str = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: a}\n\
        spec: {url: 'oci://x', pluginConfig: {detect: 1}}\n";
    const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}\n";

    #[test]
    fn a_configuration_is_read_in_json_and_yaml() {
        assert_eq!(problems("{\"detect\": \"known\", \"batch\": {\"max_spans\": 1.0}}"), [""; 0]);
        assert_eq!(problems("detect: everything\nbatch: {max_span: 1}\n"), ["detect", "batch.max_span"]);
        assert_eq!(problems("{\"detect\": \"known\""), ["(document)"]);
        for yaml in ["{\"detect\": \"known\",}", "{'detect': 'known'}", "\u{feff}{\"detect\": \"known\"}"] {
            assert_eq!(problems(yaml), ["(document)"], "{yaml}");
        }
        assert_eq!(problems("[]"), ["(document)"]);
        assert_eq!(problems("null"), ["(document)"]);
    }

    #[test]
    fn nothing_behind_a_key_is_nothing() {
        let plugin = PLUGIN.replace("{url: 'oci://x', pluginConfig: {detect: 1}}", "\n  pluginConfig:\n");
        assert!(plugin.ends_with("pluginConfig:\n\n"), "{plugin}");
        let envoy = "'@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\nconfig:\n  configuration:\n";
        for text in ["", "# detect: known\n", "---\n", &plugin, envoy] {
            assert_eq!(problems(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_is_no_yaml_is_said_as_such() {
        let expected = "neither JSON nor YAML: line 1 column 9: while scanning a plain scalar, found a tab";
        assert_eq!(error("detect: known\n\tbatch: 1\n"), expected);
        assert!(error("detect: known\ndetect: known\n").contains("duplicate mapping key"));
    }

    #[test]
    fn every_plugin_of_a_manifest_is_read() {
        let other = PLUGIN.replace("name: a", "name: b").replace("detect: 1", "queue: {max_in_flight: 99}");
        let text = [PLUGIN, &other, NAMESPACE].join("---\n");
        assert_eq!(problems(&text), ["WasmPlugin a: detect", "WasmPlugin b: queue.max_in_flight"]);
        assert!(error(NAMESPACE).contains("no WasmPlugin"));
    }

    #[test]
    fn a_key_that_kubernetes_drops_is_a_mistake() {
        for key in ["pluginconfig", "plugin_config", "PluginConfig", "plugin-config"] {
            let found = find(PLUGIN.replace("pluginConfig", key)).unwrap();
            let fault = found[0].fault.clone().unwrap();
            assert!(fault.contains(&format!("`pluginConfig`: Kubernetes knows no `{key}`,")));
        }
        assert_eq!(problems(&PLUGIN.replace("pluginConfig", "pluginName")), [""; 0]);
    }

    #[test]
    fn lists_are_looked_into() {
        let item = PLUGIN.trim_end().replace('\n', "\n  ");
        assert_eq!(
            problems(&format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n")),
            ["WasmPlugin a: detect"]
        );
    }

    #[test]
    fn a_traffic_extension_is_read() {
        let text =
            "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {name: a}\nspec: ";
        assert_eq!(
            problems(&format!("{text}{{wasm: {{pluginConfig: {{detect: 1}}}}}}")),
            ["TrafficExtension a: detect"]
        );
        assert!(find(format!("{text}{{lua: {{inlineCode: x}}}}")).is_err());
    }

    /// An EnvoyFilter with a Wasm filter in it beside another filter, and the same filter in Envoy's own configuration.
    #[test]
    fn filters_of_envoy_are_read() {
        let filter = |configuration: &str| {
            format!(
                "{{'@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, \
                 config: {{name: x, configuration: {configuration}}}}}"
            )
        };
        let text =
            filter("{'@type': type.googleapis.com/google.protobuf.StringValue, value: '{\"detect\": 1}'}");
        let object = |value| {
            filter(&format!("{{'@type': type.googleapis.com/google.protobuf.Struct, value: {value}}}"))
        };
        let envoy_filter = format!(
            "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{name: a}}\nspec:\n  configPatches:\n  \
             - patch: {{value: {{name: rbac}}}}\n  - patch: {{value: {{typed_config: {text}}}}}\n"
        );
        assert_eq!(
            problems(&[PLUGIN, &envoy_filter].join("---\n")),
            ["WasmPlugin a: detect", "EnvoyFilter a: detect"]
        );
        // `{"detect":1}`, `{"detect":11}` without its padding, and `{"detect":"??>"}` in both alphabets.
        for base64 in
            ["eyJkZXRlY3QiOjF9", "eyJkZXRlY3QiOjExfQ", "eyJkZXRlY3QiOiI_Pz4ifQ==", "eyJkZXRlY3QiOiI/Pz4ifQ"]
        {
            let bytes = filter(&format!(
                "{{'@type': type.googleapis.com/google.protobuf.BytesValue, value: {base64}}}"
            ));
            assert_eq!(problems(&format!("filters: [{bytes}]")), ["detect"], "{base64}");
        }
        let bytes = format!("static_resources: {{listeners: [{}]}}", object("{batch: {}}"));
        assert_eq!(problems(&[PLUGIN, &bytes].join("---\n")), ["WasmPlugin a: detect", "configuration"]);
        for nothing in [object("{}"), object("null"), filter("{}"), filter("null")] {
            assert_eq!(problems(&format!("filters: [{nothing}]")), [""; 0], "{nothing}");
        }
        let typed_struct = "{'@type': type.googleapis.com/xds.type.v3.TypedStruct, \
            type_url: type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, value: {config: {name: x}}}";
        assert_eq!(problems(&format!("filters: [{typed_struct}]")), [""; 0]);
        for (configuration, said) in [
            ("{value: 1}", "expected a google.protobuf.StringValue with"),
            (
                "{'@type': google.protobuf.Struct, value: {detect: known}}",
                "StringValue that holds JSON: Envoy hands",
            ),
            ("{'@type': google.protobuf.BytesValue, value: '!'}", "in base64"),
        ] {
            let found = find(format!("filters: [{}]", filter(configuration))).unwrap();
            let fault = found[0].fault.clone().unwrap();
            assert!(fault.contains(said), "{fault}");
        }
    }

    #[test]
    fn every_manifest_that_is_shipped_is_read() {
        let istio = Path::new(env!("CARGO_MANIFEST_DIR")).join("../istio");
        for (file, place) in [
            ("base/wasmplugin.yaml", "WasmPlugin meshtap: "),
            ("components/resilient/envoyfilter.yaml", "EnvoyFilter meshtap: "),
            ("components/resilient-gateway/envoyfilter.yaml", "EnvoyFilter meshtap: "),
            ("components/traffic-extension/trafficextension.yaml", "TrafficExtension meshtap: "),
            ("canary/envoyfilter.yaml", "EnvoyFilter meshtap-canary: "),
        ] {
            let found = find(std::fs::read_to_string(istio.join(file)).unwrap()).unwrap();
            let places: Vec<&str> = found.iter().map(|found| found.place.as_str()).collect();
            assert_eq!(places, [place], "{file}");
            let object: Map<String, Value> = serde_json::from_str(&found[0].configuration).unwrap();
            assert!(object.contains_key("collector"), "{file}");
        }
    }
}
