//! Bodies of requests while they come in.
//!
//! A sender that is slow, or that never comes to the end, takes nothing that others need: a place among the requests that
//! are worked on (`intake::Slot`) is taken when a body is there as a whole. Until then it counts with the bytes that have
//! come of it, of all bodies together against `receive.limits.max_incoming_bytes`, and it has `receive.body_timeout`. On a
//! stop it has `receive.drain_timeout`, so that what is in the queue has the rest of the time to get to the store. Whoever
//! is cut off is asked to come back.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody;
use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::intake::ExportError;
use crate::config;
use crate::queue::AppendError;

/// What bodies that are coming in share.
#[derive(Clone, Debug)]
pub struct Incoming {
    bytes: Arc<Semaphore>,
    body_timeout: Duration,
    drain_timeout: Duration,
    stop: CancellationToken,
}

impl Incoming {
    pub fn new(config: &config::Receive) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(config.limits.max_incoming_bytes)),
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
            held: None,
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
    /// As many as the bytes that have arrived.
    held: Option<OwnedSemaphorePermit>,
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
        if self.arrived.is_empty() {
            self.deadline = None;
            return self.more().await;
        }
        Ok(true)
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
        if let Some(held) = &mut self.held {
            drop(held.split(taken.len()));
        }
        self.incoming.restart(&mut self.deadline);
        taken
    }

    async fn more(&mut self) -> Result<bool, ExportError> {
        loop {
            let frame = tokio::select! {
                biased;
                frame = self.body.frame() => frame,
                () = or_never(self.deadline.as_mut()) => return Err(self.cut_off()),
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
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let held = Arc::clone(&self.incoming.bytes).try_acquire_many_owned(permits);
        let held = held.map_err(|_| ExportError::TooManyBytes)?;
        match &mut self.held {
            Some(all) => all.merge(held),
            None => self.held = Some(held),
        }
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
