//! Ctrl-C, or a request to terminate.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

pub(super) struct Interrupt(Arc<(Mutex<bool>, Condvar)>);

impl Interrupt {
    /// From here on Ctrl-C raises the interrupt instead of ending the program.
    pub(super) fn listen() -> Self {
        let raised = Arc::new((Mutex::new(false), Condvar::new()));
        let raise = Arc::clone(&raised);
        thread::spawn(move || {
            if wait_for_signal().is_ok() {
                *raise.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
                raise.1.notify_all();
            }
        });
        Self(raised)
    }

    pub(super) fn is_raised(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait(&self) {
        let mut raised = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*raised {
            raised = self.0.1.wait(raised).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn wait_for_signal() -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    })
}
