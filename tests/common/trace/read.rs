//! Reads input lines.
//!
//! A line is parsed in one pass into [`Fields`], as its keys may come in any order; which of them
//! its operation takes is checked afterwards, as `op` may come last. [`Place`] follows the parser,
//! so that whatever stops it is told with the field where it stopped. No value is ever skipped: an
//! unknown key or a value of the wrong type ends the line, so that nothing nests deeper than the
//! format does.

use core::fmt;

use presence_engine::{Accounts, Groups, GroupsError, Platform, Policy, Rate, Tier};
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::super::op::{Device, Op, Patch, Session};
use super::json::{Int, Object, Place, Table, Word, bit};

/// What one input line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Only as the first line.
    Config(Patch),
    Op {
        t: u64,
        op: Op,
    },
}

/// Why a line is none. It has no effect, and its time does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The dotted path of the field at fault, or `line` if no field is.
    pub field: String,
    pub problem: String,
}

impl Malformed {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    fn at(place: Place, error: &serde_json::Error) -> Self {
        let mut problem = error.to_string();
        // A line is always the parser's line 1; only its column says something.
        let position = format!(" at line {} column {}", error.line(), error.column());
        if let Some(text) = problem.strip_suffix(&position) {
            problem = format!("{text} (column {})", error.column());
        }
        Self::new(place.path(), problem)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field {}: {}", self.field, self.problem)
    }
}

impl core::error::Error for Malformed {}

/// Reads one input line, given without its `\n`. Only the line with the `number` 1 may be `config`.
pub fn read_line(bytes: &[u8], number: u64) -> Result<Entry, Malformed> {
    let text = match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(Malformed::new("line", format!("not UTF-8: {error}"))),
    };
    if text.trim_matches([' ', '\t', '\r']).is_empty() {
        return Err(Malformed::new("line", "empty"));
    }
    if text.starts_with('\u{feff}') {
        return Err(Malformed::new("line", "a byte-order mark"));
    }
    if text.contains('\n') {
        return Err(Malformed::new("line", "a line feed within the line"));
    }
    let mut fields = Fields::default();
    let mut place = Place::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let object = Object { depth: 0, table: &mut fields, place: &mut place };
    match object.deserialize(&mut json).and_then(|given| json.end().map(|()| given)) {
        Ok(given) => fields.entry(given, number),
        Err(error) => Err(Malformed::at(place, &error)),
    }
}

/// A key of an input line.
#[derive(Clone, Copy)]
enum Key {
    T,
    Op,
    User,
    Platform,
    Device,
    Users,
    Session,
    Custom,
    Friend,
    Reconnect,
    Tier,
    StatusSwitch,
    FriendSwitch,
    Accounts,
    Policy,
    MaxInstances,
    KickedAway,
    Limits,
    Timeouts,
}

impl Key {
    /// In the order of [`Fields::NAMES`].
    const ALL: [Self; 19] = [
        Self::T,
        Self::Op,
        Self::User,
        Self::Platform,
        Self::Device,
        Self::Users,
        Self::Session,
        Self::Custom,
        Self::Friend,
        Self::Reconnect,
        Self::Tier,
        Self::StatusSwitch,
        Self::FriendSwitch,
        Self::Accounts,
        Self::Policy,
        Self::MaxInstances,
        Self::KickedAway,
        Self::Limits,
        Self::Timeouts,
    ];
}

const fn set(keys: &[Key]) -> u32 {
    let (mut set, mut at) = (0, 0);
    while at < keys.len() {
        set |= bit(keys[at] as usize);
        at += 1;
    }
    set
}

const DEVICE: u32 = set(&[Key::T, Key::Op, Key::User, Key::Platform, Key::Device]);
const SESSION: u32 = DEVICE | set(&[Key::Session]);
const USER: u32 = set(&[Key::T, Key::Op, Key::User]);
const CHANGES: u32 = set(&[
    Key::Op,
    Key::Tier,
    Key::StatusSwitch,
    Key::FriendSwitch,
    Key::Policy,
    Key::MaxInstances,
    Key::KickedAway,
    Key::Limits,
]);

type Make = fn(&mut Fields) -> Result<Op, Malformed>;

/// An operation: its name, the keys that it may have, and how it is made of them.
struct Kind {
    name: &'static str,
    keys: u32,
    /// Nothing for `config`, which is no operation.
    make: Option<Make>,
}

impl Kind {
    const fn op(name: &'static str, keys: u32, make: Make) -> Self {
        Self { name, keys, make: Some(make) }
    }

    fn of(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}

static KINDS: [Kind; 20] = [
    Kind::op("heartbeat", SESSION, |f| Ok(Op::Heartbeat { session: f.session()? })),
    Kind::op("login", DEVICE | set(&[Key::Reconnect]), |f| {
        Ok(Op::Login { device: f.device()?, reconnect: f.reconnect.unwrap_or(false) })
    }),
    Kind::op("link_closed", SESSION, |f| Ok(Op::LinkClosed { session: f.session()? })),
    Kind::op("logout", SESSION, |f| Ok(Op::Logout { session: f.session()? })),
    Kind::op("background", SESSION, |f| Ok(Op::Background { session: f.session()? })),
    Kind::op("foreground", SESSION, |f| Ok(Op::Foreground { session: f.session()? })),
    Kind::op("exit", SESSION, |f| Ok(Op::Exit { session: f.session()? })),
    Kind::op("set_status", SESSION | set(&[Key::Custom]), |f| {
        let custom = needed(f.custom.take(), Key::Custom);
        Ok(Op::SetStatus { session: f.session()?, custom: custom? })
    }),
    Kind::op("query", SESSION | set(&[Key::Users]), |f| {
        Ok(Op::Query { session: f.session()?, users: f.users()? })
    }),
    Kind::op("subscribe", SESSION | set(&[Key::Users]), |f| {
        Ok(Op::Subscribe { session: f.session()?, users: f.users()? })
    }),
    Kind::op("unsubscribe", SESSION | set(&[Key::Users]), |f| {
        Ok(Op::Unsubscribe { session: f.session()?, users: f.users()? })
    }),
    Kind::op("add_friend", USER | set(&[Key::Friend]), |f| {
        Ok(Op::AddFriend { user: f.user()?, friend: f.friend()? })
    }),
    Kind::op("remove_friend", USER | set(&[Key::Friend]), |f| {
        Ok(Op::RemoveFriend { user: f.user()?, friend: f.friend()? })
    }),
    Kind::op("force_out", DEVICE, |f| {
        let (user, device) = (f.user()?, f.device.take());
        if device.is_some() {
            needed(f.platform, Key::Platform)?;
        }
        Ok(Op::ForceOut { user, platform: f.platform, device })
    }),
    Kind::op("register", USER, |f| Ok(Op::Register { user: f.user()? })),
    Kind::op("remove_user", USER, |f| Ok(Op::RemoveUser { user: f.user()? })),
    Kind::op("inspect", USER, |f| Ok(Op::Inspect { user: f.user()? })),
    Kind::op("tick", set(&[Key::T, Key::Op]), |_| Ok(Op::Tick)),
    Kind::op("reconfigure", CHANGES | set(&[Key::T]), |f| {
        Ok(Op::Reconfigure(core::mem::take(&mut f.patch)))
    }),
    Kind { name: "config", keys: CHANGES | set(&[Key::Accounts, Key::Timeouts]), make: None },
];

/// What a line gave, whatever its operation.
#[derive(Default)]
struct Fields {
    t: Option<u64>,
    kind: Option<&'static Kind>,
    user: Option<String>,
    platform: Option<Platform>,
    device: Option<String>,
    users: Option<Vec<String>>,
    session: Option<u64>,
    custom: Option<String>,
    friend: Option<String>,
    reconnect: Option<bool>,
    patch: Patch,
}

impl Fields {
    fn entry(mut self, given: u32, number: u64) -> Result<Entry, Malformed> {
        let kind = needed(self.kind, Key::Op)?;
        let Kind { name, keys, make } = kind;
        if make.is_none() && number != 1 {
            return Err(Malformed::new("op", "`config` can only be the first line"));
        }
        let unknown = given & !keys;
        if unknown != 0 {
            let field = Self::NAMES[unknown.trailing_zeros() as usize];
            return Err(Malformed::new(field, format!("unknown key for `{name}`")));
        }
        let Some(make) = make else {
            return Ok(Entry::Config(self.patch));
        };
        Ok(Entry::Op { t: needed(self.t, Key::T)?, op: make(&mut self)? })
    }

    fn user(&mut self) -> Result<String, Malformed> {
        needed(self.user.take(), Key::User)
    }

    fn device(&mut self) -> Result<Device, Malformed> {
        Ok(Device {
            user: self.user()?,
            platform: needed(self.platform, Key::Platform)?,
            device: needed(self.device.take(), Key::Device)?,
        })
    }

    fn session(&mut self) -> Result<Session, Malformed> {
        Ok(Session { device: self.device()?, nth: self.session })
    }

    fn users(&mut self) -> Result<Vec<String>, Malformed> {
        needed(self.users.take(), Key::Users)
    }

    fn friend(&mut self) -> Result<String, Malformed> {
        needed(self.friend.take(), Key::Friend)
    }
}

fn needed<T>(value: Option<T>, key: Key) -> Result<T, Malformed> {
    value.ok_or_else(|| Malformed::new(Fields::NAMES[key as usize], "missing"))
}

impl Table for Fields {
    const NAMES: &'static [&'static str] = &[
        "t",
        "op",
        "user",
        "platform",
        "device",
        "users",
        "session",
        "custom",
        "friend",
        "reconnect",
        "tier",
        "status_switch",
        "friend_switch",
        "accounts",
        "policy",
        "max_instances",
        "kicked_away",
        "limits",
        "timeouts",
    ];

    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        at: usize,
        map: &mut A,
        place: &mut Place,
    ) -> Result<(), A::Error> {
        let patch = &mut self.patch;
        match Key::ALL[at] {
            Key::T => self.t = Some(map.next_value_seed(Int(0))?),
            Key::Op => self.kind = Some(map.next_value_seed(OP)?),
            Key::User => self.user = Some(map.next_value()?),
            Key::Platform => self.platform = Some(map.next_value_seed(PLATFORM)?),
            Key::Device => self.device = Some(map.next_value()?),
            Key::Users => self.users = Some(map.next_value()?),
            Key::Session => self.session = Some(map.next_value_seed(Int(1))?),
            Key::Custom => self.custom = Some(map.next_value()?),
            Key::Friend => self.friend = Some(map.next_value()?),
            Key::Reconnect => self.reconnect = Some(map.next_value()?),
            Key::Tier => patch.tier = Some(map.next_value_seed(TIER)?),
            Key::StatusSwitch => patch.status_switch = Some(map.next_value()?),
            Key::FriendSwitch => patch.friend_switch = Some(map.next_value()?),
            Key::Accounts => patch.accounts = Some(map.next_value_seed(ACCOUNTS)?),
            Key::Policy => patch.policy = Some(map.next_value_seed(Grouping)?),
            Key::MaxInstances => inner(map, &mut MaxInstances(patch), place)?,
            Key::KickedAway => inner(map, &mut KickedAway(patch), place)?,
            Key::Limits => inner(map, &mut Limits(patch), place)?,
            Key::Timeouts => inner(map, &mut Timeouts(patch), place)?,
        }
        Ok(())
    }
}

fn inner<'de, A: MapAccess<'de>>(
    map: &mut A,
    table: &mut impl Table,
    place: &mut Place,
) -> Result<(), A::Error> {
    map.next_value_seed(Object { depth: 1, table, place })?;
    Ok(())
}

const OP: Word<&Kind> = Word("an operation", Kind::of);
const PLATFORM: Word<Platform> = Word("a platform", |word| word.parse().ok());
const TIER: Word<Tier> = Word("`trial`, `professional` or `flagship`", |word| {
    [Tier::Trial, Tier::Professional, Tier::Flagship].into_iter().find(|tier| tier.name() == word)
});
const ACCOUNTS: Word<Accounts> = Word("`open` or `known`", |word| match word {
    "open" => Some(Accounts::Open),
    "known" => Some(Accounts::Known),
    _ => None,
});

/// Reads a rate: an array of exactly two integers.
struct Pair;

impl<'de> DeserializeSeed<'de> for Pair {
    type Value = Rate;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rate, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pair {
    type Value = Rate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of exactly two integers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rate, A::Error> {
        let Some(requests) = seq.next_element_seed(Int(0))? else {
            return Err(A::Error::invalid_length(0, &self));
        };
        let Some(per_ms) = seq.next_element_seed(Int(0))? else {
            return Err(A::Error::invalid_length(1, &self));
        };
        match seq.next_element_seed(Int(0))? {
            None => Ok(Rate::new(requests, per_ms)),
            Some(_) => Err(A::Error::invalid_length(3, &self)),
        }
    }
}

/// Reads a policy: a word, or an array of arrays of platforms. Whether these make a grouping is a
/// question of the configuration and not of the format.
struct Grouping;

impl<'de> DeserializeSeed<'de> for Grouping {
    type Value = Result<Policy, GroupsError>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Grouping {
    type Value = Result<Policy, GroupsError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`single`, `dual`, `triple`, `multi` or an array of arrays of platforms")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
        match word {
            "single" => Ok(Ok(Policy::Single)),
            "dual" => Ok(Ok(Policy::Dual)),
            "triple" => Ok(Ok(Policy::Triple)),
            "multi" => Ok(Ok(Policy::Multi)),
            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut groups = Vec::new();
        while let Some(group) = seq.next_element_seed(Group)? {
            groups.push(group);
        }
        Ok(Groups::new(groups).map(Policy::Groups))
    }
}

/// Reads an array of platforms.
struct Group;

impl<'de> DeserializeSeed<'de> for Group {
    type Value = Vec<Platform>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Group {
    type Value = Vec<Platform>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of platforms")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut group = Vec::new();
        while let Some(platform) = seq.next_element_seed(PLATFORM)? {
            group.push(platform);
        }
        Ok(group)
    }
}

/// The objects within a `config` or `reconfigure` line.
struct MaxInstances<'a>(&'a mut Patch);
struct KickedAway<'a>(&'a mut Patch);
struct Limits<'a>(&'a mut Patch);
struct Timeouts<'a>(&'a mut Patch);

impl Table for MaxInstances<'_> {
    const NAMES: &'static [&'static str] =
        &["android", "iphone", "ipad", "windows", "mac", "linux", "web"];

    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        at: usize,
        map: &mut A,
        _: &mut Place,
    ) -> Result<(), A::Error> {
        self.0.max_instances[at] = Some(map.next_value_seed(Int(0))?);
        Ok(())
    }
}

impl Table for KickedAway<'_> {
    const NAMES: &'static [&'static str] = &["on_reconnect", "on_login"];

    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        at: usize,
        map: &mut A,
        _: &mut Place,
    ) -> Result<(), A::Error> {
        let on = Some(map.next_value()?);
        if at == 0 {
            self.0.on_reconnect = on;
        } else {
            self.0.on_login = on;
        }
        Ok(())
    }
}

impl Table for Limits<'_> {
    const NAMES: &'static [&'static str] = &[
        "subscriptions",
        "query_users",
        "subscribe_users",
        "unsubscribe_users",
        "friends",
        "custom_status_bytes",
        "query_rate",
        "subscribe_rate",
        "unsubscribe_rate",
    ];

    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        at: usize,
        map: &mut A,
        _: &mut Place,
    ) -> Result<(), A::Error> {
        let sizes = self.0.limits.len();
        if at < sizes {
            self.0.limits[at] = Some(map.next_value_seed(Int(0))?);
        } else {
            self.0.rates[at - sizes] = Some(map.next_value_seed(Pair)?);
        }
        Ok(())
    }
}

impl Table for Timeouts<'_> {
    const NAMES: &'static [&'static str] =
        &["native", "web", "mini_program", "background", "exit", "push", "clear_subscriptions"];

    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        at: usize,
        map: &mut A,
        _: &mut Place,
    ) -> Result<(), A::Error> {
        self.0.timeouts[at] = Some(map.next_value_seed(Int(0))?);
        Ok(())
    }
}
