//! Files and folders that hold what users asked and models answered: nobody but the collector's user may read them.
//!
//! The mode is given when they are made, so that no moment passes in which others can open them. What is there already
//! keeps its mode: an operator may have shared it on purpose.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// How to open a file; one that is made is ours alone.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE);
    options
}

/// Makes the folder, and those above it, where they are missing.
pub fn create_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

/// Makes an empty file where none is.
pub fn create_file(path: &Path) -> io::Result<()> {
    options().create(true).truncate(false).append(true).open(path).map(drop)
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// Every file and folder from here on, that another user could open.
    pub fn open_to_others(path: &Path) -> BTreeMap<String, u32> {
        let mut found = BTreeMap::new();
        if mode(path) & 0o077 != 0 {
            found.insert(path.display().to_string(), mode(path));
        }
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                found.extend(open_to_others(&entry.unwrap().path()));
            }
        }
        found
    }

    #[test]
    fn what_is_made_is_ours_alone_and_what_is_there_keeps_its_mode() {
        let shared = std::env::temp_dir().join(format!("meshtap-private-{}", std::process::id()));
        drop(fs::remove_dir_all(&shared));
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o750)).unwrap();
        let folder = shared.join("a/b");
        create_folders(&folder).unwrap();
        create_folders(&shared).unwrap();
        create_file(&folder.join("file")).unwrap();
        assert_eq!(mode(&shared), 0o750);
        assert_eq!(open_to_others(&shared.join("a")), BTreeMap::new());
        fs::set_permissions(folder.join("file"), fs::Permissions::from_mode(0o640)).unwrap();
        create_file(&folder.join("file")).unwrap();
        assert_eq!(mode(&folder.join("file")), 0o640);
        assert_eq!(open_to_others(&shared).len(), 2);
        fs::remove_dir_all(&shared).unwrap();
    }
}
