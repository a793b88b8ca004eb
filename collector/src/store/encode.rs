//! The parts of a record that stores keep as JSON text.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// JSON text of attributes, lists of events and the like. These hold only values that JSON can carry.
pub(super) fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The same, in place of what the memory holds.
pub(super) fn write_json_text<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    text.clear();
    if serde_json::to_writer(&mut *text, value).is_err() {
        text.clear();
    }
}

/// Reads what [`json_text`] wrote.
pub(super) fn from_json_text<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| {
        StoreError::permanent("a stored value is not the JSON it should be").with_source(error)
    })
}
