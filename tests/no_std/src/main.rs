//! A host without the standard library: the engine in a program of its own allocator and panic
//! handler. It plays a story whose every output is known, and ends with 0 if all came as it should,
//! else with a text and 101.
//!
//! Of the C library it takes the entry point, `write` and `_exit`, so it runs on any Unix.
#![no_std]
#![no_main]

extern crate alloc;

use core::ffi::{c_char, c_int, c_void};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

use heap::Heap;

mod heap;
mod story;

const STDERR: c_int = 2;
/// The exit status of a program that panics, as with std.
const PANICKED: c_int = 101;

#[global_allocator]
static HEAP: Heap = Heap::new();

#[link(name = "c")]
unsafe extern "C" {
    fn write(file: c_int, bytes: *const c_void, count: usize) -> isize;
    safe fn _exit(status: c_int) -> !;
}

// SAFETY: no other item of the program has this name, and the C library calls it as declared.
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    let before = HEAP.used();
    story::a_day();
    story::a_crowd();
    assert_eq!(HEAP.used(), before, "dropped engines leave nothing");
    0
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // If even that fails, the exit status has to do.
    let _ = writeln!(Stderr, "{info}");
    _exit(PANICKED)
}

/// `alloc` comes compiled for programs that unwind, and names what they need. As panics abort here,
/// nothing ever unwinds.
mod unwinding {
    // SAFETY: no other item of the program has this name.
    #[unsafe(no_mangle)]
    extern "C" fn rust_eh_personality() -> ! {
        super::_exit(super::PANICKED)
    }

    // SAFETY: as above.
    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_Resume() -> ! {
        super::_exit(super::PANICKED)
    }
}

/// The standard error stream, unbuffered.
struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the text is readable for as many bytes as it has.
        let written = unsafe { write(STDERR, text.as_ptr().cast(), text.len()) };
        if usize::try_from(written) == Ok(text.len()) { Ok(()) } else { Err(fmt::Error) }
    }
}
