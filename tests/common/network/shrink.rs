//! Makes a failing story short, and tells it.

use super::breach::{Breach, Check};
use super::run;
use super::scene::{KINDS, Scene};

/// How many shorter stories are tried, at most.
const TRIES_MAX: usize = 400;

/// Tells the shortest story found that breaks the same promise as `scene`.
pub fn tell(scene: &Scene, breach: &Breach) -> String {
    let mut shrinker = Shrinker { best: scene.clone(), check: breach.check, tries: 0 };
    shrinker.shrink();
    let Shrinker { best, tries, .. } = shrinker;
    let told = run(&best, Some(Vec::new()));
    let shrunk = match &told.end {
        Err(shrunk) => shrunk.to_string(),
        Ok(_) => "does not fail again".to_owned(),
    };
    let Scene { configs, devices, host, weather, .. } = &best;
    format!(
        "seed {} fails\n{breach}\n\nshrunk in {tries} tries to\n{shrunk}\n\n{:#?}\n{devices:?}\n\
         {host:?}\n{weather:?}\n\n{}\n",
        best.seed,
        configs[0],
        told.log.join("\n"),
    )
}

struct Shrinker {
    best: Scene,
    check: Check,
    tries: usize,
}

impl Shrinker {
    fn shrink(&mut self) {
        loop {
            let acts = self.acts();
            self.drop_rounds();
            self.calm();
            for (kind, _) in KINDS {
                self.keep_acts(|act| act.kind() != kind);
            }
            for client in 0..self.best.devices.len() {
                self.keep_acts(|act| act.client() != Some(client));
            }
            self.drop_acts();
            if self.acts() == acts || self.tries >= TRIES_MAX {
                return;
            }
        }
    }

    fn acts(&self) -> usize {
        self.best.rounds.iter().map(|round| round.acts.len()).sum()
    }

    /// Leaves rounds out, and ends the last of them sooner.
    fn drop_rounds(&mut self) {
        for nth in (0..self.best.rounds.len()).rev() {
            self.attempt(|scene| drop(scene.rounds.remove(nth)));
        }
        let Some(last) = self.best.rounds.len().checked_sub(1) else { return };
        for parts in [2, 3, 4] {
            self.attempt(|scene| {
                let round = &mut scene.rounds[last];
                round.lasts -= round.lasts / parts;
                let lasts = round.lasts;
                round.acts.retain(|&(at, _)| at <= lasts);
            });
        }
    }

    /// Mends weather, clocks and habits, one after another.
    fn calm(&mut self) {
        self.attempt(|scene| scene.weather.reordering = 0);
        self.attempt(|scene| scene.weather.duplication = 0);
        self.attempt(|scene| scene.weather.loss = 0);
        self.attempt(|scene| scene.weather.jitter_ms = 0);
        self.attempt(|scene| scene.weather.delay_ms = 0);
        self.attempt(|scene| scene.devices.iter_mut().for_each(|device| device.clock = 1_000));
        self.attempt(|scene| scene.host.epoch = 0);
        self.attempt(|scene| scene.host.turn_ms = 0);
        self.attempt(|scene| scene.host.has_batches = false);
        self.attempt(|scene| scene.has_survivors = false);
    }

    fn keep_acts(&mut self, keep: impl Fn(&super::scene::Act) -> bool) {
        let keep_all = |scene: &mut Scene| {
            for round in &mut scene.rounds {
                round.acts.retain(|(_, act)| keep(act));
            }
        };
        self.attempt(keep_all);
    }

    /// Leaves acts out, in halves, quarters and so on down to single ones.
    fn drop_acts(&mut self) {
        for nth in 0..self.best.rounds.len() {
            let mut size = self.best.rounds[nth].acts.len().div_ceil(2);
            while size > 0 {
                let mut at = 0;
                while at < self.best.rounds[nth].acts.len() {
                    let is_shorter = self.attempt(|scene| {
                        let acts = &mut scene.rounds[nth].acts;
                        let end = acts.len().min(at + size);
                        acts.drain(at..end);
                    });
                    at += if is_shorter { 0 } else { size };
                }
                size /= 2;
            }
        }
    }

    /// Keeps a change if the story still fails in the same way.
    fn attempt(&mut self, change: impl FnOnce(&mut Scene)) -> bool {
        if self.tries >= TRIES_MAX {
            return false;
        }
        self.tries += 1;
        let mut scene = self.best.clone();
        change(&mut scene);
        let fails = run(&scene, None).end.is_err_and(|breach| breach.check == self.check);
        if fails {
            self.best = scene;
        }
        fails
    }
}
