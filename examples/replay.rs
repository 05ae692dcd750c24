//! Replays a trace through the engine, byte for byte, or tells a story as a timeline.
//!
//! ```text
//! cargo run --release --example replay                    # the story
//! cargo run --release --example replay -- trace.jsonl     # a trace, as JSON lines
//! ```

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use presence_engine::{Api, Limit, Output, Platform, State};

use common::driver::Driver;
use common::op::{Answer, Failed, Line, Machine, Op, Out, Refusal, Session};
use common::trace::{ReplayError, Step, each_line, replay};

#[path = "../tests/common/mod.rs"]
mod common;

const HELP: &str = "\
Replays a trace of presence through one engine.

usage: replay               tell the built-in story as a timeline
       replay FILE          read the trace FILE, write what comes out as JSON lines
       replay -             the same from standard input
       replay --quiet FILE  write nothing but one line of totals, on standard error
       replay --help        print this

Exit status: 0 done; 1 bad arguments, or FILE cannot be read; 2 a line is malformed.
What came before a malformed line is written.
";

const STORY: &str = include_str!("story.jsonl");

/// Much more than a line, so that a system call is paid once for thousands of them.
const BUFFER_BYTES: usize = 1 << 16;

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let stdin = BufReader::with_capacity(BUFFER_BYTES, io::stdin().lock());
    let mut stdout = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    ExitCode::from(run(&args, stdin, &mut stdout, &mut io::stderr().lock()))
}

/// The whole program but for its process; returns the exit status.
pub(crate) fn run(
    args: &[OsString],
    stdin: impl BufRead,
    stdout: &mut impl Write,
    stderr: &mut impl Write,
) -> u8 {
    let end = Task::of(args).and_then(|task| match task {
        Task::Help => Ok(stdout.write_all(HELP.as_bytes())?),
        Task::Story => tell(stdout),
        Task::Replay { path: None, is_quiet } => play(stdin, is_quiet, stdout, stderr),
        Task::Replay { path: Some(path), is_quiet } => match File::open(&path) {
            Ok(file) => {
                let file = BufReader::with_capacity(BUFFER_BYTES, file);
                play(file, is_quiet, stdout, stderr)
            }
            Err(error) => Err(Failure::Open { path, error }),
        },
    });
    let failure = match end.and_then(|()| Ok(stdout.flush()?)) {
        Ok(()) => return 0,
        Err(failure) => failure,
    };
    if failure.is_broken_pipe() {
        // Whoever read the output has seen enough, as `head` has.
        return 0;
    }
    // There is nobody left to tell if this fails.
    let _ = writeln!(stderr, "replay: {failure}");
    failure.exit_status()
}

enum Task {
    Help,
    Story,
    /// Without a path, of standard input.
    Replay {
        path: Option<PathBuf>,
        is_quiet: bool,
    },
}

impl Task {
    fn of(args: &[OsString]) -> Result<Self, Failure> {
        let (mut paths, mut is_quiet) = (Vec::new(), false);
        for arg in args {
            match arg.to_str() {
                Some("--help" | "-h") => return Ok(Self::Help),
                Some("--quiet" | "-q") => is_quiet = true,
                Some("-") => paths.push(None),
                Some(option) if option.starts_with('-') => {
                    return Err(Failure::Usage(format!("unknown option {option}")));
                }
                _ => paths.push(Some(PathBuf::from(arg))),
            }
        }
        match (paths.pop(), paths.is_empty()) {
            (Some(path), true) => Ok(Self::Replay { path, is_quiet }),
            (Some(_), false) => Err(Failure::Usage("more than one FILE".into())),
            (None, _) if is_quiet => Err(Failure::Usage("--quiet needs a FILE or -".into())),
            (None, _) => Ok(Self::Story),
        }
    }
}

enum Failure {
    Usage(String),
    Open { path: PathBuf, error: io::Error },
    Replay(ReplayError),
}

impl Failure {
    fn is_broken_pipe(&self) -> bool {
        let Self::Replay(ReplayError::Io(error)) = self else { return false };
        error.kind() == io::ErrorKind::BrokenPipe
    }

    fn exit_status(&self) -> u8 {
        if matches!(self, Self::Replay(ReplayError::Malformed { .. })) { 2 } else { 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(problem) => write!(f, "{problem}; see replay --help"),
            Self::Open { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Replay(error) => error.fmt(f),
        }
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        Self::Replay(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Replay(error.into())
    }
}

fn play(
    input: impl BufRead,
    is_quiet: bool,
    stdout: &mut impl Write,
    stderr: &mut impl Write,
) -> Result<(), Failure> {
    if is_quiet {
        count(input, stderr)
    } else {
        replay::<Driver>(input, stdout)?;
        Ok(())
    }
}

/// Replays without making output lines: all it does is to read the trace and run the engine.
fn count(input: impl BufRead, stderr: &mut impl Write) -> Result<(), Failure> {
    let started = Instant::now();
    let (mut statuses, mut told) = (0_u64, 0);
    let lines = each_line(input, |driver: &mut Driver, _, step| {
        if let Step::Op { t, op } = step {
            // A refusal is an answer like any other, and answers are not counted.
            let _ = driver.enter(t, op);
            driver.drain(|_, output| {
                if let Output::Status(change) = output {
                    statuses += 1;
                    told += change.to.len() as u64;
                }
            });
        }
        Ok(())
    })?;
    let seconds = started.elapsed().as_secs_f64();
    writeln!(
        stderr,
        "{lines} lines, {statuses} status outputs, {told} notifications to sessions, \
         {seconds:.3} seconds"
    )?;
    Ok(())
}

/// Tells the story: a line for what somebody does, and below it what the engine makes of it.
fn tell(out: &mut impl Write) -> Result<(), Failure> {
    let (mut timeline, mut lines) = (Timeline { out, latest: 0 }, Vec::new());
    each_line(STORY.as_bytes(), |driver: &mut Driver, _, step| {
        let Step::Op { t, op } = step else { return timeline.begin(driver) };
        // Time passes first, by itself, so that what it brings can be told apart.
        driver.apply(t, &Op::Tick, &mut lines);
        timeline.time_passes(&lines)?;
        lines.clear();
        if *op != Op::Tick {
            driver.apply(t, op, &mut lines);
            timeline.deed(t, op, &lines)?;
            lines.clear();
        }
        Ok(())
    })?;
    writeln!(
        timeline.out,
        "\nThat was examples/story.jsonl. `replay --help` says how to replay a trace of your own."
    )?;
    Ok(())
}

struct Timeline<'a, W> {
    out: &'a mut W,
    /// The stamp of the latest heading.
    latest: u64,
}

impl<W: Write> Timeline<'_, W> {
    fn begin(&mut self, driver: &Driver) -> io::Result<()> {
        let config = driver.engine.config();
        let (policy, watched) = (config.policy(), config.limit(Limit::Subscriptions));
        let rate = config.rate(Api::Subscribe);
        let (requests, seconds) = (rate.requests, rate.per_ms / 1_000);
        writeln!(
            self.out,
            "One engine. Policy {policy:?}: one handheld, one desktop and one browser a user.\n\
             A user may watch {watched} others, and ask for that {requests} times in {seconds} s.\n\
             \n\
             Indented is what the engine makes of each deed: `close` a link, `report` to the back\n\
             end and `tell` sessions are orders to the host, `answer` and `refuse` were returned.\n"
        )
    }

    fn time_passes(&mut self, lines: &[Line]) -> io::Result<()> {
        for fired in lines.chunk_by(|a, b| a.t == b.t) {
            if !matches!(fired[0].out, Out::Result(_)) {
                self.heading(fired[0].t, &"(time passes)")?;
                self.consequences(fired)?;
            }
        }
        Ok(())
    }

    fn deed(&mut self, t: u64, op: &Op, lines: &[Line]) -> io::Result<()> {
        self.heading(t, &Deed(op))?;
        self.consequences(lines)
    }

    /// Writes a moment and what happens then, after a gap in the timeline where there is one.
    fn heading(&mut self, t: u64, what: &impl fmt::Display) -> io::Result<()> {
        const GAP_MS: u64 = 20_000;
        if t.saturating_sub(self.latest) >= GAP_MS {
            writeln!(self.out)?;
        }
        self.latest = t;
        writeln!(self.out, "{:>11}  {what}", Clock(t).to_string())
    }

    fn consequences(&mut self, lines: &[Line]) -> io::Result<()> {
        for line in lines {
            let (verb, rest) = match &line.out {
                Out::Close { device, reason, by: None } => ("close", format!("{device}: {reason}")),
                Out::Close { device, reason, by: Some(by) } => {
                    ("close", format!("{device}: {reason} by {by}"))
                }
                Out::Event { action, reason, device, kicked } => {
                    let kicked = kicked.as_deref().unwrap_or_default();
                    let displaced = if kicked.is_empty() { "" } else { ", displaced " };
                    let kicked = kicked.join(", ");
                    ("report", format!("{action} ({reason}) of {device}{displaced}{kicked}"))
                }
                Out::Status { user, state, custom, to } => {
                    let to = if to.is_empty() { "nobody".into() } else { to.join(", ") };
                    ("tell", format!("{to}: {}", Told(user, state.name(), custom)))
                }
                Out::Result(Ok(Answer::Done)) => continue,
                Out::Result(Ok(answer)) => ("answer", answered(answer)),
                Out::Result(Err(refusal)) => ("refuse", refused(refusal)),
            };
            writeln!(self.out, "{:>11}    {verb:<7} {rest}", "")?;
        }
        Ok(())
    }
}

fn answered(answer: &Answer) -> String {
    let list = |items: Vec<String>, none: &str| {
        if items.is_empty() { none.to_owned() } else { items.join(", ") }
    };
    let failed = |failures: &[Failed]| -> String {
        let failed = |Failed { user, reason }: &Failed| format!("; not {user:?}: {reason}");
        failures.iter().map(failed).collect()
    };
    match answer {
        Answer::Done => "done".into(),
        Answer::Query { statuses, failures } => {
            let told = |(user, state, custom): &(String, State, String)| {
                Told(user, state.name(), custom).to_string()
            };
            list(statuses.iter().map(told).collect(), "nobody") + &failed(failures)
        }
        Answer::Subscribe { evicted, failures } => {
            let evicted = list(evicted.clone(), "nobody");
            format!("subscribed, evicted {evicted}{}", failed(failures))
        }
        Answer::Unsubscribe { failures } => format!("unsubscribed{}", failed(failures)),
        Answer::Inspect { state, custom, platforms } => {
            let of = |(platform, state): &(Platform, State)| format!("{platform} {state}");
            let platforms = list(platforms.iter().map(of).collect(), "no platform");
            format!("{}; {platforms}", Told("he", state.name(), custom))
        }
    }
}

fn refused(refusal: &Refusal) -> String {
    let Refusal { code, limit, retry_after, failures: _, field } = refusal;
    let mut text = (*code).to_owned();
    if let Some(limit) = limit {
        text += &format!(", the limit is {limit}");
    }
    if let Some(ms) = retry_after {
        text += &format!(", admitted in {ms} ms");
    }
    if let Some(field) = field {
        text += &format!(": {field}");
    }
    text
}

/// A moment of the story, as days and hh:mm:ss.
struct Clock(u64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        if days > 0 {
            write!(f, "{days}d ")?;
        }
        write!(f, "{:02}:{:02}:{:02}", hours % 24, minutes % 60, seconds % 60)
    }
}

/// What is told of a user: his name, state and custom status.
struct Told<'a>(&'a str, &'static str, &'a str);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(user, state, custom) = self;
        write!(f, "{user} is {state}")?;
        if custom.is_empty() { Ok(()) } else { write!(f, " {custom:?}") }
    }
}

/// What somebody does, as a sentence.
struct Deed<'a>(&'a Op);

impl fmt::Display for Deed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |session: &Session| session.device.to_string();
        match self.0 {
            Op::Login { device, reconnect: false } => write!(f, "{device} logs in"),
            Op::Login { device, reconnect: true } => write!(f, "{device} reconnects"),
            Op::Heartbeat { session } => write!(f, "{} sends a heartbeat", of(session)),
            Op::LinkClosed { session } => write!(f, "{} loses its link", of(session)),
            Op::Logout { session } => write!(f, "{} logs out", of(session)),
            Op::Background { session } => write!(f, "{} goes to the background", of(session)),
            Op::Foreground { session } => write!(f, "{} comes to the foreground", of(session)),
            Op::Exit { session } => write!(f, "{} is left by its exit control", of(session)),
            Op::SetStatus { session, custom } => {
                write!(f, "{} sets the custom status {custom:?}", of(session))
            }
            Op::Query { session, users } => {
                write!(f, "{} asks for {}", of(session), users.join(", "))
            }
            Op::Subscribe { session, users } => {
                write!(f, "{} subscribes {}", of(session), users.join(", "))
            }
            Op::Unsubscribe { session, users } => {
                write!(f, "{} unsubscribes {}", of(session), users.join(", "))
            }
            Op::AddFriend { user, friend } => write!(f, "host: {user} has the friend {friend}"),
            Op::RemoveFriend { user, friend } => {
                write!(f, "host: {user} no longer has the friend {friend}")
            }
            Op::ForceOut { user, .. } => write!(f, "host: {user} is forced out"),
            Op::Register { user } => write!(f, "host: {user} is registered"),
            Op::RemoveUser { user } => write!(f, "host: {user} is removed"),
            Op::Inspect { user } => write!(f, "host: how is {user}?"),
            Op::Tick => f.write_str("nothing happens"),
            Op::Reconfigure(patch) => match patch.tier {
                Some(tier) => write!(f, "host: the tier is {tier}"),
                None => f.write_str("host: the configuration changes"),
            },
        }
    }
}
