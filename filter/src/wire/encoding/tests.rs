use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;

fn text() -> Vec<u8> {
    (0..20_000_u32).flat_map(|n| format!("{} é😀,", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let parameters = ::brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    ::brotli::BrotliCompress(&mut &bytes[..], &mut out, &parameters).unwrap();
    out
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 3).unwrap()
}

fn read<'a>(header: &str, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Result<bool, DecodeError>) {
    let mut decoder = Decoder::new(header.as_bytes(), 8 << 20, 1_000).expect("a coding");
    let mut out = Vec::new();
    for piece in pieces {
        decoder.feed(piece, &mut |bytes| out.extend_from_slice(bytes));
    }
    (out, decoder.finish())
}

fn check(header: &str, input: &[u8], expected: &[u8], end: Result<bool, DecodeError>) {
    for size in [input.len().max(1), 1, 2, 3, 7, 1_000] {
        let (out, ended) = read(header, input.chunks(size));
        assert_eq!(ended, end, "{header} in pieces of {size}");
        assert!(out == expected, "{header} in pieces of {size}: {} bytes", out.len());
    }
}

#[test]
fn every_coding() {
    let text = text();
    check("gzip", &gzip(&text), &text, Ok(true));
    check("x-gzip", &gzip(b""), b"", Ok(true));
    check("deflate", &zlib(&text), &text, Ok(true));
    check("deflate", &raw(&text), &text, Ok(true));
    check("br", &brotli(&text), &text, Ok(true));
    check("br", &brotli(b""), b"", Ok(true));
    check("zstd", &zstd(&text), &text, Ok(true));
    check("zstd", &zstd(b""), b"", Ok(true));
    check("zstd", &[zstd(b"one "), zstd(&text)].concat(), &[b"one ", text.as_slice()].concat(), Ok(true));
    check("GZIP, identity", &gzip(b"hi"), b"hi", Ok(true));
    check("gzip", b"", b"", Ok(true));
}

#[test]
fn several_in_a_row() {
    let text = text();
    check("deflate, gzip", &gzip(&zlib(&text)), &text, Ok(true));
    check("br, zstd, gzip", &gzip(&zstd(&brotli(&text))), &text, Ok(true));
    check("gzip,gzip", &gzip(&gzip(&text)), &text, Ok(true));
}

#[test]
fn gzip_members_and_headers() {
    let two = [gzip(b"one "), gzip(b"two"), vec![0; 20]].concat();
    check("gzip", &two, b"one two", Ok(true));
    let plain = gzip(b"body");
    let mut full = plain[..10].to_vec();
    full[3] = FLAG_ALL;
    full.extend_from_slice(b"\x03\x00abcname\0comment\0\x12\x34");
    full.extend_from_slice(&plain[10..]);
    check("gzip", &full, b"body", Ok(true));
}

const FLAG_ALL: u8 = 2 | 4 | 8 | 16;

#[test]
fn broken_input_keeps_what_came_before() {
    let text = text();
    let whole = gzip(&text);
    let (out, end) = read("gzip", std::iter::once(&whole[..whole.len() / 2]));
    assert_eq!(end, Ok(false));
    assert!(!out.is_empty() && text.starts_with(&out));
    check("gzip", b"{\"id\":1}", b"", Err(DecodeError::Corrupt));
    check("deflate", &[0xff; 20], b"", Err(DecodeError::Corrupt));
    check("br", &[0xff; 20], b"", Err(DecodeError::Memory));
    check("zstd", &[0xff; 20], b"", Err(DecodeError::Corrupt));
    for (header, whole) in [("br", brotli(&text)), ("zstd", zstd(&text))] {
        let (out, end) = read(header, std::iter::once(&whole[..whole.len() - 10]));
        assert_eq!(end, Ok(false), "{header}");
        assert!(text.starts_with(&out), "{header}");
    }
    check("gzip", &[gzip(b"a"), b"garbage".to_vec()].concat(), b"a", Err(DecodeError::Corrupt));
}

#[test]
fn unknown_codings() {
    assert!(Decoder::new(b"", 0, 10).is_none());
    assert!(Decoder::new(b" identity ", 0, 10).is_none());
    check("compress", b"x", b"", Err(DecodeError::Unknown));
    check("gzip,gzip,gzip,gzip,gzip", b"x", b"", Err(DecodeError::Unknown));
}

#[test]
fn a_bomb_is_stopped() {
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let mut decoder = Decoder::new(b"gzip", 0, 100).unwrap();
    let mut out = 0_u64;
    decoder.feed(&bomb, &mut |bytes| out += bytes.len() as u64);
    assert_eq!(decoder.finish(), Err(DecodeError::Expansion));
    assert!(out <= (bomb.len() as u64 * 100).max(FREE_OUTPUT_BYTES));
}

#[test]
fn windows_beyond_the_bound_are_refused() {
    let text = text();
    for (header, whole) in [("br", brotli(&text)), ("zstd", zstd(&text))] {
        let mut decoder = Decoder::new(header.as_bytes(), 1 << 10, 1_000).unwrap();
        decoder.feed(&whole, &mut |_| panic!("{header}"));
        assert_eq!(decoder.finish(), Err(DecodeError::Memory), "{header}");
    }
}
