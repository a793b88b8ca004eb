//! What the queue asks of a disk: files in one folder, written at an offset and synced.
//!
//! The one thing between the queue and the operating system, so that the tests can put a disk in its place that
//! fails, fills up and forgets what was not synced. Nothing is retried here and no error is swallowed.

use std::fmt;
use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::private;

pub trait Disk: Send + Sync + fmt::Debug {
    /// The names of the files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// A new, empty file. It fails when there is one of that name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// To be read and written.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;

    fn remove(&self, name: &str) -> io::Result<()>;

    /// Takes the place of a file that has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns when the names of the files are durable.
    fn sync(&self) -> io::Result<()>;
}

pub trait File: Send + Sync + fmt::Debug {
    fn bytes(&self) -> io::Result<u64>;

    /// Fills as much of the buffer as there is; less only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Returns when what was written is durable, and the length with it.
    fn sync(&self) -> io::Result<()>;
}

/// Reads exactly `bytes`; `None` where the file ends before.
pub fn read_exact(file: &dyn File, bytes: usize, offset: u64) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; bytes];
    let read = file.read_at(&mut buffer, offset)?;
    Ok((read == bytes).then_some(buffer))
}

/// A file whose bytes are zeros where they cannot be read: the checksums of what stands there tell that they are damaged.
#[derive(Debug)]
pub struct ZeroedWhereUnreadable(pub Arc<dyn File>);

/// What a disk fails to read at a time; with smaller sectors more is lost than has to be.
const BLOCK_BYTES: usize = 4096;

impl File for ZeroedWhereUnreadable {
    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset).or_else(|_| self.read_blocks(buffer, offset))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

impl ZeroedWhereUnreadable {
    fn read_blocks(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.bytes()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let filled = buffer.len().min(left);
        let (mut rest, mut at) = (buffer.get_mut(..filled).unwrap_or_default(), offset);
        while !rest.is_empty() {
            let to_border = BLOCK_BYTES - usize::try_from(at % BLOCK_BYTES as u64).unwrap_or(0);
            let (block, behind) = rest.split_at_mut(to_border.min(rest.len()));
            if self.0.read_at(block, at).is_err() {
                block.fill(0);
            }
            at += block.len() as u64;
            rest = behind;
        }
        Ok(filled)
    }
}

/// A real folder. Whoever runs the queue holds its lock; looking at it needs none.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked as long as it is open.
    lock: Option<fs::File>,
}

/// Holds the lock of the process that runs the queue.
pub const LOCK: &str = "lock";

impl Folder {
    /// Makes the folder where it is missing, and locks it. `ResourceBusy` when another process has.
    pub fn lock(path: &Path) -> io::Result<Self> {
        create_folder(path)?;
        let lock = private::options().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process runs this queue"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// A folder that is there already, without its lock.
    pub fn look(path: &Path) -> io::Result<Self> {
        fs::read_dir(path)?;
        Ok(Self { path: path.to_owned(), lock: None })
    }
}

/// Returns when the folder's name, and those of the folders above it that were missing, are durable.
fn create_folder(path: &Path) -> io::Result<()> {
    let changed = parents_of_missing(path);
    private::create_folders(path)?;
    changed.iter().try_for_each(|parent| fs::File::open(parent)?.sync_all())
}

/// The folders that get a new name in them when `path` is made.
fn parents_of_missing(path: &Path) -> Vec<PathBuf> {
    let missing = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let parents = missing.filter_map(Path::parent);
    let here = |parent: &Path| if parent.as_os_str().is_empty() { Path::new(".") } else { parent }.to_owned();
    parents.map(here).collect()
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name()));
        let names: io::Result<Vec<_>> = entries.collect();
        Ok(names?.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = private::options().read(true).write(true).create_new(true).open(self.path.join(name))?;
        Ok(Arc::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        // Whoever only looks may have no right to write.
        let file = file.or_else(|error| if self.lock.is_none() { fs::File::open(&path) } else { Err(error) });
        Ok(Arc::new(file?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }
}

impl File for fs::File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match std::os::unix::fs::FileExt::read_at(self, rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn nobody_else_may_read_the_queue() {
        let temp = std::env::temp_dir().join(format!("meshtap-disk-{}-modes", std::process::id()));
        drop(fs::remove_dir_all(&temp));
        let folder = Folder::lock(&temp.join("queue")).unwrap();
        folder.create("a").unwrap();
        assert_eq!(private::tests::open_to_others(&temp), BTreeMap::new());
        fs::remove_dir_all(&temp).unwrap();
    }

    #[test]
    fn the_names_of_new_folders_are_made_durable() {
        let temp = std::env::temp_dir().join(format!("meshtap-disk-{}-new", std::process::id()));
        drop(fs::remove_dir_all(&temp));
        fs::create_dir(&temp).unwrap();
        let queue = temp.join("a/b/queue");
        assert_eq!(parents_of_missing(&queue), [temp.join("a/b"), temp.join("a"), temp.clone()]);
        create_folder(&queue).unwrap();
        assert!(queue.is_dir());
        assert!(parents_of_missing(&queue).is_empty());
        create_folder(&queue).unwrap();
        assert_eq!(parents_of_missing(Path::new("no-such-folder")), [Path::new(".")]);
        fs::remove_dir_all(&temp).unwrap();
    }
}
