//! A complete small host on `std` alone: one thread owns the engine, and each client has a link, a
//! thread with a channel where a real host has sockets. `cargo run --example host` ends by itself,
//! as its timeouts are short.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use presence_engine::{
    Config, ConfigError, DeviceId, Engine, InputError, LoginKind, Output, Platform, SessionId,
    Timeout, Timestamp,
};

/// What a link asks of the host. It learns its session's id at login and keeps it on the host's
/// side: an id is a name and no secret, so none is ever taken from a client.
enum Ask {
    Login { user: &'static str, platform: Platform, link: Sender<String>, id: Sender<SessionId> },
    Heartbeat(SessionId),
    SetStatus(SessionId, &'static str),
    Watch(SessionId, &'static [&'static str]),
    LinkClosed(SessionId),
}

struct Host {
    engine: Engine<String>,
    /// Where the client of each session hears; dropping the `Sender` closes the link.
    links: HashMap<SessionId, Sender<String>>,
    started: Instant,
}

impl Host {
    /// Takes one turn after another until nobody is left to ask.
    fn run(mut self, asks: &Receiver<Ask>) {
        loop {
            self.engine.handle_timeout(self.now());
            self.drain();
            let next = self.engine.poll_timeout();
            let wait_ms = next.map_or(60_000, |next| next.millis_since(self.now()));
            // After a long stall what is due comes first, in portions: an ask would fire it all.
            if wait_ms == 0 {
                continue;
            }
            match asks.recv_timeout(Duration::from_millis(wait_ms)) {
                Ok(ask) => self.answer(ask).unwrap_or_else(|error| println!("refused: {error}")),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// The engine's clock: milliseconds that never run back.
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.started.elapsed().as_millis() as u64)
    }

    fn answer(&mut self, ask: Ask) -> Result<(), InputError<String>> {
        let now = self.now();
        match ask {
            Ask::Login { user, platform, link, id } => {
                let device = DeviceId::new("the only one");
                let session = self.engine.login(now, user, platform, device, LoginKind::Login)?;
                // Before the outputs are drained, as a newcomer is told of himself.
                self.links.insert(session, link);
                let _ = id.send(session);
            }
            Ask::Heartbeat(session) => self.engine.heartbeat(now, session)?,
            Ask::SetStatus(session, custom) => self.engine.set_status(now, session, custom)?,
            Ask::Watch(session, users) => {
                // In this order no change is missed: what the answer has not yet comes as news.
                let _ = self.engine.subscribe(now, session, users)?;
                for (user, status) in self.engine.query(now, session, users)?.statuses {
                    self.tell(session, format!("{user} is {} {:?}", status.state, status.custom));
                }
            }
            Ask::LinkClosed(session) => {
                // Here, as the engine orders no `Close` of a link that it did not end.
                self.links.remove(&session);
                self.engine.link_closed(now, session)?;
            }
        }
        Ok(())
    }

    /// Does all that the engine has found to be done.
    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Close(close) => {
                    println!("{}'s link is closed: {:?}", close.user, close.reason);
                    self.links.remove(&close.session);
                }
                Output::Event(event) => println!("back end: {:?} of {}", event.action, event.user),
                Output::Status(change) => {
                    let news = format!("{} is {} {:?}", change.user, change.state, change.custom);
                    // One who is told may have ended since; his link is gone then.
                    for link in change.to.iter().filter_map(|session| self.links.get(session)) {
                        let _ = link.send(news.clone());
                    }
                }
            }
        }
    }

    fn tell(&self, session: SessionId, news: String) {
        // A link that broke is reported or times out; what it is told until then is lost.
        let _ = self.links.get(&session).map(|link| link.send(news));
    }
}

/// What a client does, and how many milliseconds after its login.
type Script = [(u64, fn(SessionId) -> Ask)];

fn client(user: &'static str, platform: Platform, asks: &Sender<Ask>, script: &Script) {
    let ask = |ask| asks.send(ask).expect("the host outlives its clients");
    let ((link, told), (id, session)) = (channel(), channel());
    ask(Ask::Login { user, platform, link, id });
    let Ok(me) = session.recv() else { return };
    let login = Instant::now();
    for (at_ms, what) in script {
        let at = login + Duration::from_millis(*at_ms);
        while let Ok(news) = told.recv_timeout(at.saturating_duration_since(Instant::now())) {
            println!("    {user} hears: {news}");
        }
        ask(what(me));
    }
    // Silent from here on, until the host closes the link.
    told.iter().for_each(|news| println!("    {user} hears: {news}"));
    println!("    {user} hangs up");
}

fn main() -> Result<(), ConfigError> {
    // In place of 400 seconds and 7 days.
    let config = Config::builder().timeout(Timeout::Native, 600).timeout(Timeout::Push, 600);
    let engine = Engine::new(config.build()?);
    let host = Host { engine, links: HashMap::new(), started: Instant::now() };
    let ann: &Script = &[(100, |me| Ask::Watch(me, &["bob"])), (1_700, Ask::LinkClosed)];
    // Heard for the last time at 300 ms: at 900 his link counts as broken, at 1,500 he is Offline.
    let bob: &Script = &[(200, |me| Ask::SetStatus(me, "in a tunnel")), (300, Ask::Heartbeat)];
    let (sender, asks) = channel();
    thread::scope(|scope| {
        let for_ann = sender.clone();
        scope.spawn(move || client("ann", Platform::Web, &for_ann, ann));
        scope.spawn(move || client("bob", Platform::Android, &sender, bob));
        host.run(&asks);
    });
    Ok(())
}
