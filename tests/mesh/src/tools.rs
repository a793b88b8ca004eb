//! Where `tests/mesh/build.sh` puts what it builds: a folder outside the tree, named after versions.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use meshtap_tests::tools::workspace;

/// Istio's versions that are built here, the default first.
pub const ISTIO_VERSIONS: [&str; 2] = ["1.31", "1.30"];

/// The version that `ISTIO` names, or the default.
pub fn istio_version() -> Result<&'static str, String> {
    let asked = env::var("ISTIO").unwrap_or_default();
    if asked.is_empty() {
        return Ok(ISTIO_VERSIONS[0]);
    }
    let known = ISTIO_VERSIONS.into_iter().find(|version| *version == asked);
    known.ok_or_else(|| format!("ISTIO={asked} is not one of {}", ISTIO_VERSIONS.join(", ")))
}

/// The folder that holds everything: `MESHTAP_MESH_CACHE`, else `MESHTAP_CACHE`, else the user's cache folder.
pub fn cache() -> PathBuf {
    let named = ["MESHTAP_MESH_CACHE", "MESHTAP_CACHE"]
        .into_iter()
        .filter_map(env::var_os)
        .find(|folder| !folder.is_empty());
    if let Some(folder) = named {
        return workspace().join(folder);
    }
    let user = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    user.unwrap_or_else(home).join("meshtap")
}

/// What was built of one Go module in `tests/mesh/go`: programs and, of Istio's, the files that its images hold.
pub fn built(module: &str, name: &str) -> PathBuf {
    folder_of(module).join(name)
}

/// `CACHE/mesh/MODULE-KEY`, of what this checkout pins: the link `CACHE/mesh/MODULE` is common to all, and may lead to what
/// another one has built.
fn folder_of(module: &str) -> PathBuf {
    static NAMES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let name = names.entry(module.to_owned()).or_insert_with(|| name_of(module));
    cache().join("mesh").join(name)
}

fn name_of(module: &str) -> String {
    let script = workspace().join("tests/mesh/build.sh");
    let asked = Command::new(&script).args(["--name", module]).output();
    let asked = asked.unwrap_or_else(|e| panic!("{}: {e}", script.display()));
    assert!(asked.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&asked.stderr));
    String::from_utf8_lossy(&asked.stdout).trim().to_owned()
}

/// A file of Istio's distribution, of the version under test.
pub fn istio(version: &str, name: &str) -> PathBuf {
    built(&format!("istio-{version}"), name)
}

/// The Gateway API's definitions, for `kubectl apply`.
pub fn gateway_api() -> PathBuf {
    built("gateway-api", "crds.yaml")
}

pub fn kubernetes(name: &str) -> PathBuf {
    built("kubernetes", name)
}

/// Where programs of the system are looked for: administrators' ones too, for users who do not have them in their path.
pub fn path() -> String {
    format!("{}:/usr/sbin:/sbin:/usr/bin:/bin", env::var("PATH").unwrap_or_default())
}
