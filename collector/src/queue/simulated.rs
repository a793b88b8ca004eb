//! A disk in memory that forgets in a crash what was not synced, and fails when it is told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;

use super::disk::{Disk, File};

/// What the next calls meet.
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Bytes that still fit; a write beyond them gets as far as they reach.
    pub room: Option<u64>,
    pub read_only: bool,
    pub syncs_fail: bool,
    pub syncs_panic: bool,
    pub truncates_fail: bool,
    /// Offsets, in every file, at which a read fails.
    pub unreadable: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct State {
    /// As the running process sees it.
    names: BTreeMap<String, Arc<Content>>,
    /// As a crash would leave it.
    durable_names: BTreeMap<String, Arc<Content>>,
    faults: Faults,
    /// How often its names were asked for.
    listed: usize,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Mutex<Bytes>,
}

#[derive(Debug, Default)]
struct Bytes {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

impl SimulatedDisk {
    pub fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The power goes. Of what was not synced, any part may be there all the same: of a file a piece of any length,
    /// possibly with a hole, and of names either state.
    #[must_use]
    pub fn crash(&self, random: &mut Rng) -> Self {
        let state = self.state();
        let mut names = state.durable_names.clone();
        for (name, content) in &state.names {
            if !names.contains_key(name) && random.bool() {
                names.insert(name.clone(), Arc::clone(content));
            }
        }
        names.retain(|name, _| state.names.contains_key(name) || random.bool());
        let names: BTreeMap<_, _> = names
            .into_iter()
            .map(|(name, content)| {
                let bytes = remains(&content.bytes(), random);
                let content = Content { bytes: Mutex::new(Bytes { now: bytes.clone(), durable: bytes }) };
                (name, Arc::new(content))
            })
            .collect();
        let state = State { durable_names: names.clone(), names, faults: Faults::default(), listed: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The process dies: everything that it wrote is there.
    #[must_use]
    pub fn kill(&self) -> Self {
        self.clone()
    }

    /// Changes a file's bytes behind everyone's back.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let content = Arc::clone(&self.state().names[name]);
        let mut bytes = content.bytes();
        change(&mut bytes.now);
        bytes.durable = bytes.now.clone();
    }

    pub fn names(&self, suffix: &str) -> Vec<String> {
        self.state().names.keys().filter(|name| name.ends_with(suffix)).cloned().collect()
    }

    pub fn listed(&self) -> usize {
        self.state().listed
    }

    pub fn forget(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn writable(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.faults.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(state) }
    }
}

/// What a crash leaves of a file.
fn remains(bytes: &Bytes, random: &mut Rng) -> Vec<u8> {
    let same = bytes.now.iter().zip(&bytes.durable).take_while(|(a, b)| a == b).count();
    // Nothing but what was appended is unsettled, or a slot that was being written.
    let mut left = bytes.durable.clone();
    if bytes.now.len() >= bytes.durable.len() && random.bool() {
        let end = random.usize(same..=bytes.now.len());
        if end > left.len() {
            left.resize(end, 0);
        }
        left[same..end].copy_from_slice(&bytes.now[same..end]);
        if end > same && random.u8(..) < 64 {
            let hole = random.usize(same..end);
            left[same..hole].fill(0);
        }
    } else if bytes.now.len() < bytes.durable.len() && random.bool() {
        left.clone_from(&bytes.now);
    }
    left
}

impl Content {
    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap()
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.listed += 1;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.writable()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.faults.room == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = Arc::new(Content::default());
        state.names.insert(name.to_owned(), Arc::clone(&content));
        Ok(Arc::new(Open { disk: self.clone(), content }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let content = self.state().names.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Open { disk: self.clone(), content }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.writable()?;
        state.names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.writable()?;
        let content = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), content);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.writable()?;
        if state.faults.syncs_fail {
            return Err(io::Error::other("a sync that fails"));
        }
        state.durable_names = state.names.clone();
        Ok(())
    }
}

#[derive(Debug)]
struct Open {
    disk: SimulatedDisk,
    content: Arc<Content>,
}

impl File for Open {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.content.bytes().now.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let is_met = |(from, to)| offset < to && offset + buffer.len() as u64 > from;
        if self.disk.state().faults.unreadable.is_some_and(is_met) {
            return Err(io::Error::other("a read that fails"));
        }
        let bytes = self.content.bytes();
        let rest = bytes.now.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.writable()?;
        let mut content = self.content.bytes();
        let offset = usize::try_from(offset).unwrap();
        let grows = (offset + bytes.len()).saturating_sub(content.now.len());
        let room = state.faults.room.map_or(grows, |room| usize::try_from(room).unwrap().min(grows));
        let written = bytes.len() - (grows - room);
        let end = offset + written;
        if content.now.len() < end {
            content.now.resize(end, 0);
        }
        content.now[offset..end].copy_from_slice(&bytes[..written]);
        if let Some(left) = &mut state.faults.room {
            *left -= room as u64;
        }
        if written < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        if self.disk.writable()?.faults.truncates_fail {
            return Err(io::Error::other("a truncate that fails"));
        }
        self.content.bytes().now.truncate(usize::try_from(bytes).unwrap());
        Ok(())
    }

    /// A sync that fails leaves it open what is durable.
    fn sync(&self) -> io::Result<()> {
        let panics = self.disk.state().faults.syncs_panic;
        assert!(!panics, "a sync that panics");
        if self.disk.writable()?.faults.syncs_fail {
            return Err(io::Error::other("a sync that fails"));
        }
        let mut bytes = self.content.bytes();
        bytes.durable = bytes.now.clone();
        Ok(())
    }
}
