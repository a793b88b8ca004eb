//! Sorts a span's attributes by the [`TABLE`]: what it names waits for its rows, the pieces of messages for `messages`,
//! and everything else is the span's own.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::given::Given;
use super::messages;
use super::table::{COMMON_NAMES, Field, How, Row, Source, TABLE, Target};
use super::values;
use crate::model::Attributes;

/// Where in the table a name stands: row, and place among the row's sources.
type Place = (u8, u8);

/// Names that are known, with their places in the table; names without one only need not be copied.
static PLACES: LazyLock<HashMap<&'static str, Vec<Place>, foldhash::fast::FixedState>> =
    LazyLock::new(|| {
        let mut places: HashMap<_, Vec<Place>, _> = HashMap::default();
        for (row, sources) in (0..).zip(TABLE.iter().map(|row| row.sources)) {
            for (rank, source) in (0..).zip(sources) {
                places.entry(source.name).or_default().push((row, rank));
            }
        }
        for name in COMMON_NAMES {
            places.entry(name).or_default();
        }
        places
    });

/// An attribute that the table names.
#[derive(Debug)]
struct Known<'a> {
    name: &'static str,
    value: Given<'a>,
    taken: bool,
    /// The value read as JSON, once a row asked for a member.
    json: Option<Value>,
}

#[derive(Debug, Default)]
pub(super) struct Sifted<'a> {
    known: Vec<Known<'a>>,
    /// Places that known attributes fill, each with its attribute's position; in the table's order once all are there.
    filled: Vec<(Place, usize)>,
    /// A bit for each row that is filled.
    rows: u64,
    pieces: messages::Pieces,
    rest: Attributes,
    invalid: Vec<&'static str>,
}

const _: () = assert!(TABLE.len() <= 64, "a row has a bit");

impl<'a> Sifted<'a> {
    /// The last one wins where a key comes twice, which OTLP forbids. An attribute without a value says nothing.
    pub(super) fn add(&mut self, key: &'a str, value: Given<'a>) {
        match PLACES.get_key_value(key) {
            Some((name, places)) if !places.is_empty() && !value.is_null() => {
                self.add_known(name, places, value);
            }
            Some((name, _)) => self.rest.insert(*name, value.into_json()),
            None if messages::is_piece(key) && !value.is_null() => {
                self.pieces.push(key.to_owned(), value.into_json());
            }
            None => self.rest.insert(key.to_owned(), value.into_json()),
        }
    }

    fn add_known(&mut self, name: &'static str, places: &[Place], value: Given<'a>) {
        if let Some(twice) = self.known.iter_mut().find(|known| std::ptr::eq(known.name, name)) {
            twice.value = value;
            return;
        }
        let position = self.known.len();
        for place in places {
            self.filled.push((*place, position));
            self.rows |= 1 << place.0;
        }
        self.known.push(Known { name, value, taken: false, json: None });
    }

    /// To be called when all attributes are there.
    pub(super) fn sort(&mut self) {
        self.filled.sort_unstable();
    }

    /// The value of a field, by the first source that `read` can make sense of.
    pub(super) fn field<T>(&mut self, field: Field, read: impl Fn(&Given<'_>) -> Option<T>) -> Option<T> {
        self.take(field.row(), read)
    }

    /// Gives attributes that came under other names the ones that they have today.
    pub(super) fn rename(&mut self) {
        for (number, row) in rows() {
            let Target::Attribute(name) = row.target else { continue };
            if self.rows & 1 << number != 0
                && !self.rest.contains_key(name)
                && let Some(value) = self.take(number, |value| Some(value.clone().into_json()))
            {
                self.rest.insert(name, value);
            }
        }
    }

    pub(super) fn has_prompts(&self) -> bool {
        self.pieces.has_prompts()
    }

    pub(super) fn finish_reasons(&self) -> Vec<String> {
        self.pieces.finish_reasons()
    }

    pub(super) fn gather_messages(&mut self) {
        self.pieces.gather(&mut self.rest);
    }

    /// What is left of the attributes, and the names of those whose values made no sense.
    pub(super) fn finish(mut self) -> (Attributes, Vec<&'static str>) {
        for known in self.known.into_iter().filter(|known| !known.taken) {
            self.rest.insert(known.name, known.value.into_json());
        }
        self.pieces.give_back(&mut self.rest);
        (self.rest, self.invalid)
    }

    fn take<T>(&mut self, row: u8, read: impl Fn(&Given<'_>) -> Option<T>) -> Option<T> {
        if self.rows & 1 << row == 0 {
            return None;
        }
        let start = self.filled.partition_point(|((filled, _), _)| *filled < row);
        for at in start.. {
            let Some(&((filled, rank), position)) = self.filled.get(at) else { break };
            if filled != row {
                break;
            }
            let Some(source) = TABLE.get(usize::from(row)).and_then(|row| row.sources.get(usize::from(rank)))
            else {
                break;
            };
            let taken = self.read(position, source, &read);
            if taken.is_some() {
                return taken;
            }
        }
        None
    }

    fn read<T>(
        &mut self,
        position: usize,
        source: &Source,
        read: impl Fn(&Given<'_>) -> Option<T>,
    ) -> Option<T> {
        let other = match source.how {
            How::With(other) => self.text(other),
            _ => None,
        };
        let known = self.known.get_mut(position).filter(|known| !known.taken)?;
        let found = match source.how {
            How::Unless(words) if is_one_of(words, &known.value) => return None,
            How::Whole | How::Unless(_) => read(&known.value),
            How::Millis => read(&Given::Json(Value::from(number(&known.value)? / 1_000.0))),
            How::Word(words) => read(&meaning(values::word(words, known.value.as_str()?)?)),
            How::Member(path) => read(&Given::of(known.member(path)?)),
            How::Detail(name) => read(&Given::Json(detail(known.value.as_str()?, name)?.into())),
            How::With(_) => match (known.value.as_str(), other) {
                (Some(this), Some(other)) => read(&Given::Text(&format!("{this}/{other}"))),
                _ => read(&known.value),
            },
        };
        if source.how.takes() {
            known.taken = found.is_some();
            if found.is_none() {
                self.invalid.push(source.name);
            }
        }
        found
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.known.iter().find(|known| known.name == name)?.value.as_str()
    }
}

impl Known<'_> {
    fn member(&mut self, path: &[&str]) -> Option<&Value> {
        if self.json.is_none() {
            // A text that is no JSON reads as null, which has no members.
            self.json = Some(serde_json::from_str(self.value.as_str()?).unwrap_or_default());
        }
        path.iter()
            .try_fold(self.json.as_ref()?, |value, name| value.get(*name))
            .filter(|value| !value.is_null())
    }
}

fn rows() -> impl Iterator<Item = (u8, &'static Row)> {
    (0..).zip(TABLE)
}

/// Null stands for what is plain: a value that no attribute here has.
fn meaning(word: &str) -> Given<'_> {
    if word == values::PLAIN { Given::Json(Value::Null) } else { Given::Text(word) }
}

fn is_one_of(words: &[&str], value: &Given<'_>) -> bool {
    value.as_str().is_some_and(|text| words.iter().any(|word| word.eq_ignore_ascii_case(text)))
}

fn number(value: &Given<'_>) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|number| number.is_finite())
}

/// Of `{'cache_read': 8, …}` or `{"cache_read": 8, …}` the number.
fn detail(text: &str, name: &str) -> Option<u64> {
    text.match_indices(name).find_map(|(at, _)| {
        text.get(..at)?.strip_suffix(['\'', '"'])?;
        let after = text.get(at + name.len()..)?.strip_prefix(['\'', '"'])?;
        let digits = after.trim_start().strip_prefix(':')?.trim_start();
        let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
        digits.get(..end)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_found_by_their_whole_name() {
        assert_eq!(detail("{'cache_read': 8, 'cache_creation': 4}", "cache_creation"), Some(4));
        assert_eq!(detail("{\"cache_read\":8}", "cache_read"), Some(8));
        assert_eq!(detail("{'priority_cache_read': 1, 'cache_read': 8}", "cache_read"), Some(8));
        for none in ["", "{}", "{'cache_read': None}", "{'cache_read': -1}", "cache_read: 8", "{'cache_read"]
        {
            assert_eq!(detail(none, "cache_read"), None, "{none}");
        }
    }

    #[test]
    fn no_name_stands_twice_in_a_row() {
        for row in TABLE {
            for (at, source) in row.sources.iter().enumerate() {
                let twice = |other: &&Source| other.name == source.name && other.how.takes();
                let after = row.sources.get(at + 1..).unwrap_or_default();
                assert!(!(source.how.takes() && after.iter().any(|other| twice(&other))), "{row:?}");
            }
        }
    }

    #[test]
    fn a_field_knows_its_row() {
        for (number, row) in rows() {
            if let Target::Field(field) = row.target {
                assert_eq!(field.row(), number, "{field:?}");
            }
        }
    }
}
