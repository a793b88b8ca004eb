//! A task with the means to end it. Every task of the collector that lasts is one, or belongs to a [`Drain`].

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

#[derive(Debug)]
pub struct Stage {
    name: &'static str,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Stage {
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        run: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone()));
        Self { name, stop, task: Some(task) }
    }

    /// Asks the task to end, and waits for it. May be dropped and called again.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(task) = &mut self.task {
            if let Err(error) = task.await
                && error.is_panic()
            {
                error!(stage = self.name, "the stage failed");
            }
            self.task = None;
        }
    }

    pub async fn stop_within(&mut self, time: Duration) {
        if tokio::time::timeout(time, self.stop()).await.is_err() {
            warn!(stage = self.name, "the stage did not end in time");
            self.abort();
        }
    }

    fn abort(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// What takes entries out of the queue: a thread that reads, and a task that sends what it has read.
#[derive(Debug)]
pub struct Drain {
    name: &'static str,
    /// Tells the sender that an attempt that fails is the last one.
    draining: CancellationToken,
    /// The reader ends when nobody takes what it has read any more.
    tasks: [Option<JoinHandle<()>>; 2],
}

impl Drain {
    pub const fn new(
        name: &'static str,
        draining: CancellationToken,
        sender: JoinHandle<()>,
        reader: JoinHandle<()>,
    ) -> Self {
        Self { name, draining, tasks: [Some(sender), Some(reader)] }
    }

    /// To be called when the queue is closed: waits until it is empty or no more is taken. May be dropped.
    pub async fn finish(&mut self) {
        self.draining.cancel();
        for task in &mut self.tasks {
            if let Some(running) = task {
                if let Err(error) = running.await
                    && error.is_panic()
                {
                    error!(stage = self.name, "the stage failed");
                }
                *task = None;
            }
        }
    }

    /// Gives up what is under way, and lets go of the queue. It is sent again at the next start.
    pub async fn abort(&mut self) {
        if let [Some(sender), _] = &self.tasks {
            sender.abort();
        }
        for task in &mut self.tasks {
            if let Some(aborted) = task.take() {
                drop(aborted.await);
            }
        }
    }
}
