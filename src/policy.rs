//! Which devices a newcomer displaces (ML): a pure function of platforms and limits.

use crate::platform::Platform;

/// Which platforms may be logged in beside each other (ML-2).
///
/// Platforms in one group exclude each other: a login displaces what is logged in on the group's
/// other platforms. On its own platform the instance limit decides
/// ([`Config::max_instances`](crate::Config::max_instances)). `MiniProgram` counts as `Web`.
#[expect(clippy::exhaustive_enums, reason = "anything else is a grouping of the host's own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Policy {
    /// All platforms form one group. The default.
    #[default]
    Single,
    /// Web; all others.
    Dual,
    /// Phones and tablets; desktops; Web.
    Triple,
    /// Each platform its own group.
    Multi,
    /// The host's own grouping.
    Groups(Groups),
}

impl Policy {
    fn group(self, platform: Platform) -> u8 {
        let platform = platform.counted_as();
        match self {
            Self::Single => 0,
            Self::Dual => u8::from(platform == Platform::Web),
            Self::Triple => match platform {
                Platform::Android | Platform::Iphone | Platform::Ipad => 0,
                Platform::Windows | Platform::Mac | Platform::Linux => 1,
                Platform::Web | Platform::MiniProgram => 2,
            },
            Self::Multi => platform as u8,
            Self::Groups(groups) => groups.group_of[platform.index()],
        }
    }
}

/// A grouping of the host's own, for [`Policy::Groups`].
///
/// # Examples
///
/// ```
/// use presence_engine::{Groups, GroupsError, Platform::*, Policy};
///
/// let handhelds = vec![Android, Iphone, Ipad];
/// let groups = Groups::new([handhelds.clone(), vec![Windows, Mac, Linux, Web]])?;
/// let policy = Policy::Groups(groups);
/// assert_eq!(Groups::new([handhelds]), Err(GroupsError::Missing { platform: Windows }));
/// # Ok::<(), GroupsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(
        into = "alloc::vec::Vec<alloc::vec::Vec<Platform>>",
        try_from = "alloc::vec::Vec<alloc::vec::Vec<Platform>>"
    )
)]
pub struct Groups {
    /// The group of each platform of `Platform::LIMITED`, numbered in that order, so that equal
    /// groupings are equal.
    group_of: [u8; Platform::LIMITED.len()],
}

impl Groups {
    /// Makes a grouping that names each platform but `MiniProgram` exactly once. Empty groups do
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`GroupsError`] if a platform is missing or named twice, or `MiniProgram` is named.
    pub fn new(
        groups: impl IntoIterator<Item = impl IntoIterator<Item = Platform>>,
    ) -> Result<Self, GroupsError> {
        let mut found = [None; Platform::LIMITED.len()];
        let mut count = 0;
        for group in groups {
            let mut is_empty = true;
            for platform in group {
                if platform == Platform::MiniProgram {
                    return Err(GroupsError::MiniProgram);
                }
                if found[platform.index()].replace(count).is_some() {
                    return Err(GroupsError::Twice { platform });
                }
                is_empty = false;
            }
            count += u8::from(!is_empty);
        }
        let mut group_of = [0; Platform::LIMITED.len()];
        let mut numbers = [None; Platform::LIMITED.len()];
        let mut numbered = 0;
        for platform in Platform::LIMITED {
            let found = found[platform.index()].ok_or(GroupsError::Missing { platform })?;
            let number = numbers[usize::from(found)].get_or_insert_with(|| {
                numbered += 1;
                numbered - 1
            });
            group_of[platform.index()] = *number;
        }
        Ok(Self { group_of })
    }

    /// Returns whether two platforms stand in one group; `MiniProgram` stands with `Web` (ML-3).
    ///
    /// # Complexity
    ///
    /// O(1).
    #[must_use]
    pub const fn are_together(self, a: Platform, b: Platform) -> bool {
        self.group_of[a.counted_as().index()] == self.group_of[b.counted_as().index()]
    }
}

#[cfg(feature = "serde")]
impl From<Groups> for alloc::vec::Vec<alloc::vec::Vec<Platform>> {
    fn from(groups: Groups) -> Self {
        let mut lists = Self::new();
        lists.resize_with(Platform::LIMITED.len(), Default::default);
        for platform in Platform::LIMITED {
            lists[usize::from(groups.group_of[platform.index()])].push(platform);
        }
        lists.retain(|list| !list.is_empty());
        lists
    }
}

#[cfg(feature = "serde")]
impl TryFrom<alloc::vec::Vec<alloc::vec::Vec<Platform>>> for Groups {
    type Error = GroupsError;

    fn try_from(lists: alloc::vec::Vec<alloc::vec::Vec<Platform>>) -> Result<Self, GroupsError> {
        Self::new(lists)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Groups {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut group_of = [0; Platform::LIMITED.len()];
        let mut count = 0;
        for group in &mut group_of {
            *group = u.int_in_range(0..=count)?;
            count += u8::from(*group == count);
        }
        Ok(Self { group_of })
    }
}

/// Why a grouping is refused. Nothing has changed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupsError {
    /// A platform stands in no group.
    #[error("{platform} stands in no group; each platform must stand in exactly one")]
    Missing {
        /// The first that is missing.
        platform: Platform,
    },
    /// A platform stands in two groups, or twice in one.
    #[error("{platform} is named twice; each platform must stand in exactly one group")]
    Twice {
        /// The platform.
        platform: Platform,
    },
    /// `MiniProgram` is named, though it always goes with `Web`.
    #[error("mini_program is named; it goes with web")]
    MiniProgram,
}

/// Whom one login displaces (ML-6): asked of each other device, earliest login first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Displacement {
    policy: Policy,
    newcomer: Platform,
    /// How many more of the newcomer's own platform must go.
    surplus: u64,
}

impl Displacement {
    /// Plans a login on `newcomer`, where at most `instances_max` devices may be logged in and
    /// `others` gives the platforms of the devices that are, the newcomer itself left out.
    pub(crate) fn new(
        policy: Policy,
        newcomer: Platform,
        instances_max: u64,
        others: impl Iterator<Item = Platform>,
    ) -> Self {
        let newcomer = newcomer.counted_as();
        let alike = others.filter(|other| other.counted_as() == newcomer).count() as u64;
        Self { policy, newcomer, surplus: (alike + 1).saturating_sub(instances_max) }
    }

    /// Returns whether the next device, on platform `other`, is displaced.
    pub(crate) fn takes(&mut self, other: Platform) -> bool {
        if other.counted_as() != self.newcomer {
            return self.policy.group(other) == self.policy.group(self.newcomer);
        }
        let taken = self.surplus > 0;
        self.surplus = self.surplus.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Platform::{Android, Ipad, Iphone, Linux, Mac, MiniProgram, Web, Windows};
    use alloc::vec::Vec;

    fn displaced(policy: Policy, newcomer: Platform, max: u64, others: &[Platform]) -> Vec<usize> {
        let mut plan = Displacement::new(policy, newcomer, max, others.iter().copied());
        (0..others.len()).filter(|&at| plan.takes(others[at])).collect()
    }

    #[test]
    fn each_policy_keeps_what_its_groups_allow() {
        let all = [Android, Windows, Web, Ipad, Linux, MiniProgram];
        assert_eq!(displaced(Policy::Single, Mac, 1, &all), [0, 1, 2, 3, 4, 5]);
        assert_eq!(displaced(Policy::Dual, Mac, 1, &all), [0, 1, 3, 4]);
        assert_eq!(displaced(Policy::Triple, Mac, 1, &all), [1, 4]);
        assert_eq!(displaced(Policy::Multi, Mac, 1, &all), [] as [usize; 0]);
        assert_eq!(displaced(Policy::Multi, Web, 2, &all), [2]);
    }

    #[test]
    fn a_grouping_names_each_platform_once() {
        let rest = [Iphone, Ipad, Windows, Mac, Linux, Web];
        assert!(Groups::new([&[Android][..], &[], &rest].map(|g| g.iter().copied())).is_ok());
        assert_eq!(Groups::new([rest]), Err(GroupsError::Missing { platform: Android }),);
        assert_eq!(Groups::new([[Mac, Mac]]), Err(GroupsError::Twice { platform: Mac }));
        let swapped = [&rest[..], &[Android]].map(|g| g.iter().copied());
        let straight = [&[Android][..], &rest].map(|g| g.iter().copied());
        assert_eq!(Groups::new(swapped), Groups::new(straight));
        assert_eq!(Groups::new([[MiniProgram]]), Err(GroupsError::MiniProgram));
    }
}
