//! Compresses answers again: gzip, br and zstd in turn.

use std::io::Write as _;

use flate2::write::GzEncoder;
use meshtap_collector::wasm::replay::Response;

type Encode = fn(&[u8]) -> Vec<u8>;

const CODINGS: [(&str, Encode); 3] = [("gzip", gzip), ("br", br), ("zstd", zstd)];

#[derive(Debug, Default)]
pub(super) struct Recoder {
    turn: usize,
}

impl Recoder {
    /// Compresses the body and says so in its headers.
    pub(super) fn compress(&mut self, response: &mut Response) {
        let (name, encode) = CODINGS[self.turn % CODINGS.len()];
        self.turn += 1;
        response.body = encode(&response.body);
        response.headers.push((b"content-encoding".to_vec(), name.as_bytes().to_vec()));
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn br(body: &[u8]) -> Vec<u8> {
    const BUFFER_BYTES: usize = 4_096;
    const QUALITY: u32 = 5;
    const WINDOW_BITS: u32 = 22;
    let mut out = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut out, BUFFER_BYTES, QUALITY, WINDOW_BITS);
    encoder.write_all(body).expect("memory takes everything");
    drop(encoder);
    out
}

fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::encode_all(body, zstd::DEFAULT_COMPRESSION_LEVEL).expect("memory takes everything")
}
