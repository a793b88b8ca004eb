//! Every setting of a plugin configuration, for its schema and its page. Not part of the module.

use super::{Findings, Section, read};

/// One of them, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As `batch.max_spans`.
    pub path: String,
    pub values: Values,
}

/// What it takes, and what holds without it.
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
    Boolean {
        default: bool,
    },
    /// 16 to 512 bytes.
    Secret,
    /// At most 8 names of request headers.
    HeaderNames,
    /// At most 16 headers, 8192 bytes together.
    Headers,
    Choice {
        names: Vec<&'static str>,
        default: &'static str,
    },
}

impl Section<'_, '_> {
    pub(super) fn note(&mut self, key: &str, values: Values) {
        let path = self.path_of(key);
        self.findings.settings.push(Setting { path, values });
    }
}

/// All of them, in the order in which they are read.
pub fn settings() -> Vec<Setting> {
    let mut findings = Findings::default();
    if let Ok(empty) = nojson::RawJson::parse("{}") {
        read(empty.value(), &mut findings);
    }
    findings.settings
}
