//! Stories in virtual time: an engine of text ids whose devices go by short names
//! (`ann/web/w1`), its outputs as lines of text, and an inbox for each session.
//!
//! What a story does often has a method here, which fails the test where the engine refuses; all
//! else goes through [`Sim::ask`].

use std::collections::BTreeMap;

use presence_engine::{
    CloseReason, Config, ConfigBuilder, DeviceId, Engine, Limit, LoginError, LoginKind, Output,
    Scope, SessionId, State, Tier, Timestamp,
};

use super::op::Device;

/// Seven days, the default of ST-6 and the life of a note (ML-10).
pub const WEEK: u64 = 604_800_000;
/// One day, the default of SU-9.
pub const DAY: u64 = 86_400_000;

pub struct Sim {
    pub engine: Engine<String>,
    /// The stamp of the inputs that follow.
    pub now: Timestamp,
    /// The device of each session ever opened.
    names: BTreeMap<SessionId, String>,
    inboxes: BTreeMap<SessionId, Vec<String>>,
    news: Vec<String>,
}

impl Sim {
    pub fn new() -> Self {
        Self::with(|config| config)
    }

    pub fn with(change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Self {
        let config = change(Config::builder()).build().expect("the story's configuration is valid");
        Self {
            engine: Engine::new(config),
            now: Timestamp::ZERO,
            names: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            news: Vec::new(),
        }
    }

    /// Stamps the inputs that follow. The engine hears of it with the first of them.
    pub fn at(&mut self, millis: u64) -> &mut Self {
        self.now = Timestamp::from_millis(millis);
        self
    }

    /// Lets time pass as a host does: until nothing is due.
    pub fn tick(&mut self, millis: u64) -> &mut Self {
        self.at(millis);
        self.engine.handle_timeout(self.now);
        while self.engine.poll_timeout().is_some_and(|next| next <= self.now) {
            self.engine.handle_timeout(self.now);
        }
        self
    }

    #[track_caller]
    pub fn login(&mut self, device: &str) -> SessionId {
        self.try_login(device, LoginKind::Login).expect("the login is accepted")
    }

    pub fn try_login(&mut self, device: &str, kind: LoginKind) -> Result<SessionId, LoginError> {
        let Device { user, platform, device: id } = Device::named(device);
        let session = self.engine.login(self.now, &user, platform, DeviceId::new(&id), kind)?;
        let known = self.names.insert(session, device.to_owned());
        assert_eq!(known, None, "a session id is never used twice");
        Ok(session)
    }

    #[track_caller]
    pub fn logout(&mut self, session: SessionId) {
        self.engine.logout(self.now, session).expect("the session is live");
    }

    #[track_caller]
    pub fn close(&mut self, session: SessionId) {
        self.engine.link_closed(self.now, session).expect("the session is live");
    }

    #[track_caller]
    pub fn hear(&mut self, session: SessionId) {
        self.engine.heartbeat(self.now, session).expect("the session is live");
    }

    #[track_caller]
    pub fn background(&mut self, session: SessionId) {
        self.engine.background(self.now, session).expect("the session is live");
    }

    #[track_caller]
    pub fn foreground(&mut self, session: SessionId) {
        self.engine.foreground(self.now, session).expect("the session is live");
    }

    #[track_caller]
    pub fn exit(&mut self, session: SessionId) {
        self.engine.exit(self.now, session).expect("the session is live");
    }

    #[track_caller]
    pub fn force_out(&mut self, user: &str, scope: &Scope) {
        self.engine.force_out(self.now, user, scope).expect("the id is valid");
    }

    /// Asks the engine for whatever has no method of its own here, at the current stamp.
    pub fn ask<T>(&mut self, call: impl FnOnce(&mut Engine<String>, Timestamp) -> T) -> T {
        call(&mut self.engine, self.now)
    }

    /// Sets a custom status.
    #[track_caller]
    pub fn say(&mut self, session: SessionId, custom: &str) {
        self.engine.set_status(self.now, session, custom).expect("the status is accepted");
    }

    /// Subscribes users, none of whom may fail, and returns who was evicted.
    #[track_caller]
    pub fn watch(&mut self, session: SessionId, users: &[&str]) -> Vec<String> {
        let done =
            self.engine.subscribe(self.now, session, users).expect("the request is admitted");
        assert_eq!(done.failures, []);
        done.evicted
    }

    #[track_caller]
    pub fn befriend(&mut self, owner: &str, friend: &str) {
        self.engine.add_friend(self.now, owner, friend).expect("the friendship is accepted");
    }

    #[track_caller]
    pub fn reconfigure(&mut self, change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) {
        let config = change(self.engine.config().to_builder()).build();
        let config = config.expect("the story's configuration is valid");
        self.engine.reconfigure(self.now, config).expect("the change is allowed");
    }

    #[track_caller]
    pub fn state(&mut self, user: &str) -> State {
        self.engine.inspect(self.now, user).expect("the id is valid").state()
    }

    #[track_caller]
    pub fn custom(&mut self, user: &str) -> String {
        self.engine.inspect(self.now, user).expect("the id is valid").custom().to_owned()
    }

    /// Whether the session is live. It does not count as heard.
    pub fn is_live(&self, session: SessionId) -> bool {
        self.engine.clone().heartbeat(self.now, session).is_ok()
    }

    /// The subscription list of the session's user, earliest first: whoever a cap of 1 evicts from
    /// a copy of the engine (SU-6, SU-11). It takes a token to be there.
    #[track_caller]
    pub fn list(&self, session: SessionId) -> Vec<String> {
        let mut engine = self.engine.clone();
        let config = engine.config().to_builder().tier(Tier::Flagship).status_switch(true);
        let config = config.limit(Limit::Subscriptions, 1).build().expect("nothing is zero");
        engine.reconfigure(self.now, config).expect("the change is allowed");
        engine.register(self.now, "~last").expect("the id is valid");
        engine.subscribe(self.now, session, &["~last"]).expect("the request is admitted").evicted
    }

    /// Takes what the engine has told the host since the last call, a line an output:
    ///
    /// ```text
    /// 5 close ann/web/w1 kicked by android
    /// 5 event ann/android/a1 login register over web/w1
    /// 5 status ann online "busy" -> ann/android/a1 bob/web/w9
    /// ```
    pub fn news(&mut self) -> Vec<String> {
        self.collect();
        core::mem::take(&mut self.news)
    }

    /// Takes what a session was told since the last call: `5 ann online "busy"`.
    pub fn inbox(&mut self, session: SessionId) -> Vec<String> {
        self.collect();
        self.inboxes.remove(&session).unwrap_or_default()
    }

    /// Fails if the engine has anything to tell.
    #[track_caller]
    pub fn quiet(&mut self) {
        assert_eq!(self.news(), [""; 0]);
    }

    fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            if let Output::Status(change) = &output {
                let (at, user) = (change.at.as_millis(), change.user);
                let said = said(change.custom);
                for session in change.to {
                    let inbox = self.inboxes.entry(*session).or_default();
                    inbox.push(format!("{at} {user} {}{said}", change.state));
                }
            }
            self.news.push(line_of(&self.names, &output));
        }
    }
}

/// Writes an output down.
fn line_of(names: &BTreeMap<SessionId, String>, output: &Output<'_, String>) -> String {
    match output {
        Output::Close(close) => {
            let (at, device) = (close.at.as_millis(), &names[&close.session]);
            assert_eq!(*device, format!("{}/{}/{}", close.user, close.platform, close.device));
            let reason = close.reason.name();
            let by = match close.reason {
                CloseReason::Kicked { by } => format!(" by {by}"),
                _ => String::new(),
            };
            format!("{at} close {device} {reason}{by}")
        }
        Output::Event(event) => {
            let (at, user, platform) = (event.at.as_millis(), event.user, event.platform);
            let (device, action, reason) = (event.device, event.action.name(), event.reason.name());
            let mut line = format!("{at} event {user}/{platform}/{device} {action} {reason}");
            for (nth, (platform, id)) in event.displaced.iter().enumerate() {
                line += if nth == 0 { " over " } else { " " };
                line += &format!("{platform}/{id}");
            }
            line
        }
        Output::Status(change) => {
            let (at, user, state) = (change.at.as_millis(), change.user, change.state);
            let mut to: Vec<&str> = change.to.iter().map(|id| names[id].as_str()).collect();
            to.sort_unstable();
            let arrow = if to.is_empty() { " ->" } else { " -> " };
            format!("{at} status {user} {state}{}{arrow}{}", said(change.custom), to.join(" "))
        }
    }
}

fn said(custom: &str) -> String {
    if custom.is_empty() { String::new() } else { format!(" {custom:?}") }
}
