//! The settings as they were written: scalars by path, from the file and from the environment, with where each came
//! from. Unknown keys and variables are mistakes here; what a value must look like is decided by who reads it.
//!
//! A `*` in a key stands for a name of the user's choice: `export.*.endpoint` is `export.tempo.endpoint`, and
//! `MESHTAP_EXPORT_TEMPO_ENDPOINT`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::mistakes::Mistakes;

const PREFIX: &str = "MESHTAP_";

/// Variables that other parts of meshtap read.
const OTHER_PARTS: &[&str] =
    &["MESHTAP_TEST_", "MESHTAP_CACHE", "MESHTAP_DEMO_", "MESHTAP_MESH_", "MESHTAP_BIN", "MESHTAP_FILTER"];

/// Names the configuration file.
pub const CONFIG_VARIABLE: &str = "MESHTAP_CONFIG";

/// A scalar with the name under which its author knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub origin: String,
    pub value: Value,
}

#[derive(Debug, Default)]
pub struct Settings {
    by_path: BTreeMap<String, Setting>,
}

impl Settings {
    /// Takes the value, so that what nobody asked for can be told.
    pub fn take(&mut self, path: &str) -> Option<Setting> {
        self.by_path.remove(path)
    }

    pub fn has(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// What stands for the `*` of keys below this one.
    pub fn names(&self, section: &str) -> BTreeSet<String> {
        let below = self.by_path.keys().filter_map(|path| path.strip_prefix(section)?.strip_prefix('.'));
        below.filter_map(|path| Some(path.split_once('.')?.0.to_owned())).collect()
    }

    /// Reads the text of the file. `keys` are all paths that exist.
    pub fn read_file(&mut self, text: &str, keys: &'static [&'static str], mistakes: &mut Mistakes) {
        match serde_saphyr::from_str::<Option<Value>>(text) {
            Ok(None) => {}
            Ok(Some(root)) => self.read_value("", root, keys, mistakes),
            Err(error) => mistakes.add(
                "the file",
                format!("is not valid YAML: {}", essence(&error.to_string())),
                "correct it there",
            ),
        }
    }

    fn read_value(
        &mut self,
        path: &str,
        value: Value,
        keys: &'static [&'static str],
        mistakes: &mut Mistakes,
    ) {
        let is_leaf = keys.iter().any(|key| is_path_of(path, key));
        match (is_leaf, value) {
            (_, Value::Null) => {}
            (false, Value::Object(children)) => {
                for (name, child) in children {
                    let below = if path.is_empty() { name } else { format!("{path}.{name}") };
                    if is_key(&below, keys) {
                        self.read_value(&below, child, keys, mistakes);
                    } else {
                        mistakes.add(
                            &below,
                            "unknown key",
                            suggestion(&below, keys.iter().flat_map(|key| prefixes(key))),
                        );
                    }
                }
            }
            (false, _) => {
                let owner = if path.is_empty() { "the file" } else { path };
                mistakes.add(
                    owner,
                    "must be a mapping",
                    "write its keys below it, indented, as `key: value`",
                );
            }
            (true, Value::Object(_) | Value::Array(_)) => {
                mistakes.add(path, "must be a single value", "write it on one line, as `key: value`");
            }
            (true, value) => {
                self.by_path.insert(path.to_owned(), Setting { origin: path.to_owned(), value });
            }
        }
    }

    /// Takes what the environment says; it wins over the file. An empty variable is the same as none.
    pub fn read_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
        keys: &'static [&'static str],
        mistakes: &mut Mistakes,
    ) {
        for (name, value) in variables {
            if !name.starts_with(PREFIX) || name == CONFIG_VARIABLE || value.is_empty() {
                continue;
            }
            if let Some(path) = keys.iter().find_map(|key| path_of(&name, key)) {
                self.by_path.insert(path, Setting { origin: name, value: Value::String(value) });
            } else if !is_foreign(&name) {
                let known = keys.iter().map(|key| variable(key));
                mistakes.add(&name, "unknown variable", suggestion(&name, known));
            }
        }
    }
}

/// `store.sqlite.path` is set by `MESHTAP_STORE_SQLITE_PATH`.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// The key that a variable sets, if it sets this one: with the name, where the key has a `*`.
fn path_of(variable_name: &str, key: &str) -> Option<String> {
    let variable = variable(key);
    let Some((before, after)) = variable.split_once('*') else {
        return (variable == variable_name).then(|| key.to_owned());
    };
    let name = variable_name.strip_prefix(before)?.strip_suffix(after)?;
    (!name.is_empty()).then(|| key.replace('*', &name.to_lowercase()))
}

/// `store`, `store.sqlite` and `store.sqlite.path`, of the last of them.
fn prefixes(key: &str) -> impl Iterator<Item = &str> {
    key.match_indices('.').map(|(end, _)| &key[..end]).chain([key])
}

/// Whether it is a key, or what keys stand below.
fn is_key(path: &str, keys: &[&str]) -> bool {
    keys.iter().flat_map(|key| prefixes(key)).any(|key| is_path_of(path, key))
}

/// Whether it is this key; a `*` is any name.
fn is_path_of(path: &str, key: &str) -> bool {
    let mut words = path.split('.');
    key.split('.').all(|word| words.next().is_some_and(|given| word == "*" || given == word))
        && words.next().is_none()
}

fn is_foreign(name: &str) -> bool {
    OTHER_PARTS.iter().any(|prefix| name.starts_with(prefix)) || is_service_link(name)
}

/// Kubernetes tells every container about the Services of its namespace; for one called `meshtap-…` as
/// `MESHTAP_…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_GRPC`, `…_PORT`, `…_PORT_4317_TCP`, `…_PORT_4317_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT") || name.contains("_SERVICE_PORT") {
        return true;
    }
    name.match_indices("_PORT_").any(|(at, separator)| {
        let rest = &name[at + separator.len()..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| rest[digits..].starts_with(protocol))
    })
}

fn suggestion(given: &str, known: impl Iterator<Item = impl AsRef<str>>) -> String {
    let closest = known
        .map(|known| (strsim::normalized_damerau_levenshtein(given, known.as_ref()), known))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match closest {
        Some((similarity, known)) if similarity > 0.6 => format!("did you mean {}?", known.as_ref()),
        _ => "remove it".to_owned(),
    }
}

/// What a user needs of the parser's message, which goes on with a picture of the place and advice to programmers.
pub(crate) fn essence(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    line.split_once(", set DuplicateKeyPolicy").map_or(line, |(essence, _)| essence)
}
