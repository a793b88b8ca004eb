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

const BOUNDS: Bounds = Bounds { window_bytes: 8 << 20, vm_bytes: 64 << 20, expansion: 1_000 };

fn read<'a>(header: &str, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Result<bool, DecodeError>) {
    let mut decoder = Decoder::new(header.as_bytes(), &BOUNDS).expect("a coding");
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
    assert!(Decoder::new(b"", &BOUNDS).is_none());
    assert!(Decoder::new(b" identity ", &BOUNDS).is_none());
    check("compress", b"x", b"", Err(DecodeError::Unknown));
    check("gzip,gzip,gzip,gzip,gzip", b"x", b"", Err(DecodeError::Unknown));
}

#[test]
fn a_bomb_is_stopped() {
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let mut decoder = Decoder::new(b"gzip", &Bounds { expansion: 100, ..BOUNDS }).unwrap();
    let mut out = 0_u64;
    decoder.feed(&bomb, &mut |bytes| out += bytes.len() as u64);
    assert_eq!(decoder.finish(), Err(DecodeError::Expansion));
    assert!(out <= (bomb.len() as u64 * 100).max(FREE_OUTPUT_BYTES));
}

#[test]
fn windows_beyond_the_bound_are_refused() {
    let text = text();
    for (header, whole) in [("br", brotli(&text)), ("zstd", zstd(&text))] {
        let mut decoder =
            Decoder::new(header.as_bytes(), &Bounds { window_bytes: 1 << 10, ..BOUNDS }).unwrap();
        decoder.feed(&whole, &mut |_| panic!("{header}"));
        assert_eq!(decoder.finish(), Err(DecodeError::Memory), "{header}");
    }
}

#[test]
fn damage_ends_the_output_at_the_same_place_however_the_input_is_cut() {
    let text = &text()[..100_000];
    for (header, whole) in
        [("gzip", gzip(text)), ("deflate", zlib(text)), ("br", brotli(text)), ("zstd", zstd(text))]
    {
        for at in [whole.len() / 3, whole.len() / 2, whole.len() - 100] {
            let mut damaged = whole.clone();
            damaged[at..at + 8].fill(0xff);
            let (out, end) = read(header, damaged.chunks(1));
            check(header, &damaged, &out, end);
        }
    }
}

#[test]
fn a_wrong_checksum_is_damage() {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(b"body").unwrap();
    let zstd = encoder.finish().unwrap();
    check("zstd", &zstd, b"body", Ok(true));
    for (header, mut input, from_end) in
        [("gzip", gzip(b"body"), 8), ("deflate", zlib(b"body"), 1), ("zstd", zstd, 1)]
    {
        let at = input.len() - from_end;
        input[at] ^= 1;
        check(header, &input, b"body", Err(DecodeError::Corrupt));
    }
    let mut second = gzip(b"two");
    let at = second.len() - 5;
    second[at] ^= 1;
    check("gzip", &[gzip(b"one "), second].concat(), b"one two", Err(DecodeError::Corrupt));
}

/// A gzip member whose name never ends: no output, however much input.
fn endless_name() -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0][..], &vec![b'a'; 2 << 20]].concat()
}

#[test]
fn a_bomb_between_two_codings_is_stopped() {
    let bomb = gzip(&endless_name());
    check("gzip, gzip", &bomb, b"", Ok(false));
    let mut decoder = Decoder::new(b"gzip, gzip", &Bounds { expansion: 100, ..BOUNDS }).unwrap();
    decoder.feed(&bomb, &mut |_| panic!("output"));
    assert_eq!(decoder.finish(), Err(DecodeError::Expansion));
}

#[test]
fn the_bound_on_expansion_does_not_depend_on_the_cuts() {
    // First what expands beyond the bound, then so much of what does not that all together is within it.
    let input = [gzip(&vec![b' '; 3 << 20]), gzip(&text())].concat();
    let bounds = Bounds { expansion: 20, ..BOUNDS };
    let read = |size: usize| {
        let mut decoder = Decoder::new(b"gzip", &bounds).unwrap();
        let mut length = 0;
        for piece in input.chunks(size) {
            decoder.feed(piece, &mut |bytes| length += bytes.len());
        }
        (length, decoder.finish())
    };
    let allowed = (1 << 20) + 2 * 20 * ALLOWANCE_BYTES;
    assert_eq!(read(input.len()), (allowed, Err(DecodeError::Expansion)));
    for size in [1, 7, 1_000, 5_000] {
        assert_eq!(read(size), read(input.len()), "in pieces of {size}");
    }
}

#[test]
fn blocks_are_decoded_one_at_a_time() {
    // A frame of blocks of four bytes, each of which is one byte 128 KiB times.
    let block = u32::to_le_bytes(2 | (128 << 10 << 3));
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x68][..], &[block[0], block[1], block[2], b'x'].repeat(1_000)]
        .concat();
    let mut decoder = Zstd::new(&BOUNDS);
    let mut out = 0;
    let end = decoder.feed(&frame, &mut |bytes| {
        out += bytes.len();
        Err(DecodeError::Expansion)
    });
    assert_eq!(end, Err(DecodeError::Expansion));
    assert!(decoder.blocks_decoded() * (128 << 10) < (8 << 20) + (256 << 10), "{}", decoder.blocks_decoded());
}

/// They are compressed in the program; RFC 7932, appendix A, says what they have to be.
#[test]
fn the_words_of_brotli_are_those_of_the_standard() {
    let words = brotli_decompressor::dictionary::words();
    let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(words);
    assert_eq!((words.len(), checksum), (122_784, 0x5136_cb04));
    // Another implementation refers to them.
    for four in words[..4_096].chunks(64).chain(words[121_280..].chunks(25)) {
        check("br", &brotli(four), four, Ok(true));
    }
}

#[test]
fn memory_is_given_back() {
    let text = text();
    for (header, whole) in [
        ("gzip", gzip(&text)),
        ("br", brotli(&text)),
        ("zstd", zstd(&text)),
        ("gzip, br, zstd", zstd(&brotli(&gzip(&text)))),
    ] {
        let mut decoder = Decoder::new(header.as_bytes(), &BOUNDS).unwrap();
        decoder.feed(&whole[..whole.len() / 2], &mut |_| {});
        let held = held_bytes();
        assert!(held > 40 << 10 && held < 8 << 20, "{header}: {held}");
        drop(decoder);
        assert_eq!(held_bytes(), 0, "{header}");

        let small = Bounds { vm_bytes: held - 1, ..BOUNDS };
        let mut decoder = Decoder::new(header.as_bytes(), &small).unwrap();
        decoder.feed(&whole, &mut |_| {});
        assert_eq!(decoder.finish(), Err(DecodeError::VmMemory), "{header}");
        assert_eq!(held_bytes(), 0, "{header}");
    }
}
