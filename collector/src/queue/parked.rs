//! Entries that the store refused for good, each in a file of its own with the reason, until an operator decides.
//!
//! `NUMBER.parked` holds one line of JSON ([`Note`]) and the entry's frame, with the key that is known. To try it again
//! it is renamed to `NUMBER.retry`, which the running collector, or the next one that starts, takes back into the
//! queue; to drop it the file is removed. Neither needs the lock of the queue.

use std::io;

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::log::number_of;
use super::reader::Entry;
use super::segment::{FRAME_BYTES, Frame, Key, Packed};

pub const PARKED: &str = ".parked";
pub const RETRY: &str = ".retry";
/// A marked file that is no entry is left under another name.
pub const DAMAGED: &str = ".damaged";
const UNFINISHED: &str = ".parking";

/// Why an entry is parked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The entry's number, by which it is named.
    pub id: u64,
    pub spans: u32,
    pub received: String,
    pub parked: String,
    pub error: String,
}

/// A parked entry as the folder shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub note: Note,
    pub packed: Packed,
}

pub fn name(id: u64, suffix: &str) -> String {
    format!("{id:020}{suffix}")
}

/// The numbers of the files with this suffix, in order.
pub fn ids(disk: &dyn Disk, suffix: &str) -> io::Result<Vec<u64>> {
    let names = disk.list()?;
    let mut ids: Vec<u64> = names.iter().filter_map(|name| number_of(name, suffix)).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// How many there are, and their bytes.
pub fn total(disk: &dyn Disk) -> io::Result<(u64, u64)> {
    let mut total = (0, 0);
    for id in ids(disk, PARKED)? {
        // One may go while we look.
        let bytes = disk.open(&name(id, PARKED)).and_then(|file| file.bytes()).unwrap_or(0);
        total = (total.0 + 1, total.1 + bytes);
    }
    Ok(total)
}

/// The largest number that an entry has which was put aside, whatever became of it; 0 without one.
pub fn last_number(disk: &dyn Disk) -> io::Result<u64> {
    let mut last = 0;
    for suffix in [PARKED, RETRY, DAMAGED] {
        last = ids(disk, suffix)?.last().copied().unwrap_or(0).max(last);
    }
    Ok(last)
}

/// Returns when the file is durable, with its bytes. The same entry again takes the file's place.
pub fn park(disk: &dyn Disk, entry: &Entry, note: &Note) -> io::Result<u64> {
    let mut bytes = serde_json::to_vec(note)?;
    bytes.push(b'\n');
    let frame = Frame::of(&entry.packed, entry.sequence, entry.received_unix_nanos);
    bytes.extend_from_slice(&frame.encode(Key::KNOWN));
    bytes.extend_from_slice(&entry.packed.payload);
    let unfinished = name(entry.sequence, UNFINISHED);
    drop(disk.remove(&unfinished));
    let file = disk.create(&unfinished)?;
    file.write_all_at(&bytes, 0)?;
    file.sync()?;
    disk.rename(&unfinished, &name(entry.sequence, PARKED))?;
    disk.sync()?;
    Ok(bytes.len() as u64)
}

/// # Errors
/// `InvalidData` when the file is damaged.
pub fn read(disk: &dyn Disk, file_name: &str) -> io::Result<Parked> {
    let file = disk.open(file_name)?;
    let length = usize::try_from(file.bytes()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    decode(&bytes)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{file_name} is damaged")))
}

fn decode(bytes: &[u8]) -> Option<Parked> {
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    let (note, frame) = bytes.split_at(line);
    let note = serde_json::from_slice(note).ok()?;
    let frame_bytes = frame.get(1..)?;
    let frame = Frame::decode(frame_bytes, Key::KNOWN)?;
    let payload = frame_bytes.get(FRAME_BYTES..)?;
    let packed =
        (payload.len() == frame.payload_bytes as usize).then(|| frame.packed(payload.to_vec()))??;
    Some(Parked { note, packed })
}
