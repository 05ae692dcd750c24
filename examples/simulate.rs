//! Plays stories of clients and a host over a hostile network, and checks what must hold.
//!
//! ```text
//! cargo run --release --example simulate                       # a thousand stories
//! cargo run --release --example simulate -- --seed 7           # the one that a failure tells of
//! ```

use core::sync::atomic::{AtomicU64, Ordering};
use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use network::Tally;

#[path = "../tests/common/network/mod.rs"]
mod network;

const HELP: &str = "\
Plays stories of clients and a host over a hostile network, each drawn from a number, its seed, and
checks after each that all agree on who is there, who sees whom, and what is kept.

usage: simulate [--seed N] [--count M] [--threads T] [--careless]

  --seed N     the first seed (default 0; with --seed, one story is played)
  --count M    how many stories, with seeds from N on (default 1000)
  --threads T  how many threads play (default: one for each processor); changes no result
  --careless   with a broken host, which repeats nothing that was lost, to see a failure told
  --help       print this

Exit status: 0 all promises held; 1 bad arguments, or one did not: the story is told, made short.
";

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    ExitCode::from(run(&args, &mut io::stdout().lock(), &mut io::stderr().lock()))
}

/// The whole program but for its process; returns the exit status.
pub(crate) fn run(args: &[OsString], stdout: &mut impl Write, stderr: &mut impl Write) -> u8 {
    let told = match Task::of(args) {
        Ok(Task::Help) => stdout.write_all(HELP.as_bytes()).map(|()| 0),
        Ok(Task::Play(stories)) => match stories.play() {
            Ok(tally) => stdout.write_all(summary(&tally).as_bytes()).map(|()| 0),
            Err(failure) => stderr.write_all(failure.as_bytes()).map(|()| 1),
        },
        Err(problem) => writeln!(stderr, "simulate: {problem}; see simulate --help").map(|()| 1),
    };
    // There is nobody left to tell if this fails.
    told.unwrap_or(1)
}

enum Task {
    Help,
    Play(Stories),
}

/// Which stories are played.
struct Stories {
    first: u64,
    count: u64,
    threads: u64,
    is_careless: bool,
}

impl Task {
    fn of(args: &[OsString]) -> Result<Self, String> {
        let (mut first, mut count, mut threads) = (None, None, None);
        let (mut args, mut is_careless) = (args.iter(), false);
        while let Some(arg) = args.next() {
            let (name, place) = match arg.to_str() {
                Some("--help" | "-h") => return Ok(Self::Help),
                Some("--careless") => {
                    is_careless = true;
                    continue;
                }
                Some(name @ "--seed") => (name, &mut first),
                Some(name @ "--count") => (name, &mut count),
                Some(name @ "--threads") => (name, &mut threads),
                _ => return Err(format!("unknown argument {}", arg.to_string_lossy())),
            };
            let value = args.next().ok_or_else(|| format!("{name} needs a number"))?;
            let number: Option<u64> = value.to_str().and_then(|value| value.parse().ok());
            let least = u64::from(name != "--seed");
            match number.filter(|number| *number >= least) {
                Some(number) => *place = Some(number),
                None => {
                    let value = value.to_string_lossy();
                    return Err(format!("{name} needs a number from {least} on, not {value}"));
                }
            }
        }
        let alone = if first.is_some() { 1 } else { 1_000 };
        let (first, count) = (first.unwrap_or(0), count.unwrap_or(alone));
        if first.checked_add(count).is_none() {
            return Err("there are no seeds beyond 2^64".to_owned());
        }
        let processors = thread::available_parallelism().map_or(1, |count| count.get() as u64);
        let threads = threads.unwrap_or(processors);
        Ok(Self::Play(Stories { first, count, threads, is_careless }))
    }
}

/// What the threads have found.
#[derive(Default)]
struct Found {
    tally: Tally,
    /// The failure of the lowest seed.
    failure: Option<(u64, String)>,
}

impl Stories {
    /// Plays them all, on some threads; if any fail, tells of that with the lowest seed.
    fn play(&self) -> Result<Tally, String> {
        let next = AtomicU64::new(self.first);
        let failed = AtomicU64::new(u64::MAX);
        let found = Mutex::new(Found::default());
        thread::scope(|scope| {
            for _ in 0..self.threads.min(self.count) {
                scope.spawn(|| self.play_some(&next, &failed, &found));
            }
        });
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.failure.map_or(Ok(found.tally), |(_, story)| Err(story))
    }

    fn play_some(&self, next: &AtomicU64, failed: &AtomicU64, found: &Mutex<Found>) {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            // Lower seeds are played to their end whatever happens, so that the lowest one that
            // fails is the same for any number of threads.
            if seed >= self.first + self.count || seed > failed.load(Ordering::Relaxed) {
                break;
            }
            match network::play(seed, self.is_careless) {
                Ok(story) => tally.add(&story),
                Err(story) => {
                    failed.fetch_min(seed, Ordering::Relaxed);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    if found.failure.as_ref().is_none_or(|(other, _)| seed < *other) {
                        found.failure = Some((seed, story));
                    }
                }
            }
        }
        found.lock().unwrap_or_else(PoisonError::into_inner).tally.add(&tally);
    }
}

fn summary(tally: &Tally) -> String {
    let Tally { stories, simulated_ms, logins, notifications, events } = tally;
    let events: Vec<_> = events.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let (hours, events) = (simulated_ms / 3_600_000, events.join(", "));
    format!(
        "{stories} stories, {hours} simulated hours, {logins} logins, \
         {notifications} notifications; {events}\n"
    )
}
