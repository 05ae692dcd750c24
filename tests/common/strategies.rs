//! How the property tests draw scripts: the weights of the operations and of the waits are drawn
//! anew for each case and some are zero, so that a case may dwell on a corner for long.

use core::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::Union;

use crate::common::env::number_from_env;
use crate::common::steps::{Act, Pick, Script, Setup, Step, Wait};

/// Draws scripts with a number of steps in the range.
pub(crate) fn script(steps: RangeInclusive<usize>) -> impl Strategy<Value = Script> {
    // A step that is left out makes a smaller script, below the range too.
    let steps = weights()
        .prop_flat_map(move |weights| vec(option::weighted(0.999, step(weights)), steps.clone()));
    (setup(), steps).prop_map(|(setup, steps)| {
        let steps = steps.into_iter().flatten().collect();
        Script { setup, steps }
    })
}

/// What each operation and each wait weighs, of those that do not weigh nothing.
type Weights = ([u8; ACTS], [u8; WAITS]);

const ACTS: usize = 21;
const LOGIN: usize = 1;
const WAITS: usize = 12;
/// What each operation weighs at most, in the order of [`acts`].
const ACT_WEIGHTS: [u8; ACTS] = [2, 24, 4, 8, 6, 8, 3, 6, 8, 6, 14, 6, 6, 3, 4, 2, 2, 2, 4, 4, 2];
/// What each wait weighs at most, in the order of [`waits`].
const WAIT_WEIGHTS: [u8; WAITS] = [80, 20, 16, 6, 6, 3, 4, 4, 2, 2, 1, 3];

fn weights() -> impl Strategy<Value = Weights> {
    let acts = ACT_WEIGHTS.map(weight).prop_map(|mut weights| {
        // Without a session nearly everything is refused.
        weights[LOGIN] = weights[LOGIN].max(8);
        weights
    });
    let waits = WAIT_WEIGHTS.map(weight);
    // Other weights would make another script, not a smaller one.
    (acts, waits).no_shrink()
}

fn weight(max: u8) -> impl Strategy<Value = u8> {
    prop_oneof![1 => Just(0), 3 => 1..=max]
}

fn setup() -> impl Strategy<Value = Setup> {
    let small = any::<(u8, u8, u8, u8, u8, u8)>();
    let lists = any::<([u8; 7], [u8; 7], [u8; 6], [(u8, u8); 3])>();
    let rest = (any::<[u8; 7]>(), any::<(u8, u8, u8, u8)>());
    (small, lists, rest).prop_map(|(small, lists, (timeouts, others))| {
        let (tier, status_switch, friend_switch, accounts, policy, kicked_away) = small;
        let (groups, instances, limits, rates) = lists;
        let (work, start, platforms, devices) = others;
        Setup {
            tier,
            status_switch,
            friend_switch,
            accounts,
            policy,
            groups,
            instances,
            kicked_away,
            limits,
            rates,
            timeouts,
            work,
            start,
            platforms,
            devices,
        }
    })
}

fn step((of_acts, of_waits): Weights) -> impl Strategy<Value = Step> {
    let wait = weighted(of_waits, waits());
    let act = weighted(of_acts, acts());
    (wait, act).prop_map(|(wait, act)| Step { wait, act })
}

/// A choice that leaves out what weighs nothing, unless nothing weighs anything.
fn weighted<T: core::fmt::Debug, const N: usize>(
    weights: [u8; N],
    all: [BoxedStrategy<T>; N],
) -> Union<BoxedStrategy<T>> {
    let is_empty = weights.iter().all(|&weight| weight == 0);
    let some = weights.into_iter().zip(all).filter(|&(weight, _)| weight > 0 || is_empty);
    Union::new_weighted(some.map(|(weight, of)| (u32::from(weight.max(1)), of)).collect())
}

fn waits() -> [BoxedStrategy<Wait>; WAITS] {
    [
        Just(Wait::None).boxed(),
        Just(Wait::One).boxed(),
        any::<u8>().prop_map(Wait::Short).boxed(),
        Just(Wait::Deadline).boxed(),
        Just(Wait::BeforeDeadline).boxed(),
        Just(Wait::AfterDeadline).boxed(),
        Just(Wait::Retry).boxed(),
        Just(Wait::BeforeRetry).boxed(),
        Just(Wait::Note).boxed(),
        Just(Wait::BeforeNote).boxed(),
        any::<u8>().prop_map(Wait::Far).boxed(),
        any::<u8>().prop_map(Wait::Back).boxed(),
    ]
}

fn acts() -> [BoxedStrategy<Act>; ACTS] {
    let session = || any::<(u8, u8)>().prop_map(|(of, how)| Pick { of, how });
    let users = || prop_oneof![4 => vec(any::<u8>(), 1..=2), 1 => vec(any::<u8>(), 0..=5)];
    let login = any::<(u8, u8, u8, bool)>();
    let force_out = any::<(u8, u8, u8, u8)>();
    let crowd = any::<(u8, u8, u8, u8)>();
    [
        Just(Act::Tick).boxed(),
        login
            .prop_map(|(user, platform, device, reconnect)| Act::Login {
                user,
                platform,
                device,
                reconnect,
            })
            .boxed(),
        session().prop_map(Act::Heartbeat).boxed(),
        session().prop_map(Act::LinkClosed).boxed(),
        session().prop_map(Act::Logout).boxed(),
        session().prop_map(Act::Background).boxed(),
        session().prop_map(Act::Foreground).boxed(),
        session().prop_map(Act::Exit).boxed(),
        (session(), any::<u8>()).prop_map(|(of, text)| Act::SetStatus(of, text)).boxed(),
        (session(), users()).prop_map(|(of, users)| Act::Query(of, users)).boxed(),
        (session(), users()).prop_map(|(of, users)| Act::Subscribe(of, users)).boxed(),
        (session(), users()).prop_map(|(of, users)| Act::Unsubscribe(of, users)).boxed(),
        any::<(u8, u8)>().prop_map(|(user, friend)| Act::AddFriend(user, friend)).boxed(),
        any::<(u8, u8)>().prop_map(|(user, friend)| Act::RemoveFriend(user, friend)).boxed(),
        force_out
            .prop_map(|(user, scope, platform, device)| Act::ForceOut {
                user,
                scope,
                platform,
                device,
            })
            .boxed(),
        any::<u8>().prop_map(Act::Register).boxed(),
        any::<u8>().prop_map(Act::RemoveUser).boxed(),
        any::<u8>().prop_map(Act::Inspect).boxed(),
        any::<[(u8, u8, u8); 2]>().prop_map(Act::Reconfigure).boxed(),
        any::<(u8, bool)>().prop_map(|(of, reconnect)| Act::Return { of, reconnect }).boxed(),
        crowd.prop_map(|(what, user, from, count)| Act::Crowd { what, user, from, count }).boxed(),
    ]
}

/// Runs a property over cases drawn at random, and fails with what it says of the smallest case
/// that breaks it.
///
/// `PRESENCE_SEED` repeats a run; without it every run draws others.
#[track_caller]
pub(crate) fn check<S: Strategy>(
    cases: u32,
    strategy: S,
    property: impl Fn(S::Value) -> Result<(), String>,
) {
    use core::hash::BuildHasher;
    use proptest::test_runner::{
        Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
    };

    let seed = number_from_env("PRESENCE_SEED")
        .unwrap_or_else(|| std::hash::RandomState::new().hash_one("seed"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&strategy, |value| property(value).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("PRESENCE_SEED={seed}\n{reason}"),
        Err(TestError::Abort(reason)) => panic!("PRESENCE_SEED={seed}\ngave up: {reason}"),
    }
}
