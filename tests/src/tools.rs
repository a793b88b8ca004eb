//! Where the parts are that `make tools`, `make wasm` and `make build` bring.

use std::env;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's target folder of the running program: `target/debug/deps/it-…` or `target/debug/demo`.
pub fn target() -> PathBuf {
    profile_folder().parent().map_or_else(|| workspace().join("target"), Path::to_path_buf)
}

/// The released Envoy.
pub fn envoy() -> PathBuf {
    found(pinned("envoy"), "make tools")
}

/// Python with the official SDKs.
pub fn python() -> PathBuf {
    found(pinned("python/bin/python"), "make tools")
}

/// A folder with the Vercel AI SDK in its `node_modules`.
pub fn vercel() -> PathBuf {
    found(pinned("vercel"), "make tools")
}

/// The ClickHouse engine as a shared library.
pub fn chdb() -> PathBuf {
    found(pinned("chdb/libchdb.so"), "make tools")
}

/// The agent that the collector is measured beside, where it could be installed.
pub fn rotel() -> Option<PathBuf> {
    Some(pinned("rotel/rotel-agent")).filter(|path| path.exists())
}

/// The filter module under test; `MESHTAP_FILTER` names another.
pub fn filter() -> PathBuf {
    found(env_path("MESHTAP_FILTER").unwrap_or_else(|| target().join("filter.wasm")), "make wasm")
}

/// The module that does nothing.
pub fn noop_filter() -> PathBuf {
    found(target().join("noop.wasm"), "make noop")
}

/// The collector under test; `MESHTAP_BIN` names another.
pub fn collector() -> PathBuf {
    found(env_path("MESHTAP_BIN").unwrap_or_else(|| profile_folder().join("meshtap")), "make build")
}

/// A program of this package.
pub fn own_program(name: &str) -> PathBuf {
    found(profile_folder().join(name), "make build")
}

/// A file of this package, by its path from the package's folder.
pub fn own_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A part in the folder that `make tools` fills: `MESHTAP_CACHE`, or `.tools` in the repository.
fn pinned(path: &str) -> PathBuf {
    env_path("MESHTAP_CACHE").unwrap_or_else(|| workspace().join(".tools")).join(path)
}

/// The folder that cargo puts programs into: `target/debug`.
fn profile_folder() -> PathBuf {
    let program = env::current_exe().expect("the running program has a path");
    let folder = program.parent().expect("a program lies in a folder");
    match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(folder).to_path_buf(),
        _ => folder.to_path_buf(),
    }
}

/// A path from the environment; a relative one starts at the repository's root, as it does for `make`.
fn env_path(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(|value| workspace().join(value))
}

#[track_caller]
fn found(path: PathBuf, command: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing: run `{command}`", path.display());
    path
}
