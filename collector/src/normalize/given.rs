//! The value of an attribute as it came. Texts are borrowed from the request: most are looked at and put elsewhere, or
//! dropped. Everything else is JSON already.

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given<'a> {
    Text(&'a str),
    /// Never a text.
    Json(Value),
}

impl<'a> Given<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            other => Self::Json(other.clone()),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        *self == Self::Json(Value::Null)
    }

    pub(super) const fn as_str(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Json(_) => None,
        }
    }

    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Text(_) => None,
            Self::Json(value) => value.as_f64(),
        }
    }

    pub(super) fn into_json(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.to_owned()),
            Self::Json(value) => value,
        }
    }
}
