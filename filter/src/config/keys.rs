//! Every key of a plugin configuration, for its schema and its page. Not part of the module.

use super::{Findings, Section, read};

/// One key, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As `batch.max_spans`.
    pub path: String,
    pub values: Values,
}

/// What a key takes, and what holds without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// A whole number from `min` to `max`.
    Number {
        min: u32,
        max: u32,
        default: u32,
    },
    /// 1 to 512 visible ASCII characters.
    Text {
        default: String,
    },
    Choice {
        names: Vec<&'static str>,
        default: &'static str,
    },
}

impl Section<'_, '_> {
    pub(super) fn note(&mut self, key: &str, values: Values) {
        let path = self.path_of(key);
        self.problems.keys.push(Key { path, values });
    }
}

/// All of them, in the order in which they are read.
pub fn keys() -> Vec<Key> {
    let mut findings = Findings::default();
    if let Ok(empty) = nojson::RawJson::parse("{}") {
        read(empty.value(), &mut findings);
    }
    findings.keys
}
