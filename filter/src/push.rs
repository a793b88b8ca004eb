//! Whether a VM that gets a plugin configuration is the first of its process to get this push of it.
//!
//! Every VM of a process gets every push, one after the other, and nothing tells them which push it is. So each says under
//! the configuration's name in the memory that they share that it took it ([`take`]). One that has taken it before takes
//! it a second time: that is another push, to which the others come later. Within a VM the plugin may stand in several
//! listeners, each with a root context that gets the configuration: [`Running`] tells the first of them.
//!
//! Two things stay unseen. A VM whose streams of the last time are still open gets no call at all when the same
//! configuration comes back; the others do. And a VM that is two pushes behind takes one for new that others have taken.

/// Bytes of a VM's id.
const ID_BYTES: usize = 8;
/// Of one configuration: workers that are restarted have new ids each time.
const MAX_IDS: usize = 512;

/// What the root contexts of a VM run on, by the hash of the document.
#[derive(Debug, Default)]
pub struct Running(Vec<u64>);

impl Running {
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// A root context begins to run on `document`. Whether it is the only one.
    pub fn begin(&mut self, document: u64) -> bool {
        let is_first = !self.0.contains(&document);
        self.0.push(document);
        is_first
    }

    /// A root context no longer runs on `document`.
    pub fn end(&mut self, document: u64) {
        if let Some(at) = self.0.iter().position(|running| *running == document) {
            self.0.swap_remove(at);
        }
    }
}

/// A VM takes a configuration that VMs have `taken` before. Whether this is a new push of it, and who has taken it now.
pub fn take(taken: &[u8], vm: u64) -> (bool, Vec<u8>) {
    let id = vm.to_le_bytes();
    let (ids, _) = taken.as_chunks::<ID_BYTES>();
    if ids.is_empty() || ids.contains(&id) {
        return (true, id.to_vec());
    }
    let oldest = ids.len().saturating_add(1).saturating_sub(MAX_IDS);
    let kept = ids.get(oldest..).unwrap_or_default();
    (false, [kept.as_flattened(), &id].concat())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// The VMs of a process, and how often a push was found new.
    #[derive(Default)]
    struct Process {
        taken: HashMap<u64, Vec<u8>>,
        pushes: usize,
    }

    impl Process {
        fn take(&mut self, vm: u64, document: u64) {
            let taken = self.taken.entry(document).or_default();
            let (is_new, now) = take(taken, vm);
            *taken = now;
            self.pushes += usize::from(is_new);
        }
    }

    #[test]
    fn each_push_is_new_once() {
        let mut process = Process::default();
        // Broken, mended, broken in the same way: with a VM in between that only tries whether it can be configured.
        for (push, (canary, document)) in
            [(Some(100), 1), (Some(101), 2), (None, 1), (None, 2), (None, 1)].into_iter().enumerate()
        {
            canary.into_iter().chain([1, 2, 3]).for_each(|vm| process.take(vm, document));
            assert_eq!(process.pushes, push + 1);
        }
    }

    #[test]
    fn a_vm_that_is_one_push_behind_takes_none_for_new() {
        let mut process = Process::default();
        for (vm, document) in [(1, 1), (2, 1), (1, 2), (1, 1), (2, 2), (2, 1)] {
            process.take(vm, document);
        }
        assert_eq!(process.pushes, 3);
    }

    #[test]
    fn a_vm_that_comes_later_hears_of_no_push() {
        let mut process = Process::default();
        (0..10_000).for_each(|vm| process.take(vm, 1));
        assert_eq!(process.pushes, 1);
        assert_eq!(process.taken[&1].len(), MAX_IDS * ID_BYTES);
    }

    #[test]
    fn of_several_root_contexts_in_a_vm_the_first_counts() {
        let mut running = Running::none();
        assert!(running.begin(1));
        assert!(!running.begin(1));
        assert!(running.begin(2));
        running.end(1);
        assert!(!running.begin(1), "one is left");
        running.end(1);
        running.end(1);
        running.end(1);
        assert!(running.begin(1));
    }
}
