//! What was found of the requests that came last: most of a workload's are to the same few places, and the tables that
//! decide are long.

use std::rc::Rc;

use super::{Detected, detect};
use crate::config::Detect;
use crate::rules::Rules;
use crate::wire::is_same;

/// A power of two. Each has one place, so that what is looked up is never more than one of them.
const PLACES: usize = 64;
/// A longer request line is not remembered.
const MAX_LINE_BYTES: usize = 512;

/// Remembers request lines as they are: what is compared is little, and runs for every stream, with code and tables that
/// the proxy has pushed out of the processor's caches since the last one. A hash that nobody can aim at would take longer.
#[derive(Debug)]
pub struct Verdicts {
    places: [Option<Verdict>; PLACES],
}

#[derive(Debug)]
struct Verdict {
    method_length: usize,
    authority_length: usize,
    /// Method, authority and path in a row.
    line: Box<[u8]>,
    detected: Option<Rc<Detected>>,
}

impl Default for Verdicts {
    fn default() -> Self {
        Self { places: [const { None }; PLACES] }
    }
}

impl Verdicts {
    /// The same as [`detect`], which must always be asked with the same mode and rules.
    ///
    /// Remembered is what it finds without the query: whether it is a call does not depend on that, but a query may name
    /// the model of one call and not of the next, at any length.
    pub fn detect(
        &mut self,
        method: &[u8],
        authority: &[u8],
        path: &[u8],
        mode: Detect,
        rules: &Rules,
    ) -> Option<Rc<Detected>> {
        let bare = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        let detected = self.of(method, authority, bare, || detect(method, authority, bare, mode, rules))?;
        if bare.len() < path.len() {
            return detect(method, authority, path, mode, rules).map(Rc::new);
        }
        Some(detected)
    }

    /// What `find` says, or said when it was asked about the same before.
    fn of(
        &mut self,
        method: &[u8],
        authority: &[u8],
        path: &[u8],
        find: impl FnOnce() -> Option<Detected>,
    ) -> Option<Rc<Detected>> {
        let place = self.places.get_mut(place(method, authority, path))?;
        match place {
            Some(verdict) if verdict.is_of(method, authority, path) => verdict.detected.clone(),
            _ => {
                let detected = find().map(Rc::new);
                let line = [method, authority, path].concat();
                if line.len() <= MAX_LINE_BYTES {
                    let (method_length, authority_length) = (method.len(), authority.len());
                    let (line, detected) = (line.into(), detected.clone());
                    *place = Some(Verdict { method_length, authority_length, line, detected });
                }
                detected
            }
        }
    }
}

impl Verdict {
    fn is_of(&self, method: &[u8], authority: &[u8], path: &[u8]) -> bool {
        let Some((of_method, rest)) = self.line.split_at_checked(self.method_length) else { return false };
        let Some((of_authority, of_path)) = rest.split_at_checked(self.authority_length) else {
            return false;
        };
        is_same(of_path, path) && is_same(of_authority, authority) && is_same(of_method, method)
    }
}

/// By what differs between the requests of a workload, as a rule: lengths, and the ends of paths.
fn place(method: &[u8], authority: &[u8], path: &[u8]) -> usize {
    let end = path.last_chunk::<4>().map_or(0, |end| u32::from_le_bytes(*end));
    let lengths = [(method, 3), (authority, 5), (path, 7)];
    let hash = lengths.into_iter().fold(end, |hash, (part, factor)| {
        hash.wrapping_mul(31).wrapping_add(u32::try_from(part.len()).unwrap_or(u32::MAX).wrapping_mul(factor))
    });
    // The upper bits are the best that a multiplication mixes.
    usize::try_from(hash.wrapping_mul(0x9e37_79b1) >> 26).unwrap_or_default() % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::openai_chat;

    fn call() -> Detected {
        Detected::as_at("openai", &openai_chat::CHAT)
    }

    #[test]
    fn asks_once() {
        let mut verdicts = Verdicts::default();
        let mut asked = 0;
        for _ in 0..3 {
            let mut find = || {
                asked += 1;
                Some(call())
            };
            let detected = verdicts.of(b"POST", b"api.openai.com", b"/v1/chat/completions", &mut find);
            assert_eq!(detected.expect("a call").provider_name, "openai");
        }
        assert_eq!(asked, 1);
    }

    #[test]
    fn what_a_query_names_is_not_remembered() {
        let rules = Rules::default();
        let mut verdicts = Verdicts::default();
        let long = format!("/v1/realtime?model={}", "m".repeat(50_000));
        let session = "/v1/realtime?model=gpt-realtime";
        for path in
            [session, "/v1/realtime", "/v1/realtime?model=other", &long, "/v1/realtime", "/v1/orders?model=a"]
        {
            let [method, authority, path] = ["GET", "api.openai.com", path].map(str::as_bytes);
            let detected = verdicts.detect(method, authority, path, Detect::Known, &rules);
            let expected = detect(method, authority, path, Detect::Known, &rules);
            let model = |detected: &Detected| detected.model.clone();
            assert_eq!(detected.as_deref().map(model), expected.as_ref().map(model));
        }
        let remembered = verdicts.places.iter().flatten().filter_map(|verdict| verdict.detected.as_ref());
        assert!(remembered.map(|detected| detected.bytes()).sum::<usize>() == 0);
    }

    #[test]
    fn parts_are_told_apart() {
        let mut verdicts = Verdicts::default();
        assert!(verdicts.of(b"POST", b"ab", b"c", || Some(call())).is_some());
        assert!(verdicts.of(b"POST", b"a", b"bc", || None).is_none());
        assert!(verdicts.of(b"POS", b"Tab", b"c", || None).is_none());
    }

    #[test]
    fn a_long_line_is_asked_about_each_time() {
        let mut verdicts = Verdicts::default();
        let path = [b'/'; MAX_LINE_BYTES];
        assert!(verdicts.of(b"GET", b"h", &path, || Some(call())).is_some());
        assert!(verdicts.of(b"GET", b"h", &path, || None).is_none());
    }

    #[test]
    fn a_newer_one_takes_the_place_of_an_older() {
        let mut verdicts = Verdicts::default();
        for round in 0..2 {
            for n in 0..10 * PLACES {
                let path = format!("/{n}");
                let found = || (n % 2 == 0).then(call);
                let detected = verdicts.of(b"GET", b"h", path.as_bytes(), found);
                assert_eq!(detected.is_some(), found().is_some(), "{round}");
            }
        }
    }
}
