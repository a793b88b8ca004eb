//! `application/vnd.amazon.eventstream`: binary frames, each with headers, a payload and two checksums.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html>
//!
//! A frame within the bound is handed on only when both of its checksums hold; when it comes in pieces, they are
//! collected. The payload of a longer one is handed on as it comes, and said to be whole once its checksum holds: whoever
//! receives it has to be able to take it back. After a wrong checksum or an impossible length nothing can be trusted: the
//! rest of the stream is ignored.

use crc::{Digest, Table};

use super::CRC;

/// Total length, headers length, checksum of the two.
const PRELUDE_BYTES: usize = 12;
/// What a frame without headers and payload has: the prelude and the checksum of all.
const MIN_FRAME_BYTES: usize = 16;
/// The format's own bounds.
const MAX_HEADERS_BYTES: usize = 128 << 10;
const MAX_FRAME_BYTES: usize = (24 << 20) + MAX_HEADERS_BYTES + MIN_FRAME_BYTES;

/// Receives frames. The bytes of all `payload` calls of one frame are the same however the input is cut.
pub trait Frames {
    /// A frame begins. Unless it `is_checked`, it counts for nothing without its `end`.
    fn begin(&mut self, headers: Headers<'_>, is_checked: bool);
    /// The next bytes of its payload.
    fn payload(&mut self, bytes: &[u8]);
    /// It is whole, and its checksums hold.
    fn end(&mut self);
}

/// The headers of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// The value of a header that is a string.
    pub fn text(&self, name: &str) -> Option<&'a [u8]> {
        let mut rest = self.0;
        while let Some((found, value)) = next_header(&mut rest) {
            if found == name.as_bytes() {
                return value;
            }
        }
        None
    }
}

/// Name and value of the next header; no value when it is not a string. `None` at the end and past anything odd.
fn next_header<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let [name_length] = take(rest, 1)? else { return None };
    let name = take(rest, usize::from(*name_length))?;
    let [kind] = take(rest, 1)? else { return None };
    let value = match kind {
        0 | 1 => None,
        2 => take(rest, 1).map(|_| None)?,
        3 => take(rest, 2).map(|_| None)?,
        4 => take(rest, 4).map(|_| None)?,
        5 | 8 => take(rest, 8).map(|_| None)?,
        6 | 7 => {
            let [high, low] = take(rest, 2)? else { return None };
            let value = take(rest, usize::from(u16::from_be_bytes([*high, *low])))?;
            (*kind == 7).then_some(value)
        }
        9 => take(rest, 16).map(|_| None)?,
        _ => return None,
    };
    Some((name, value))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

/// Why a stream could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// A length that no frame can have.
    Malformed,
    /// A checksum does not hold.
    Checksum,
    /// The stream ends inside a frame.
    Truncated,
    /// The headers of a frame were longer than the bound; what came after it was read.
    Oversized,
}

/// The incremental framer.
#[derive(Debug)]
pub struct Framer {
    max_frame_bytes: usize,
    /// The frame that has begun, or the part of it before its payload; never longer than `max_frame_bytes`.
    partial: Vec<u8>,
    long: Option<LongFrame>,
    /// Bytes of an oversized frame still to be passed over.
    skipping: usize,
    oversized: bool,
    failed: Option<FrameError>,
}

/// A frame whose payload is handed on as it comes.
struct LongFrame {
    sum: Digest<'static, u32, Table<1>>,
    payload_left: usize,
    /// The checksum that it has, as far as it came.
    expected: [u8; 4],
    expected_bytes: usize,
}

impl std::fmt::Debug for LongFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LongFrame").field("payload_left", &self.payload_left).finish_non_exhaustive()
    }
}

impl LongFrame {
    /// Moves `rest` past what it used; says whether the frame is complete.
    fn feed(&mut self, rest: &mut &[u8], frames: &mut dyn Frames) -> Result<bool, FrameError> {
        if let Some(payload) = take(rest, self.payload_left.min(rest.len())) {
            self.sum.update(payload);
            self.payload_left = self.payload_left.saturating_sub(payload.len());
            frames.payload(payload);
        }
        while self.payload_left == 0
            && let Some(slot) = self.expected.get_mut(self.expected_bytes)
        {
            let Some([byte]) = take(rest, 1) else { return Ok(false) };
            *slot = *byte;
            self.expected_bytes = self.expected_bytes.saturating_add(1);
        }
        if self.payload_left > 0 {
            Ok(false)
        } else if self.sum.clone().finalize() == u32::from_be_bytes(self.expected) {
            frames.end();
            Ok(true)
        } else {
            Err(FrameError::Checksum)
        }
    }
}

impl Framer {
    /// Frames that are longer than `max_frame_bytes` are not collected.
    pub fn new(max_frame_bytes: usize) -> Self {
        Self {
            max_frame_bytes: max_frame_bytes.max(PRELUDE_BYTES),
            partial: Vec::new(),
            long: None,
            skipping: 0,
            oversized: false,
            failed: None,
        }
    }

    pub fn feed(&mut self, bytes: &[u8], frames: &mut dyn Frames) {
        let mut rest = bytes;
        while !rest.is_empty() && self.failed.is_none() {
            if self.skipping > 0 {
                let skipped = self.skipping.min(rest.len());
                self.skipping = self.skipping.saturating_sub(skipped);
                rest = rest.get(skipped..).unwrap_or_default();
            } else if let Err(error) = self.frame(&mut rest, frames) {
                self.failed = Some(error);
                self.partial = Vec::new();
                self.long = None;
            }
        }
    }

    /// Whether nothing can be trusted any more.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// How the stream ended.
    pub fn finish(&self) -> Result<(), FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.skipping > 0 || self.long.is_some() || !self.partial.is_empty() {
            return Err(FrameError::Truncated);
        }
        if self.oversized { Err(FrameError::Oversized) } else { Ok(()) }
    }

    /// Moves `rest` past what it used: a whole frame, or as much of one as there is.
    fn frame(&mut self, rest: &mut &[u8], frames: &mut dyn Frames) -> Result<(), FrameError> {
        if let Some(long) = &mut self.long {
            if long.feed(rest, frames)? {
                self.long = None;
            }
            return Ok(());
        }
        if self.partial.is_empty()
            && let Some(length) = frame_length(rest)?
            && let Some(whole) = take_whole(rest, length, self.max_frame_bytes)
        {
            return hand_on(whole, frames);
        }
        self.collect(rest, PRELUDE_BYTES);
        let Some(length) = frame_length(&self.partial)? else { return Ok(()) };
        if length > self.max_frame_bytes {
            self.long_frame(rest, length, frames);
            return Ok(());
        }
        self.collect(rest, length);
        if self.partial.len() == length {
            let partial = std::mem::take(&mut self.partial);
            hand_on(&partial, frames)?;
            self.partial = partial;
            self.partial.clear();
        }
        Ok(())
    }

    fn long_frame(&mut self, rest: &mut &[u8], length: usize, frames: &mut dyn Frames) {
        let headers_end = headers_end(&self.partial);
        if headers_end > self.max_frame_bytes {
            self.oversized = true;
            self.skipping = length.saturating_sub(self.partial.len());
            self.partial.clear();
            return;
        }
        self.collect(rest, headers_end);
        if self.partial.len() == headers_end {
            frames.begin(Headers(self.partial.get(PRELUDE_BYTES..).unwrap_or_default()), false);
            let mut sum = CRC.digest();
            sum.update(&self.partial);
            self.partial.clear();
            let payload_left = length.saturating_sub(headers_end).saturating_sub(4);
            self.long = Some(LongFrame { sum, payload_left, expected: [0; 4], expected_bytes: 0 });
        }
    }

    fn collect(&mut self, rest: &mut &[u8], up_to: usize) {
        let wanted = up_to.saturating_sub(self.partial.len()).min(rest.len());
        if let Some(bytes) = take(rest, wanted) {
            self.partial.reserve_exact(up_to.saturating_sub(self.partial.len()));
            self.partial.extend_from_slice(bytes);
        }
    }
}

/// A frame that lies whole in its chunk needs no copy. Oversized ones take the same way as those that come in pieces, so
/// that the result does not depend on the cuts.
fn take_whole<'a>(rest: &mut &'a [u8], length: usize, max_bytes: usize) -> Option<&'a [u8]> {
    if length > max_bytes { None } else { take(rest, length) }
}

/// The length of the frame that `bytes` begin with, once its prelude is there and its checksum holds.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some((prelude, _)) = bytes.split_at_checked(PRELUDE_BYTES) else { return Ok(None) };
    check_sum(prelude)?;
    let length = word(prelude, 0).ok_or(FrameError::Malformed)?;
    let headers = word(prelude, 4).ok_or(FrameError::Malformed)?;
    let fits = (MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&length)
        && headers <= MAX_HEADERS_BYTES
        && headers.saturating_add(MIN_FRAME_BYTES) <= length;
    if fits { Ok(Some(length)) } else { Err(FrameError::Malformed) }
}

fn headers_end(bytes: &[u8]) -> usize {
    word(bytes, 4).unwrap_or(0).saturating_add(PRELUDE_BYTES)
}

/// A whole frame.
fn hand_on(bytes: &[u8], frames: &mut dyn Frames) -> Result<(), FrameError> {
    check_sum(bytes)?;
    let headers_end = headers_end(bytes);
    let headers = bytes.get(PRELUDE_BYTES..headers_end).ok_or(FrameError::Malformed)?;
    let payload = bytes.get(headers_end..bytes.len().saturating_sub(4)).ok_or(FrameError::Malformed)?;
    frames.begin(Headers(headers), true);
    frames.payload(payload);
    frames.end();
    Ok(())
}

/// The last four bytes are the checksum of those before them.
fn check_sum(bytes: &[u8]) -> Result<(), FrameError> {
    let (summed, sum) = bytes.split_last_chunk::<4>().ok_or(FrameError::Malformed)?;
    if CRC.checksum(summed) == u32::from_be_bytes(*sum) { Ok(()) } else { Err(FrameError::Checksum) }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(word)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as AWS sends it: headers of type string.
    fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        for (name, value) in headers {
            head.push(u8::try_from(name.len()).unwrap());
            head.extend_from_slice(name.as_bytes());
            head.push(7);
            head.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            head.extend_from_slice(value.as_bytes());
        }
        let mut out = u32::try_from(16 + head.len() + payload.len()).unwrap().to_be_bytes().to_vec();
        out.extend_from_slice(&u32::try_from(head.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&CRC.checksum(&out).to_be_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
        let sum = CRC.checksum(&out).to_be_bytes();
        out.extend_from_slice(&sum);
        out
    }

    fn event(kind: &str, payload: &str) -> Vec<u8> {
        frame(&[(":event-type", kind), (":content-type", "application/json")], payload.as_bytes())
    }

    #[derive(Default)]
    struct Log {
        frames: Vec<String>,
        begun: String,
    }

    impl Frames for Log {
        fn begin(&mut self, headers: Headers<'_>, is_checked: bool) {
            let kind = String::from_utf8_lossy(headers.text(":event-type").unwrap_or(b"-"));
            self.begun = format!("{kind}{}", if is_checked { "|" } else { "?|" });
        }
        fn payload(&mut self, bytes: &[u8]) {
            self.begun += &String::from_utf8_lossy(bytes);
        }
        fn end(&mut self) {
            self.frames.push(std::mem::take(&mut self.begun));
        }
    }

    fn read(pieces: &[&[u8]]) -> (Vec<String>, Result<(), FrameError>) {
        let mut log = Log::default();
        let mut framer = Framer::new(200);
        for piece in pieces {
            framer.feed(piece, &mut log);
            assert!(framer.partial.capacity() <= 200);
        }
        (log.frames, framer.finish())
    }

    fn check(input: &[u8], expected: &[&str], end: Result<(), FrameError>) {
        let expected = (expected.iter().map(ToString::to_string).collect::<Vec<_>>(), end);
        assert_eq!(read(&[input]), expected, "whole");
        for cut in 0..input.len() {
            let (head, tail) = input.split_at(cut);
            assert_eq!(read(&[head, tail]), expected, "cut at {cut}");
        }
        assert_eq!(read(&input.chunks(1).collect::<Vec<_>>()), expected, "byte by byte");
    }

    #[test]
    fn frames_with_headers_and_payload() {
        let input = [event("a", "{}"), frame(&[], b""), event("b", "[1]")].concat();
        check(&input, &["a|{}", "-|", "b|[1]"], Ok(()));
        check(&[], &[], Ok(()));
    }

    #[test]
    fn headers_of_every_type_are_passed_over() {
        let mut head = Vec::new();
        for (kind, value) in [
            (0_u8, &b""[..]),
            (1, b""),
            (2, b"1"),
            (3, b"12"),
            (4, b"1234"),
            (5, b"12345678"),
            (6, b"\x00\x02ab"),
            (8, b"12345678"),
            (9, b"1234567812345678"),
        ] {
            head.extend_from_slice(&[1, b'x', kind]);
            head.extend_from_slice(value);
        }
        head.extend_from_slice(b"\x01y\x07\x00\x02ok");
        assert_eq!(Headers(&head).text("y"), Some(&b"ok"[..]));
        assert_eq!(Headers(&head).text("x"), None);
        head.insert(0, 200);
        assert_eq!(Headers(&head).text("y"), None);
    }

    #[test]
    fn a_wrong_checksum_ends_the_reading() {
        let good = event("a", "{}");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let input = [good.clone(), bad, good.clone()].concat();
            check(&input, &["a|{}"], Err(FrameError::Checksum));
        }
    }

    #[test]
    fn impossible_lengths_end_the_reading() {
        for (length, headers) in [(15_u32, 0_u32), (u32::MAX, 0), (100, 90), (100, u32::MAX)] {
            let mut prelude = [length.to_be_bytes(), headers.to_be_bytes()].concat();
            prelude.extend_from_slice(&CRC.checksum(&prelude).to_be_bytes());
            prelude.extend_from_slice(&[0; 100]);
            check(&prelude, &[], Err(FrameError::Malformed));
        }
    }

    #[test]
    fn the_payload_of_a_long_frame_is_handed_on_as_it_comes() {
        let big = "x".repeat(500);
        let input = [event("a", "{}"), event("big", &big), event("b", "{}")].concat();
        check(&input, &["a|{}", &format!("big?|{big}"), "b|{}"], Ok(()));
        // Around the bound, the shortest and the longest of each.
        let lengths = |length: usize| frame(&[], "x".repeat(length - 16).as_bytes());
        check(&lengths(200), &[&format!("-|{}", "x".repeat(184))], Ok(()));
        check(&lengths(201), &[&format!("-?|{}", "x".repeat(185))], Ok(()));
        check(&frame(&[("h", &"v".repeat(183))], b""), &["-?|"], Ok(()));
    }

    #[test]
    fn a_long_frame_counts_for_nothing_when_its_checksum_is_wrong() {
        let big = event("big", &"x".repeat(500));
        for at in [12, 70, 300, big.len() - 4, big.len() - 1] {
            let mut bad = big.clone();
            bad[at] ^= 1;
            let input = [event("a", "{}"), bad, event("b", "{}")].concat();
            check(&input, &["a|{}"], Err(FrameError::Checksum));
        }
    }

    #[test]
    fn frames_with_oversized_headers_are_passed_over() {
        let big = frame(&[("h", &"v".repeat(300))], b"payload");
        let input = [event("a", "{}"), big, event("b", "{}")].concat();
        check(&input, &["a|{}", "b|{}"], Err(FrameError::Oversized));
    }

    #[test]
    fn a_stream_may_end_inside_a_frame() {
        let input = [event("a", "{}"), event("b", "{}")].concat();
        check(&input[..input.len() - 1], &["a|{}"], Err(FrameError::Truncated));
        for big in [event("big", &"x".repeat(500)), frame(&[("h", &"v".repeat(300))], b"")] {
            for end in [big.len() - 1, big.len() - 4, big.len() - 20] {
                check(&big[..end], &[], Err(FrameError::Truncated));
            }
        }
    }
}
