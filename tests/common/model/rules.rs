//! What the rules say of values alone: buckets, platforms, groups and ids.

use presence_engine::{Platform, Policy, Rate};

use super::super::op::Refusal;

/// A token bucket (LI-4): how much was missing to full at the moment when it was last counted.
///
/// At a rate of n per w ms a token is w/n ms of refilling. In units of 1/n ms a token is w units, a
/// millisecond refills n, and n tokens make a full bucket: all integers, of at most 128 bits.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    missing: u128,
    counted: u64,
}

impl Bucket {
    fn refill(&mut self, rate: Rate, now: u64) {
        let refilled = u128::from(now - self.counted) * u128::from(rate.requests);
        self.missing = self.missing.saturating_sub(refilled);
        self.counted = now;
    }

    /// Takes a token, or tells after how many milliseconds there will be one (LI-5).
    pub(super) fn take(&mut self, rate: Rate, now: u64) -> Result<(), u64> {
        self.refill(rate, now);
        let (requests, token) = (u128::from(rate.requests), u128::from(rate.per_ms));
        let missing_after = self.missing + token;
        let missing_max = requests * token;
        if missing_after > missing_max {
            // At most the time of one token is lacking, and that is at most `per_ms`.
            let wait = (missing_after - missing_max).div_ceil(requests);
            return Err(u64::try_from(wait).expect("a wait is at most per_ms"));
        }
        self.missing = missing_after;
        Ok(())
    }

    /// Returns how much is missing to full, in the units of the rate in force.
    pub(super) fn missing_at(&self, rate: Rate, now: u64) -> u128 {
        let mut bucket = self.clone();
        bucket.refill(rate, now);
        bucket.missing
    }

    pub(super) fn change_rate(&mut self, old: Rate, new: Rate, now: u64) {
        self.refill(old, now);
        if self.missing == 0 {
            return;
        }
        let units = u128::from(old.requests) * u128::from(old.per_ms) - self.missing;
        let tokens = (units / u128::from(old.per_ms)).min(u128::from(new.requests));
        self.missing = (u128::from(new.requests) - tokens) * u128::from(new.per_ms);
    }
}

/// Returns whether a broken link leaves a push registration (ST-3).
pub(super) fn can_push(platform: Platform) -> bool {
    matches!(platform, Platform::Android | Platform::Iphone | Platform::Ipad)
}

/// Returns the platform as which policies and instance limits take this one (ML-3).
pub(super) fn counted_as(platform: Platform) -> Platform {
    if platform == Platform::MiniProgram { Platform::Web } else { platform }
}

/// Returns whether two platforms exclude each other (ML-2).
pub(super) fn share_group(policy: Policy, a: Platform, b: Platform) -> bool {
    let (a, b) = (counted_as(a), counted_as(b));
    let is_desktop = |p| matches!(p, Platform::Windows | Platform::Mac | Platform::Linux);
    match policy {
        Policy::Single => true,
        Policy::Dual => (a == Platform::Web) == (b == Platform::Web),
        Policy::Triple => {
            a == b || (can_push(a) && can_push(b)) || (is_desktop(a) && is_desktop(b))
        }
        Policy::Multi => a == b,
        Policy::Groups(groups) => groups.are_together(a, b),
    }
}

/// Returns whether a user may have this id (AC-1).
pub(super) fn is_valid(id: &str) -> bool {
    !id.is_empty() && id.len() <= 32 && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

pub(super) fn check_id(id: &str) -> Result<(), Refusal> {
    if is_valid(id) { Ok(()) } else { Err(Refusal::of("invalid_user_id")) }
}

/// Checks what both friend operations check first: the ids, and then that they are two.
pub(super) fn check_pair(owner: &str, friend: &str) -> Result<(), Refusal> {
    check_id(owner)?;
    check_id(friend)?;
    if owner == friend { Err(Refusal::of("self_friend")) } else { Ok(()) }
}

pub(super) fn check_not_empty(ids: &[String]) -> Result<(), Refusal> {
    if ids.is_empty() { Err(Refusal::of("empty_list")) } else { Ok(()) }
}
