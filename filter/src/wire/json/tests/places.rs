//! What a tree names, for the document that is written from the trees.

use crate::wire::json::Node;

impl<T: Copy> Node<T> {
    /// Every place that is reported, as `choices[].message.content`, and as what.
    pub fn places(&'static self) -> Vec<(String, T)> {
        let mut places = Vec::new();
        self.gather("", &mut places);
        places
    }

    fn gather(&'static self, at: &str, places: &mut Vec<(String, T)>) {
        let tags = [self.scalar.map(|(tag, _)| tag), self.container, self.verbatim.map(|(tag, _)| tag)];
        places.extend(tags.into_iter().flatten().map(|tag| (at.to_owned(), tag)));
        for (key, node) in self.keys {
            let dot = if at.is_empty() { "" } else { "." };
            node.gather(&format!("{at}{dot}{key}"), places);
        }
        if let Some(items) = self.items {
            items.gather(&format!("{at}[]"), places);
        }
    }
}
