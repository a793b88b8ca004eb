//! Which exchanges are looked at, and how, by host and path: what a platform team sets for its own services.

use std::rc::Rc;

use crate::config::{ContentMode, Detect};

/// Most entries of each list.
pub const MAX_ENTRIES: usize = 64;

/// Everything that depends on where an exchange goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Only these are looked at; empty for all.
    pub only: Vec<Place>,
    /// These are not, whatever else holds.
    pub exclude: Vec<Place>,
    /// The first that holds counts.
    pub rules: Vec<Rule>,
}

/// Hosts without their ports, and paths without their queries; `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub host: String,
    pub path: String,
}

/// What holds at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub place: Place,
    /// In place of the configuration's own `detect`.
    pub detect: Option<Detect>,
    /// In place of the configuration's own `content.mode`.
    pub content: Option<ContentMode>,
    /// `gen_ai.provider.name`.
    pub provider: Option<Rc<str>>,
}

impl Rules {
    /// Whether an exchange may be looked at. The host is in lower case.
    pub fn allow(&self, host: &str, path: &str) -> bool {
        let is_in = |places: &[Place]| places.iter().any(|place| place.holds(host, path));
        (self.only.is_empty() || is_in(&self.only)) && !is_in(&self.exclude)
    }

    pub fn rule(&self, host: &str, path: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.place.holds(host, path))
    }
}

impl Place {
    fn holds(&self, host: &str, path: &str) -> bool {
        let is_at = |path: &str| matches(self.path.as_bytes(), path.as_bytes());
        // A call is recognised with a slash behind its path, and without.
        let is_near = || path.strip_suffix('/').map_or_else(|| is_at(&[path, "/"].concat()), is_at);
        matches(self.host.as_bytes(), host.as_bytes()) && (is_at(path) || is_near())
    }
}

/// Each star takes as little as it can: taking more never helps what comes behind it. The work is at most the product of
/// the two lengths.
fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    let mut behind_star = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                pattern = rest;
                behind_star = Some((rest, text));
            }
            (Some((wanted, rest)), Some((byte, tail))) if wanted == byte => (pattern, text) = (rest, tail),
            (None, None) => return true,
            _ => match behind_star {
                Some((rest, [_, tail @ ..])) => {
                    (pattern, text) = (rest, tail);
                    behind_star = Some((rest, tail));
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_behind_a_path_changes_nothing() {
        let rules = Rules { exclude: vec![place("*", "/v1/chat/completions")], ..Rules::default() };
        assert!(!rules.allow("hr", "/v1/chat/completions/") && !rules.allow("hr", "/v1/chat/completions"));
        assert!(rules.allow("hr", "/v1/chat/completions/x"));
        assert!(place("*", "/v1/").holds("hr", "/v1/") && place("*", "/v1/").holds("hr", "/v1"));
        assert!(!place("*", "/v1/").holds("hr", "/v1/x") && !place("*", "/v1").holds("hr", "/v1x"));
    }

    fn place(host: &str, path: &str) -> Place {
        Place { host: host.to_owned(), path: path.to_owned() }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let yes = [
            ("*", ""),
            ("*", "a"),
            ("a*", "a"),
            ("*.b", "a.b"),
            ("a*c", "abc"),
            ("a*b*c", "aXbYbZc"),
            ("**", "x"),
        ];
        for (pattern, text) in yes {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("a", ""), ("a*c", "ab"), ("*.b", "ab"), ("a", "aa"), ("a*b*c", "acb")]
        {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_excluded_is_not_looked_at_whatever_matches() {
        let all = Rules::default();
        assert!(all.allow("a", "/"));
        let rules = Rules {
            only: vec![place("*.openai.com", "*"), place("llm", "/v1/*")],
            exclude: vec![place("*", "*/embeddings")],
            rules: Vec::new(),
        };
        assert!(rules.allow("api.openai.com", "/v1/chat/completions"));
        assert!(rules.allow("llm", "/v1/responses"));
        assert!(!rules.allow("llm", "/api/chat"));
        assert!(!rules.allow("api.anthropic.com", "/v1/messages"));
        assert!(!rules.allow("api.openai.com", "/v1/embeddings"));
    }

    #[test]
    fn the_first_rule_that_holds_counts() {
        let rule = |host, detect| Rule {
            place: place(host, "*"),
            detect: Some(detect),
            content: None,
            provider: None,
        };
        let rules = Rules {
            rules: vec![rule("a.b", Detect::Known), rule("*.b", Detect::Heuristic)],
            ..Rules::default()
        };
        assert_eq!(rules.rule("a.b", "/").and_then(|rule| rule.detect), Some(Detect::Known));
        assert_eq!(rules.rule("c.b", "/").and_then(|rule| rule.detect), Some(Detect::Heuristic));
        assert_eq!(rules.rule("c", "/"), None);
    }
}
