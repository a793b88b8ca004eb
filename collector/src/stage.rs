//! A task with the means to end it. Every task of the collector that lasts is one.

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
