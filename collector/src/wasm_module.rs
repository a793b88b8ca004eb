//! The filter modules as downloads, so that a `WasmPlugin` needs no registry.
//!
//! One module is current. Beside it, by its digest alone, every module is served that the archive holds: pods that still
//! name the old one can start while others have the new one, and going back needs no file. Files are read once, at the
//! start: what a digest names never changes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::hex::Hex;

const SHA256_HEADER: &str = "x-meshtap-sha256";
/// How every WebAssembly module starts.
const MAGIC: &[u8] = b"\0asm";
/// What a digest names is the same for ever; what is current is asked for anew.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";
/// Digits of the build that a module carries, and names in its heartbeats.
const BUILD_DIGITS: usize = 16;

/// Where a module is served under a name that stands for these bytes and no others.
pub fn immutable_path(sha256: &str) -> String {
    format!("/wasm/sha256/{sha256}/filter.wasm")
}

#[derive(Debug)]
pub struct WasmModule {
    bytes: Bytes,
    sha256: String,
}

impl WasmModule {
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::new(fs::read(path)?)
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

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Every text in it that could be its build.
    fn builds(&self) -> impl Iterator<Item = &str> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let runs = self.bytes.split(move |byte| !is_digit(byte));
        runs.flat_map(|run| run.windows(BUILD_DIGITS)).filter_map(|text| str::from_utf8(text).ok())
    }

    /// The module, or 304 for who has it.
    fn respond(&self, request: &HeaderMap, caching: &'static str) -> Response {
        let etag = format!("\"{}\"", self.sha256);
        let headers = [
            (header::CONTENT_TYPE.as_str(), "application/wasm".to_owned()),
            (header::CACHE_CONTROL.as_str(), caching.to_owned()),
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

/// All that are served: the current one first.
#[derive(Debug, Default)]
pub struct Modules {
    current: Option<WasmModule>,
    older: Vec<WasmModule>,
}

/// One line of `/wasm/index.json`.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    sha256: &'a str,
    bytes: usize,
    path: String,
    current: bool,
}

impl Modules {
    /// Puts the current module into the archive, which then holds `keep` modules at most, and reads the others.
    ///
    /// # Errors
    ///
    /// When the archive cannot be read or written. A file in it that is no module is left alone and warned of.
    pub fn open(current: Option<WasmModule>, archive: Option<&Path>, keep: usize) -> io::Result<Self> {
        let Some(folder) = archive else { return Ok(Self { current, older: Vec::new() }) };
        fs::create_dir_all(folder)?;
        if let Some(current) = &current {
            store(folder, current)?;
        }
        let mut older = Vec::new();
        for path in newest_first(folder)?.into_iter().skip(keep) {
            fs::remove_file(path)?;
        }
        for path in newest_first(folder)? {
            match WasmModule::read(&path) {
                Ok(module) if current.as_ref().is_some_and(|current| current.sha256 == module.sha256) => {}
                Ok(module) => older.push(module),
                Err(error) => {
                    warn!(path = %path.display(), error = %error, "a file in wasm.archive is not served");
                }
            }
        }
        Ok(Self { current, older })
    }

    pub const fn current(&self) -> Option<&WasmModule> {
        self.current.as_ref()
    }

    /// The current module under its changing name.
    pub fn respond_current(&self, request: &HeaderMap) -> Option<Response> {
        self.current.as_ref().map(|module| module.respond(request, ASK_AGAIN))
    }

    /// The module that a digest names.
    pub fn respond(&self, sha256: &str, request: &HeaderMap) -> Option<Response> {
        let module = self.all().find(|module| module.sha256 == sha256)?;
        Some(module.respond(request, FOR_EVER))
    }

    /// What `/wasm/index.json` lists.
    pub fn index(&self) -> serde_json::Value {
        let entry = |module: &'_ WasmModule| {
            let WasmModule { bytes, sha256 } = module;
            let current = self.current.as_ref().is_some_and(|current| current.sha256 == *sha256);
            serde_json::json!(Entry { sha256, bytes: bytes.len(), path: immutable_path(sha256), current })
        };
        serde_json::json!({"modules": self.all().map(entry).collect::<Vec<_>>()})
    }

    /// The digest of the module that a build names. A module cannot know its own digest, so its heartbeats name its build,
    /// which stands in its bytes. Builds that several of the modules carry name none.
    pub fn by_build(&self) -> HashMap<String, String> {
        let mut digests: HashMap<&str, Option<&str>> = HashMap::new();
        for module in self.all() {
            for build in module.builds() {
                let digest = digests.entry(build).or_insert(Some(&module.sha256));
                if *digest != Some(&module.sha256) {
                    *digest = None;
                }
            }
        }
        let known =
            digests.into_iter().filter_map(|(build, digest)| Some((build.to_owned(), digest?.to_owned())));
        known.collect()
    }

    fn all(&self) -> impl Iterator<Item = &WasmModule> {
        self.current.iter().chain(&self.older)
    }
}

/// Writes the module under its digest and makes it the newest, whether it was there or not.
fn store(folder: &Path, module: &WasmModule) -> io::Result<()> {
    let path = folder.join(format!("{}.wasm", module.sha256));
    let scratch = folder.join(format!("{}.tmp", module.sha256));
    fs::write(&scratch, &module.bytes)?;
    fs::rename(scratch, path)
}

fn newest_first(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "wasm") {
            let modified = entry.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push((modified, entry.path()));
        }
    }
    files.sort_by(|a, b| b.cmp(a));
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(last: u8) -> WasmModule {
        WasmModule::new(vec![0, b'a', b's', b'm', last]).unwrap()
    }

    /// A folder that is removed with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("meshtap-modules-{}-{name}", std::process::id()));
            drop(fs::remove_dir_all(&folder));
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn digests(modules: &Modules) -> Vec<String> {
        modules.all().map(|module| module.sha256.clone()).collect()
    }

    #[test]
    fn only_modules_are_served() {
        assert!(WasmModule::new(b"<html>".to_vec()).is_err());
        let module = WasmModule::new(b"\0asm".to_vec()).unwrap();
        assert_eq!(module.sha256(), "cd5d4935a48c0672cb06407bb443bc0087aff947c6b864bac886982c73b3027f");
    }

    #[test]
    fn who_has_it_is_told_so() {
        let modules = Modules { current: Some(module(1)), older: Vec::new() };
        let digest = modules.current().unwrap().sha256().to_owned();
        let mut request = HeaderMap::new();
        let response = modules.respond_current(&request).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[SHA256_HEADER], digest);
        assert_eq!(response.headers()[header::CACHE_CONTROL], ASK_AGAIN);
        let etag = response.headers()[header::ETAG].clone();
        request.insert(header::IF_NONE_MATCH, etag);
        let response = modules.respond(&digest, &request).unwrap();
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(response.headers()[header::CACHE_CONTROL], FOR_EVER);
        assert!(modules.respond(&digest[1..], &request).is_none());
    }

    #[test]
    fn older_modules_stay_up_to_the_bound() {
        let folder = Folder::new("older");
        for last in 1..=4 {
            let modules = Modules::open(Some(module(last)), Some(&folder.0), 3).unwrap();
            assert_eq!(digests(&modules).len(), usize::from(last.min(3)));
            assert_eq!(digests(&modules)[0], module(last).sha256);
            // The files' times tell which is older.
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        let modules = Modules::open(Some(module(2)), Some(&folder.0), 3).unwrap();
        assert_eq!(digests(&modules), [2, 4, 3].map(|last| module(last).sha256));
        let index = modules.index();
        assert_eq!(index["modules"][0]["current"], true);
        assert_eq!(index["modules"][2]["path"], immutable_path(&module(3).sha256));
        assert_eq!(index["modules"][2]["bytes"], 5);
    }

    #[test]
    fn a_build_names_the_module_that_carries_it() {
        let with = |text: &str| WasmModule::new([b"\0asm\x01", text.as_bytes()].concat()).unwrap();
        let (one, other) =
            (with("c0dd1d443bb23d59 0123456789abcdef"), with("=a1b2c3d4e5f60718f 0123456789abcdef"));
        let digests = [one.sha256.clone(), other.sha256.clone()];
        let modules = Modules { current: Some(one), older: vec![other] };
        let known = modules.by_build();
        assert_eq!(known.get("c0dd1d443bb23d59"), Some(&digests[0]));
        assert_eq!(known.get("a1b2c3d4e5f60718"), Some(&digests[1]), "beside other digits too");
        assert_eq!(known.get("0123456789abcdef"), None, "both carry it");
        assert_eq!(known.get("c0dd1d443bb23d5"), None);
    }

    #[test]
    fn what_is_no_module_is_left_alone() {
        let folder = Folder::new("others");
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join("notes.wasm"), "<html>").unwrap();
        let modules = Modules::open(None, Some(&folder.0), 3).unwrap();
        assert_eq!(digests(&modules), Vec::<String>::new());
        assert!(folder.0.join("notes.wasm").exists());
        assert!(modules.respond_current(&HeaderMap::new()).is_none());
    }
}
