//! What a span takes in memory once `normalize` has read it, worked out from its bytes: an empty event is two bytes on the
//! wire and more than a kilobyte in a record. What a batch takes is bounded by it, whatever it is made of.
//!
//! The numbers are upper bounds of what is allocated, which a test measures.

/// So many times `receive.limits.max_message_bytes` a batch may take. What valid events and links are made of stays below.
pub(crate) const FACTOR: usize = 32;

/// A record without anything in it.
pub(super) const SPAN: usize = 1_024;
/// A name and a value, in a list or in a map, beside their text.
pub(super) const PAIR: usize = 256;
/// A map that has something in it.
pub(super) const MAP: usize = 768;
/// A value in an array.
pub(super) const ELEMENT: usize = 128;
/// An event or a link, which are maps with names of their own.
pub(super) const EVENT: usize = 1_536;

/// Text may be copied, or be written in base64.
pub(super) const fn text(bytes: usize) -> usize {
    2 * bytes
}
