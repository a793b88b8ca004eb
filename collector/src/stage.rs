//! A task with the means to end it. Every task of the collector that lasts is one, or belongs to a [`Drain`].
//!
//! Each has a name, and whoever owns the collector hears of one that fails ([`Failures`]): one that panics, or ends
//! before it is asked to. There is no going on without it, and what it left half done is not known: the collector is not
//! ready from then on, and ends. What is in the queue is there at the next start.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::telemetry::tasks::TaskMetrics;

/// Hears of tasks that fail.
#[derive(Clone, Debug)]
pub struct Failures {
    /// The first one.
    failed: watch::Sender<Option<&'static str>>,
    metrics: TaskMetrics,
}

impl Failures {
    pub fn new(metrics: TaskMetrics) -> Self {
        Self { failed: watch::Sender::new(None), metrics }
    }

    fn started(&self, task: &'static str) {
        self.metrics.started(task);
    }

    pub fn report(&self, task: &'static str, why: &str) {
        error!(task, why, "a task of the collector failed");
        self.metrics.failed(task);
        self.failed.send_if_modified(|failed| failed.replace(task).is_none());
    }

    /// Returns when a task has failed, with its name.
    pub async fn first(&self) -> &'static str {
        let mut failed = self.failed.subscribe();
        let found = failed.wait_for(Option::is_some).await;
        found.ok().and_then(|task| *task).unwrap_or_default()
    }

    /// The task that has failed, if one has.
    pub fn found(&self) -> Option<&'static str> {
        *self.failed.borrow()
    }

    /// A part of a task: a panic in it is reported.
    pub async fn watch<T: Default>(&self, task: &'static str, run: impl Future<Output = T>) -> T {
        match AssertUnwindSafe(run).catch_unwind().await {
            Ok(done) => done,
            Err(panic) => {
                self.report(task, panic_message(&*panic));
                T::default()
            }
        }
    }

    /// The same for what runs where blocking is allowed.
    pub fn watch_blocking(&self, task: &'static str, run: impl FnOnce()) {
        if let Err(why) = caught(run) {
            self.report(task, &why);
        }
    }
}

/// What a panic said, where something comes again at every start and must not end every one of them.
pub fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panic_message(&*panic).to_owned())
}

/// What a panic says.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

#[derive(Debug)]
pub struct Stage {
    name: &'static str,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Stage {
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        failures: &Failures,
        run: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        failures.started(name);
        let stop = CancellationToken::new();
        let (run, stopped, failures) = (run(stop.clone()), stop.clone(), failures.clone());
        let task = tokio::spawn(async move {
            failures.watch(name, run).await;
            if !stopped.is_cancelled() && failures.found().is_none() {
                failures.report(name, "it ended before the collector did");
            }
        });
        Self { name, stop, task: Some(task) }
    }

    /// Asks the task to end, and waits for it. May be dropped and called again.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(task) = &mut self.task {
            drop(task.await);
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
    /// Tells the sender that an attempt that fails is the last one.
    draining: CancellationToken,
    /// The reader ends when nobody takes what it has read any more.
    tasks: [Option<JoinHandle<()>>; 2],
}

impl Drain {
    pub fn start(
        name: &'static str,
        failures: &Failures,
        draining: CancellationToken,
        send: impl Future<Output = ()> + Send + 'static,
        read: impl FnOnce() + Send + 'static,
    ) -> Self {
        failures.started(name);
        let (of_sender, of_reader) = (failures.clone(), failures.clone());
        let sender = tokio::spawn(async move { of_sender.watch(name, send).await });
        let reader = tokio::task::spawn_blocking(move || of_reader.watch_blocking(name, read));
        Self { draining, tasks: [Some(sender), Some(reader)] }
    }

    /// To be called when the queue is closed: waits until it is empty or no more is taken. May be dropped.
    pub async fn finish(&mut self) {
        self.draining.cancel();
        for task in &mut self.tasks {
            if let Some(running) = task {
                drop(running.await);
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

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    fn failures() -> Failures {
        Failures::new(TaskMetrics::new(&mut Registry::default()))
    }

    #[tokio::test]
    async fn a_panic_and_an_early_end_are_heard_of() {
        let failures = failures();
        assert_eq!(failures.found(), None);
        let mut lasting = Stage::spawn("lasting", &failures, |stop| async move { stop.cancelled().await });
        lasting.stop().await;
        assert_eq!(failures.found(), None, "one that was asked to end has not failed");
        let panics = Stage::spawn("panics", &failures, |_| async { panic!("of the test") });
        assert_eq!(failures.first().await, "panics");
        let _ends = Stage::spawn("ends", &failures, |_| async {});
        drop(panics);
        assert_eq!((failures.first().await, failures.found()), ("panics", Some("panics")), "the first one");
    }

    #[test]
    fn a_panic_says_why() {
        assert_eq!(caught(|| 5), Ok(5));
        assert_eq!(caught(|| panic!("of the test")), Err::<(), _>("of the test".to_owned()));
        assert_eq!(caught(|| panic!("of test {}", 2)), Err::<(), _>("of test 2".to_owned()));
    }

    #[tokio::test]
    async fn a_panic_on_either_side_of_a_drain_is_heard_of() {
        for in_reader in [true, false] {
            let failures = failures();
            let send = async move { assert!(in_reader, "of the test") };
            let read = move || assert!(!in_reader, "of the test");
            let mut drain = Drain::start("drain", &failures, CancellationToken::new(), send, read);
            assert_eq!(failures.first().await, "drain");
            drain.finish().await;
        }
    }
}
