//! What was found of the requests that came last: most of a workload's are to the same few places, and the tables that
//! decide are long.

use std::hash::{BuildHasher, Hasher as _};

/// A power of two. Each has one place, so that what is looked up is never more than one of them.
const PLACES: usize = 64;

/// Remembers by a keyed hash of 64 bits, which nobody can aim at without its key.
#[derive(Debug)]
pub struct Verdicts<S> {
    hasher: S,
    places: [Option<Verdict>; PLACES],
}

#[derive(Debug, Clone, Copy)]
struct Verdict {
    hash: u64,
    is_call: bool,
}

impl<S: BuildHasher> Verdicts<S> {
    /// None yet.
    pub fn new(hasher: S) -> Self {
        Self { hasher, places: [None; PLACES] }
    }

    /// What `find` says, or said when it was asked about the same before.
    pub fn is_call(
        &mut self,
        method: &[u8],
        authority: &[u8],
        path: &[u8],
        find: impl FnOnce() -> bool,
    ) -> bool {
        let hash = self.hash(method, authority, path);
        let place = usize::try_from(hash).unwrap_or_default() % PLACES;
        match self.places.get_mut(place) {
            Some(Some(verdict)) if verdict.hash == hash => verdict.is_call,
            Some(place) => place.insert(Verdict { hash, is_call: find() }).is_call,
            None => find(),
        }
    }

    fn hash(&self, method: &[u8], authority: &[u8], path: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for part in [method, authority, path] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;

    #[test]
    fn asks_once() {
        let mut verdicts = Verdicts::new(RandomState::new());
        let mut asked = 0;
        for _ in 0..3 {
            let mut find = || {
                asked += 1;
                true
            };
            assert!(verdicts.is_call(b"POST", b"api.openai.com", b"/v1/chat/completions", &mut find));
        }
        assert_eq!(asked, 1);
    }

    #[test]
    fn parts_are_told_apart() {
        let mut verdicts = Verdicts::new(RandomState::new());
        assert!(verdicts.is_call(b"POST", b"ab", b"c", || true));
        assert!(!verdicts.is_call(b"POST", b"a", b"bc", || false));
        assert!(!verdicts.is_call(b"POS", b"Tab", b"c", || false));
    }

    #[test]
    fn a_newer_one_takes_the_place_of_an_older() {
        let mut verdicts = Verdicts::new(RandomState::new());
        for round in 0..2 {
            for n in 0..10 * PLACES {
                let path = format!("/{n}");
                let is_call = n % 2 == 0;
                assert_eq!(verdicts.is_call(b"GET", b"h", path.as_bytes(), || is_call), is_call, "{round}");
            }
        }
    }
}
