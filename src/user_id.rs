//! The host's own names for users.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::hash::Hash;

/// A type by which a host names users: any `Clone + Eq + Hash` type, with its borrowed form.
///
/// The engine keeps one owned id a user; every call takes the borrowed form, so that an engine of
/// `String` is asked with `&str`. Texts are valid by the rule of AC-1; numbers and [`Id`]s always.
/// A host's own type implements the trait in three lines, or is wrapped in [`Id`].
///
/// `Borrow` must keep its promise: the borrowed form is equal and hashes equal exactly when the
/// owned one does. A broken promise gives wrong answers, never a panic or corrupt state.
///
/// # Examples
///
/// ```
/// use presence_engine::UserId;
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct Account(u64);
///
/// impl UserId for Account {
///     type Borrowed = Self;
///     fn from_borrowed(id: &Self) -> Self {
///         id.clone()
///     }
///     fn is_valid(id: &Self) -> bool {
///         id.0 != 0
///     }
/// }
/// ```
pub trait UserId: Clone + Eq + Hash + Borrow<Self::Borrowed> {
    /// The form by which users are looked up, as `str` for `String`.
    type Borrowed: Eq + Hash + ?Sized;

    /// Makes the owned id that the engine keeps.
    fn from_borrowed(id: &Self::Borrowed) -> Self;

    /// Returns whether the id is one that a user may have (AC-1).
    ///
    /// [`Engine::with_id_rule`](crate::Engine::with_id_rule) sets another rule for one engine.
    fn is_valid(_id: &Self::Borrowed) -> bool {
        true
    }
}

/// Returns whether a text is a valid user id by AC-1: 1 to 32 bytes of printable ASCII.
fn is_valid_text(id: &str) -> bool {
    (1..=32).contains(&id.len()) && has_graphic_only(id.as_bytes())
}

/// Returns whether all bytes are printable ASCII: eight of them at once.
fn has_graphic_only(bytes: &[u8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const TOP: u64 = EACH << 7;
    // Of a byte below 128, adding 1 sets the top bit for DEL, and adding 95 for all from `!` on.
    let are_graphic = |eight: [u8; 8]| {
        let eight = u64::from_ne_bytes(eight);
        (eight | eight.wrapping_add(EACH)) & TOP == 0 && eight.wrapping_add(95 * EACH) & TOP == TOP
    };
    let Some(&last) = bytes.last_chunk() else {
        return bytes.iter().all(u8::is_ascii_graphic);
    };
    let mut rest = bytes;
    while let Some((&eight, others)) = rest.split_first_chunk() {
        if !are_graphic(eight) {
            return false;
        }
        rest = others;
    }
    // Some of them for the second time.
    are_graphic(last)
}

macro_rules! text_ids {
    ($($owned:ty),*) => {$(
        impl UserId for $owned {
            type Borrowed = str;
            fn from_borrowed(id: &str) -> Self {
                id.into()
            }
            fn is_valid(id: &str) -> bool {
                is_valid_text(id)
            }
        }
    )*};
}

text_ids!(String, Box<str>, Rc<str>);
// There is no `Arc` where a processor cannot compare and swap, as on small microcontrollers.
#[cfg(target_has_atomic = "ptr")]
text_ids!(Arc<str>);

macro_rules! plain_ids {
    ($($id:ty),*) => {$(
        impl UserId for $id {
            type Borrowed = Self;
            fn from_borrowed(id: &Self) -> Self {
                *id
            }
        }
    )*};
}

plain_ids!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

impl<const N: usize> UserId for [u8; N] {
    type Borrowed = Self;
    fn from_borrowed(id: &Self) -> Self {
        *id
    }
}

/// Makes a user id of any other `Clone + Eq + Hash` type; every value of it is valid.
///
/// # Examples
///
/// ```
/// use presence_engine::{Config, Engine, Id, Timestamp};
///
/// let mut engine = Engine::<Id<(u32, u32)>>::new(Config::default());
/// assert!(engine.inspect(Timestamp::ZERO, &(1, 2)).is_ok());
/// ```
#[expect(clippy::exhaustive_structs, reason = "a transparent wrapper")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Id<T>(pub T);

impl<T> Borrow<T> for Id<T> {
    fn borrow(&self) -> &T {
        &self.0
    }
}

impl<T: Clone + Eq + Hash> UserId for Id<T> {
    type Borrowed = T;
    fn from_borrowed(id: &T) -> Self {
        Self(id.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AC-1: one byte that is not printable is noticed, whichever it is and wherever it stands.
    #[test]
    fn a_text_is_valid_if_all_of_its_bytes_are() {
        for len in 1..=32 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    for others in *b"!~" {
                        let mut id = [others; 32];
                        id[at] = byte;
                        let is_valid = has_graphic_only(&id[..len]);
                        assert_eq!(is_valid, (b'!'..=b'~').contains(&byte), "{:?}", &id[..len]);
                    }
                }
            }
        }
        let longest = "x".repeat(32);
        assert!(is_valid_text(&longest) && !is_valid_text(""));
        assert!(!is_valid_text(&(longest + "x")) && !is_valid_text("user\u{e9}\u{e8}name"));
    }
}
