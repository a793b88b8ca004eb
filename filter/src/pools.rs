//! The allocator of the module: blocks that were freed are kept by their size, and the next of that size is the last that
//! was freed.
//!
//! Every header map, body and property comes in a block of its own, and a stream has some twenty. The allocator of the
//! C library merges and splits what is free, for which it reads the neighbours of a block: memory that the proxy has pushed
//! out of the processor's caches meanwhile. A block that was in use just now is still there.
//!
//! The first blocks come out of an arena, so that small blocks that are kept do not stand between large ones. What is kept
//! of others is bounded by [`MAX_KEPT_BYTES`]; what is more goes back to the library, as do blocks above [`MAX_BYTES`].

#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

/// The largest block that is kept: a piece of a body.
const MAX_BYTES: usize = 16 << 10;
/// What one exchange takes, beside the state of a decoder.
const ARENA_BYTES: usize = 64 << 10;
/// Blocks are kept until they take so much together, those of the arena always.
const MAX_KEPT_BYTES: usize = 512 << 10;

/// Sizes up to here go up by [`STEP`], then by a quarter of a power of two: at most a fifth of a block is not asked for.
const MAX_SMALL: usize = 64;
const STEP: usize = 16;
const SMALL_SIZES: usize = MAX_SMALL / STEP;
const SIZES: usize = SMALL_SIZES + 4 * (MAX_BYTES.ilog2() - MAX_SMALL.ilog2()) as usize;

/// The blocks that are free, by size: each begins with the place of the next.
pub(crate) struct Pools {
    free: [Cell<*mut u8>; SIZES],
    kept_bytes: Cell<usize>,
    arena: Arena,
    /// How much of the arena has been handed out, once at least.
    begun: Cell<usize>,
}

/// Aligned as every block is.
#[repr(align(16))]
struct Arena(UnsafeCell<MaybeUninit<[u8; ARENA_BYTES]>>);

impl Pools {
    pub(crate) const fn new() -> Self {
        Self {
            free: [const { Cell::new(ptr::null_mut()) }; SIZES],
            kept_bytes: Cell::new(0),
            arena: Arena(UnsafeCell::new(MaybeUninit::zeroed())),
            begun: Cell::new(0),
        }
    }

    /// A block that nobody has had yet: of the arena, or null where that has none left.
    fn new_block(&self, bytes: usize) -> *mut u8 {
        let at = self.begun.get();
        let end = at.wrapping_add(bytes);
        if end > ARENA_BYTES {
            return ptr::null_mut();
        }
        self.begun.set(end);
        self.arena.0.get().cast::<u8>().wrapping_add(at)
    }

    fn is_of_arena(&self, block: *mut u8) -> bool {
        block.addr().wrapping_sub(self.arena.0.get().addr()) < ARENA_BYTES
    }
}

// SAFETY: a module has one thread.
unsafe impl Sync for Pools {}

/// The place of a size in [`Pools::free`], and how many bytes its blocks have; `None` for those that are not kept.
#[inline]
fn size_of_block(layout: Layout) -> Option<(usize, usize)> {
    let bytes = layout.size();
    if bytes > MAX_BYTES || layout.align() > STEP {
        return None;
    }
    if bytes <= MAX_SMALL {
        let steps = bytes.div_ceil(STEP).max(1);
        return Some((steps.wrapping_sub(1), steps.wrapping_mul(STEP)));
    }
    // Of 65 to 128 it is 6; of the next it is 7.
    let power = bytes.wrapping_sub(1).ilog2();
    let quarter = power.wrapping_sub(2);
    // 5, 6, 7 or 8 quarters of the power below.
    let quarters = (bytes.wrapping_sub(1) >> quarter).wrapping_add(1);
    let powers = power.wrapping_sub(MAX_SMALL.ilog2()) as usize;
    let place = SMALL_SIZES.wrapping_add(powers.wrapping_mul(4)).wrapping_add(quarters).wrapping_sub(5);
    Some((place, quarters << quarter))
}

/// As the library is asked for a block, and gets it back.
fn whole(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, STEP).unwrap_or(Layout::new::<u128>())
}

// SAFETY: a block that is handed out comes from the arena or from `System` with the size of its class, which is at least
// what is asked for, and the alignment of all classes, or is one that came back with a layout of the same class. `System`
// gets back what is its own, with that same layout.
unsafe impl GlobalAlloc for Pools {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((place, bytes)) = size_of_block(layout) else {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc(layout) };
        };
        if let Some(first) = self.free.get(place)
            && !first.get().is_null()
        {
            let block = first.get();
            // SAFETY: a block that is free begins with the place of the next; see `dealloc`.
            first.set(unsafe { block.cast::<*mut u8>().read_unaligned() });
            self.kept_bytes.set(self.kept_bytes.get().wrapping_sub(bytes));
            return block;
        }
        let block = self.new_block(bytes);
        if !block.is_null() {
            return block;
        }
        // SAFETY: the size of a class is not zero.
        unsafe { System.alloc(whole(bytes)) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((place, bytes)) = size_of_block(layout) else {
            // SAFETY: as the caller promises.
            return unsafe { System.dealloc(block, layout) };
        };
        let kept_bytes = self.kept_bytes.get().wrapping_add(bytes);
        if let Some(first) = self.free.get(place)
            && (kept_bytes <= MAX_KEPT_BYTES || self.is_of_arena(block))
        {
            // SAFETY: a block has at least 16 bytes, and is nobody's any more.
            unsafe { block.cast::<*mut u8>().write_unaligned(first.get()) };
            first.set(block);
            self.kept_bytes.set(kept_bytes);
            return;
        }
        // SAFETY: the layout that the block was allocated with.
        unsafe { System.dealloc(block, whole(bytes)) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(bytes, layout.align()) else { return ptr::null_mut() };
        let (before, after) = (size_of_block(layout), size_of_block(wanted));
        if before.is_none() && after.is_none() {
            // SAFETY: as the caller promises.
            return unsafe { System.realloc(block, layout, bytes) };
        }
        if before == after {
            return block;
        }
        // SAFETY: the size is not zero, as the caller promises.
        let other = unsafe { self.alloc(wanted) };
        if !other.is_null() {
            // SAFETY: both blocks have that many bytes, and no block is handed out twice; the old one is nobody's then.
            unsafe {
                ptr::copy_nonoverlapping(block, other, layout.size().min(bytes));
                self.dealloc(block, layout);
            }
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_go_up_without_gaps() {
        let block = |bytes: usize| size_of_block(Layout::from_size_align(bytes, 1).expect("a layout"));
        let mut last = 0;
        for bytes in 1..=MAX_BYTES {
            let (place, size) = block(bytes).expect("a size that is kept");
            assert!(place == last || place == last + 1, "{bytes}");
            assert!(size >= bytes && size % STEP == 0, "{bytes}: {size}");
            assert!(bytes <= MAX_SMALL || size - bytes < size / 5 + 1, "{bytes}: {size}");
            last = place;
        }
        assert_eq!(last, SIZES - 1);
        assert_eq!(block(MAX_BYTES), Some((SIZES - 1, MAX_BYTES)));
        assert_eq!(block(MAX_BYTES + 1), None);
        assert_eq!(size_of_block(Layout::from_size_align(64, 64).expect("a layout")), None);
    }

    /// A block, and the byte it is full of.
    struct Held {
        block: *mut u8,
        layout: Layout,
        byte: u8,
    }

    impl Held {
        fn check(&self, bytes: usize) {
            // SAFETY: the block is ours, and has at least as many bytes.
            let bytes = unsafe { std::slice::from_raw_parts(self.block, bytes) };
            assert!(bytes.iter().all(|byte| *byte == self.byte));
        }
    }

    /// Blocks of all sizes come, grow, shrink and go in any order, and none changes under another's hands.
    #[test]
    fn blocks_do_not_touch_each_other() {
        let pools = Pools::new();
        let mut held: Vec<Held> = Vec::new();
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        for round in 0..60_000_usize {
            let sizes = [40, 300, 5_000, 2 * MAX_BYTES];
            let most = sizes[random(4)];
            let (size, align) = (1 + random(most), [1, 8, 16, 64][random(4)]);
            let byte = u8::try_from(round % 251).expect("a byte");
            match random(3) {
                0 if !held.is_empty() => {
                    let at = random(held.len());
                    let one = held.swap_remove(at);
                    one.check(one.layout.size());
                    // SAFETY: the layout that it has.
                    unsafe { pools.dealloc(one.block, one.layout) };
                }
                1 if !held.is_empty() => {
                    let at = random(held.len());
                    let one = &mut held[at];
                    // SAFETY: the layout that it has, and a size that is not zero.
                    one.block = unsafe { pools.realloc(one.block, one.layout, size) };
                    one.check(one.layout.size().min(size));
                    one.layout = Layout::from_size_align(size, one.layout.align()).expect("a layout");
                    // SAFETY: the block is ours, and has as many bytes.
                    unsafe { one.block.write_bytes(one.byte, size) };
                }
                _ => {
                    let layout = Layout::from_size_align(size, align).expect("a layout");
                    // SAFETY: the size is not zero.
                    let block = unsafe { pools.alloc(layout) };
                    assert!(!block.is_null() && block.addr() % align == 0);
                    // SAFETY: the block is ours, and has as many bytes.
                    unsafe { block.write_bytes(byte, size) };
                    held.push(Held { block, layout, byte });
                }
            }
            assert!(pools.kept_bytes.get() <= MAX_KEPT_BYTES + ARENA_BYTES);
        }
        for one in held {
            one.check(one.layout.size());
            // SAFETY: the layout that it has.
            unsafe { pools.dealloc(one.block, one.layout) };
        }
        let (mut blocks, mut kept) = (0, 0);
        for (place, first) in pools.free.iter().enumerate() {
            while !first.get().is_null() {
                let block = first.get();
                let layout = (1..=MAX_BYTES).find_map(|bytes| {
                    let (at, size) = size_of_block(whole(bytes))?;
                    (at == place).then(|| whole(size))
                });
                let layout = layout.expect("a size for each place");
                // SAFETY: a block that is free begins with the place of the next, and goes back as it came.
                unsafe {
                    first.set(block.cast::<*mut u8>().read_unaligned());
                    if !pools.is_of_arena(block) {
                        System.dealloc(block, layout);
                    }
                }
                blocks += 1;
                kept += layout.size();
            }
        }
        assert_eq!(kept, pools.kept_bytes.get(), "{blocks} blocks");
        assert!(blocks > 100, "{blocks}");
    }

    #[test]
    fn the_last_that_was_freed_is_the_next() {
        let pools = Pools::new();
        let layout = whole(1_000);
        // SAFETY: sizes are not zero, and blocks go back with the layout that they have.
        unsafe {
            let (first, second) = (pools.alloc(layout), pools.alloc(layout));
            pools.dealloc(first, layout);
            pools.dealloc(second, layout);
            assert_eq!(pools.alloc(whole(900)), second);
            assert_eq!(pools.alloc(layout), first);
            assert!(pools.is_of_arena(first) && pools.is_of_arena(second));
        }
    }
}
