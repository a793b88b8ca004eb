//! Each fault of the queue's list, with its outcome and its counter.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;

use super::log::Log;
use super::parked::{self, PARKED};
use super::reader::{Read, Reader};
use super::segment::{FRAME_BYTES, Frame, HEADER_BYTES, Key, Packed};
use super::simulated::{Faults, SimulatedDisk};
use super::tail::{Next, Tail};
use super::writer::Writer;
use super::*;
use crate::telemetry::queue::{Loss, Operation};

const SEGMENT_BYTES: u64 = 248;
/// Entries 7 and 8, the second compressed.
const FIRST_FORMAT: &[u8] = include_bytes!("fixtures/version_1.segment");

pub(super) fn metrics() -> Arc<QueueMetrics> {
    Arc::new(QueueMetrics::new(&mut Registry::default()))
}

pub(super) fn open(disk: &SimulatedDisk) -> (Arc<Log>, Cursor) {
    let log = Arc::new(Log::open(Arc::new(disk.clone()), 1 << 20, metrics()).unwrap());
    let cursor = Cursor::open(&log, "store", None).unwrap();
    (log, cursor)
}

fn entry(text: &str) -> Packed {
    Packed::new(1, Bytes::copy_from_slice(text.as_bytes()))
}

/// One group for each text.
fn append(writer: &mut Writer, texts: &[&str]) {
    for text in texts {
        writer.append(&[&entry(text)]).unwrap();
    }
}

fn ack_all(cursor: &mut Cursor) {
    let mut reader = cursor.reader();
    read_all(&mut reader);
    cursor.ack(reader.next_sequence() - 1, reader.position()).unwrap();
}

/// What is left to read: texts, and gaps as `(first, last, reason)`.
fn read_all(reader: &mut Reader) -> (Vec<String>, Vec<(u64, u64, Loss)>) {
    let (mut texts, mut gaps) = (Vec::new(), Vec::new());
    loop {
        match reader.read().unwrap() {
            Read::Entry(entry) => {
                texts.push(String::from_utf8(entry.packed.request().unwrap().to_vec()).unwrap());
            }
            Read::Gap { first, last, reason, .. } => gaps.push((first, last, reason)),
            Read::End => return (texts, gaps),
        }
    }
}

/// A disk with these entries in it, several to a segment.
fn filled(texts: &[&str]) -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let (log, _cursor) = open(&disk);
    append(&mut Writer::new(log, SEGMENT_BYTES), texts);
    disk
}

fn frame(text: &str) -> usize {
    FRAME_BYTES + text.len()
}

#[test]
fn entries_come_back_in_order_over_segments_and_starts() {
    let texts: Vec<String> = (0..20).map(|n| format!("entry {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let disk = filled(&texts[..15]);
    assert!(disk.names(log::SEGMENT_SUFFIX).len() > 3);
    let (log, cursor) = open(&disk);
    append(&mut Writer::new(log, SEGMENT_BYTES), &texts[15..]);
    assert_eq!(read_all(&mut cursor.reader()).0, texts);
}

#[test]
fn what_is_acknowledged_is_deleted_and_does_not_come_again() {
    let disk = filled(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    let (_log, mut cursor) = open(&disk);
    let mut reader = cursor.reader();
    let mut end = Position::default();
    for _ in 0..5 {
        let Read::Entry(entry) = reader.read().unwrap() else { panic!("an entry is missing") };
        end = entry.end;
    }
    let before = disk.names(log::SEGMENT_SUFFIX).len();
    cursor.plan(1, 5).unwrap();
    cursor.ack(5, end).unwrap();
    assert!(disk.names(log::SEGMENT_SUFFIX).len() < before);
    let (log, cursor) = open(&disk);
    assert_eq!(read_all(&mut cursor.reader()).0, ["f", "g", "h"]);
    let (backlogs, _) = log.backlogs();
    assert_eq!((backlogs[0].entries, backlogs[0].oldest_unix_nanos.is_some()), (3, true));
}

/// An alert looks at it.
#[test]
fn what_waits_behind_damage_has_an_age() {
    let disk = filled(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    let names = disk.names(log::SEGMENT_SUFFIX);
    let age = |disk: &SimulatedDisk| {
        let (log, _cursor) = open(disk);
        log.backlogs().0.remove(0).oldest_unix_nanos.unwrap()
    };
    let before = age(&disk);
    disk.damage(&names[0], |bytes| bytes[HEADER_BYTES + 9] ^= 4);
    let behind = age(&disk);
    let now = writer::now();
    assert!((before..=now).contains(&behind), "that of the next segment: {before}, {behind}, {now}");
    for name in &names[1..] {
        disk.damage(name, |bytes| bytes[HEADER_BYTES + 9] ^= 4);
    }
    let unknown = age(&disk);
    assert!((behind..=writer::now()).contains(&unknown), "since it was opened");
}

#[test]
fn a_fixed_batch_keeps_its_token_over_a_start() {
    let disk = filled(&["a", "b", "c"]);
    let (_, mut cursor) = open(&disk);
    let plan = cursor.plan(1, 2).unwrap();
    let (_, mut cursor) = open(&disk);
    assert_eq!(cursor.planned(), Some(&plan));
    assert_eq!(cursor.plan(1, 2).unwrap(), plan);
    assert_ne!(cursor.plan(1, 3).unwrap().token, plan.token);
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    let disk = filled(&["a", "b"]);
    let name = disk.names(log::SEGMENT_SUFFIX).pop().unwrap();
    disk.damage(&name, |bytes| bytes.truncate(bytes.len() - 1));
    let (log, cursor) = open(&disk);
    assert_eq!(log.metrics.torn_bytes(), frame("b") as u64 - 1);
    append(&mut Writer::new(Arc::clone(&log), SEGMENT_BYTES), &["c"]);
    assert_eq!(read_all(&mut cursor.reader()), (vec!["a".to_owned(), "c".to_owned()], vec![]));
}

#[test]
fn a_flipped_bit_costs_one_entry() {
    for at in 0..frame("b") {
        let disk = filled(&["a", "b", "c"]);
        let name = disk.names(log::SEGMENT_SUFFIX).remove(0);
        disk.damage(&name, |bytes| bytes[HEADER_BYTES + frame("a") + at] ^= 4);
        let (_log, cursor) = open(&disk);
        let (texts, gaps) = read_all(&mut cursor.reader());
        assert_eq!(texts, ["a", "c"], "byte {at}");
        assert_eq!(gaps, [(2, 2, Loss::Damaged)], "byte {at}");
    }
}

#[test]
fn a_damaged_segment_header_costs_nothing() {
    for at in 0..HEADER_BYTES {
        let disk = filled(&["a", "b"]);
        let name = disk.names(log::SEGMENT_SUFFIX).remove(0);
        disk.damage(&name, |bytes| bytes[at] ^= 1);
        let (_log, cursor) = open(&disk);
        assert_eq!(
            read_all(&mut cursor.reader()),
            (vec!["a".to_owned(), "b".to_owned()], vec![]),
            "byte {at}"
        );
    }
}

#[test]
fn a_segment_whose_header_is_damaged_twice_is_lost_and_counted() {
    let disk = filled(&["a", "b", "c", "d", "e", "f", "g"]);
    let names = disk.names(log::SEGMENT_SUFFIX);
    let second = log::first_of(&names[1]).unwrap();
    disk.damage(&names[0], |bytes| bytes[..HEADER_BYTES].fill(0));
    let (_log, cursor) = open(&disk);
    let (texts, gaps) = read_all(&mut cursor.reader());
    assert_eq!(gaps, [(1, second - 1, Loss::Damaged)]);
    assert_eq!(texts.len() as u64, 8 - second);
}

/// Frames as a sender can write them, who does not know the segment's key.
fn forged(sequences: impl IntoIterator<Item = u64>, key: Key) -> Packed {
    let mut payload = Vec::new();
    for sequence in sequences {
        let packed = entry("forged");
        payload.extend_from_slice(&Frame::of(&packed, sequence, 1).encode(key));
        payload.extend_from_slice(&packed.payload);
    }
    Packed::new(1, payload.into())
}

#[test]
fn frames_in_a_payload_are_not_taken_for_entries() {
    for recovered in [false, true] {
        let disk = SimulatedDisk::default();
        let (log, _cursor) = open(&disk);
        let mut writer = Writer::new(log, 1 << 20);
        append(&mut writer, &["a"]);
        writer.append(&[&forged(3..=6, Key::KNOWN)]).unwrap();
        append(&mut writer, &["c", "d", "e", "f"]);
        if !recovered {
            // Behind it another segment, so that the start does not look at this one.
            append(&mut Writer::new(open(&disk).0, 1), &["g"]);
        }
        let name = disk.names(log::SEGMENT_SUFFIX).remove(0);
        disk.damage(&name, |bytes| bytes[HEADER_BYTES + frame("a") + 9] ^= 4);
        let (_log, cursor) = open(&disk);
        let (texts, gaps) = read_all(&mut cursor.reader());
        assert_eq!(gaps, [(2, 2, Loss::Damaged)]);
        assert_eq!(texts[..5], ["a", "c", "d", "e", "f"]);
    }
}

#[test]
fn a_frame_in_an_entry_that_was_cut_short_is_not_found() {
    for forged_number in [3, u64::MAX - 1] {
        let disk = SimulatedDisk::default();
        let (log, _cursor) = open(&disk);
        let mut writer = Writer::new(log, 1 << 20);
        append(&mut writer, &["a"]);
        let mut cut = forged([forged_number], Key::KNOWN);
        cut.payload = [&*cut.payload, &[7; 200]].concat().into();
        writer.append(&[&cut]).unwrap();
        let name = disk.names(log::SEGMENT_SUFFIX).remove(0);
        disk.damage(&name, |bytes| bytes.truncate(bytes.len() - 100));
        let (log, cursor) = open(&disk);
        append(&mut Writer::new(log, 1 << 20), &["b"]);
        assert_eq!(read_all(&mut cursor.reader()), (vec!["a".to_owned(), "b".to_owned()], vec![]));
    }
}

/// Where the key is no secret, the number and the place still tell.
#[test]
fn a_number_that_cannot_be_there_is_not_taken() {
    let cut: fn(&mut Vec<u8>) = |bytes| bytes.truncate(bytes.len() - 100);
    let damaged_header: fn(&mut Vec<u8>) = |bytes| bytes[FIRST_FORMAT.len() + 9] ^= 4;
    let changes = [(cut, 10), (cut, u64::MAX - 1), (damaged_header, 12), (damaged_header, u64::MAX - 1)];
    for (change, forged_number) in changes {
        let mut bytes = FIRST_FORMAT.to_vec();
        let mut holder = forged([forged_number], Key::KNOWN);
        holder.payload = [&*holder.payload, &[7; 200]].concat().into();
        bytes.extend_from_slice(&Frame::of(&holder, 9, 1).encode(Key::KNOWN));
        bytes.extend_from_slice(&holder.payload);
        change(&mut bytes);
        let disk = SimulatedDisk::default();
        disk.create(&log::segment_name(7)).unwrap().write_all_at(&bytes, 0).unwrap();
        let (log, cursor) = open(&disk);
        assert_eq!(log.last(), 8, "{forged_number}");
        append(&mut Writer::new(log, 1 << 20), &["next"]);
        assert_eq!(read_all(&mut cursor.reader()).0[2..], ["next"]);
    }
}

#[test]
fn numbers_that_are_used_up_are_an_error() {
    let disk = SimulatedDisk::default();
    let (log, _cursor) = open(&disk);
    for given in [log::MAX_NUMBER, u64::MAX] {
        log.not_before(given);
        let refused = Writer::new(Arc::clone(&log), 1 << 20).append(&[&entry("a")]).unwrap_err();
        assert!(refused.to_string().contains("its numbers are used up"), "{refused}");
    }
    // Files whose names say such a number are not the queue's.
    disk.create(&format!("{}{PARKED}", u64::MAX)).unwrap();
    disk.create(&log::segment_name(u64::MAX)).unwrap();
    append(&mut Writer::new(open(&disk).0, 1 << 20), &["a"]);
}

#[test]
fn a_segment_of_a_newer_format_is_not_touched() {
    let disk = filled(&["a"]);
    let name = disk.names(log::SEGMENT_SUFFIX).remove(0);
    disk.damage(&name, |bytes| {
        bytes[8] = 9;
        let crc = crc32fast::hash(&bytes[..20]);
        bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    });
    let error = Log::open(Arc::new(disk), 1 << 20, metrics()).unwrap_err();
    assert!(error.to_string().contains("has format 9, which only a newer meshtap reads"), "{error}");
}

#[test]
fn a_missing_segment_is_counted_by_entry() {
    let disk = filled(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
    let names = disk.names(log::SEGMENT_SUFFIX);
    let first_of = |nth: usize| log::first_of(&names[nth]).unwrap();
    disk.forget(&names[1]);
    let (_log, cursor) = open(&disk);
    let (texts, gaps) = read_all(&mut cursor.reader());
    assert_eq!(gaps, [(first_of(1), first_of(2) - 1, Loss::MissingSegment)]);
    assert_eq!(texts.len() as u64, 10 - (first_of(2) - first_of(1)));
    // The newest: its numbers are given away again, unless a cursor knows of them.
    let (log, mut cursor) = open(&disk);
    cursor.plan(1, 10).unwrap();
    disk.forget(names.last().unwrap());
    let (again, cursor) = open(&disk);
    assert_eq!(again.last(), log.last());
    let (_, gaps) = read_all(&mut cursor.reader());
    assert_eq!(gaps, [(first_of(1), 10, Loss::MissingSegment)]);
}

#[test]
fn a_damaged_cursor_falls_back_and_then_starts_again() {
    let disk = filled(&["a", "b", "c"]);
    let (_log, mut cursor) = open(&disk);
    cursor.plan(1, 1).unwrap();
    let newest = cursor.plan(1, 2).unwrap();
    let slot_of = |bytes: &[u8], token: &str| {
        let found = memchr::memmem::find(bytes, token.as_bytes()).unwrap();
        found / 512
    };
    disk.damage("store.cursor", |bytes| {
        let slot = slot_of(bytes, &newest.token);
        bytes[slot * 512 + 9] ^= 1;
    });
    let (_log, cursor) = open(&disk);
    assert_eq!(cursor.planned().map(|plan| plan.last), Some(1));

    disk.damage("store.cursor", |bytes| bytes.fill(7));
    let (log, cursor) = open(&disk);
    assert_eq!((cursor.acked(), cursor.planned()), (0, None));
    assert_eq!(log.metrics.failures(Operation::Ledger), 1);
    assert_eq!(read_all(&mut cursor.reader()).0, ["a", "b", "c"]);
}

/// One that a newer meshtap has written is not overwritten: it knows which batch is under way.
#[test]
fn a_cursor_of_a_newer_format_is_not_touched() {
    // With the checksum where ours is, and elsewhere; in one slot, and in both.
    for (with_checksum, slots) in [(true, 1), (true, 2), (false, 2)] {
        let disk = filled(&["a", "b"]);
        open(&disk).1.plan(1, 1).unwrap();
        disk.damage("store.cursor", |bytes| {
            for slot in bytes.chunks_mut(512).take(slots) {
                slot[4] = 9;
                if with_checksum {
                    let crc = crc32fast::hash(&slot[..508]);
                    slot[508..].copy_from_slice(&crc.to_le_bytes());
                }
            }
        });
        let before = contents(&disk, "store.cursor");
        let log = Arc::new(Log::open(Arc::new(disk.clone()), 1 << 20, metrics()).unwrap());
        let error = Cursor::open(&log, "store", None).unwrap_err().to_string();
        let fix = "store.cursor has format 9, which only a newer meshtap reads; run that one";
        assert!(error.starts_with(fix), "{error}");
        assert_eq!(contents(&disk, "store.cursor"), before);
    }
}

fn contents(disk: &SimulatedDisk, name: &str) -> Vec<u8> {
    let file = disk.open(name).unwrap();
    disk::read_exact(&*file, usize::try_from(file.bytes().unwrap()).unwrap(), 0).unwrap().unwrap()
}

/// Another entry would take the place of the parked one, or be taken for it.
#[test]
fn the_number_of_a_parked_entry_is_not_given_again() {
    for suffix in [PARKED, parked::RETRY, parked::DAMAGED] {
        let disk = filled(&["a", "poison"]);
        let (_log, mut cursor) = open(&disk);
        cursor.park(2, "no such column", 1 << 20).unwrap();
        disk.rename(&parked::name(2, PARKED), &parked::name(2, suffix)).unwrap();
        for name in disk.names(log::SEGMENT_SUFFIX).iter().chain(&["store.cursor".to_owned()]) {
            disk.forget(name);
        }
        let (log, _cursor) = open(&disk);
        let appended = Writer::new(log, SEGMENT_BYTES).append(&[&entry("c")]).unwrap();
        assert_eq!(appended.first, 3, "{suffix}");
    }
}

#[test]
fn parking_many_entries_does_not_look_at_all_of_them_each_time() {
    let texts: Vec<String> = (1..=40).map(|n| format!("entry {n}")).collect();
    let disk = filled(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let (_log, mut cursor) = open(&disk);
    let before = disk.listed();
    for sequence in 1..=40 {
        cursor.park(sequence, "no such column", 1 << 20).unwrap();
    }
    assert_eq!(disk.listed() - before, 1);
    // The bound counts what is there: an operator makes room.
    let total = parked::total(&disk).unwrap();
    assert_eq!(total.0, 40);
    cursor.park(1, "no such column", total.1).unwrap_err();
    disk.remove(&parked::name(40, PARKED)).unwrap();
    cursor.park(1, "no such column", total.1).unwrap();
}

#[test]
fn a_full_disk_accepts_nothing_and_recovers() {
    let disk = SimulatedDisk::default();
    let (log, cursor) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), 1 << 20);
    append(&mut writer, &["a"]);
    // Room for a part of a frame, in a segment that is there, and for none.
    for room in [frame("b") as u64 / 2, 0] {
        disk.set(Faults { room: Some(room), ..Faults::default() });
        assert_eq!(writer.append(&[&entry("b")]), Err(AppendError::DiskFull));
        assert_eq!(writer.probe(), Err(AppendError::DiskFull), "there is no room for what was refused");
    }
    disk.set(Faults::default());
    writer.probe().unwrap();
    assert_eq!(log.metrics.failures(Operation::Write), 4);
    // The same where the piece cannot be cut off again, and a new segment finds no room.
    disk.set(Faults { room: Some(7), truncates_fail: true, ..Faults::default() });
    assert_eq!(writer.append(&[&entry("b")]), Err(AppendError::DiskFull));
    disk.set(Faults { room: Some(0), ..Faults::default() });
    assert_eq!(writer.append(&[&entry("b")]), Err(AppendError::DiskFull));
    assert_eq!(log.metrics.failures(Operation::Create), 1);
    disk.set(Faults::default());
    append(&mut writer, &["c"]);
    assert_eq!(read_all(&mut cursor.reader()), (vec!["a".to_owned(), "c".to_owned()], vec![]));
    let (_, cursor) = open(&disk);
    assert_eq!(read_all(&mut cursor.reader()), (vec!["a".to_owned(), "c".to_owned()], vec![]));
}

#[test]
fn a_sync_that_fails_is_not_repeated_and_its_group_does_not_count() {
    let disk = SimulatedDisk::default();
    let (log, cursor) = open(&disk);
    let mut writer = Writer::new(Arc::clone(&log), 1 << 20);
    append(&mut writer, &["a"]);
    for faults in [
        Faults { syncs_fail: true, ..Faults::default() },
        Faults { syncs_fail: true, truncates_fail: true, ..Faults::default() },
    ] {
        disk.set(faults);
        assert!(matches!(writer.append(&[&entry("lost")]), Err(AppendError::Failed(_))));
        assert!(matches!(writer.probe(), Err(AppendError::Failed(_))));
        disk.set(Faults::default());
        writer.probe().unwrap();
        append(&mut writer, &["b"]);
    }
    assert_eq!(log.metrics.failures(Operation::Sync), 4);
    assert_eq!(read_all(&mut cursor.reader()).0, ["a", "b", "b"]);
    // The frame that could not be cut off is behind the next segment's first number.
    let (_, cursor) = open(&disk);
    assert_eq!(read_all(&mut cursor.reader()), (["a", "b", "b"].map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn a_read_only_disk_accepts_nothing_and_can_still_be_read() {
    let disk = filled(&["a"]);
    let (log, mut cursor) = open(&disk);
    let mut writer = Writer::new(log, SEGMENT_BYTES);
    disk.set(Faults { read_only: true, ..Faults::default() });
    assert!(matches!(writer.append(&[&entry("b")]), Err(AppendError::Failed(_))));
    assert_eq!(read_all(&mut cursor.reader()).0, ["a"]);
    // Nothing may be sent whose boundaries are not fixed.
    cursor.plan(1, 1).unwrap_err();
    assert_eq!(cursor.planned(), None);
    disk.set(Faults::default());
    cursor.plan(1, 1).unwrap();
}

/// What the reader's thread takes, with no pause between attempts, and the gaps that it says.
fn take_all(tail: &mut Tail) -> (Vec<String>, Vec<u64>) {
    let (mut texts, mut lost) = (Vec::new(), Vec::new());
    let mut nothing = 0;
    while nothing < 40 {
        std::thread::current().unpark();
        match tail.take() {
            Next::Entry(entry) => {
                texts.push(String::from_utf8(entry.packed.request().unwrap().to_vec()).unwrap());
            }
            Next::Lost { last, .. } => lost.push(last),
            Next::Nothing | Next::Over => nothing += 1,
        }
    }
    (texts, lost)
}

#[test]
fn what_stays_unreadable_is_lost_alone() {
    let second = (HEADER_BYTES + frame("a")) as u64;
    let payload = second + FRAME_BYTES as u64;
    // In the header of the second entry, in its payload, and in a search that has to pass it.
    for unreadable in [(second + 3, second + 4), (payload, payload + 1), (second, payload)] {
        let disk = SimulatedDisk::default();
        let (log, cursor) = open(&disk);
        let mut writer = Writer::new(Arc::clone(&log), 1 << 20);
        append(&mut writer, &["a"]);
        // It ends in another block of the disk than the one it starts in.
        let payload = Bytes::from(vec![7; 6000]);
        let coding = segment::Coding::Plain;
        writer.append(&[&Packed { spans: 1, request_bytes: 6000, coding, payload }]).unwrap();
        append(&mut writer, &["c", "d"]);
        let mut tail = Tail::new(cursor.reader(), "store", Arc::clone(&log.metrics));
        disk.set(Faults { unreadable: Some(unreadable), ..Faults::default() });
        let (texts, lost) = take_all(&mut tail);
        assert_eq!((texts, lost), (["a", "c", "d"].map(str::to_owned).to_vec(), vec![2]), "{unreadable:?}");
        assert_eq!(log.metrics.losses("store", Loss::Damaged), 1);
        assert_eq!(log.metrics.failures(Operation::Read), 30);
    }
}

#[test]
fn a_disk_that_comes_back_has_lost_nothing() {
    let disk = filled(&["a", "b"]);
    let (log, cursor) = open(&disk);
    let mut tail = Tail::new(cursor.reader(), "store", Arc::clone(&log.metrics));
    disk.set(Faults { unreadable: Some((0, u64::MAX)), ..Faults::default() });
    for _ in 0..29 {
        std::thread::current().unpark();
        assert!(matches!(tail.take(), Next::Nothing));
    }
    disk.set(Faults::default());
    assert_eq!(take_all(&mut tail), (vec!["a".to_owned(), "b".to_owned()], vec![]));
}

#[test]
fn a_start_that_cannot_read_names_the_file() {
    let disk = filled(&["a", "b"]);
    let name = disk.names(log::SEGMENT_SUFFIX).remove(0);
    let frame = HEADER_BYTES as u64 + 3;
    for unreadable in [(0, 1), (frame, frame + 1)] {
        disk.set(Faults { unreadable: Some(unreadable), ..Faults::default() });
        let error = Log::open(Arc::new(disk.clone()), 1 << 20, metrics()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}: a read that fails; mend the disk")), "{error}");
    }
    disk.set(Faults::default());
    let (_log, cursor) = open(&disk);
    assert_eq!(read_all(&mut cursor.reader()), (vec!["a".to_owned(), "b".to_owned()], vec![]));
}

#[test]
fn a_cursor_with_a_bound_loses_its_oldest_entries_alone() {
    let disk = SimulatedDisk::default();
    let log = Arc::new(Log::open(Arc::new(disk.clone()), 1 << 20, metrics()).unwrap());
    let store = Cursor::open(&log, "store", None).unwrap();
    let onward = Cursor::open(&log, "onward", Some(2 * SEGMENT_BYTES)).unwrap();
    let mut slow = onward.reader();
    let texts: Vec<String> = (10..40).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    append(&mut Writer::new(Arc::clone(&log), SEGMENT_BYTES), &texts);
    let (left, gaps) = read_all(&mut slow);
    assert!(!left.is_empty() && left.len() < 15, "{left:?}");
    assert_eq!(left, texts[30 - left.len()..]);
    assert_eq!(gaps, [], "they are counted where they are given up");
    assert_eq!(log.metrics.losses("onward", Loss::Skipped), 30 - left.len() as u64);
    assert_eq!(read_all(&mut store.reader()).0, texts, "the other cursor has them all");
}

#[test]
fn what_goes_while_a_cursor_is_away_is_skipped_and_not_missing() {
    let disk = SimulatedDisk::default();
    let entries = |cursor: &mut Cursor, texts: &[&str]| {
        assert_eq!(
            read_all(&mut cursor.reader()),
            (texts.iter().map(|text| (*text).to_owned()).collect(), vec![])
        );
    };
    let log = Arc::new(Log::open(Arc::new(disk.clone()), 1 << 20, metrics()).unwrap());
    let mut store = Cursor::open(&log, "store", None).unwrap();
    append(&mut Writer::new(Arc::clone(&log), 1), &["a", "b", "c"]);
    ack_all(&mut store);

    // A new one starts at the oldest entry that is there.
    let log = Arc::new(Log::open(Arc::new(disk.clone()), 1 << 20, metrics()).unwrap());
    let mut store = Cursor::open(&log, "store", None).unwrap();
    let mut onward = Cursor::open(&log, "onward", Some(1 << 20)).unwrap();
    append(&mut Writer::new(Arc::clone(&log), 1), &["d", "e"]);
    entries(&mut onward, &["c", "d", "e"]);
    assert_eq!(log.metrics.losses("onward", Loss::Skipped), 0);
    ack_all(&mut onward);
    ack_all(&mut store);

    // One that was gone for a while goes on at the oldest entry that is left.
    let log = Arc::new(Log::open(Arc::new(disk.clone()), 1 << 20, metrics()).unwrap());
    let mut store = Cursor::open(&log, "store", None).unwrap();
    append(&mut Writer::new(Arc::clone(&log), 1), &["f", "g", "h"]);
    ack_all(&mut store);
    let log = Arc::new(Log::open(Arc::new(disk.clone()), 1 << 20, metrics()).unwrap());
    Cursor::open(&log, "store", None).unwrap();
    let mut onward = Cursor::open(&log, "onward", Some(1 << 20)).unwrap();
    entries(&mut onward, &["h"]);
    assert_eq!(log.metrics.losses("onward", Loss::Skipped), 2);
    assert_eq!(log.metrics.losses("onward", Loss::MissingSegment), 0);
}

#[test]
fn the_slower_cursor_holds_the_segments() {
    let disk = SimulatedDisk::default();
    let log = Arc::new(Log::open(Arc::new(disk.clone()), 1 << 20, metrics()).unwrap());
    let mut fast = Cursor::open(&log, "store", None).unwrap();
    let slow = Cursor::open(&log, "onward", Some(1 << 20)).unwrap();
    append(&mut Writer::new(Arc::clone(&log), SEGMENT_BYTES), &["a", "b", "c", "d", "e", "f"]);
    let mut reader = fast.reader();
    read_all(&mut reader);
    fast.ack(6, reader.position()).unwrap();
    assert_eq!(read_all(&mut slow.reader()).0.len(), 6);
    let (backlogs, _) = log.backlogs();
    assert_eq!((backlogs[0].entries, backlogs[1].entries), (0, 6));
    // Its backlog is its own: the queue has room for what the store does not hold.
    assert!(log.has_room((1 << 20) - SEGMENT_BYTES * 2));
}

#[tokio::test]
async fn the_bound_asks_senders_to_come_back_until_the_store_has_caught_up() {
    let disk = SimulatedDisk::default();
    let mut config = config::Config::default().queue;
    (config.max_bytes, config.segment_bytes) = (1000, 200);
    let opened = Opened::on(Arc::new(disk), &config, metrics()).unwrap();
    let mut cursor = opened.cursor("store", None).unwrap();
    let mut queue = opened.start().unwrap();
    let appender = queue.appender();
    let mut accepted = 0;
    let refused = loop {
        match appender.append(1, Bytes::from_static(b"0123456789")).await {
            Ok(sequence) => accepted = sequence,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, AppendError::Full);
    assert!((10..20).contains(&accepted), "{accepted}");
    assert_eq!(appender.probe().await, Err(AppendError::Full));
    let mut reader = cursor.reader();
    read_all(&mut reader);
    cursor.ack(accepted, reader.position()).unwrap();
    assert_eq!(appender.append(1, Bytes::from_static(b"again")).await, Ok(accepted + 1));
    queue.close().await;
    assert_eq!(appender.append(1, Bytes::new()).await, Err(AppendError::Closed));
    assert!(!reader.wait(Duration::from_mins(1)), "a closed queue keeps no reader waiting");
}

/// Otherwise a stop takes the whole of its deadline: those who read wait for more.
#[tokio::test]
async fn a_writer_that_panics_keeps_no_reader_waiting() {
    let disk = SimulatedDisk::default();
    let opened = Opened::on(Arc::new(disk.clone()), &config::Config::default().queue, metrics()).unwrap();
    let cursor = opened.cursor("store", None).unwrap();
    let mut queue = opened.start().unwrap();
    disk.set(Faults { syncs_panic: true, ..Faults::default() });
    assert_eq!(queue.appender().append(1, Bytes::from_static(b"a")).await, Err(AppendError::Closed));
    queue.ended().await;
    assert!(!cursor.reader().wait(Duration::from_mins(1)));
    queue.close().await;
}

#[test]
fn a_parked_entry_is_kept_as_it_was() {
    let disk = filled(&["a", "poison", "c"]);
    let (_log, mut cursor) = open(&disk);
    cursor.park(2, "no such column", 1 << 20).unwrap();
    let mut reader = cursor.reader();
    read_all(&mut reader);
    cursor.ack(3, reader.position()).unwrap();
    let found = parked::read(&disk, &parked::name(2, PARKED)).unwrap();
    assert_eq!((found.note.id, found.note.spans, &*found.note.error), (2, 1, "no such column"));
    assert_eq!(found.packed.request(), Some(Bytes::from_static(b"poison")));
    disk.damage(&parked::name(2, PARKED), |bytes| *bytes.last_mut().unwrap() ^= 1);
    let error = parked::read(&disk, &parked::name(2, PARKED)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_folder_is_used_by_one_process() {
    let path = std::env::temp_dir().join(format!("meshtap-queue-{}-lock", std::process::id()));
    drop(std::fs::remove_dir_all(&path));
    let first = Folder::lock(&path).unwrap();
    let error = Folder::lock(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    Folder::look(&path).unwrap();
    drop(first);
    Folder::lock(&path).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
}

/// What version 1 has written stays readable.
#[test]
fn the_first_format_is_read() {
    let disk = SimulatedDisk::default();
    disk.create(&log::segment_name(7)).unwrap().write_all_at(FIRST_FORMAT, 0).unwrap();
    let (_log, cursor) = open(&disk);
    let (texts, gaps) = read_all(&mut cursor.reader());
    assert_eq!(gaps, [(1, 6, Loss::MissingSegment)]);
    assert_eq!(texts, ["a request".to_owned(), "a larger request ".repeat(40)]);
}
