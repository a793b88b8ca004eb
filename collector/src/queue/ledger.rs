//! How far one cursor is, durably: the last acknowledged entry, and the batch that was planned behind it with its token.
//!
//! A file `NAME.cursor` with two slots of 512 bytes, written in turn: the newer good one counts, so that a write which
//! is cut short leaves the state before it. Every change is synced before the call returns.
//!
//! ```text
//! slot  "MTQL"  version u32  generation u64  cursor's id 16 bytes  acknowledged u64
//!       planned first u64, last u64 (0: none)  token's length u32 and token  zeros  CRC-32 of the 508 bytes before
//! ```
//!
//! A file of another version is refused and left as it is: an older meshtap would throw away what a newer one knows. When
//! neither slot is good otherwise, the cursor starts at the oldest entry with a new id: everything that is still there is
//! sent again, and shown once by the store.

use std::io;
use std::sync::Arc;

use tracing::error;

use super::OpenError;
use super::disk::{self, Disk, File};
use crate::hex::Hex;

pub const SUFFIX: &str = ".cursor";
const SLOT_BYTES: usize = 512;
const MAGIC: [u8; 4] = *b"MTQL";
const VERSION: u32 = 1;
const TOKEN_AT: usize = 60;
const CRC_AT: usize = SLOT_BYTES - 4;
const MAX_TOKEN_BYTES: usize = CRC_AT - TOKEN_AT;

/// A batch whose boundaries and token are fixed, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub first: u64,
    pub last: u64,
    pub token: Arc<str>,
}

impl Plan {
    /// What stands behind the batch's own token, when only a piece of the batch is under way.
    pub fn piece(&self) -> Option<&str> {
        self.token.split_once(PIECE).map(|(_, piece)| piece)
    }
}

/// Between the token of a batch and a piece of it.
const PIECE: char = '/';

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub id: [u8; 16],
    pub acked: u64,
    pub plan: Option<Plan>,
}

#[derive(Debug)]
pub struct Ledger {
    file: Arc<dyn File>,
    generation: u64,
    state: State,
}

impl Ledger {
    /// Makes the file where it is missing. Says whether one was there that could not be read.
    pub fn open(disk: &dyn Disk, name: &str) -> Result<(Self, bool), OpenError> {
        let file_name = format!("{name}{SUFFIX}");
        match disk.open(&file_name) {
            Ok(file) => {
                match read(&*file)? {
                    Found::State(generation, state) => {
                        // What a process that died has written may not be durable yet; from here on segments are
                        // deleted by it.
                        file.sync()?;
                        return Ok((Self { file, generation, state }, false));
                    }
                    Found::Newer(version) => return Err(OpenError::Newer { name: file_name, version }),
                    Found::Nothing => {}
                }
                error!(cursor = name, "the cursor's file is damaged; it starts at the oldest entry");
                let mut ledger = Self { file, generation: 0, state: fresh() };
                ledger.save()?;
                Ok((ledger, true))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut ledger = Self { file: disk.create(&file_name)?, generation: 0, state: fresh() };
                ledger.file.write_all_at(&[0; 2 * SLOT_BYTES], 0)?;
                ledger.save()?;
                disk.sync()?;
                Ok((ledger, false))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Fixes the next batch. Only then may it be sent.
    pub fn plan(&mut self, first: u64, last: u64) -> io::Result<Plan> {
        // Numbers alone could come twice, after damage that a disk hides: then a store would take new spans for old.
        let token = format!("{}-{first}-{last}-{:016x}", Hex(&self.state.id), fastrand::u64(..)).into();
        let plan = Plan { first, last, token };
        self.change(State { plan: Some(plan.clone()), ..self.state.clone() })?;
        Ok(plan)
    }

    /// The same batch, of which a piece is under way.
    pub fn plan_piece(&mut self, piece: &str) -> io::Result<Plan> {
        let Some(plan) = self.state.plan.clone() else { return Err(io::Error::other("no batch is planned")) };
        let batch = plan.token.split(PIECE).next().unwrap_or_default();
        let plan = Plan { token: format!("{batch}{PIECE}{piece}").into(), ..plan };
        self.change(State { plan: Some(plan.clone()), ..self.state.clone() })?;
        Ok(plan)
    }

    /// Everything up to here is where it belongs.
    pub fn ack(&mut self, last: u64) -> io::Result<()> {
        self.change(State { acked: last, plan: None, ..self.state.clone() })
    }

    fn change(&mut self, state: State) -> io::Result<()> {
        let before = std::mem::replace(&mut self.state, state);
        self.save().inspect_err(|_| self.state = before)
    }

    fn save(&mut self) -> io::Result<()> {
        let generation = self.generation + 1;
        let slot = encode(generation, &self.state);
        self.file.write_all_at(&slot, (generation % 2) * SLOT_BYTES as u64)?;
        self.file.sync()?;
        self.generation = generation;
        Ok(())
    }
}

/// What a cursor's file says.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The newer good slot, with its generation.
    State(u64, State),
    /// Written by a meshtap that knows more.
    Newer(u32),
    /// It cannot be read.
    Nothing,
}

pub fn read(file: &dyn File) -> io::Result<Found> {
    let (mut newest, mut other) = (None, None);
    for slot in 0..2 {
        let Some(bytes) = disk::read_exact(file, SLOT_BYTES, slot * SLOT_BYTES as u64)? else { continue };
        newest = newest.into_iter().chain(decode(&bytes)).max_by_key(|(generation, _)| *generation);
        other = other.or_else(|| newer_version(&bytes));
    }
    Ok(match (newest, other) {
        // A newer format need not have its checksum where ours is.
        (_, Some((version, true))) | (None, Some((version, false))) => Found::Newer(version),
        (Some((generation, state)), _) => Found::State(generation, state),
        (None, None) => Found::Nothing,
    })
}

/// The version of a slot that a newer meshtap has written, and whether a checksum vouches for it: a version may have
/// come about by damage.
fn newer_version(bytes: &[u8]) -> Option<(u32, bool)> {
    let version = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let is_newer = bytes.get(..4)? == MAGIC && version > VERSION;
    is_newer.then(|| (version, is_whole(bytes)))
}

fn is_whole(bytes: &[u8]) -> bool {
    let crc = bytes.get(CRC_AT..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_le_bytes);
    bytes.get(..CRC_AT).map(crc32fast::hash) == crc
}

fn fresh() -> State {
    State { id: std::array::from_fn(|_| fastrand::u8(..)), ..State::default() }
}

fn encode(generation: u64, state: &State) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    let (first, last, token) =
        state.plan.as_ref().map_or((0, 0, ""), |plan| (plan.first, plan.last, &*plan.token));
    let token = token.as_bytes();
    slot[..4].copy_from_slice(&MAGIC);
    slot[4..8].copy_from_slice(&VERSION.to_le_bytes());
    slot[8..16].copy_from_slice(&generation.to_le_bytes());
    slot[16..32].copy_from_slice(&state.id);
    slot[32..40].copy_from_slice(&state.acked.to_le_bytes());
    slot[40..48].copy_from_slice(&first.to_le_bytes());
    slot[48..56].copy_from_slice(&last.to_le_bytes());
    slot[56..TOKEN_AT].copy_from_slice(&u32::try_from(token.len()).unwrap_or(0).to_le_bytes());
    for (place, byte) in slot[TOKEN_AT..CRC_AT].iter_mut().zip(token) {
        *place = *byte;
    }
    let crc = crc32fast::hash(&slot[..CRC_AT]);
    slot[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn decode(bytes: &[u8]) -> Option<(u64, State)> {
    let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    if bytes.get(..4)? != MAGIC || u32_at(4)? != VERSION || !is_whole(bytes) {
        return None;
    }
    let token_bytes = usize::try_from(u32_at(56)?).ok().filter(|bytes| *bytes <= MAX_TOKEN_BYTES)?;
    let token = std::str::from_utf8(bytes.get(TOKEN_AT..)?.get(..token_bytes)?).ok()?;
    let (first, last) = (u64_at(40)?, u64_at(48)?);
    let plan = (last > 0).then(|| Plan { first, last, token: token.into() });
    Some((u64_at(8)?, State { id: *bytes.get(16..)?.first_chunk()?, acked: u64_at(32)?, plan }))
}
