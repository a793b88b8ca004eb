//! Room for the bodies that are coming in, of `receive.limits.max_incoming_bytes` in all, and who goes when it is full.
//!
//! The slowest goes: of the bodies that hold some of it, the one that has brought the fewest bytes per second lately, and
//! of those that bring none the one that has been silent for longest. What counts is the last `receive.stall_timeout`, so
//! that a sender that stalls, or sends a byte now and then, does not live on what it brought before; a body younger than
//! that is safe. One that asks for room while it is the slowest itself is refused.
//!
//! The bytes of a body that is cut off are free at once, a moment before its reader has noticed and dropped them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::intake::ExportError;

#[derive(Clone, Debug)]
pub(super) struct Room {
    bodies: Arc<Mutex<Bodies>>,
    stall_timeout: Duration,
}

#[derive(Debug)]
struct Bodies {
    free: usize,
    next: u64,
    by_id: HashMap<u64, Body>,
}

#[derive(Debug)]
struct Body {
    held: usize,
    pace: Pace,
    cut_off: Arc<Notify>,
}

/// One body's part of the room, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Room,
    id: u64,
    cut_off: Arc<Notify>,
}

impl Room {
    pub(super) fn new(bytes: usize, stall_timeout: Duration) -> Self {
        let bodies = Bodies { free: bytes, next: 0, by_id: HashMap::new() };
        Self { bodies: Arc::new(Mutex::new(bodies)), stall_timeout }
    }

    pub(super) fn enter(&self) -> Place {
        let cut_off = Arc::<Notify>::default();
        let mut bodies = self.lock();
        let id = bodies.next;
        bodies.next += 1;
        let body = Body { held: 0, pace: Pace::starting(Instant::now()), cut_off: Arc::clone(&cut_off) };
        bodies.by_id.insert(id, body);
        drop(bodies);
        Place { room: self.clone(), id, cut_off }
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.lock().free
    }

    fn lock(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Takes so many bytes more, from others if need be.
    pub(super) fn hold(&self, bytes: usize) -> Result<(), ExportError> {
        let (now, over) = (Instant::now(), self.room.stall_timeout);
        let mut bodies = self.room.lock();
        let body = bodies.by_id.get_mut(&self.id).ok_or(ExportError::TooSlow)?;
        if body.held == 0 {
            body.pace = Pace::starting(now);
        }
        body.pace.brought(bytes, now, over);
        if bodies.free < bytes {
            for slow in bodies.slower(self.id, bytes, now, over)? {
                bodies.cut_off(slow);
            }
        }
        bodies.free -= bytes;
        if let Some(body) = bodies.by_id.get_mut(&self.id) {
            body.held += bytes;
        }
        Ok(())
    }

    /// Gives so many back.
    pub(super) fn release(&self, bytes: usize) {
        let mut bodies = self.room.lock();
        let Some(body) = bodies.by_id.get_mut(&self.id) else { return };
        let bytes = bytes.min(body.held);
        body.held -= bytes;
        bodies.free += bytes;
    }

    /// Done when others have got its room.
    pub(super) async fn is_cut_off(&self) {
        self.cut_off.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut bodies = self.room.lock();
        if let Some(body) = bodies.by_id.remove(&self.id) {
            bodies.free += body.held;
        }
    }
}

impl Bodies {
    /// Those to cut off so that `bytes` are free, all of them slower than `id`.
    fn slower(&self, id: u64, bytes: usize, now: Instant, over: Duration) -> Result<Vec<u64>, ExportError> {
        let rated =
            |(id, body): (&u64, &Body)| Some((body.pace.at(now, over)?, body.pace.last, *id, body.held));
        let mut rated: Vec<_> =
            self.by_id.iter().filter(|(_, body)| body.held > 0).filter_map(rated).collect();
        rated.sort_unstable();
        let (mut free, mut slower) = (self.free, Vec::new());
        for (_, _, slow, held) in rated.into_iter().take_while(|(_, _, slow, _)| *slow != id) {
            slower.push(slow);
            free += held;
            if free >= bytes {
                return Ok(slower);
            }
        }
        Err(ExportError::TooManyBytes)
    }

    fn cut_off(&mut self, id: u64) {
        if let Some(body) = self.by_id.remove(&id) {
            self.free += body.held;
            body.cut_off.notify_one();
        }
    }
}

/// How fast a body comes.
#[derive(Debug)]
struct Pace {
    /// Where counting began.
    since: Instant,
    bytes: usize,
    /// What the time before came to, once there is one.
    before: Option<u128>,
    last: Instant,
}

impl Pace {
    const fn starting(now: Instant) -> Self {
        Self { since: now, bytes: 0, before: None, last: now }
    }

    fn brought(&mut self, bytes: usize, now: Instant, over: Duration) {
        if now.duration_since(self.since) >= over {
            self.before = self.at(now, over);
            (self.since, self.bytes) = (now, 0);
        }
        self.bytes += bytes;
        self.last = now;
    }

    /// Bytes per second; `None` of one that is too young to be judged.
    fn at(&self, now: Instant, over: Duration) -> Option<u128> {
        if now.duration_since(self.last) >= over {
            return Some(0);
        }
        let time = now.duration_since(self.since);
        if time < over {
            return self.before;
        }
        Some(self.bytes as u128 * 1_000_000 / time.as_micros().max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn who_has_been_silent_for_longest_goes_first() {
        let room = Room::new(10, SECOND);
        let [first, second, new] = [room.enter(), room.enter(), room.enter()];
        assert_eq!(first.hold(4), Ok(()));
        tokio::time::advance(SECOND / 2).await;
        assert_eq!(second.hold(6), Ok(()));
        // Both may still be coming.
        assert_eq!(new.hold(1), Err(ExportError::TooManyBytes));
        tokio::time::advance(SECOND).await;
        // Not even all that are slow have so much.
        assert_eq!(new.hold(11), Err(ExportError::TooManyBytes));
        assert_eq!(new.hold(3), Ok(()));
        first.is_cut_off().await;
        assert_eq!(first.hold(1), Err(ExportError::TooSlow));
        assert_eq!((second.hold(1), room.free()), (Ok(()), 0));
        drop((first, second, new));
        assert_eq!(room.free(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_is_slow_whatever_came_before() {
        let room = Room::new(1_000, SECOND);
        let [trickling, steady, new] = [room.enter(), room.enter(), room.enter()];
        assert_eq!(trickling.hold(900), Ok(()));
        for _ in 0..6 {
            tokio::time::advance(SECOND / 2).await;
            assert_eq!((trickling.hold(1), steady.hold(10)), (Ok(()), Ok(())));
        }
        // The slowest does not get the room of others.
        assert_eq!(trickling.hold(100), Err(ExportError::TooManyBytes));
        tokio::time::advance(SECOND / 2).await;
        assert_eq!(trickling.hold(1), Ok(()));
        tokio::time::advance(SECOND / 2 * 3).await;
        assert_eq!((steady.hold(10), trickling.hold(1)), (Ok(()), Ok(())));
        assert_eq!(new.hold(100), Ok(()));
        trickling.is_cut_off().await;
        assert_eq!(steady.hold(10), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_after_another_is_new() {
        let room = Room::new(10, SECOND);
        let [stream, new] = [room.enter(), room.enter()];
        assert_eq!(stream.hold(5), Ok(()));
        stream.release(5);
        tokio::time::advance(10 * SECOND).await;
        assert_eq!(stream.hold(10), Ok(()));
        assert_eq!(new.hold(1), Err(ExportError::TooManyBytes));
    }
}
