//! The world in which a story is played: true time, the network between clients and host, and the
//! troubles of both.

use std::collections::BTreeMap;

use super::Tally;
use super::breach::Breach;
use super::client::Client;
use super::dice::mix;
use super::host::{Host, Incoming};
use super::scene::{Act, Scene};
use super::wire::{Ask, LinkId, Packet, Tell};

/// What users say of themselves. Some configurations find the longer ones too long.
const SAYINGS: [&str; 4] = ["", "here", "away for a while", "busy"];

pub struct World<'a> {
    pub scene: &'a Scene,
    pub now: u64,
    pub host: Host,
    pub clients: Vec<Client>,
    pub tally: Tally,
    /// What is to happen, by time and by the order in which it was arranged.
    queue: BTreeMap<(u64, u64), Happening>,
    arranged: u64,
    /// Taken in by the machine of the host, not yet by the host.
    inbox: Vec<Incoming>,
    host_wakes_at: Option<u64>,
    clients_wake_at: Vec<Option<u64>>,
    /// Until when the host does nothing, and until when there is none.
    stalled_until: u64,
    down_until: u64,
    /// Until when nothing arrives from a client, and until when nothing arrives there.
    cut: Vec<Cut>,
    asleep_until: u64,
    /// How many frames each client has sent and was sent, which decides on their fate.
    frames: Vec<[u64; 2]>,
    is_fair: bool,
}

#[derive(Clone, Copy, Default)]
struct Cut {
    up_until: u64,
    down_until: u64,
}

enum Happening {
    HostWakes,
    ClientWakes(usize),
    Up(Packet<Ask>),
    Down(Packet<Tell>),
}

impl<'a> World<'a> {
    pub fn new(scene: &'a Scene, log: Option<Vec<String>>) -> Self {
        let config = &scene.configs[0];
        let count = scene.devices.len();
        let clients = scene.devices.iter().enumerate();
        Self {
            scene,
            now: 0,
            host: Host::new(config.clone(), scene.host, log),
            clients: clients.map(|(nth, it)| Client::new(nth, it.clone(), config)).collect(),
            tally: Tally::default(),
            queue: BTreeMap::new(),
            arranged: 0,
            inbox: Vec::new(),
            host_wakes_at: None,
            clients_wake_at: vec![None; count],
            stalled_until: 0,
            down_until: 0,
            cut: vec![Cut::default(); count],
            asleep_until: 0,
            frames: vec![[0; 2]; count],
            is_fair: false,
        }
    }

    /// Lets everything happen up to a moment.
    pub fn advance(&mut self, until: u64) -> Result<(), Breach> {
        while let Some(next) = self.queue.first_entry().filter(|next| next.key().0 <= until) {
            let ((at, _), happening) = next.remove_entry();
            self.now = at;
            match happening {
                Happening::HostWakes => self.host_turn(at)?,
                Happening::ClientWakes(client) => {
                    if self.clients_wake_at[client] == Some(at) {
                        self.clients_wake_at[client] = None;
                        self.tend(client, |client, now, out| client.wake(now, out));
                    }
                }
                Happening::Up(packet) => self.arrive(Incoming::Packet(packet)),
                Happening::Down(packet) => self.hear(packet)?,
            }
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Heals the network for good or lets it do what it likes.
    pub fn set_fair(&mut self, is_fair: bool) {
        self.is_fair = is_fair;
        if is_fair {
            self.cut.fill(Cut::default());
        }
    }

    /// How long the troubles last that have begun: the host is stalled or down, a client sleeps, or
    /// the engine has seen a later time than the host's clock shows.
    pub fn trouble_ms(&self) -> u64 {
        let until = self.stalled_until.max(self.down_until).max(self.asleep_until);
        let ahead = i128::from(self.host.engine.now().as_millis()) - self.host.clock.ahead;
        until.saturating_sub(self.now)
            + u64::try_from(ahead - i128::from(self.now)).unwrap_or_default()
    }

    pub fn act(&mut self, act: &Act) -> Result<(), Breach> {
        let now = self.now;
        self.host.note(now, || format!("-- {act:?}"));
        self.tally.count(act.kind());
        match act {
            Act::Open(client) => self.tend(*client, |client, now, _| client.open(now)),
            Act::Logout(client) => self.tend(*client, Client::logout),
            Act::Kill(client) => self.tend(*client, |client, _, out| client.kill(out)),
            Act::Vanish(client) => self.tend(*client, |client, _, _| client.vanish()),
            Act::Sleep(client, ms) => {
                self.asleep_until = self.asleep_until.max(now + ms);
                self.tend(*client, |client, now, _| client.sleep(now + ms));
            }
            Act::Say(client, nth) => {
                self.tend(*client, |client, _, _| client.say(SAYINGS[*nth as usize]));
            }
            Act::Background(client) => self.ask(*client, Ask::Background),
            Act::Foreground(client) => self.ask(*client, Ask::Foreground),
            Act::Exit(client) => self.ask(*client, Ask::Exit),
            Act::Ask(client, users) => self.ask(*client, Ask::Query(users.clone())),
            Act::Watch(client, users) => self.tend(*client, |client, _, _| client.watch(users)),
            Act::Unwatch(client, users) => self.tend(*client, |client, _, _| client.unwatch(users)),
            Act::Partition { client, up_ms, down_ms } => {
                let cut = &mut self.cut[*client];
                cut.up_until = cut.up_until.max(now + up_ms);
                cut.down_until = cut.down_until.max(now + down_ms);
            }
            Act::Roam(client) => self.tend(*client, |client, now, _| client.roam(now)),
            Act::Storm => self.break_all_links(),
            Act::Stall(ms) => self.stall(*ms),
            Act::Freeze(ms) => {
                // Process and clock stand still, as when a virtual machine is moved.
                self.host.clock.ahead -= i128::from(*ms);
                self.stall(*ms);
            }
            Act::ClockBack(ms) => self.host.clock.ahead -= i128::from(*ms),
            Act::ClockForward(ms) => self.host.clock.ahead += i128::from(*ms),
            Act::Crash(ms) => return self.crash(*ms),
            _ => self.arrive(Incoming::Order(act.clone())),
        }
        // The clock may show another time than the one for which its next turn is arranged.
        self.arrange_host();
        Ok(())
    }

    fn ask(&mut self, client: usize, ask: Ask) {
        self.tend(client, |client, _, _| client.ask(ask));
    }

    fn stall(&mut self, ms: u64) {
        self.stalled_until = self.stalled_until.max(self.now + ms);
    }

    /// What stands between clients and host breaks all their links, which both see.
    fn break_all_links(&mut self) {
        for reset in self.host.resets() {
            self.arrive(Incoming::Packet(reset));
        }
        for reset in self.host.resets() {
            self.send_down(reset);
        }
    }

    fn crash(&mut self, ms: u64) -> Result<(), Breach> {
        if self.scene.host.resets_on_crash {
            for reset in self.host.resets() {
                self.send_down(reset);
            }
        }
        self.inbox.clear();
        self.down_until = self.down_until.max(self.now + ms);
        self.stalled_until = self.stalled_until.max(self.down_until);
        self.host.crash(self.now)?;
        self.arrange_host();
        Ok(())
    }
}

/// The host and its network.
impl World<'_> {
    fn arrive(&mut self, incoming: Incoming) {
        if self.now >= self.down_until {
            self.inbox.push(incoming);
            self.arrange_host();
        }
    }

    fn host_turn(&mut self, at: u64) -> Result<(), Breach> {
        if self.host_wakes_at != Some(at) {
            return Ok(());
        }
        self.host_wakes_at = None;
        if at >= self.stalled_until {
            let inbox = core::mem::take(&mut self.inbox);
            for packet in self.host.turn(at, self.scene, inbox)? {
                self.send_down(packet);
            }
        }
        self.arrange_host();
        Ok(())
    }

    /// Arranges the host's next turn, if there is cause for one.
    fn arrange_host(&mut self) {
        let inbox = (!self.inbox.is_empty()).then_some(self.now + self.scene.host.turn_ms);
        let Some(at) = [inbox, self.host.next_turn()].into_iter().flatten().min() else { return };
        let at = at.max(self.stalled_until).max(self.now + 1);
        if self.host_wakes_at.is_none_or(|earlier| at < earlier || earlier <= self.now) {
            self.host_wakes_at = Some(at);
            self.arrange(at, Happening::HostWakes);
        }
    }

    fn send_down(&mut self, packet: Packet<Tell>) {
        self.send(packet.link, 1, Happening::Down, packet);
    }

    fn send<B: Clone>(
        &mut self,
        link: LinkId,
        direction: usize,
        happening: impl Fn(Packet<B>) -> Happening,
        packet: Packet<B>,
    ) {
        let weather = self.scene.weather;
        let weather = if self.is_fair { weather.fair() } else { weather };
        let nth = &mut self.frames[link.client][direction];
        *nth += 1;
        let frame = mix(&[link.client as u64, direction as u64, *nth]);
        let delays = weather.delays(self.scene.seed, frame);
        let cut = self.cut[link.client];
        let is_cut = self.now < [cut.up_until, cut.down_until][direction];
        let Some(delay) = delays.first.filter(|_| !is_cut) else {
            self.tally.count("lost");
            return;
        };
        if delays.is_late {
            self.tally.count("overtaken");
        }
        if let Some(delay) = delays.again {
            self.tally.count("doubled");
            self.arrange(self.now + delay, happening(packet.clone()));
        }
        self.arrange(self.now + delay, happening(packet));
    }

    fn arrange(&mut self, at: u64, happening: Happening) {
        self.arranged += 1;
        self.queue.insert((at, self.arranged), happening);
    }
}

/// Clients.
impl World<'_> {
    /// Does something with a client, and sends what it says.
    fn tend(&mut self, number: usize, call: impl FnOnce(&mut Client, u64, &mut Vec<Packet<Ask>>)) {
        let mut out = Vec::new();
        call(&mut self.clients[number], self.now, &mut out);
        self.send_up(number, out);
    }

    fn hear(&mut self, packet: Packet<Tell>) -> Result<(), Breach> {
        let (number, mut out) = (packet.link.client, Vec::new());
        self.clients[number].receive(self.now, packet, &mut out)?;
        self.send_up(number, out);
        Ok(())
    }

    fn send_up(&mut self, number: usize, out: Vec<Packet<Ask>>) {
        for packet in out {
            self.send(packet.link, 0, Happening::Up, packet);
        }
        let Some(at) = self.clients[number].next_wake() else { return };
        let at = at.max(self.now + 1);
        if self.clients_wake_at[number].is_none_or(|earlier| at < earlier) {
            self.clients_wake_at[number] = Some(at);
            self.arrange(at, Happening::ClientWakes(number));
        }
    }
}
