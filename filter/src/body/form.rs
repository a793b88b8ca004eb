//! A form, as audio and image requests come: its few fields that say what is asked for.

use crate::provider::Field;
use crate::span::Unread;
use crate::wire::json::{Scalar, Sink as _};
use crate::wire::multipart::{Fields, Reader};

use super::Reading;

#[derive(Debug)]
pub(super) struct Form(Reader);

impl Form {
    pub(super) fn new(content_type: &[u8]) -> Option<Self> {
        Reader::new(content_type).map(Self)
    }

    pub(super) fn feed(&mut self, bytes: &[u8], reading: &mut Reading) {
        self.0.feed(bytes, &mut Values(reading));
    }

    pub(super) fn finish(&self, cut: bool) -> Option<Unread> {
        (!cut && !self.0.is_complete()).then_some(Unread::Truncated)
    }
}

struct Values<'a>(&'a mut Reading);

impl Fields for Values<'_> {
    fn field(&mut self, name: &str, value: &[u8]) {
        let text = Scalar::String { bytes: value, truncated: false };
        let number = Scalar::Number(std::str::from_utf8(value).unwrap_or_default());
        let (tag, value) = match name {
            "model" => (Field::RequestModel, text),
            "stream" => (Field::Stream, Scalar::Bool(value.eq_ignore_ascii_case(b"true"))),
            "n" => (Field::ChoiceCount, number),
            "temperature" => (Field::Temperature, number),
            "response_format" => (Field::OutputFormat, text),
            "user" => (Field::UserId, text),
            _ => return,
        };
        self.0.observer.scalar(tag, value);
    }
}
