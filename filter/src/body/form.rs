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
        let observer = &mut self.0.observer;
        match name {
            "model" => {
                observer.scalar(Field::RequestModel, Scalar::String { bytes: value, truncated: false });
            }
            "stream" => observer.scalar(Field::Stream, Scalar::Bool(value.eq_ignore_ascii_case(b"true"))),
            _ => {}
        }
    }
}
