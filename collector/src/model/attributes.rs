//! Attributes by name: a sorted list, because spans have few of them, with names that are not copied where they are known.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// Borrowed for the lifetime of the program, or a span's own.
pub type Name = Cow<'static, str>;

/// Attributes with their types kept: see `normalize::attributes` for the mapping. Each name is there once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(Name, Value)>);

impl Attributes {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn with_capacity(attributes: usize) -> Self {
        Self(Vec::with_capacity(attributes))
    }

    pub const fn len(&self) -> usize {
        self.0.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        // Names of another length are passed over without a look at them.
        self.0.iter().find(|(other, _)| **other == *name).map(|(_, value)| value)
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// In place of the value that the name had.
    pub fn insert(&mut self, name: impl Into<Name>, value: Value) {
        let name = name.into();
        match self.place(&name) {
            Ok(place) => {
                if let Some(entry) = self.0.get_mut(place) {
                    entry.1 = value;
                }
            }
            Err(place) => self.0.insert(place, (name, value)),
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let place = self.place(name).ok()?;
        Some(self.0.remove(place).1)
    }

    pub fn retain(&mut self, mut keeps: impl FnMut(&str, &Value) -> bool) {
        self.0.retain(|(name, value)| keeps(name, value));
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Where the name is, or where it belongs.
    fn place(&self, name: &str) -> Result<usize, usize> {
        // Most come in order, or nearly so.
        match self.0.last() {
            Some((last, _)) if **last < *name => Err(self.0.len()),
            _ => self.0.binary_search_by(|(other, _)| (**other).cmp(name)),
        }
    }
}

impl<N: Into<Name>> Extend<(N, Value)> for Attributes {
    fn extend<T: IntoIterator<Item = (N, Value)>>(&mut self, others: T) {
        for (name, value) in others {
            self.insert(name, value);
        }
    }
}

impl<N: Into<Name>> FromIterator<(N, Value)> for Attributes {
    fn from_iter<T: IntoIterator<Item = (N, Value)>>(pairs: T) -> Self {
        let pairs = pairs.into_iter();
        let mut attributes = Self::with_capacity(pairs.size_hint().0);
        attributes.extend(pairs);
        attributes
    }
}

impl IntoIterator for Attributes {
    type Item = (Name, Value);
    type IntoIter = std::vec::IntoIter<(Name, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Map<String, Value>> for Attributes {
    fn from(map: Map<String, Value>) -> Self {
        map.into_iter().collect()
    }
}

impl From<Attributes> for Value {
    fn from(attributes: Attributes) -> Self {
        Self::Object(attributes.into_iter().map(|(name, value)| (name.into_owned(), value)).collect())
    }
}

impl std::ops::Index<&str> for Attributes {
    type Output = Value;

    /// Null for a name that is not there.
    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Attributes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Attributes, A::Error> {
        let mut attributes = Attributes::with_capacity(members.size_hint().unwrap_or(0).min(64));
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            attributes.insert(name, value);
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_there_once_and_in_order() {
        let mut attributes: Attributes =
            [("b", json!(1)), ("a", json!(2)), ("b", json!(3))].into_iter().collect();
        attributes.insert("c", json!(4));
        attributes.insert("aa".to_owned(), json!(5));
        let text = r#"{"a":2,"aa":5,"b":3,"c":4}"#;
        assert_eq!(serde_json::to_string(&attributes).unwrap(), text);
        assert_eq!(serde_json::from_str::<Attributes>(text).unwrap(), attributes);
        assert_eq!((attributes.remove("aa"), attributes.remove("aa")), (Some(json!(5)), None));
        attributes.retain(|name, value| name != "a" && *value != json!(4));
        assert_eq!((attributes.len(), attributes.get("b")), (1, Some(&json!(3))));
        assert!(!attributes.contains_key("a") && attributes["a"].is_null());
        assert_eq!(Value::from(attributes), json!({"b": 3}));
    }

    #[test]
    fn only_an_object_is_read() {
        assert!(serde_json::from_str::<Attributes>("[1]").is_err());
    }
}
