//! Where `tests/mesh/build.sh` puts what it builds: a folder outside the tree, named after versions.

use std::env;
use std::path::PathBuf;

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

/// `CACHE/mesh/MODULE`: a link to the folder of the module's pinned version.
fn folder_of(module: &str) -> PathBuf {
    cache().join("mesh").join(module)
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
