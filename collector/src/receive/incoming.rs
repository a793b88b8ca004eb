//! Bodies of requests while they come in.
//!
//! A sender that is slow, or that never comes to the end, takes nothing that others need: a place among the requests that
//! are worked on (`intake::Slot`) is taken when a body is there as a whole. Until then it counts with the bytes that have
//! come of it, of all bodies together against `receive.limits.max_incoming_bytes`, and it has `receive.body_timeout`; when
//! there is no room for others, the slowest has to go before that (`room`). On a stop it has `receive.drain_timeout`, so that what is in the queue has the rest of the time to get to the store. Whoever
//! is cut off is asked to come back.

use std::pin::Pin;
use std::time::Duration;

use axum::body::HttpBody;
use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::intake::ExportError;
use super::room::{Place, Room};
use crate::config;
use crate::queue::AppendError;

/// What bodies that are coming in share.
#[derive(Clone, Debug)]
pub struct Incoming {
    room: Room,
    body_timeout: Duration,
    drain_timeout: Duration,
    stop: CancellationToken,
}

impl Incoming {
    pub fn new(config: &config::Receive) -> Self {
        Self {
            room: Room::new(config.limits.max_incoming_bytes, config.stall_timeout),
            body_timeout: config.body_timeout,
            drain_timeout: config.drain_timeout,
            stop: CancellationToken::new(),
        }
    }

    /// Cancelled when no more is taken in.
    pub const fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    pub fn read<B>(&self, body: B) -> Reading<B> {
        Reading {
            body,
            arrived: BytesMut::new(),
            incoming: self.clone(),
            place: self.room.enter(),
            deadline: Some(Box::pin(tokio::time::sleep(self.body_timeout))),
            stopped: Some(Box::pin(self.stop.clone().cancelled_owned())),
        }
    }
}

/// One body on its way in.
#[derive(Debug)]
pub struct Reading<B> {
    body: B,
    /// What has come and was not taken yet.
    arrived: BytesMut,
    incoming: Incoming,
    /// Has room for the bytes that have arrived.
    place: Place,
    /// `None` while nothing has come of a message that need not come.
    deadline: Option<Pin<Box<Sleep>>>,
    /// `None` when the stop has been noticed.
    stopped: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl<B> Reading<B>
where
    B: HttpBody<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    /// The body to its end, of `max` bytes at most.
    pub async fn whole(mut self, max: usize) -> Result<Bytes, ExportError> {
        while self.more().await? {
            if self.arrived.len() > max {
                return Err(ExportError::TooLarge(max));
            }
        }
        Ok(self.arrived.freeze())
    }

    /// Waits until something comes, without a deadline, unless something is there already. False at the end of the body.
    pub async fn begins(&mut self) -> Result<bool, ExportError> {
        if !self.arrived.is_empty() {
            return Ok(true);
        }
        // The time of a stop goes on.
        if self.stopped.is_some() {
            self.deadline = None;
        }
        self.more().await
    }

    /// Waits until so many bytes are there. False when the body ends before.
    pub async fn reach(&mut self, bytes: usize) -> Result<bool, ExportError> {
        while self.arrived.len() < bytes {
            if !self.more().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn arrived(&self) -> &[u8] {
        &self.arrived
    }

    /// Takes bytes that are there; they do not count as coming in any more.
    pub fn take(&mut self, bytes: usize) -> Bytes {
        let taken = self.arrived.split_to(bytes.min(self.arrived.len())).freeze();
        self.place.release(taken.len());
        self.incoming.restart(&mut self.deadline);
        taken
    }

    async fn more(&mut self) -> Result<bool, ExportError> {
        loop {
            let frame = tokio::select! {
                biased;
                frame = self.body.frame() => frame,
                () = or_never(self.deadline.as_mut()) => return Err(self.cut_off()),
                () = self.place.is_cut_off() => return Err(ExportError::TooSlow),
                () = or_never(self.stopped.as_mut()) => {
                    self.hurry();
                    continue;
                }
            };
            let Some(frame) = frame else { return Ok(false) };
            let frame = frame.map_err(|error| ExportError::Broken(error.to_string()))?;
            // Trailers say nothing here.
            let Ok(data) = frame.into_data() else { continue };
            if data.has_remaining() {
                self.hold(data.len())?;
                self.arrived.extend_from_slice(&data);
                return Ok(true);
            }
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<(), ExportError> {
        self.place.hold(bytes)?;
        if self.deadline.is_none() {
            self.incoming.restart(&mut self.deadline);
        }
        Ok(())
    }

    /// From here on there is only the time of a stop.
    fn hurry(&mut self) {
        self.stopped = None;
        let latest = Instant::now() + self.incoming.drain_timeout;
        match &mut self.deadline {
            Some(deadline) if deadline.deadline() <= latest => {}
            Some(deadline) => deadline.as_mut().reset(latest),
            None => self.deadline = Some(Box::pin(tokio::time::sleep_until(latest))),
        }
    }

    fn cut_off(&self) -> ExportError {
        if self.incoming.stop.is_cancelled() {
            ExportError::Queue(AppendError::Closed)
        } else {
            ExportError::Late(self.incoming.body_timeout)
        }
    }
}

impl Incoming {
    /// The next message has as much time as the first.
    fn restart(&self, deadline: &mut Option<Pin<Box<Sleep>>>) {
        if self.stop.is_cancelled() {
            return;
        }
        let latest = Instant::now() + self.body_timeout;
        match deadline {
            Some(deadline) => deadline.as_mut().reset(latest),
            None => *deadline = Some(Box::pin(tokio::time::sleep_until(latest))),
        }
    }
}

async fn or_never<F: Future<Output = ()> + ?Sized>(future: Option<&mut Pin<Box<F>>>) {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::StreamExt as _;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;
    use crate::config::Config;

    const SECOND: Duration = Duration::from_secs(1);

    fn incoming() -> Incoming {
        let mut receive = Config::default().receive;
        (receive.body_timeout, receive.drain_timeout) = (30 * SECOND, SECOND);
        receive.stall_timeout = 20 * SECOND;
        receive.limits.max_incoming_bytes = 10;
        Incoming::new(&receive)
    }

    /// Sends these bytes, and nothing more.
    fn endless(
        chunks: Vec<&'static [u8]>,
    ) -> StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Unpin> {
        let frames = chunks.into_iter().map(|bytes| Ok(Frame::data(Bytes::from_static(bytes))));
        StreamBody::new(futures_util::stream::iter(frames).chain(futures_util::stream::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_its_time_and_a_stop_leaves_it_less() {
        let start = Instant::now();
        let incoming = incoming();
        let late = incoming.read(endless(vec![b"12"])).whole(10).await;
        assert_eq!((late, start.elapsed().as_secs()), (Err(ExportError::Late(30 * SECOND)), 30));
        let (whole, ()) = tokio::join!(incoming.read(endless(vec![b"12"])).whole(10), async {
            tokio::time::sleep(5 * SECOND).await;
            incoming.stopping().cancel();
        });
        assert_eq!((whole, start.elapsed().as_secs()), (Err(AppendError::Closed.into()), 36));
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_need_not_come_has_time_until_the_stop() {
        let start = Instant::now();
        let incoming = incoming();
        let mut reading = incoming.read(endless(vec![b"ab"]));
        assert_eq!(reading.reach(2).await, Ok(true));
        assert_eq!(reading.take(2), &b"ab"[..]);
        let (begun, ()) = tokio::join!(reading.begins(), async {
            tokio::time::sleep(100 * SECOND).await;
            incoming.stopping().cancel();
        });
        assert_eq!((begun, start.elapsed().as_secs()), (Err(AppendError::Closed.into()), 101));
        // A sender that goes on after the stop has no more time than one that does not.
        let mut reading = incoming.read(endless(vec![b"ab", b"cd"]));
        for _ in 0..2 {
            assert_eq!((reading.begins().await, reading.reach(2).await), (Ok(true), Ok(true)));
            drop(reading.take(2));
        }
        let begun = tokio::time::timeout(100 * SECOND, reading.begins()).await;
        assert_eq!(begun, Ok(Err(AppendError::Closed.into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_gives_its_room_to_one_that_comes() {
        let start = Instant::now();
        let incoming = incoming();
        let (stalled, come) = tokio::join!(incoming.read(endless(vec![b"12345678"])).whole(10), async {
            tokio::time::sleep(19 * SECOND).await;
            let refused = incoming.read(endless(vec![b"abcdef"])).whole(5).await;
            assert_eq!(refused, Err(ExportError::TooManyBytes));
            tokio::time::sleep(SECOND / 2).await;
            let mut second = incoming.read(endless(vec![b"ab"]));
            assert_eq!(second.reach(2).await, Ok(true));
            tokio::time::sleep(SECOND / 2).await;
            let mut third = incoming.read(endless(vec![b"abcdef"]));
            third.reach(6).await
        });
        assert_eq!((stalled, come), (Err(ExportError::TooSlow), Ok(true)));
        assert_eq!(start.elapsed().as_secs(), 20);
    }

    #[tokio::test]
    async fn what_has_come_counts_until_it_is_taken() {
        let incoming = incoming();
        let mut one = incoming.read(endless(vec![b"123456"]));
        assert_eq!(one.reach(6).await, Ok(true));
        let full = incoming.read(endless(vec![b"1234", b"5"])).whole(10).await;
        assert_eq!(full, Err(ExportError::TooManyBytes));
        drop(one.take(2));
        let mut other = incoming.read(endless(vec![b"1234", b"5", b"6"]));
        assert_eq!(other.reach(6).await, Ok(true));
        drop((one, other));
        assert_eq!(incoming.room.free(), 10);
        let long = incoming.read(endless(vec![b"1234", b"5"])).whole(4).await;
        assert_eq!(long, Err(ExportError::TooLarge(4)));
    }
}
