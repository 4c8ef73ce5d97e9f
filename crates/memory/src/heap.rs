//! The heap: one for the process, behind a lock, and blocks that one thread keeps for itself.
//!
//! musl's own allocator gives every freed page back to the system and asks for it again: an agent
//! that joins two hundred others spends most of its time on that. dlmalloc is small and wastes
//! little, but all threads share it, and every call locks. A server does nearly everything on one
//! thread, and frees within microseconds most of what it allocates; so that thread may keep what
//! it frees ([`keep_freed`]) and takes from there without a lock.
//!
//! ```text
//!   layout ── up to 264 bytes ──▶ its class ──▶ a block kept of it, else of the heap
//!      │                          24, 40, … 264 bytes: what dlmalloc's blocks have room for
//!      └──── larger, or aligned to more than 16 ──▶ the heap
//! ```
//!
//! Kept are at most 64 blocks and 4 KiB of each class: less than 64 KiB.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::hint::spin_loop;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::yield_now;

use dlmalloc::Dlmalloc;

/// What dlmalloc aligns all blocks to.
const ALIGN: usize = 16;
/// What it needs of each block for itself.
const OVERHEAD: usize = 8;
/// The smallest class has room for three words.
const SMALLEST: usize = 2 * ALIGN - OVERHEAD;
const LARGEST: usize = 17 * ALIGN - OVERHEAD;
const CLASSES: usize = (LARGEST - SMALLEST) / ALIGN + 1;
const KEPT_BLOCKS: usize = 64;
const KEPT_BYTES: usize = 4096;
/// How many blocks more than one are made for a thread that keeps some, when it has none.
const SPARE_BLOCKS: usize = 7;
/// How often a lock is tried before others may run.
const TRIES: u32 = 100;

/// The allocator of a program.
pub struct Heap {
    is_locked: AtomicBool,
    blocks: UnsafeCell<Dlmalloc>,
}

// SAFETY: who changes the blocks has the lock.
unsafe impl Sync for Heap {}

/// The lock. It is held for some ten nanoseconds, for which the C library's costs as much again.
struct Blocks<'a>(&'a Heap);

impl Deref for Blocks<'_> {
    type Target = Dlmalloc;

    fn deref(&self) -> &Dlmalloc {
        // SAFETY: nobody else has the lock.
        unsafe { &*self.0.blocks.get() }
    }
}

impl DerefMut for Blocks<'_> {
    fn deref_mut(&mut self) -> &mut Dlmalloc {
        // SAFETY: nobody else has the lock.
        unsafe { &mut *self.0.blocks.get() }
    }
}

impl Drop for Blocks<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.is_locked.store(false, Ordering::Release);
    }
}

/// Blocks of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class(usize);

impl Class {
    #[inline]
    fn of(layout: Layout) -> Option<Self> {
        if layout.size() > LARGEST || layout.align() > ALIGN {
            return None;
        }
        Some(Self((layout.size().max(SMALLEST) - SMALLEST).div_ceil(ALIGN)))
    }

    /// What a block has room for.
    const fn size(self) -> usize {
        SMALLEST + self.0 * ALIGN
    }

    /// How many blocks are kept.
    const fn most(self) -> usize {
        let most = KEPT_BYTES / self.size();
        if most < KEPT_BLOCKS { most } else { KEPT_BLOCKS }
    }
}

/// What a thread keeps: of each class a list through the blocks themselves.
struct Kept {
    is_kept: Cell<bool>,
    lists: [List; CLASSES],
}

struct List {
    first: Cell<*mut u8>,
    length: Cell<usize>,
}

thread_local! {
    static KEPT: Kept =
        const { Kept { is_kept: Cell::new(false), lists: [const { List::new() }; CLASSES] } };
}

impl List {
    const fn new() -> Self {
        Self { first: Cell::new(ptr::null_mut()), length: Cell::new(0) }
    }
}

/// Lets this thread keep what it frees. What it keeps is lost to others when it ends: for one that
/// does not.
pub fn keep_freed() {
    KEPT.with(|kept| kept.is_kept.set(true));
}

/// A block that was kept.
#[inline]
fn take(class: Class) -> Option<*mut u8> {
    KEPT.with(|kept| {
        let list = &kept.lists[class.0];
        let first = list.first.get();
        if first.is_null() {
            return None;
        }
        // SAFETY: only `keep` enters blocks, whose first word it makes the address of the next.
        list.first.set(unsafe { first.cast::<*mut u8>().read() });
        list.length.set(list.length.get() - 1);
        Some(first)
    })
}

/// Keeps a block, if this thread keeps any and has not enough of them.
///
/// # Safety
///
/// It is a block of the class that nobody uses.
#[inline]
unsafe fn keep(class: Class, block: *mut u8) -> bool {
    KEPT.with(|kept| {
        let list = &kept.lists[class.0];
        if !kept.is_kept.get() || list.length.get() >= class.most() {
            return false;
        }
        // SAFETY: every block has room for a word and is aligned to more.
        unsafe { block.cast::<*mut u8>().write(list.first.get()) };
        list.first.set(block);
        list.length.set(list.length.get() + 1);
        true
    })
}

impl Heap {
    /// An empty heap.
    #[must_use]
    pub const fn new() -> Self {
        Self { is_locked: AtomicBool::new(false), blocks: UnsafeCell::new(Dlmalloc::new()) }
    }

    #[inline]
    fn blocks(&self) -> Blocks<'_> {
        if self.is_locked.swap(true, Ordering::Acquire) {
            self.wait();
        }
        Blocks(self)
    }

    /// Returns with the lock.
    #[cold]
    fn wait(&self) {
        let mut tries = 0;
        while self.is_locked.swap(true, Ordering::Acquire) {
            tries += 1;
            if tries < TRIES { spin_loop() } else { yield_now() }
        }
    }

    /// A block of a class that none was kept of.
    fn fresh(&self, class: Class) -> *mut u8 {
        let mut blocks = self.blocks();
        let spare = if KEPT.with(|kept| kept.is_kept.get()) { SPARE_BLOCKS } else { 0 };
        // SAFETY: the size of a class is not zero, and nobody uses what was just made.
        unsafe {
            for _ in 0..spare {
                let block = blocks.malloc(class.size(), ALIGN);
                if block.is_null() {
                    break;
                }
                if !keep(class, block) {
                    blocks.free(block, class.size(), ALIGN);
                    break;
                }
            }
            blocks.malloc(class.size(), ALIGN)
        }
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: blocks are dlmalloc's, which has them all behind one lock. One of a class was asked for
// with the class's size, whichever layout it has now, so that every layout of the class fits it.
// There is one heap in a program, as KEPT takes for granted.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = Class::of(layout) else {
            // SAFETY: the caller's promise is the same, here and below.
            return unsafe { self.blocks().malloc(layout.size(), layout.align()) };
        };
        take(class).unwrap_or_else(|| self.fresh(class))
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is of this layout, hence of the class, and the caller uses it no more.
        unsafe {
            let Some(class) = Class::of(layout) else {
                return self.blocks().free(block, layout.size(), layout.align());
            };
            if !keep(class, block) {
                self.blocks().free(block, class.size(), ALIGN);
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller makes the same promise; what is small has the bytes it asked for.
        unsafe {
            if Class::of(layout).is_none() {
                return self.blocks().calloc(layout.size(), layout.align());
            }
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block, its layout, and that the size is not zero and
        // does not overflow. Both blocks have room for the bytes that are copied.
        unsafe {
            let wanted = Layout::from_size_align_unchecked(size, layout.align());
            match (Class::of(layout), Class::of(wanted)) {
                (None, None) => self.blocks().realloc(block, layout.size(), layout.align(), size),
                (old, new) if old == new => block,
                _ => {
                    let moved = self.alloc(wanted);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(block, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn a_class_has_room_for_its_layouts_and_keeps_few() {
        for size in 1..=LARGEST {
            let class = Class::of(layout(size)).unwrap();
            assert!((size..size + SMALLEST).contains(&class.size()), "{size}");
        }
        assert_eq!(Class::of(layout(LARGEST)), Some(Class(CLASSES - 1)));
        assert_eq!(Class::of(layout(LARGEST + 1)), None);
        assert_eq!(Class::of(Layout::from_size_align(8, 32).unwrap()), None);
        let kept = |class: Class| class.most() * (class.size() + OVERHEAD);
        assert!((0..CLASSES).map(|class| kept(Class(class))).sum::<usize>() <= 64 << 10);
    }

    /// Blocks of all sizes, made, grown, shrunk and freed, on a thread that keeps some and on one
    /// that does not; each is filled, and still is when it is looked at.
    #[test]
    fn blocks_are_nobody_elses() {
        static HEAP: Heap = Heap::new();
        let work = |keeps: bool| {
            if keeps {
                keep_freed();
            }
            let mut blocks: Vec<(*mut u8, usize, u8)> = Vec::new();
            let mut random = 1_u32;
            for round in 0..50_000_u32 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (size, fill) = ((random >> 8) as usize % 600 + 1, round as u8);
                let at = (random >> 20) as usize % 700;
                // SAFETY: every block was made with its size, and is used until it is freed.
                unsafe {
                    if let Some(&(block, length, byte)) = blocks.get(at) {
                        let bytes = std::slice::from_raw_parts(block, length);
                        assert!(bytes.iter().all(|other| *other == byte));
                        if round % 3 == 0 {
                            blocks.swap_remove(at);
                            HEAP.dealloc(block, layout(length));
                            continue;
                        }
                        let block = HEAP.realloc(block, layout(length), size);
                        let kept = std::slice::from_raw_parts(block, length.min(size));
                        assert!(kept.iter().all(|other| *other == byte));
                        block.write_bytes(fill, size);
                        blocks[at] = (block, size, fill);
                        continue;
                    }
                    let block = HEAP.alloc_zeroed(layout(size));
                    assert_eq!(block.addr() % ALIGN, 0);
                    let bytes = std::slice::from_raw_parts(block, size);
                    assert!(bytes.iter().all(|other| *other == 0));
                    block.write_bytes(fill, size);
                    blocks.push((block, size, fill));
                }
            }
            blocks.len()
        };
        let other = std::thread::spawn(move || work(false));
        assert!(std::thread::spawn(move || work(true)).join().unwrap() > 0);
        other.join().unwrap();
    }
}
