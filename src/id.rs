//! Names: of devices and sessions for the host, and the core's private slots.

use alloc::string::String;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;

use crate::text::Text;

/// The name of one live link of a device, issued by [`Engine::login`](crate::Engine::login).
///
/// A session id is never used twice: once its session has ended, every call that names it is
/// refused with `UnknownSession` and changes nothing (LV-7). It is a slot, a generation and which
/// timeout holds for it, in eight bytes; hosts may keep it beside the link and send it through a
/// journal.
///
/// An id is a name, not a secret: it is small and guessable. A host must never take it from a
/// client.
///
/// # Examples
///
/// ```
/// use presence_engine::{Config, DeviceId, Engine, LoginKind, Platform, SessionId, Timestamp};
///
/// let mut engine = Engine::<u64>::new(Config::default());
/// let now = Timestamp::ZERO;
/// let session = engine.login(now, &7, Platform::Web, DeviceId::new("w1"), LoginKind::Login)?;
/// assert_eq!(SessionId::from_bits(session.to_bits()), Some(session));
/// assert_eq!(format!("{session:?}"), "s0v1");
/// # Ok::<(), presence_engine::LoginError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "u64", try_from = "u64")
)]
pub struct SessionId(NonZeroU64);

const _: () = assert!(size_of::<Option<SessionId>>() == 8);

impl SessionId {
    /// Returns the id as a number, for journals and tables of the host.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// Where in the lower half of an id the family of the session's platform begins, two bits above
    /// the generation.
    pub(crate) const FAMILY_SHIFT: u32 = 29;
    /// The largest generation: odd, as those of ids are.
    pub(crate) const GENERATION_MAX: u32 = (1 << Self::FAMILY_SHIFT) - 1;

    /// Returns the id that [`SessionId::to_bits`] gave, or `None` if it is even, as
    /// no id is.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(id) if bits & 1 == 1 => Some(Self(id)),
            _ => None,
        }
    }

    /// Makes an id of a slot and a lower half: an odd generation, and a family above it.
    pub(crate) fn from_parts(slot: u32, lower: u32) -> Self {
        debug_assert!(lower & 1 == 1, "only odd generations are live");
        debug_assert!(lower >> (Self::FAMILY_SHIFT + 2) == 0, "nothing is above the family");
        let bits = u64::from(slot) << 32 | u64::from(lower | 1);
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    /// Makes a value that no session has, for tables that keep ids beside other things: even bits
    /// are no id's. `tag` is even and not 0.
    pub(crate) const fn marker(index: u32, tag: u32) -> Self {
        debug_assert!(tag & 1 == 0 && tag != 0, "odd tags are generations");
        match NonZeroU64::new((index as u64) << 32 | (tag & !1) as u64) {
            Some(bits) => Self(bits),
            None => Self(NonZeroU64::MAX),
        }
    }

    /// Returns whether this is an id, and no marker.
    pub(crate) const fn is_id(self) -> bool {
        self.0.get() & 1 == 1
    }

    pub(crate) const fn slot(self) -> u32 {
        (self.0.get() >> 32) as u32
    }

    /// Returns all but the slot: generation and family.
    pub(crate) const fn lower(self) -> u32 {
        self.0.get() as u32
    }

    pub(crate) const fn generation(self) -> u32 {
        self.lower() & Self::GENERATION_MAX
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}v{}", self.slot(), self.generation())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<SessionId> for u64 {
    fn from(id: SessionId) -> Self {
        id.to_bits()
    }
}

impl TryFrom<u64> for SessionId {
    type Error = NotASessionId;

    fn try_from(bits: u64) -> Result<Self, NotASessionId> {
        Self::from_bits(bits).ok_or(NotASessionId(bits))
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SessionId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let slot = u.int_in_range(0..=255)?;
        let generation = u.int_in_range(0..=255u32)?;
        let family = u.int_in_range(0..=2u32)?;
        Ok(Self::from_parts(slot, family << Self::FAMILY_SHIFT | generation | 1))
    }
}

/// The number is not one that [`SessionId::to_bits`] gives.
#[expect(clippy::exhaustive_structs, reason = "the number is all there is")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the number of a session id")]
pub struct NotASessionId(pub u64);

/// The host's name for one installation, unique within user and platform.
///
/// The engine never looks inside: every text is allowed, the empty one too. It is 16 bytes: texts
/// of up to 14 bytes are kept in place, longer ones on the heap.
///
/// # Examples
///
/// ```
/// use presence_engine::DeviceId;
///
/// assert_eq!(DeviceId::new("pixel-9").as_str(), "pixel-9");
/// ```
#[derive(Clone)]
pub struct DeviceId(Text);

const _: () = assert!(size_of::<Option<DeviceId>>() == 16);

impl DeviceId {
    /// Makes a device id of any text.
    ///
    /// # Complexity
    ///
    /// O(length); allocates once for more than 14 bytes, and twice for more than 47.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Text::new(text))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Default for DeviceId {
    fn default() -> Self {
        Self::new("")
    }
}

impl PartialEq for DeviceId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for DeviceId {}

impl PartialOrd for DeviceId {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DeviceId {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for DeviceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<String> for DeviceId {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<&str> for DeviceId {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl core::borrow::Borrow<str> for DeviceId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for DeviceId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for DeviceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for DeviceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        alloc::borrow::Cow::<'de, str>::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for DeviceId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        <&str>::arbitrary(u).map(Self::new)
    }
}

/// The place of a user in the core's tables.
///
/// Relations keep it in 30 bits, so there are at most [`UserSlot::COUNT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UserSlot(pub(crate) u32);

impl UserSlot {
    /// How many users one engine can know.
    pub(crate) const COUNT_MAX: usize = (1 << 30) - 1;

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The place of a logged-in device, session or push registration, in the core's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeviceSlot(pub(crate) u32);

impl DeviceSlot {
    /// No device: the end of a list.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_compare_by_text_wherever_it_is_kept() {
        for len in 0..48 {
            let text = String::from_iter(core::iter::repeat_n('ü', len));
            assert_eq!(DeviceId::new(&text).as_str(), text);
            assert_eq!(DeviceId::new(&text), DeviceId::new(&text.clone()));
            assert!(DeviceId::new(&text) < DeviceId::new(&(text + "z")));
        }
    }

    #[test]
    fn only_odd_numbers_are_session_ids() {
        assert_eq!(SessionId::from_bits(0), None);
        assert_eq!(SessionId::from_bits(2), None);
        assert_eq!(SessionId::try_from(4), Err(NotASessionId(4)));
        let id = SessionId::from_parts(u32::MAX, SessionId::GENERATION_MAX);
        assert_eq!((id.slot(), id.generation()), (u32::MAX, SessionId::GENERATION_MAX));
        assert_eq!(SessionId::from_bits(id.to_bits()), Some(id));
    }
}
