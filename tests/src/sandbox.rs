//! A folder of a test's own: configuration, databases and logs of the parts it starts.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::tools;

static TIDY: Once = Once::new();
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Removed on drop. When the test fails, or the folder belongs to a part that lives as long as the test program, or
/// `MESHTAP_TEST_KEEP` is set, it stays until the next run, for whoever wants to look.
pub struct Sandbox {
    folder: PathBuf,
    keep: bool,
}

impl Sandbox {
    pub fn new(name: &str) -> Self {
        let root = tools::target().join("sandbox");
        TIDY.call_once(|| remove_left_overs(&root));
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let keep = env::var_os("MESHTAP_TEST_KEEP").is_some();
        Self::at(root.join(format!("{}-{count}-{name}", process::id())), keep)
    }

    /// An emptied folder at a fixed place, kept on drop.
    pub fn kept_at(folder: PathBuf) -> Self {
        let _ = fs::remove_dir_all(&folder);
        Self::at(folder, true)
    }

    fn at(folder: PathBuf, keep: bool) -> Self {
        fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        Self { folder, keep }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.keep && !thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Removes the folders of test programs that have ended.
fn remove_left_overs(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_string_lossy().split('-').next().map(str::to_owned).unwrap_or_default();
        if !Path::new("/proc").join(owner).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
