//! Every reachable small world: the engine against the naive model in all states that a small
//! alphabet of inputs leads to.
//!
//! From the empty engine every input of an alphabet is applied, breadth first, and again in every
//! state that was not reached before. After each the engine and the model are compared: result and
//! outputs in their order, what can be seen of every user, `poll_timeout`, `stats`, and the
//! engine's own invariants. There is an alphabet for each area of the rules, of one to three users
//! and timeouts of a few milliseconds, so that deadlines meet; its steps of time go exactly to the
//! next deadline and to one millisecond before it. A failure prints its story as a trace. Of the
//! stories that end with the search no shorter one fails; one that goes on with random steps (see
//! below) is as long as it is.
//!
//! # When two states are one
//!
//! States are kept apart by the model's canonical form, which holds all that its future depends on
//! (`common/model/canonical.rs` says why that is so). The engine may hide more: users that it
//! forgets later, timers not yet put back, slots used before. So the key of a state also has what
//! can be seen of that (`World::key`), which only keeps more states apart. What cannot be seen is
//! looked for by samples: of the inputs that lead to a known state every sixteenth is followed,
//! which means that the engine with this other past, and the model as it was reached first, take
//! the same random steps and have to stay alike.
//!
//! # How to run it
//!
//! `PRESENCE_TRANSITIONS` (default 20,000) bounds how many inputs are applied, over all alphabets:
//!
//! ```text
//! PRESENCE_TRANSITIONS=5000000 cargo test --release --test explore -- --nocapture
//! ```
//!
//! prints a table, in about a minute of one processor. Its `depth` is how long stories may be if
//! all of them are to have been told, up to merges. But for the seconds, the same bound gives the
//! same table on any machine.

use std::thread;
use std::time::Instant;

use common::env::number_from_env;

use alphabet::alphabets;
use search::{Outcome, explore};

#[path = "../common/mod.rs"]
mod common;

mod alphabet;
mod merges;
mod search;
mod step;
mod world;

/// How many inputs are applied if nothing else is said: enough that each is accepted somewhere.
const TRANSITIONS: u64 = 20_000;

/// TI-7, TI-8, BI-1: in every small world the engine does what the rules say, as the model reads
/// them, whatever led there.
#[test]
fn every_small_world_is_as_the_model_says() {
    let mut left = number_from_env("PRESENCE_TRANSITIONS").unwrap_or(TRANSITIONS);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let alphabets = alphabets();
    println!(
        "| alphabet | inputs | states | transitions | depth | exhausted | merges followed | s |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for (waiting, alphabet) in (1..=alphabets.len() as u64).rev().zip(&alphabets) {
        let begin = Instant::now();
        let bound = left / waiting;
        let outcome = explore(alphabet, bound, threads);
        let outcome = outcome.unwrap_or_else(|story| panic!("{story}"));
        let Outcome { states, transitions, depth, is_exhausted, followed, accepted } = outcome;
        left = left.saturating_sub(transitions);
        println!(
            "| {} | {} | {states} | {transitions} | {depth} | {} | {followed} | {:.1} |",
            alphabet.name,
            alphabet.steps.len(),
            if is_exhausted { "yes" } else { "no" },
            begin.elapsed().as_secs_f64(),
        );
        assert!(is_exhausted || transitions >= bound, "{transitions} of {bound}");
        // An input that is never accepted says nothing.
        for (step, is_accepted) in alphabet.steps.iter().zip(accepted) {
            assert_ne!(is_accepted, step.is_refused, "alphabet {}: {step:?}", alphabet.name);
        }
    }
}

/// The number of processors does not matter.
#[test]
fn a_search_is_the_same_everywhere() {
    let alphabet = &alphabets()[0];
    let [first, second] = [1, 3].map(|threads| explore(alphabet, 2_000, threads));
    assert!(first.as_ref().is_ok_and(|outcome| outcome.depth > 1 && outcome.followed > 1));
    assert_eq!(first, second);
}
