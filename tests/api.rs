//! The shape of the public types: what may cross threads, what they weigh, how they show
//! themselves, and which ids an engine can have.

use core::error::Error;
use core::fmt::{Debug, Display};
use core::time::Duration;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use presence_engine::{
    Action, Answer, Api, Close, CloseReason, Config, ConfigBuilder, ConfigError, DeviceId,
    DeviceRef, Engine, EngineFull, Event, Failure, FailureReason, FriendError, Groups, GroupsError,
    Id, Input, InputError, Inspection, InvalidUserId, LoginError, LoginKind, NotASessionId, Output,
    Platform, Policy, Queried, QueryError, Rate, Reason, RegisterError, RequestError, SessionId,
    SetStatusError, State, Stats, Status, StatusChange, Subscribed, Tier, Timestamp,
    UnknownPlatform, UnknownSession, UnknownVendorStatus, Unsubscribed, UserId,
};

const NOW: Timestamp = Timestamp::ZERO;

fn login<U: UserId>(engine: &mut Engine<U>, user: &U::Borrowed, platform: Platform) -> SessionId {
    let device = DeviceId::new("d");
    engine.login(NOW, user, platform, device, LoginKind::Login).expect("the id is valid")
}

#[test]
fn public_types_may_cross_threads() {
    fn is_free<T: Send + Sync>() {}
    is_free::<Engine<String>>();
    is_free::<Engine<Arc<str>>>();
    is_free::<Engine<Id<(u32, u32)>>>();
    is_free::<Output<'static, String>>();
    is_free::<(Close<'static, u64>, Event<'static, u64>, StatusChange<'static, u64>)>();
    is_free::<(Input<String>, Answer<String>, InputError<String>, QueryError<String>)>();
    is_free::<(Queried<String>, Subscribed<String>, Unsubscribed<String>, Inspection)>();
    is_free::<(Config, ConfigBuilder, ConfigError, Groups, Policy, Stats, Status)>();
}

#[test]
fn outputs_are_copied_whatever_the_ids_are() {
    fn is_copied<T: Copy>() {}
    is_copied::<(Output<'static, String>, DeviceRef<'static, String>)>();
    is_copied::<(Close<'static, String>, Event<'static, String>, StatusChange<'static, String>)>();
}

#[test]
fn errors_are_errors_of_the_standard_library() {
    fn is_error<T: Error + Send + Sync + Clone + PartialEq + 'static>() {}
    is_error::<UnknownSession>();
    is_error::<InvalidUserId>();
    is_error::<LoginError>();
    is_error::<EngineFull>();
    is_error::<SetStatusError>();
    is_error::<RequestError>();
    is_error::<QueryError<String>>();
    is_error::<FriendError>();
    is_error::<RegisterError>();
    is_error::<ConfigError>();
    is_error::<GroupsError>();
    is_error::<InputError<String>>();
    is_error::<NotASessionId>();
    is_error::<UnknownPlatform>();
    is_error::<UnknownVendorStatus>();
    is_error::<FailureReason>();
}

#[test]
fn an_engine_of_ids_that_stay_on_one_thread_works_too() {
    let mut engine = Engine::<Rc<str>>::new(Config::default());
    let ann = login(&mut engine, "ann", Platform::Web);
    assert!(engine.subscribe(NOW, ann, &["bob"]).is_ok());
    assert!(engine.subscribe(NOW, ann, &[Rc::<str>::from("cat")]).is_ok());
    assert_eq!(engine.stats().edges, 2);
}

/// Outputs and errors hold pointers and lengths, so only where these have 8 bytes.
#[cfg(target_pointer_width = "64")]
#[test]
fn sizes_are_what_they_are() {
    assert_eq!(size_of::<SessionId>(), 8);
    assert_eq!(size_of::<Option<SessionId>>(), 8);
    assert_eq!(size_of::<Timestamp>(), 8);
    assert_eq!(size_of::<DeviceId>(), 16);
    assert_eq!(size_of::<Option<DeviceId>>(), 16);
    assert_eq!(size_of::<Platform>(), 1);
    assert_eq!(size_of::<CloseReason>(), 1);
    assert_eq!(size_of::<Option<Output<'_, String>>>(), OUTPUT_BYTES);
    assert_eq!(size_of::<RequestError>(), 24);
    assert_eq!(size_of::<Result<SessionId, LoginError>>(), 16);
}

/// An output is handed out by value, so it must stay small.
#[cfg(target_pointer_width = "64")]
const OUTPUT_BYTES: usize = 64;

#[test]
fn a_clone_goes_its_own_way() {
    let mut engine = Engine::<u64>::new(Config::default());
    let ann = login(&mut engine, &1, Platform::Web);
    let mut copy = engine.clone();
    assert!(copy.poll_output().is_some(), "what waits is copied too");
    assert_eq!((engine.stats().pending_outputs, copy.stats().pending_outputs), (2, 1));
    copy.logout(NOW, ann).expect("it is live in the copy");
    let config = copy.config().to_builder().policy(Policy::Multi).build();
    copy.reconfigure(NOW, config.expect("it is valid")).expect("a policy can be changed");
    assert_ne!(login(&mut copy, &2, Platform::Web), login(&mut engine, &2, Platform::Web));
    engine.heartbeat(NOW, ann).expect("it is live in the original");
    assert_eq!(engine.config().policy(), Policy::Single);
    assert_eq!((engine.stats().users, copy.stats().users), (2, 1));
    assert_eq!(engine.poll_timeout().map(|next| next.as_millis() <= 60_000), Some(true));
}

/// LV-7: a place is used again under another id, which shows.
/// SU-1, SU-7, FR-1: what a user watches can be read, and cleared in one call.
#[test]
fn lists_can_be_read() {
    let mut engine = Engine::<String>::new(Config::default());
    let ann = login(&mut engine, "ann", Platform::Web);
    let named: [String; 3] = ["bob", "cat", "bob"].map(String::from);
    assert!(engine.subscribe(NOW, ann, &named).is_ok());
    for friend in ["bob", "dan"] {
        assert_eq!(engine.add_friend(NOW, "ann", friend), Ok(()));
    }
    assert!(engine.subscriptions("ann").eq(["cat", "bob"]));
    let friends: HashSet<&str> = engine.friends("ann").map(String::as_str).collect();
    assert_eq!(friends, HashSet::from(["bob", "dan"]));
    assert_eq!(engine.unsubscribe_all(NOW, ann), Ok(()));
    assert_eq!(engine.subscriptions("ann").count(), 0);
    assert_eq!(engine.friends("ann").count(), 2);
    assert_eq!(engine.subscriptions("nobody").count() + engine.friends("nobody").count(), 0);
}

/// QU-5, LV-7: the host can ask for a user's devices, and for the owner of a session.
#[test]
fn devices_and_owners_can_be_read() {
    let config = Config::builder().policy(Policy::Multi).build().expect("it is valid");
    let mut engine = Engine::<String>::new(config);
    let phone = login(&mut engine, "ann", Platform::Iphone);
    let tab = login(&mut engine, "ann", Platform::Web);
    assert_eq!(engine.link_closed(NOW, phone), Ok(()));
    let devices = engine.devices("ann").map(|known| (known.platform, known.session));
    assert!(devices.eq([(Platform::Iphone, None), (Platform::Web, Some(tab))]));
    let owner = engine.owner(tab).map(|known| (&known.user[..], known.platform, known.device));
    assert_eq!(owner, Some(("ann", Platform::Web, &DeviceId::new("d"))));
    assert_eq!((engine.owner(phone), engine.devices("bob").count()), (None, 0));
    assert_eq!(engine.now(), NOW);
}

/// What a login's event displays is about that login, however many devices there are.
#[test]
fn an_event_shows_its_displaced_devices_only() {
    let mut engine = Engine::<u64>::new(Config::default());
    for user in 0..100 {
        login(&mut engine, &user, Platform::Web);
    }
    while let Some(output) = engine.poll_output() {
        let Output::Event(event) = output else { continue };
        assert_eq!((event.displaced.is_empty(), event.displaced.len()), (true, 0));
        assert_eq!(event.displaced.iter().count(), 0);
    }
    login(&mut engine, &7, Platform::Mac);
    let mut both = engine.clone();
    login(&mut both, &8, Platform::Mac);
    let counts = core::iter::from_fn(|| match both.poll_output()? {
        Output::Event(event) => Some((event.displaced.is_empty(), event.displaced.len())),
        _ => Some((true, 0)),
    });
    assert_eq!(counts.filter(|&counts| counts == (false, 1)).count(), 2);
    let shown: Vec<String> =
        core::iter::from_fn(|| engine.poll_output().map(|output| format!("{output:?}"))).collect();
    assert!(shown[1].contains("displaced: [(Web, \"d\")]"), "{}", shown[1]);
    assert!(shown.iter().all(|output| output.len() < 300));
}

#[test]
fn ids_and_times_have_short_debug_forms() {
    let mut engine = Engine::<u64>::new(Config::default());
    let first = login(&mut engine, &1, Platform::Web);
    engine.logout(NOW, first).expect("it is live");
    let second = login(&mut engine, &1, Platform::Web);
    let third = login(&mut engine, &2, Platform::Web);
    assert_eq!(format!("{first:?} {second:?} {third:?}"), "s0v1 s0v3 s1v1");
    assert_eq!(format!("{second} {third}"), "s0v3 s1v1");
    engine.handle_timeout(Timestamp::from_millis(17));
    assert_eq!(engine.now(), Timestamp::from_millis(17));
    assert_eq!(SessionId::from_bits(first.to_bits()), Some(first));
    assert_eq!(u64::from(third), 1 << 32 | 1);
    assert_eq!(SessionId::try_from(0), Err(NotASessionId(0)));
    assert_eq!(NotASessionId(2).to_string(), "2 is not the number of a session id");
    assert_eq!(format!("{:?}", Timestamp::from_millis(17)), "17ms");
    assert_eq!(format!("{:?} {}", DeviceId::new("a\"b"), DeviceId::new("c")), "\"a\\\"b\" c");
}

#[test]
fn an_engine_shows_how_much_it_holds_and_not_what() {
    let mut engine = Engine::<String>::new(Config::default());
    for nth in 0..100 {
        login(&mut engine, &format!("user-{nth}"), Platform::Mac);
    }
    let shown = format!("{engine:?}");
    assert!(shown.starts_with("Engine { latest: 0ms, stats: Stats { users: 100, "), "{shown}");
    assert!(shown.ends_with(", .. }") && shown.len() < 250, "{shown}");
}

#[test]
fn outputs_show_what_they_say() {
    let mut engine = Engine::<u64>::new(Config::default());
    login(&mut engine, &7, Platform::Web);
    login(&mut engine, &7, Platform::Web);
    let mut shown = Vec::new();
    while let Some(output) = engine.poll_output() {
        shown.push(format!("{output:?}"));
    }
    assert_eq!(shown.len(), 4);
    assert!(shown[1].starts_with("Status(StatusChange { at: 0ms, user: 7, state: Online"));
    assert!(shown[2].starts_with("Close(Close { at: 0ms, session: s0v1, user: 7"), "{}", shown[2]);
    assert!(shown[3].contains("action: Login, reason: Register"), "{}", shown[3]);
}

#[test]
fn every_error_has_a_code_and_a_text() {
    let config = Config::builder().timer_work_max(0).build().expect_err("zero is refused");
    let failure = Failure { user: 1, reason: FailureReason::EngineFull };
    let errors: [(InputError<u64>, &str, Option<u32>); 19] = [
        (UnknownSession.into(), "unknown_session", None),
        (InvalidUserId.into(), "invalid_user_id", None),
        (LoginError::from(InvalidUserId).into(), "invalid_user_id", None),
        (LoginError::KickedOffline.into(), "kicked_offline", Some(6_208)),
        (LoginError::from(EngineFull).into(), "engine_full", None),
        (SetStatusError::from(UnknownSession).into(), "unknown_session", None),
        (SetStatusError::TooLong { bytes: 2, limit: 1 }.into(), "custom_status_too_long", None),
        (RequestError::EmptyList.into(), "empty_list", None),
        (RequestError::TooManyUsers { users: 2, limit: 1 }.into(), "too_many_users", None),
        (RequestError::TierRequired { tier: Tier::Trial }.into(), "tier_required", None),
        (RequestError::SwitchOff.into(), "switch_off", Some(72_001)),
        (QueryError::from(RequestError::SwitchOff).into(), "switch_off", Some(72_001)),
        (QueryError::AllFailed(vec![failure]).into(), "all_failed", None),
        (FriendError::SelfFriend.into(), "self_friend", None),
        (FriendError::UnknownUser.into(), "unknown_user", Some(70_107)),
        (FriendError::TooManyFriends { limit: 1 }.into(), "too_many_friends", None),
        (FriendError::from(EngineFull).into(), "engine_full", None),
        (RegisterError::from(EngineFull).into(), "engine_full", None),
        (config.into(), "invalid_config", None),
    ];
    let mut texts = HashSet::new();
    for (error, code, number) in errors {
        assert_eq!((error.code(), error.vendor_code()), (code, number), "{error}");
        let text = error.to_string();
        assert!(!text.is_empty() && !text.ends_with('.'), "{text}");
        texts.insert((code, text));
    }
    assert_eq!(texts.len(), 14, "one text a code and cause: {texts:#?}");
    for reason in [FailureReason::EngineFull, FailureReason::UnknownUser] {
        assert!(!reason.code().is_empty() && !reason.to_string().is_empty());
    }
    assert_eq!(
        EngineFull.to_string(),
        "the engine is full: it holds fewer than 2^30 users and at most 2^31 sessions"
    );
    assert_eq!(UnknownSession.to_string(), "the session has ended or was never there");
    assert_eq!("Web".parse::<Platform>(), Err(UnknownPlatform));
    assert_eq!(UnknownPlatform.to_string(), "not the name of a platform");
}

#[test]
fn names_are_displayed_and_read_back() {
    fn shown<T: Display>(all: impl IntoIterator<Item = T>) -> Vec<String> {
        all.into_iter().map(|value| value.to_string()).collect()
    }
    let names = ["android", "iphone", "ipad", "windows", "mac", "linux", "web", "mini_program"];
    assert_eq!(shown(Platform::ALL), names);
    assert!(Platform::ALL.into_iter().all(|platform| platform.name().parse() == Ok(platform)));
    assert_eq!(
        shown([Tier::Trial, Tier::Professional, Tier::Flagship]),
        ["trial", "professional", "flagship"]
    );
    assert_eq!(
        shown([State::Offline, State::PushOnline, State::Online]),
        ["offline", "push_online", "online"]
    );
    assert_eq!(Api::ALL.map(Api::name), ["query_rate", "subscribe_rate", "unsubscribe_rate"]);
    assert_eq!(format!("[{:>8}|{:<5}]", Platform::Web, State::Online), "[     web|online]");
    let kicked = CloseReason::Kicked { by: Platform::Web };
    assert_eq!((kicked.name(), Action::Disconnect.name()), ("kicked", "disconnect"));
    assert_eq!(Reason::SetCustomStatus.name(), "set_custom_status");
}

/// Two users with ids of any type: one watches the other, who comes and goes.
fn story<U: UserId + Debug>(ann: &U::Borrowed, bob: &U::Borrowed) {
    let mut engine = Engine::<U>::new(Config::default());
    let watcher = login(&mut engine, ann, Platform::Web);
    let ids = [U::from_borrowed(bob)];
    let done = engine.subscribe(NOW, watcher, &ids).expect("it is admitted");
    assert_eq!((done.evicted.len(), done.failures.len()), (0, 0));
    engine.add_friend(NOW, ann, bob).expect("both are valid");
    while engine.poll_output().is_some() {}
    let session = login(&mut engine, bob, Platform::Ipad);
    assert!(matches!(engine.poll_output(), Some(Output::Event(event)) if *event.user == ids[0]));
    let Some(Output::Status(change)) = engine.poll_output() else { panic!("no status") };
    assert_eq!((change.user, change.to), (&ids[0], &[session, watcher][..]));
    let answer = engine.query(NOW, watcher, &ids).expect("it is admitted");
    assert_eq!(answer.statuses[0].1.state, State::Online);
    engine.remove_user(NOW, bob).expect("he is valid");
    assert_eq!(engine.inspect(NOW, bob).map(|found| found.state()), Ok(State::Offline));
    engine.check_invariants().expect("whatever the ids are");
}

/// AC-1: the id type is the host's own, with its own rule.
#[test]
fn ids_of_any_type_name_users() {
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Account {
        shard: u8,
        number: u32,
    }

    impl UserId for Account {
        type Borrowed = Self;

        fn from_borrowed(id: &Self) -> Self {
            id.clone()
        }

        fn is_valid(id: &Self) -> bool {
            id.number > 0
        }
    }

    story::<String>("ann", "bob");
    story::<Box<str>>("ann", "bob");
    story::<Arc<str>>("ann", "bob");
    story::<u64>(&0, &u64::MAX);
    story::<i8>(&-1, &1);
    story::<[u8; 16]>(&[0; 16], &[255; 16]);
    story::<Id<(u32, u32)>>(&(1, 2), &(2, 1));
    story::<Id<String>>(&String::new(), &"any text".to_owned());
    let account = |number| Account { shard: 3, number };
    story::<Account>(&account(1), &account(2));
    let mut engine = Engine::<Account>::new(Config::default());
    assert_eq!(engine.inspect(NOW, &account(0)), Err(InvalidUserId));
    let ann = login(&mut engine, &account(1), Platform::Web);
    let done = engine.subscribe(NOW, ann, &[account(0)]).expect("it is admitted");
    assert_eq!(done.failures[0].reason, FailureReason::InvalidUserId);
}

#[cfg(feature = "serde")]
mod serde {
    use super::*;
    use ::serde::Serialize;
    use ::serde::de::DeserializeOwned;
    use presence_engine::{Accounts, KickedAway, Limit, Rate, Scope, Timeout, VendorStatus};

    /// Writes a value, reads it back, and returns what was written.
    #[track_caller]
    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> String {
        let written = serde_json::to_string(value).expect("it can be written");
        let read: T = serde_json::from_str(&written).expect(&written);
        assert_eq!(read, *value, "{written}");
        written
    }

    fn session() -> SessionId {
        SessionId::from_bits(3 << 32 | 1).expect("it is odd")
    }

    #[test]
    fn values_are_written_as_words_and_numbers() {
        assert_eq!(round_trip(&Timestamp::MAX), "18446744073709551615");
        assert_eq!(round_trip(&session()), "12884901889");
        assert_eq!(round_trip(&DeviceId::new("a\"\0é")), r#""a\"\u0000é""#);
        assert_eq!(round_trip(&Platform::MiniProgram), r#""mini_program""#);
        assert_eq!(round_trip(&State::PushOnline), r#""push_online""#);
        assert_eq!(round_trip(&VendorStatus::Unlogined), r#""unlogined""#);
        assert_eq!(round_trip(&(Tier::Trial, Accounts::Known)), r#"["trial","known"]"#);
        assert_eq!(round_trip(&(Api::Query, LoginKind::Reconnect)), r#"["query","reconnect"]"#);
        assert_eq!(round_trip(&Rate::new(20, 5_000)), "[20,5000]");
        assert_eq!(round_trip(&Id((1, 2))), "[1,2]");
        assert_eq!(round_trip(&Policy::Triple), r#""triple""#);
        assert_eq!(
            round_trip(&Scope::Device(Platform::Web, "w".into())),
            r#"{"device":["web","w"]}"#
        );
        let status = Status { state: State::Online, custom: "hi".into() };
        assert_eq!(round_trip(&status), r#"{"state":"online","custom":"hi"}"#);
        let failure = Failure { user: 7, reason: FailureReason::SelfSubscription };
        assert_eq!(round_trip(&failure), r#"{"user":7,"reason":"self_subscription"}"#);
        round_trip(&Stats::default());
        let mut engine = Engine::<u64>::new(Config::default());
        login(&mut engine, &7, Platform::Mac);
        let inspection = engine.inspect(NOW, &7).expect("the id is valid");
        assert_eq!(
            round_trip(&inspection),
            r#"{"state":"online","custom":"","platforms":[["mac","online"]]}"#
        );
    }

    #[test]
    fn what_is_no_value_is_refused() {
        assert!(serde_json::from_str::<SessionId>("2").is_err());
        assert!(serde_json::from_str::<Groups>(r#"[["web"]]"#).is_err());
        let refused = |text: &str| serde_json::from_str::<Config>(text).unwrap_err().to_string();
        let zero = refused(r#"{"limits":{"friends":0}}"#);
        assert!(zero.contains("limits.friends is 0, but must be at least 1"), "{zero}");
        let flagship = refused(r#"{"tier":"trial","max_instances":{"mac":2}}"#);
        assert!(flagship.contains("needs the flagship tier"), "{flagship}");
        assert!(refused(r#"{"frends":1}"#).contains("unknown field"));
        assert!(refused(r#"{"limits":{"frends":1}}"#).contains("unknown field"));
    }

    #[test]
    fn a_configuration_is_written_whole_and_may_be_read_in_part() {
        let groups = [vec![Platform::Mac, Platform::Web], vec![Platform::Android]];
        let rest = vec![Platform::Iphone, Platform::Ipad, Platform::Windows, Platform::Linux];
        let groups = Groups::new(groups.into_iter().chain([rest])).expect("each stands once");
        let mut builder = Config::builder()
            .status_switch(false)
            .friend_switch(false)
            .accounts(Accounts::Known)
            .policy(Policy::Groups(groups))
            .kicked_away(KickedAway { on_reconnect: true, on_login: true })
            .timer_work_max(9);
        for (value, limit) in (1..).zip(Limit::ALL) {
            builder = builder.limit(limit, value);
        }
        for (value, timeout) in (11..).zip(Timeout::ALL) {
            builder = builder.timeout(timeout, value);
        }
        for (value, platform) in (21..).zip(Platform::LIMITED) {
            builder = builder.max_instances(platform, value);
        }
        for (value, api) in (31..).zip(Api::ALL) {
            builder = builder.rate(api, Rate::new(value, value));
        }
        round_trip(&builder.build().expect("it is valid"));
        let default = round_trip(&Config::default());
        assert_eq!(serde_json::from_str::<Config>(&default).ok(), Some(Config::default()));
        assert_eq!(serde_json::from_str::<Config>("{}").ok(), Some(Config::default()));
        let part: Config = serde_json::from_str(r#"{"timeouts":{"exit":7}}"#).expect("it is valid");
        let expected = Config::builder().timeout(Timeout::Exit, 7).build();
        assert_eq!(Ok(part), expected);
    }

    #[test]
    fn every_input_survives_a_journal() {
        let (user, users) = ("ann".to_owned(), vec!["bob".to_owned(), String::new()]);
        let (session, sessions) = (session(), vec![session()]);
        let (owner, friend) = (user.clone(), user.clone());
        let platform = Platform::Ipad;
        let device = DeviceId::new("d");
        let kind = LoginKind::Reconnect;
        let scope = Scope::Platform(platform);
        let inputs: Vec<Input<String>> = vec![
            Input::HandleTimeout,
            Input::Login { user: user.clone(), platform, device, kind },
            Input::Logout { session },
            Input::LinkClosed { session },
            Input::Heartbeat { session },
            Input::Heartbeats { sessions },
            Input::Background { session },
            Input::Foreground { session },
            Input::Exit { session },
            Input::SetStatus { session, custom: "\n".into() },
            Input::Query { session, users: users.clone() },
            Input::Subscribe { session, users: users.clone() },
            Input::Unsubscribe { session, users },
            Input::AddFriend { owner: owner.clone(), friend: friend.clone() },
            Input::RemoveFriend { owner, friend },
            Input::ForceOut { user: user.clone(), scope },
            Input::Register { user: user.clone() },
            Input::RemoveUser { user: user.clone() },
            Input::Inspect { user },
            Input::Reconfigure { config: Config::default() },
        ];
        let written: HashSet<String> = inputs.iter().map(round_trip).collect();
        assert_eq!(written.len(), inputs.len());
        assert_eq!(round_trip(&inputs[2]), r#"{"logout":{"session":12884901889}}"#);
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use super::*;
    use ::arbitrary::{Arbitrary, Unstructured};

    /// BI-1, BI-4: whatever bytes say, the configuration is valid and no input breaks the engine.
    #[test]
    fn bytes_become_inputs_that_an_engine_takes() {
        let mut bytes = Vec::new();
        let mut seed = 1_u64;
        for _ in 0..200_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.push((seed >> 56) as u8);
        }
        let mut source = Unstructured::new(&bytes);
        let config = Config::arbitrary(&mut source).expect("there are bytes left");
        assert_eq!(config.to_builder().build(), Ok(config.clone()));
        let mut engine = Engine::<u8>::new(config);
        let mut kinds = HashSet::new();
        while source.len() > 1_000 {
            let now = Timestamp::from_millis(u64::arbitrary(&mut source).expect("bytes") >> 24);
            let input = Input::<u8>::arbitrary(&mut source).expect("there are bytes left");
            kinds.insert(core::mem::discriminant(&input));
            drop(engine.apply(now, input));
            while engine.poll_output().is_some() {}
        }
        engine.check_invariants().expect("inputs are only inputs");
        assert_eq!(kinds.len(), 20, "every kind of input came up");
    }

    #[test]
    fn arbitrary_values_are_valid() {
        let bytes: Vec<u8> =
            (1..=1_u32 << 17).map(|nth| (nth.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect();
        let mut source = Unstructured::new(&bytes);
        let (mut configs, mut devices, mut apart) = (0, 0, 0);
        let mut families = HashSet::new();
        for _ in 0..100 {
            let config = Config::arbitrary(&mut source).expect("there are bytes left");
            configs += usize::from(config != Config::default());
            let device = DeviceId::arbitrary(&mut source).expect("there are bytes left");
            devices += usize::from(!device.as_str().is_empty());
            let session = SessionId::arbitrary(&mut source).expect("there are bytes left");
            assert_eq!(SessionId::from_bits(session.to_bits()), Some(session));
            families.insert(session.to_bits() >> 29 & 3);
            let groups = Groups::arbitrary(&mut source).expect("there are bytes left");
            let all = Platform::ALL.map(|platform| groups.are_together(platform, platform));
            assert_eq!(all, [true; 8]);
            assert!(groups.are_together(Platform::Web, Platform::MiniProgram));
            let others = Platform::ALL.map(|other| groups.are_together(Platform::Mac, other));
            let together = others.iter().filter(|&&is_together| is_together).count();
            apart += usize::from((2..8).contains(&together));
        }
        assert_eq!(families.len(), 3, "sessions of all timeouts come up");
        assert!([configs, devices, apart].iter().all(|&count| count > 10), "{configs} {devices}");
    }
}

#[test]
fn devices_are_named_by_texts_whatever_their_length() {
    for text in ["", "w", "fourteen bytes", "fifteen bytes..", &"long ".repeat(20)] {
        let device = DeviceId::new(text);
        let names: HashSet<_> = [device.clone(), text.into(), String::from(text).into()].into();
        assert!(names.len() == 1 && names.contains(text), "{text:?} is one name");
        assert_eq!((device.as_str(), AsRef::<str>::as_ref(&device)), (text, text));
        assert_eq!(
            (format!("{device:?}"), format!("{device:>9}")),
            (format!("{text:?}"), format!("{text:>9}"))
        );
    }
}

#[test]
fn moments_are_spans_since_the_hosts_epoch() {
    let at = Timestamp::from(Duration::from_micros(1_999));
    assert_eq!((at, at.to_string().as_str()), (Timestamp::from_millis(1), "1"));
    assert_eq!(Timestamp::from(Duration::MAX), Timestamp::MAX);
    assert_eq!(Duration::from(Timestamp::from_millis(1_500)), Duration::from_millis(1_500));
}

#[test]
fn what_an_event_says_is_shown_by_its_name() {
    for (shown, name) in [
        (Action::CustomStatusChange.to_string(), Action::CustomStatusChange.name()),
        (Reason::SetCustomStatus.to_string(), Reason::SetCustomStatus.name()),
        (format!("{:>12}", Reason::TimeOut), &format!("{:>12}", Reason::TimeOut.name())),
    ] {
        assert_eq!(shown, name);
    }
}

#[test]
fn outputs_are_equal_if_they_say_the_same() {
    let displacing = |device: &str| {
        let mut engine = Engine::<u64>::new(Config::default());
        for device in [device, "newcomer"] {
            let (web, kind) = (Platform::Web, LoginKind::Login);
            engine.login(NOW, &1, web, DeviceId::new(device), kind).expect("the id is valid");
        }
        engine
    };
    let [mut first, mut same, mut other] = ["a", "a", "b"].map(displacing);
    // The first login's event and status, the close, and then the event that names the displaced.
    for engine in [&mut first, &mut same, &mut other] {
        (0..3).for_each(|_| assert!(engine.poll_output().is_some()));
    }
    let (first, same, other) = (first.poll_output(), same.poll_output(), other.poll_output());
    assert!(matches!(first, Some(Output::Event(event)) if event.displaced.len() == 1));
    let copy = Clone::clone(&first);
    assert!(copy == same && first != other);
}

#[test]
fn a_rate_is_two_numbers() {
    assert_eq!(<(u64, u64)>::from(Rate::from((7, 100))), (7, 100));
    assert_eq!(Rate::from((7, 100)), Rate::new(7, 100));
}
