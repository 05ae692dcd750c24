//! The trace format: input lines read strictly, output lines written byte for byte, and the loop
//! that replays one into the other.

use core::fmt;
use std::io::{self, BufRead, Write};

use presence_engine::Config;

use super::op::{Answer, Line, Machine, Op, Out, Refusal};

mod json;
mod read;
mod write;

pub use read::{Entry, Malformed, read_line};
pub use write::write_line;

/// What a replay gave, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Input lines, `config` included.
    pub lines: u64,
    /// Output lines of all kinds.
    pub outputs: u64,
    pub closes: u64,
    pub events: u64,
    pub statuses: u64,
    /// Sessions told, over all statuses.
    pub told: u64,
    /// Results that are errors.
    pub errors: u64,
}

impl Totals {
    fn count(&mut self, line: &Line) {
        self.outputs += 1;
        match &line.out {
            Out::Close { .. } => self.closes += 1,
            Out::Event { .. } => self.events += 1,
            Out::Status { to, .. } => {
                self.statuses += 1;
                self.told += to.len() as u64;
            }
            Out::Result(result) => self.errors += u64::from(result.is_err()),
        }
    }
}

/// What ended a replay early. The outputs of the lines before stand.
#[derive(Debug)]
pub enum ReplayError {
    Malformed {
        /// The number of the line, from 1.
        line: u64,
        malformed: Malformed,
    },
    Io(io::Error),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { line, malformed } => write!(f, "line {line}, {malformed}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReplayError {}

impl From<io::Error> for ReplayError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Drives a machine with the trace `input` and writes what comes out to `output`, which is flushed
/// at the end, also at that of a malformed trace.
pub fn replay<M: Machine>(
    input: impl BufRead,
    output: &mut impl Write,
) -> Result<Totals, ReplayError> {
    let mut bytes = Vec::new();
    let totals = replay_with::<M>(input, |n, line| {
        bytes.clear();
        write_line(&mut bytes, n, line);
        output.write_all(&bytes)
    });
    output.flush()?;
    totals
}

/// Drives a machine with the trace `input` and gives each output to `sink`, with the number of the
/// input line; `|_, _| Ok(())` only counts.
pub fn replay_with<M: Machine>(
    input: impl BufRead,
    mut sink: impl FnMut(u64, &Line) -> io::Result<()>,
) -> Result<Totals, ReplayError> {
    let mut totals = Totals::default();
    let mut lines = Vec::new();
    totals.lines = each_line(input, |machine: &mut M, n, step| {
        match step {
            Step::Config(result) => lines.push(Line { t: 0, out: Out::Result(result) }),
            Step::Op { t, op } => machine.apply(t, op, &mut lines),
        }
        for line in lines.drain(..) {
            totals.count(&line);
            sink(n, &line)?;
        }
        Ok(())
    })?;
    Ok(totals)
}

/// One input line, for the machine that it is told to.
#[derive(Debug)]
pub enum Step<'a> {
    /// A `config` line. The machine was made with it, or with all defaults if it was refused.
    Config(Result<Answer, Refusal>),
    /// Any other line, which the machine has still to be given.
    Op { t: u64, op: &'a Op },
}

/// Reads the trace `input`, makes the machine that its first line configures, and visits it with
/// each line and the line's number. Returns how many lines there were.
pub fn each_line<M: Machine>(
    mut input: impl BufRead,
    mut visit: impl FnMut(&mut M, u64, Step<'_>) -> io::Result<()>,
) -> Result<u64, ReplayError> {
    let mut machine = None;
    let mut lines = 0;
    let mut bytes = Vec::new();
    while input.read_until(b'\n', &mut bytes)? > 0 {
        let line = lines + 1;
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let entry = read_line(text, line)
            .map_err(|malformed| ReplayError::Malformed { line, malformed })?;
        let step = match &entry {
            Entry::Config(patch) => {
                let (config, result) = match patch.apply(&Config::default()) {
                    Ok(config) => (config, Ok(Answer::Done)),
                    Err(error) => {
                        let field = Some(error.field());
                        (Config::default(), Err(Refusal { field, ..Refusal::of(error.code()) }))
                    }
                };
                machine = Some(M::new(config));
                Step::Config(result)
            }
            Entry::Op { t, op } => Step::Op { t: *t, op },
        };
        visit(machine.get_or_insert_with(|| M::new(Config::default())), line, step)?;
        lines = line;
        bytes.clear();
    }
    Ok(lines)
}
