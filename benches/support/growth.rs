//! I: what grows with the number of users beside the work itself. Larger tables fit in fewer
//! caches, for every program: so what counts is the engine's growth by that of its floor.

use super::fan_out::Crowds;
use super::requests::Subscriptions;
use super::scene::{Bounds, Case, Scale, Scene, Visit};
use super::sessions::{Heartbeats, Returns};

/// The ratio to the floor at any size, by that at the first.
pub const GROWTH_MAX: f64 = 1.3;

/// How many users there are, the smallest number first.
pub fn sizes(scale: &Scale) -> [usize; 4] {
    [10_000, 100_000, 1_000_000, 4_000_000].map(|users| scale.of(users).max(1_000))
}

/// What is measured at each size: everybody, or a quarter, watches one, A1; D1; F; and subscribing,
/// B1.
pub const MEASURES: [&str; 4] = ["A1", "D1", "F", "B1"];

/// A case's name is that of its measure.
pub fn visit(scale: &Scale, visit: Visit<'_>) {
    if !scale.wants("I") {
        return;
    }
    // The same community at each size: it is the world around it that grows.
    let members = scale.of(if scale.is_quick { 4_000 } else { 10_000 });
    // Of all users, so many watch one, in A1.
    let part = if scale.is_quick { 4 } else { 1 };
    for users in sizes(scale) {
        for measure in MEASURES {
            let mut scene: Box<dyn Scene> = match measure {
                "A1" => Box::new(Crowds::new(users, false, users / part, &[users / part])),
                "D1" => Box::new(Heartbeats::new(users, false)),
                "F" => Box::new(Returns::new(users, members, false)),
                _ => Box::new(Subscriptions::new(users, members, false)),
            };
            let name = format!("{measure}, {users} users");
            visit(Case { row: "I", name, bounds: Bounds::NONE, scene: &mut *scene });
        }
    }
}
