//! Short texts, in place where they are short enough.

use alloc::boxed::Box;

/// A text in 16 bytes: up to [`INLINE_MAX`] bytes are in place, up to [`HEAP_MAX`] in one block.
#[derive(Clone, Debug)]
pub(crate) struct Text(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Inline(Short<INLINE_MAX>),
    /// As long as the usual names are, a UUID for one: 48 bytes.
    Heap(Box<Short<HEAP_MAX>>),
    /// The second box keeps the text small.
    Long(Box<Box<str>>),
}

/// Up to `MAX` bytes of a text.
#[derive(Clone, Debug)]
struct Short<const MAX: usize> {
    len: u8,
    bytes: [u8; MAX],
}

const INLINE_MAX: usize = 14;
const HEAP_MAX: usize = 47;
const _: () = assert!(size_of::<Option<Text>>() == 16);

impl<const MAX: usize> Short<MAX> {
    const EMPTY: Self = Self { len: 0, bytes: [0; MAX] };

    /// Takes over a text; `false` if it is too long.
    #[inline]
    fn assign(&mut self, text: &str) -> bool {
        match self.bytes.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text.as_bytes());
                self.len = text.len() as u8;
                true
            }
            None => false,
        }
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len).min(MAX)]
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Text {
    const EMPTY: Self = Self(Kept::Inline(Short::EMPTY));

    pub(crate) fn new(text: &str) -> Self {
        let mut new = Self::EMPTY;
        new.assign(text);
        new
    }

    /// Becomes another text, in the same block if there is one and it fits.
    pub(crate) fn assign(&mut self, text: &str) {
        let fits = match &mut self.0 {
            Kept::Inline(short) => short.assign(text),
            Kept::Heap(short) => short.assign(text),
            Kept::Long(_) => false,
        };
        if fits {
            return;
        }
        let mut inline = Short::EMPTY;
        let mut heap = Short::EMPTY;
        self.0 = if inline.assign(text) {
            Kept::Inline(inline)
        } else if heap.assign(text) {
            Kept::Heap(Box::new(heap))
        } else {
            Kept::Long(Box::new(text.into()))
        };
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        // Bytes are copied from a whole `str`, so the check never fails.
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::Inline(short) => short.as_bytes(),
            Kept::Heap(short) => short.as_bytes(),
            Kept::Long(text) => text.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn a_text_is_the_same_wherever_it_is_kept() {
        let texts: [String; 48] =
            core::array::from_fn(|len| core::iter::repeat_n('ü', len).collect());
        for from in &texts {
            for to in &texts {
                let mut text = Text::new(from);
                assert_eq!(text.as_str(), from);
                text.assign(to);
                assert_eq!(text.as_bytes(), to.as_bytes());
            }
        }
    }

    /// A short text has no block of its own, and a middling one keeps that of the one before.
    #[test]
    fn a_text_takes_no_more_room_than_it_needs() {
        let long = "l".repeat(HEAP_MAX + 1);
        for (text, is_inline, is_long) in [
            ("", true, false),
            (&long[..INLINE_MAX], true, false),
            (&long[..INLINE_MAX + 1], false, false),
            (&long[..HEAP_MAX], false, false),
            (&long[..], false, true),
        ] {
            let kept = Text::new(text).0;
            assert_eq!(matches!(kept, Kept::Inline(_)), is_inline, "{text:?}");
            assert_eq!(matches!(kept, Kept::Long(_)), is_long, "{text:?}");
        }
        assert!(Text::new("").is_empty() && !Text::new("t").is_empty());
        let mut text = Text::new(&long[..HEAP_MAX]);
        let block = text.as_str().as_ptr();
        text.assign(&long[..INLINE_MAX]);
        assert_eq!(text.as_str().as_ptr(), block);
    }
}
