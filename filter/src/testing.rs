//! Headers for tests, in place of those that a proxy hands over.

use std::collections::HashMap;

use crate::exchange::Headers;

pub(crate) struct Map(HashMap<String, Vec<u8>>);

impl Headers for Map {
    fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

pub(crate) fn headers(pairs: &[(&str, &str)]) -> Map {
    Map(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect())
}
