//! Bodies under a content coding: whole, damaged, cut, or not what the header says.

use std::io::Write as _;

use fastrand::Rng;
use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};

use super::client::{flipped, noise, one_of};
use crate::overhead::traffic::gzip;

/// A header line that names a coding, and the body that comes with it.
pub(super) fn coded(plain: &[u8], random: &mut Rng) -> (String, Vec<u8>) {
    let (name, packed) = packed(plain, random);
    let body = match random.u8(..8) {
        0 | 1 => flipped(&packed, random),
        2 | 3 => packed[..random.usize(..=packed.len())].to_vec(),
        // Bytes behind the end, and two in a row.
        4 => [packed, noise(random, 20)].concat(),
        5 => packed.repeat(2),
        _ => packed,
    };
    let name = if random.u8(..) < 30 { one_of(random, &ODD_CODINGS) } else { name };
    (format!("content-encoding: {name}\r\n"), body)
}

const ODD_CODINGS: [&str; 7] = ["gzip", "br", "zstd", "deflate", "gzip, br", "GZip,,identity", "\u{e9}"];

fn packed(plain: &[u8], random: &mut Rng) -> (&'static str, Vec<u8>) {
    match random.u8(..5) {
        0 => ("gzip", gzip(plain)),
        1 => ("deflate", zlib(plain)),
        // As some servers understand the name.
        2 => ("deflate", deflate(plain)),
        3 => ("br", brotli(plain)),
        _ => ("zstd", zstd::encode_all(plain, 1).expect("written to memory")),
    }
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("written to memory");
    encoder.finish().expect("written to memory")
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("written to memory");
    encoder.finish().expect("written to memory")
}

fn brotli(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut packed, 4_096, 1, 18);
    encoder.write_all(plain).expect("written to memory");
    drop(encoder);
    packed
}
