//! What all decoders of a VM hold together. A VM has one thread.

use std::cell::Cell;

use super::DecodeError;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Fails when so much more would be beyond the bound on all decoders.
pub(super) fn check_room(bytes: usize, vm_bytes: usize) -> Result<(), DecodeError> {
    if HELD.get().saturating_add(bytes) > vm_bytes { Err(DecodeError::VmMemory) } else { Ok(()) }
}

/// A share of it, given back when dropped.
#[derive(Debug, Default)]
pub(super) struct Memory(usize);

impl Memory {
    pub(super) fn of(bytes: usize, vm_bytes: usize) -> Result<Self, DecodeError> {
        let mut memory = Self::default();
        memory.grow_to(bytes, vm_bytes)?;
        Ok(memory)
    }

    pub(super) fn grow_to(&mut self, bytes: usize, vm_bytes: usize) -> Result<(), DecodeError> {
        let more = bytes.saturating_sub(self.0);
        check_room(more, vm_bytes)?;
        self.add(more);
        Ok(())
    }

    /// Without asking: for memory that is taken already.
    pub(super) fn add(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes);
        HELD.set(HELD.get().saturating_add(bytes));
    }

    pub(super) fn remove(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
        HELD.set(HELD.get().saturating_sub(bytes));
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.remove(self.0);
    }
}

/// For tests: what is held now.
#[cfg(any(test, feature = "fuzzing"))]
pub fn held_bytes() -> usize {
    HELD.get()
}
