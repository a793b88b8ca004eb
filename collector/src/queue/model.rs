//! Random actions, faults and crashes against the queue, held against a list in memory.
//!
//! What must hold, whatever happens: an entry that was answered is delivered; entries are delivered in order, and again
//! only from a batch that was not acknowledged; a batch that was fixed comes again with the same entries and the same
//! token, and so does a piece of one; nothing is delivered that nobody appended, though payloads hold frames as a sender
//! can write them. Bits do not flip here: what that costs is in `tests`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;

use super::cursor::Cursor;
use super::log::Log;
use super::reader::{Read, Reader};
use super::segment::{Frame, Key, Packed};
use super::simulated::{Faults, SimulatedDisk};
use super::tests::open;
use super::writer::Writer;
use super::{AppendError, Position};

struct Running {
    disk: SimulatedDisk,
    log: Arc<Log>,
    writer: Writer,
    cursor: Cursor,
    reader: Reader,
    /// Read and not acknowledged: number, text, place behind it.
    read: Vec<(u64, String, Position)>,
}

impl Running {
    fn start(disk: SimulatedDisk, random: &mut Rng) -> Self {
        let (log, cursor) = open(&disk);
        let reader = cursor.reader();
        let writer = Writer::new(Arc::clone(&log), random.u64(100..600));
        Self { disk, log, writer, cursor, reader, read: Vec::new() }
    }
}

#[derive(Default)]
struct Model {
    /// Answered with success, in order.
    answered: Vec<String>,
    /// Refused: it may be there all the same after a crash, never before.
    refused: Vec<String>,
    /// Every batch that was fixed, by its token.
    fixed: BTreeMap<String, Vec<String>>,
    delivered: Vec<String>,
    appended: usize,
}

fn run(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let mut running = Running::start(SimulatedDisk::default(), &mut random);
    let mut model = Model::default();
    let steps = random.usize(20..200);
    for _ in 0..steps {
        match random.u8(..100) {
            0..40 => append(&mut running, &mut model, &mut random),
            40..65 => read(&mut running, &mut random),
            65..85 => deliver(&mut running, &mut model, &mut random),
            85..92 => running.disk.set(faults(&mut random)),
            92..96 => running.disk.set(Faults::default()),
            _ => {
                let left = if random.bool() { running.disk.crash(&mut random) } else { running.disk.kill() };
                left.set(Faults::default());
                running = Running::start(left, &mut random);
                resume(&mut running, &mut model);
            }
        }
    }
    running.disk.set(Faults::default());
    let mut running = Running::start(running.disk, &mut random);
    resume(&mut running, &mut model);
    let last = running.log.last();
    read_up_to(&mut running, last);
    while !running.read.is_empty() {
        let all = running.read.len();
        deliver_first(&mut running, &mut model, all);
    }
    check(&model, seed);
}

fn faults(random: &mut Rng) -> Faults {
    Faults {
        room: random.bool().then(|| random.u64(..300)),
        read_only: random.u8(..) < 30,
        syncs_fail: random.u8(..) < 80,
        truncates_fail: random.u8(..) < 60,
        ..Faults::default()
    }
}

fn append(running: &mut Running, model: &mut Model, random: &mut Rng) {
    let texts: Vec<String> = (0..random.usize(1..5))
        .map(|_| {
            model.appended += 1;
            format!("{} {}", model.appended, "x".repeat(random.usize(..60)))
        })
        .collect();
    let next = running.log.last() + 1;
    let group: Vec<Packed> = texts.iter().map(|text| with_frames(text, next, random)).collect();
    let group: Vec<&Packed> = group.iter().collect();
    match running.writer.append(&group) {
        Ok(appended) => {
            assert_eq!(appended.last - appended.first + 1, texts.len() as u64);
            model.answered.extend(texts);
        }
        Err(AppendError::Failed(_) | AppendError::DiskFull) => model.refused.extend(texts),
        Err(error) => panic!("{error}"),
    }
}

/// The text, and behind it frames of entries that nobody appended.
fn with_frames(text: &str, next: u64, random: &mut Rng) -> Packed {
    let mut request = text.as_bytes().to_vec();
    for _ in 0..random.usize(..3) {
        let forged = Packed::new(1, Bytes::from_static(b"forged"));
        request.push(END_OF_TEXT);
        request.extend_from_slice(&Frame::of(&forged, next + random.u64(..5), 1).encode(Key::KNOWN));
        request.extend_from_slice(&forged.payload);
    }
    Packed::new(1, request.into())
}

const END_OF_TEXT: u8 = 0;

fn text_of(packed: &Packed) -> String {
    let request = packed.request().unwrap();
    let text = request.split(|byte| *byte == END_OF_TEXT).next().unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

fn read(running: &mut Running, random: &mut Rng) {
    let upto = running.reader.next_sequence() + random.u64(1..6) - 1;
    read_up_to(running, upto);
}

fn read_up_to(running: &mut Running, last: u64) {
    while running.reader.next_sequence() <= last {
        match running.reader.read().unwrap() {
            Read::Entry(entry) => {
                let text = text_of(&entry.packed);
                running.read.push((entry.sequence, text, entry.end));
            }
            Read::End => return,
            // Of a group that was not answered a crash may leave the later frames alone; whether anything that was
            // answered is missing is seen at the end.
            Read::Gap { .. } => {}
        }
    }
}

fn deliver(running: &mut Running, model: &mut Model, random: &mut Rng) {
    if !running.read.is_empty() {
        let size = random.usize(1..=running.read.len());
        if random.bool() {
            deliver_piece(running, model, size, random.usize(0..4));
        } else {
            deliver_first(running, model, size);
        }
    }
}

/// Fixes a piece of the batch of the first entries, as the pump does with one that is too much at once, and gets no
/// further: the batch stays.
fn deliver_piece(running: &mut Running, model: &mut Model, size: usize, number: usize) {
    let last = running.read[size - 1].0;
    let Ok(batch) = running.cursor.plan(running.cursor.acked() + 1, last) else { return };
    let piece = format!("4.{number}.{size}");
    if let Ok(plan) = running.cursor.plan_piece(&piece) {
        assert_eq!((plan.first, plan.last, plan.piece()), (batch.first, batch.last, Some(&*piece)));
        let texts = running.read[..size].iter().map(|(_, text, _)| text.clone()).collect();
        model.fixed.insert(plan.token.to_string(), texts);
        assert_eq!(running.cursor.planned(), Some(&plan));
    }
}

/// Fixes the first entries that were read as a batch, sends it, and acknowledges it, as far as the disk lets it.
fn deliver_first(running: &mut Running, model: &mut Model, size: usize) {
    let batch = &running.read[..size];
    let (last, end) = (batch[size - 1].0, batch[size - 1].2);
    let Ok(plan) = running.cursor.plan(running.cursor.acked() + 1, last) else { return };
    let texts: Vec<String> = batch.iter().map(|(_, text, _)| text.clone()).collect();
    let fixed = model.fixed.entry(plan.token.to_string()).or_insert_with(|| texts.clone());
    assert_eq!(*fixed, texts, "the batch of {} has changed", plan.token);
    model.delivered.extend(texts);
    if running.cursor.ack(last, end).is_ok() {
        running.read.drain(..size);
    }
}

/// What a start finds fixed is sent again exactly.
fn resume(running: &mut Running, model: &mut Model) {
    let Some(plan) = running.cursor.planned().cloned() else { return };
    read_up_to(running, plan.last);
    let numbers: RangeInclusive<u64> = plan.first..=plan.last;
    assert!(running.read.iter().all(|(number, ..)| numbers.contains(number)));
    let texts: Vec<&String> = running.read.iter().map(|(_, text, _)| text).collect();
    if let Some(fixed) = model.fixed.get(&*plan.token) {
        assert_eq!(fixed.iter().collect::<Vec<_>>(), texts, "the batch of {} has changed", plan.token);
    }
    let size = running.read.len();
    deliver_first(running, model, size);
}

fn check(model: &Model, seed: u64) {
    let mut first_times = Vec::new();
    for text in &model.delivered {
        if !first_times.contains(&text) {
            first_times.push(text);
        }
    }
    let number = |text: &str| text.split(' ').next().unwrap().parse::<usize>().unwrap();
    assert!(first_times.is_sorted_by_key(|text| number(text)), "seed {seed}: out of order");
    for text in &model.answered {
        assert!(first_times.contains(&text), "seed {seed}: {text} was answered and is lost");
    }
    for text in &first_times {
        let known = model.answered.contains(text) || model.refused.contains(text);
        assert!(known, "seed {seed}: {text} was never appended");
    }
}

#[test]
fn nothing_that_was_answered_is_lost_whatever_happens() {
    for seed in 0..2_000 {
        run(seed);
    }
}
