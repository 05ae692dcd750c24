//! One small world: an engine and the model, side by side, and the steps that they take.

use foldhash::fast::FixedState;

use presence_engine::Timestamp;

use crate::alphabet::Alphabet;
use crate::common::driver::Driver;
use crate::common::lockstep::{check_engine, check_lines, check_user};
use crate::common::model::Model;
use crate::common::op::{Answer, Line, Machine, Op, Out};
use crate::step::Step;

/// Up to how many sessions given are told apart, where nothing else of them is seen.
const GIVEN_SEEN: usize = 3;
/// Up to how many milliseconds ahead the engine's next call is told apart.
const AHEAD_SEEN: u64 = 16;

/// An engine and the model after the same inputs.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) model: Model,
    driver: Driver<FixedState>,
}

/// The lines of both sides for one step.
pub(crate) struct Taken {
    pub(crate) expected: Vec<Line>,
    given: Vec<Line>,
}

impl Taken {
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.expected.last(), Some(Line { out: Out::Result(Ok(_)), .. }))
    }
}

impl World {
    pub(crate) fn new(alphabet: &Alphabet) -> Self {
        let mut world =
            Self { model: Model::new(alphabet.config()), driver: Driver::new(alphabet.config()) };
        world.take_op(alphabet.start, &Op::Tick);
        world
    }

    /// Tells a path anew.
    pub(crate) fn after<'a>(alphabet: &Alphabet, path: impl IntoIterator<Item = &'a Step>) -> Self {
        let mut world = Self::new(alphabet);
        for step in path {
            world.take(step);
        }
        world
    }

    /// Takes a step; `None` if it leads nowhere from here: there is nothing to wait for.
    pub(crate) fn take(&mut self, step: &Step) -> Option<Taken> {
        let (now, op) = step.input(&self.model)?;
        Some(self.take_op(now, &op))
    }

    fn take_op(&mut self, now: u64, op: &Op) -> Taken {
        let (mut expected, mut given) = (Vec::new(), Vec::new());
        self.model.apply(now, op, &mut expected);
        self.driver.apply(now, op, &mut given);
        Taken { expected, given }
    }

    /// Compares the lines of a step just taken, and then all that can be seen of the two.
    pub(crate) fn check(&mut self, taken: &Taken, users: &[&str]) -> Result<(), String> {
        check_lines(&taken.expected, &taken.given)?;
        check_engine(&self.driver, &self.model)?;
        for user in users {
            check_user(&self.driver, &self.model, user)?;
            self.inspect(user)?;
        }
        Ok(())
    }

    /// Asks both about a user as the host does (QU-5).
    fn inspect(&mut self, user: &str) -> Result<(), String> {
        let now = Timestamp::from_millis(self.model.now());
        let found = self.driver.engine.inspect(now, user).map_err(|error| error.to_string())?;
        let given = (found.state(), found.custom(), found.platforms().collect::<Vec<_>>());
        let expected = self.model.inspect(user);
        match &expected {
            Answer::Inspect { state, custom, platforms }
                if given == (*state, custom, platforms.clone()) =>
            {
                Ok(())
            }
            _ => Err(format!("{user} is {expected:?}, in the engine {given:?}")),
        }
    }

    /// Returns what tells this world from others: the model's canonical form, and what the engine
    /// lets be seen of its hidden state.
    pub(crate) fn key(&self) -> Box<[u8]> {
        let mut key = self.model.canonical();
        let engine = &self.driver.engine;
        let stats = engine.stats();
        let ahead = engine.poll_timeout().map_or(AHEAD_SEEN, |next| {
            next.as_millis().saturating_sub(self.model.now()).min(AHEAD_SEEN)
        });
        let given = self.model.given_in_all().min(GIVEN_SEEN);
        key.extend([stats.users as u8, stats.timers as u8, ahead as u8, given as u8]);
        key.into()
    }
}
