//! Every setting of a plugin configuration, for its schema and its page. Not part of the module.

use super::section::Section;
use super::{Findings, read};
use crate::redact::{self, Kind};

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
    /// The same without a scheme, a slash and a port; `*` by default.
    Host,
    /// The same, from a slash or a star on and without a query; `*` by default.
    Path,
    /// A number from 0.0 to 1.0; 1.0 by default.
    Share,
    /// A list of some of these names.
    Names(Vec<&'static str>),
    /// A list of texts of the user's own.
    Texts {
        max_items: usize,
        min_chars: usize,
        max_bytes: usize,
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

    pub(super) fn note_place(&mut self) {
        self.note("host", Values::Host);
        self.note("path", Values::Path);
    }

    /// The lists among the settings of redaction.
    pub(super) fn note_redaction(&mut self) {
        self.note("off", Values::Names(Kind::BUILT_IN.iter().map(|kind| kind.name()).collect()));
        self.note(
            "literals",
            Values::Texts {
                max_items: redact::MAX_LITERALS,
                min_chars: redact::MIN_RULE_CHARS,
                max_bytes: redact::MAX_LITERAL_BYTES,
            },
        );
        self.note(
            "patterns",
            Values::Texts {
                max_items: redact::MAX_PATTERNS,
                min_chars: 1,
                max_bytes: redact::MAX_PATTERN_BYTES,
            },
        );
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
