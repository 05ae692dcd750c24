//! An allocator over a static array, for a program of one thread.
//!
//! Blocks are powers of two, and each lies at a multiple of its size. One that is given back goes
//! to the list of its size, linked through the blocks themselves, and is the next of that size to
//! be given out; blocks are neither split nor merged.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use core::ptr::null_mut;

const BYTES: usize = 8 << 20;
/// Room for the link of a free block.
const BLOCK_MIN: usize = 16;
/// The sizes: 1, 2, 4, and so on.
const SIZES: usize = usize::BITS as usize;

pub struct Heap {
    array: UnsafeCell<[u8; BYTES]>,
    /// Where that part of the array begins which has never been given out.
    next: Cell<usize>,
    /// The latest block of each size that was given back.
    free: [Cell<*mut u8>; SIZES],
    /// The bytes of all blocks that are in use.
    used: Cell<usize>,
}

// SAFETY: the program has one thread, and no signal handler allocates.
unsafe impl Sync for Heap {}

impl Heap {
    pub const fn new() -> Self {
        Self {
            array: UnsafeCell::new([0; BYTES]),
            next: Cell::new(0),
            free: [const { Cell::new(null_mut()) }; SIZES],
            used: Cell::new(0),
        }
    }

    /// The bytes of all blocks that are in use.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// A block that was never given out, or null if there is no room.
    fn cut(&self, size: usize) -> *mut u8 {
        let array = self.array.get().cast::<u8>();
        let start = (array as usize + self.next.get()).next_multiple_of(size) - array as usize;
        if start + size > BYTES {
            return null_mut();
        }
        self.next.set(start + size);
        // SAFETY: the block is within the array.
        unsafe { array.add(start) }
    }
}

/// The size of the block for a layout: a power of two, which all alignments are too.
fn block_size(layout: Layout) -> usize {
    layout.size().max(layout.align()).max(BLOCK_MIN).next_power_of_two()
}

// SAFETY: no two blocks in use overlap, as each was cut from bytes that were never given out and
// is in the list of its size only while it is free; each has the size and alignment asked for.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = block_size(layout);
        let list = &self.free[size.trailing_zeros() as usize];
        let mut block = list.get();
        if block.is_null() {
            block = self.cut(size);
        } else {
            // SAFETY: a block in a list is free and begins with the link to the next.
            list.set(unsafe { block.cast::<*mut u8>().read() });
        }
        if !block.is_null() {
            self.used.set(self.used.get() + size);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let size = block_size(layout);
        let list = &self.free[size.trailing_zeros() as usize];
        // SAFETY: the caller gives the block back, which has room for a link and is aligned for it.
        unsafe { block.cast::<*mut u8>().write(list.get()) };
        list.set(block);
        self.used.set(self.used.get() - size);
    }
}
