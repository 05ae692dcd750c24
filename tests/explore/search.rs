//! The search: breadth first from the empty world, on any number of threads with the same result.
//!
//! A state is kept as its key and the step that led to it first, in a few hundred bytes; its world
//! is told anew from the beginning when it is its turn. That costs little beside the steps that
//! are taken from there, and a million worlds would not fit into memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::thread;

use foldhash::fast::FixedState;

use crate::alphabet::{Alphabet, USERS};
use crate::common::lockstep::{check_lines, guard, report};
use crate::common::model::Model;
use crate::common::op::{Line, Machine, Op};
use crate::common::seeds::Random;
use crate::common::story::op_line;
use crate::step::Step;
use crate::world::World;

/// How many states are expanded before what they lead to is kept. The result depends on it, and
/// not on the number of threads.
const BATCH: usize = 2_048;
/// One of so many merges is followed.
const MERGES_A_SAMPLE: u64 = 16;
/// For how many steps a merge is followed.
const SUFFIX: usize = 8;
const ALIKE: &str = "two states are taken for one";

/// What became of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) states: usize,
    pub(crate) transitions: u64,
    /// Every story of at most so many inputs was told, up to merges.
    pub(crate) depth: usize,
    pub(crate) is_exhausted: bool,
    /// How many merges were followed.
    pub(crate) followed: u64,
    /// Which steps were accepted anywhere.
    pub(crate) accepted: Vec<bool>,
}

/// A state reached, by the first path that led there.
#[derive(Clone, Copy)]
struct Reached {
    parent: u32,
    step: u16,
}

struct Search<'a> {
    alphabet: &'a Alphabet,
    threads: usize,
    /// In the order in which they are expanded; the first is the root.
    reached: Vec<Reached>,
    /// The numbers of the states by their keys.
    numbers: HashMap<Box<[u8]>, u32, FixedState>,
}

/// What some states led to.
#[derive(Default)]
struct Expansion {
    fresh: Vec<(Reached, Box<[u8]>)>,
    transitions: u64,
    followed: u64,
    accepted: Vec<bool>,
}

/// Explores an alphabet until its states are exhausted or the transitions are at least `bound`.
///
/// # Errors
///
/// The first difference in the order of the search, so after as few inputs as any, as a story.
pub(crate) fn explore(alphabet: &Alphabet, bound: u64, threads: usize) -> Result<Outcome, String> {
    let root = World::new(alphabet).key();
    let reached = vec![Reached { parent: 0, step: 0 }];
    let numbers = HashMap::from_iter([(root, 0)]);
    Search { alphabet, threads, reached, numbers }.run(bound)
}

impl Search<'_> {
    fn run(mut self, bound: u64) -> Result<Outcome, String> {
        let mut outcome = Outcome {
            states: 1,
            transitions: 0,
            depth: 0,
            is_exhausted: false,
            followed: 0,
            accepted: vec![false; self.alphabet.steps.len()],
        };
        let (mut next, mut level_end) = (0, 1);
        while next < self.reached.len() && outcome.transitions < bound {
            let left = (bound - outcome.transitions).div_ceil(self.alphabet.steps.len() as u64);
            let end = level_end.min(next + BATCH.min(left as usize));
            for expansion in self.expand_all(next, end)? {
                self.keep(expansion.fresh);
                outcome.transitions += expansion.transitions;
                outcome.followed += expansion.followed;
                let pairs = outcome.accepted.iter_mut().zip(expansion.accepted);
                pairs.for_each(|(any, accepted)| *any |= accepted);
            }
            next = end;
            if next == level_end {
                outcome.depth += 1;
                level_end = self.reached.len();
            }
        }
        outcome.states = self.reached.len();
        outcome.is_exhausted = next == self.reached.len();
        Ok(outcome)
    }

    /// Expands states, each thread some neighbours.
    fn expand_all(&self, from: usize, to: usize) -> Result<Vec<Expansion>, String> {
        let share = (to - from).div_ceil(self.threads);
        thread::scope(|scope| {
            let shares = (from..to).step_by(share);
            let workers: Vec<_> = shares
                .map(|from| scope.spawn(move || self.expand_some(from, to.min(from + share))))
                .collect();
            // In the order of the states, so the first error is the first of all.
            workers.into_iter().map(|worker| worker.join().expect("panics are caught")).collect()
        })
    }

    fn expand_some(&self, from: usize, to: usize) -> Result<Expansion, String> {
        let mut expansion =
            Expansion { accepted: vec![false; self.alphabet.steps.len()], ..Expansion::default() };
        (from..to).try_for_each(|number| self.expand(number as u32, &mut expansion))?;
        Ok(expansion)
    }

    /// Takes every step from a state.
    fn expand(&self, number: u32, expansion: &mut Expansion) -> Result<(), String> {
        let path = self.path(number);
        let world = World::after(self.alphabet, self.steps(&path));
        for step in 0..self.alphabet.steps.len() as u16 {
            let mut story = path.clone();
            guard(|| self.try_step(&world, (number, step), &mut story, expansion))
                .map_err(|problem| self.report(&story, path.len() + 1, &problem))?;
        }
        Ok(())
    }

    /// Takes one step. The story is what was told until something is found.
    fn try_step(
        &self,
        world: &World,
        (parent, step): (u32, u16),
        story: &mut Vec<u16>,
        expansion: &mut Expansion,
    ) -> Result<(), String> {
        let mut world = world.clone();
        story.push(step);
        let Some(taken) = world.take(&self.alphabet.steps[usize::from(step)]) else {
            return Ok(());
        };
        world.check(&taken, &USERS)?;
        expansion.transitions += 1;
        expansion.accepted[usize::from(step)] |= taken.is_accepted();
        let key = world.key();
        match self.numbers.get(&key) {
            None => expansion.fresh.push((Reached { parent, step }, key)),
            Some(&number) => {
                let mut random = Random(u64::from(parent) << 16 | u64::from(step));
                if random.below(MERGES_A_SAMPLE) == 0 {
                    let first = World::after(self.alphabet, self.steps(&self.path(number)));
                    follow(self.alphabet, first.model, world, &mut random, story)?;
                    expansion.followed += 1;
                }
            }
        }
        Ok(())
    }

    /// Numbers the states that were not reached before.
    fn keep(&mut self, fresh: Vec<(Reached, Box<[u8]>)>) {
        for (reached, key) in fresh {
            if let Entry::Vacant(free) = self.numbers.entry(key) {
                free.insert(self.reached.len() as u32);
                self.reached.push(reached);
            }
        }
    }

    /// Returns the steps that led to a state first.
    fn path(&self, mut number: u32) -> Vec<u16> {
        let mut path = Vec::new();
        while number > 0 {
            let Reached { parent, step } = self.reached[number as usize];
            path.push(step);
            number = parent;
        }
        path.reverse();
        path
    }

    fn steps(&self, path: &[u16]) -> impl Iterator<Item = &Step> {
        path.iter().map(|&step| &self.alphabet.steps[usize::from(step)])
    }

    /// Tells a story that fails: of so many inputs that were searched, and then random ones.
    fn report(&self, path: &[u16], searched: usize, problem: &str) -> String {
        let Alphabet { name, config, work, start, .. } = self.alphabet;
        let mut model = World::new(self.alphabet).model;
        let mut story = vec![op_line(*start, &Op::Tick)];
        for step in self.steps(path) {
            if let Some((now, op)) = step.input(&model) {
                model.apply(now, &op, &mut Vec::new());
                story.push(op_line(now, &op));
            }
        }
        let report = report(config, *work, &story, problem);
        let random = path.len() - searched;
        format!("alphabet {name}, after {searched} inputs and {random} random ones\n{report}")
    }
}

/// Takes random steps from a world and from a model that was taken for the same state, and checks
/// that they stay alike: the engine to its own model in all that can be seen, and the models in
/// their lines and at last in their forms.
///
/// # Errors
///
/// What differs, with the steps added to the story.
pub(crate) fn follow(
    alphabet: &Alphabet,
    mut first: Model,
    mut world: World,
    random: &mut Random,
    story: &mut Vec<u16>,
) -> Result<(), String> {
    for _ in 0..SUFFIX {
        let step = random.below(alphabet.steps.len() as u64) as u16;
        story.push(step);
        let step = &alphabet.steps[usize::from(step)];
        let from = [first.now(), world.model.now()];
        let (lines, taken) = match (step.input(&first), world.take(step)) {
            (None, None) => continue,
            (Some((now, op)), Some(taken)) => {
                let mut lines = Vec::new();
                first.apply(now, &op, &mut lines);
                (lines, taken)
            }
            _ => return Err(format!("{ALIKE}, and then only one has something to wait for")),
        };
        world.check(&taken, &USERS)?;
        check_lines(&counted_from(from[0], lines), &counted_from(from[1], taken.expected))
            .map_err(|difference| format!("{ALIKE}, and do not behave alike\n{difference}"))?;
    }
    if first.canonical() != world.model.canonical() {
        return Err(format!("{ALIKE}, and then are two"));
    }
    Ok(())
}

fn counted_from(from: u64, lines: Vec<Line>) -> Vec<Line> {
    lines.into_iter().map(|line| Line { t: line.t - from, ..line }).collect()
}
