//! The filter module as a download, so that a `WasmPlugin` needs no registry.
//!
//! The file is read once, at the start: what is served never changes while the process runs, and its digest holds.

use std::io;
use std::path::Path;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use crate::hex::Hex;

const SHA256_HEADER: &str = "x-meshtap-sha256";
/// How every WebAssembly module starts.
const MAGIC: &[u8] = b"\0asm";

#[derive(Debug)]
pub struct WasmModule {
    bytes: Bytes,
    sha256: String,
}

impl WasmModule {
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::new(std::fs::read(path)?)
    }

    fn new(bytes: Vec<u8>) -> io::Result<Self> {
        if !bytes.starts_with(MAGIC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is not a WebAssembly module"));
        }
        let sha256 = Hex(&Sha256::digest(&bytes)).to_string();
        Ok(Self { bytes: bytes.into(), sha256 })
    }

    /// In hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The module, or 304 for who has it.
    pub fn respond(&self, request: &HeaderMap) -> Response {
        let etag = format!("\"{}\"", self.sha256);
        let headers = [
            (header::CONTENT_TYPE.as_str(), "application/wasm".to_owned()),
            (SHA256_HEADER, self.sha256.clone()),
            (header::ETAG.as_str(), etag.clone()),
        ];
        let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        if known.is_some_and(|known| known == "*" || known.contains(&etag)) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, self.bytes.clone()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modules_are_served() {
        assert!(WasmModule::new(b"<html>".to_vec()).is_err());
        let module = WasmModule::new(b"\0asm".to_vec()).unwrap();
        assert_eq!(module.sha256(), "cd5d4935a48c0672cb06407bb443bc0087aff947c6b864bac886982c73b3027f");
    }

    #[test]
    fn who_has_it_is_told_so() {
        let module = WasmModule::new(b"\0asm\x01\0\0\0".to_vec()).unwrap();
        let mut request = HeaderMap::new();
        let response = module.respond(&request);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[SHA256_HEADER], module.sha256());
        request.insert(header::IF_NONE_MATCH, response.headers()[header::ETAG].clone());
        assert_eq!(module.respond(&request).status(), StatusCode::NOT_MODIFIED);
    }
}
