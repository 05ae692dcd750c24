//! Reads the objects, integers and words of strict JSON, and keeps the place where it reads.

use core::fmt;
use std::borrow::Cow;

use serde::de::{self, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

/// The names of the object and of the object in it that the parser is at.
#[derive(Debug, Default)]
pub struct Place {
    names: [Option<Cow<'static, str>>; 2],
}

impl Place {
    pub fn path(self) -> String {
        match self.names {
            [None, _] => "line".into(),
            [Some(outer), None] => outer.into(),
            [Some(outer), Some(inner)] => format!("{outer}.{inner}"),
        }
    }
}

/// Something with named places for the values of an object.
pub trait Table {
    const NAMES: &'static [&'static str];

    /// Reads the value of the name at `at`.
    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        at: usize,
        map: &mut A,
        place: &mut Place,
    ) -> Result<(), A::Error>;
}

/// Reads an object into a table and gives the set of the names that it had, as bits.
pub struct Object<'a, T> {
    /// 0 for the line, 1 for an object in it.
    pub depth: usize,
    pub table: &'a mut T,
    pub place: &'a mut Place,
}

impl<'de, T: Table> DeserializeSeed<'de> for Object<'_, T> {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Table> Visitor<'de> for Object<'_, T> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u32, A::Error> {
        let mut given = 0;
        while let Some(name) = map.next_key_seed(Name(T::NAMES))? {
            let at = match name {
                Ok(at) => at,
                Err(unknown) => {
                    self.place.names[self.depth] = Some(unknown.into());
                    return Err(A::Error::custom("unknown key"));
                }
            };
            self.place.names[self.depth] = Some(T::NAMES[at].into());
            if given & bit(at) != 0 {
                return Err(A::Error::custom("named twice"));
            }
            given |= bit(at);
            self.table.read(at, &mut map, self.place)?;
        }
        self.place.names[self.depth] = None;
        Ok(given)
    }
}

/// Reads a key: its place among the names, or the key itself if it is none of them.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Result<usize, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|&name| name == key).ok_or_else(|| key.into()))
    }
}

/// Reads an integer of at least this.
pub struct Int(pub u64);

impl Int {
    const MAX: u64 = 1 << 53;
}

impl<'de> DeserializeSeed<'de> for Int {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_u64(self)
    }
}

impl Visitor<'_> for Int {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer from {} to 2^53-1, as digits only", self.0)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        if (self.0..Self::MAX).contains(&value) {
            Ok(value)
        } else {
            Err(E::invalid_value(de::Unexpected::Unsigned(value), &self))
        }
    }
}

/// Reads one of the words that the function knows; the text says what they are.
#[derive(Clone, Copy)]
pub struct Word<T>(pub &'static str, pub fn(&str) -> Option<T>);

impl<'de, T> DeserializeSeed<'de> for Word<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
        self.1(word).ok_or_else(|| E::invalid_value(de::Unexpected::Str(word), &self))
    }
}

/// The set that holds only the key at `at`.
pub const fn bit(at: usize) -> u32 {
    1 << at
}
