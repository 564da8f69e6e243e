//! Profiles: what kind of trouble the plan of a seed is about. A sweep with `--profile NAME` makes plans of one; the default
//! is a mixture, by the weights of one table.

use super::faults::{BitRot, Damage, FaultKind, Wipe};
use super::plan_rng::PlanRng;
use super::{CompactionConfig, Fault, Plan, Probability, RaftConfig, SimDuration, Target};
use crate::support::rng::label;

/// What a kind of fault is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Theme {
    /// Processes that end.
    Crash,
    /// Processes that stand still or lose what is not synced.
    Power,
    /// Links.
    Network,
    /// Disks.
    Disk,
    /// Clocks, and leases that rest on them.
    Clocks,
    /// Commands of the operator.
    Operator,
}

impl Theme {
    const ALL: [Theme; 6] =
        [Theme::Crash, Theme::Power, Theme::Network, Theme::Disk, Theme::Clocks, Theme::Operator];

    /// The theme of a fault.
    pub(super) const fn of(kind: &FaultKind) -> Theme {
        match kind {
            FaultKind::Crash(_) => Theme::Crash,
            FaultKind::PowerLoss(_) | FaultKind::Pause(_) | FaultKind::MidStepCrash(_) => Theme::Power,
            FaultKind::OneWayPartition(_)
            | FaultKind::Partition(_)
            | FaultKind::DegradedNetwork(_)
            | FaultKind::HeldMessages(_)
            | FaultKind::Topology(_) => Theme::Network,
            FaultKind::SlowDisk(_)
            | FaultKind::StalledDisk(_)
            | FaultKind::BitRot(_)
            | FaultKind::DiskError(_)
            | FaultKind::FullDisk(_)
            | FaultKind::Wipe(_) => Theme::Disk,
            FaultKind::ClockRate(_) | FaultKind::ClockJump(_) | FaultKind::WallJump(_) => Theme::Clocks,
            FaultKind::Transfer(_) | FaultKind::Change(_) | FaultKind::Leave(_) => Theme::Operator,
        }
    }
}

/// A profile of plans.
#[derive(Clone, Copy, Debug)]
pub struct PlanProfile {
    /// The name.
    pub name: &'static str,
    /// What its plans are about, in one line.
    pub about: &'static str,
    /// How often the default mixture takes it, of the sum of all weights.
    pub weight: u64,
    /// The themes that all its plans keep.
    themes: &'static [Theme],
    /// Of how many of 100 plans each other theme is kept.
    others: u64,
    /// Changes the settings of servers before faults are drawn.
    raft: fn(&mut PlanRng, u64, &mut RaftConfig),
    /// Changes the other settings.
    plan: fn(&mut PlanRng, &mut Plan),
}

/// All profiles. The first is what a plan is without any.
pub static PROFILES: [PlanProfile; 9] = [
    PlanProfile {
        name: "general",
        about: "all kinds of trouble, each in some plans",
        weight: 70,
        themes: &Theme::ALL,
        others: 100,
        raft: |_, _, _| {},
        plan: |_, _| {},
    },
    PlanProfile {
        name: "network",
        about: "links that lose, hold, flap and split, and crashes",
        weight: 6,
        themes: &[Theme::Crash, Theme::Network],
        others: 30,
        raft: |_, _, _| {},
        plan: |_, _| {},
    },
    PlanProfile {
        name: "disk",
        about: "disks that fail, fill up, forget and stall, and lost power",
        weight: 5,
        themes: &[Theme::Crash, Theme::Power, Theme::Disk],
        others: 30,
        raft: |rng, _, raft| raft.max_in_flight_syncs = rng.in_range(1, 4),
        plan: |rng, plan| plan.disk.tail = rng.permille(1, 50),
    },
    PlanProfile {
        name: "clocks",
        about: "clocks that drift and jump, and leases that rest on them",
        weight: 3,
        themes: &[Theme::Crash, Theme::Clocks],
        others: 50,
        raft: with_leases,
        plan: |_, _| {},
    },
    PlanProfile {
        name: "membership",
        about: "changes of the group and transfers, at bad times",
        weight: 6,
        themes: &[Theme::Crash, Theme::Network, Theme::Operator],
        others: 40,
        raft: |rng, nodes, raft| raft.initial_voters = rng.in_range(1, nodes),
        plan: |_, _| {},
    },
    PlanProfile {
        name: "snapshots",
        about: "logs that are compacted all the time, and snapshots in small parts",
        weight: 4,
        themes: &[Theme::Crash, Theme::Network],
        others: 60,
        raft: |rng, _, raft| raft.chunk = rng.in_range(30, 400),
        plan: |rng, plan| {
            let (entries, trailing) = (rng.in_range(3, 25), rng.in_range(0, 8));
            plan.compaction = Some(CompactionConfig { entries, bytes: 0, every: SimDuration(0), trailing });
        },
    },
    PlanProfile {
        name: "reads",
        about: "reads by all paths, many at servers that do not lead any more",
        weight: 4,
        themes: &[Theme::Crash, Theme::Network, Theme::Clocks],
        others: 50,
        raft: with_leases,
        plan: |rng, plan| {
            plan.clients.reads = rng.permille(600, 950);
            plan.clients.random_target = rng.permille(150, 600);
        },
    },
    PlanProfile {
        name: "light",
        about: "crashes only, on a network and disks without a fault",
        weight: 2,
        themes: &[Theme::Crash],
        others: 0,
        raft: |_, _, _| {},
        plan: |_, plan| {
            let network = &mut plan.network;
            (network.tail, network.loss) = (Probability(0), Probability(0));
            (network.duplication, network.reordering) = (Probability(0), Probability(0));
            (plan.disk.tail, plan.permanent_fault) = (Probability(0), None);
        },
    },
    PlanProfile {
        name: "beyond",
        about: "disks that go bad and are wiped without a limit: servers may forget, and must not use damaged bytes",
        weight: 0,
        themes: &[Theme::Crash, Theme::Power, Theme::Disk],
        others: 30,
        raft: |_, _, _| {},
        plan: damage_without_limit,
    },
];

/// Damages and wipes disks at any time, as many as it takes.
fn damage_without_limit(rng: &mut PlanRng, plan: &mut Plan) {
    (plan.unlimited_damage, plan.permanent_fault) = (true, None);
    for _ in 0..rng.in_range(3, 12) {
        let at = SimDuration(plan.fault_phase.0 / 100 * rng.in_range(5, 95));
        let node = Target::Node(rng.in_range(1, plan.nodes));
        let kind = match rng.chance_percent(85) {
            true => BitRot { node, how: rng.pick(&Damage::ALL), within_quorum: false }.into(),
            false => Wipe { node, lasts: rng.millis(50, 1_500) }.into(),
        };
        plan.faults.push(Fault { at, on: None, kind });
    }
    plan.faults.sort_by_key(|fault| fault.at);
}

fn with_leases(rng: &mut PlanRng, _: u64, raft: &mut RaftConfig) {
    let drift = rng.permille(0, 300);
    if rng.chance_percent(70) {
        raft.check_quorum = true;
        raft.lease_drift.get_or_insert(drift);
    }
}

impl PlanProfile {
    /// The profile of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static PlanProfile> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// The profile of the plan of a seed in the default mixture.
    pub(super) fn drawn(seed: u64) -> &'static PlanProfile {
        let weights = PROFILES.each_ref().map(|profile| (profile.weight, profile));
        PlanRng::new(seed, label::PLAN_PROFILE, 0).pick_weighted(&weights)
    }

    /// The random stream of this profile.
    pub(super) fn rng(seed: u64) -> PlanRng {
        PlanRng::new(seed, label::PLAN_PROFILE, 1)
    }

    /// Whether its plans change the group.
    pub(super) fn changes_group(&self) -> bool {
        self.name == "membership"
    }

    /// Whether the disks of its plans go bad without a limit: see [`Plan::unlimited_damage`].
    #[must_use]
    pub fn has_unlimited_damage(&self) -> bool {
        self.name == "beyond"
    }

    pub(super) fn set_raft(&self, rng: &mut PlanRng, nodes: u64, raft: &mut RaftConfig) {
        (self.raft)(rng, nodes, raft);
    }

    /// How often, of 100, additions of a theme are drawn that general plans draw so often.
    pub(super) fn percent(&self, theme: Theme, percent: u64) -> u64 {
        match self.name {
            "general" => percent,
            _ if self.themes.contains(&theme) => (percent * 3).min(100),
            _ => percent,
        }
    }

    /// Leaves out the faults of other themes, and changes the other settings.
    pub(super) fn finish(&self, rng: &mut PlanRng, plan: &mut Plan) {
        for theme in Theme::ALL {
            if !self.themes.contains(&theme) && !rng.chance_percent(self.others) {
                plan.faults.retain(|fault| Theme::of(&fault.kind) != theme);
            }
        }
        (self.plan)(rng, plan);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test reads the documentation")]
#[cfg(test)]
mod tests {
    use super::{PROFILES, PlanProfile, Theme};
    use crate::plan::generate::generate_in;
    use crate::plan::{file, generate};
    use std::collections::BTreeMap;

    #[test]
    fn each_profile_has_valid_plans_about_its_themes() {
        for profile in &PROFILES {
            let mut themes: BTreeMap<String, u64> = BTreeMap::new();
            for seed in 0..200 {
                let plan = generate_in(seed, profile);
                assert_eq!(plan.check(), Ok(()), "{}, seed {seed}", profile.name);
                assert_eq!(plan.unlimited_damage, profile.has_unlimited_damage());
                assert_eq!(file::from_text(&file::to_text(&plan)), Ok(plan.clone()));
                for theme in Theme::ALL {
                    let has = plan.faults.iter().any(|fault| Theme::of(&fault.kind) == theme);
                    *themes.entry(format!("{theme:?}")).or_default() += u64::from(has);
                }
            }
            let of = |theme: Theme| themes[&format!("{theme:?}")];
            for theme in profile.themes {
                assert!(of(*theme) > 60, "{} has {theme:?} in {} of 200", profile.name, of(*theme));
            }
            let only = Theme::ALL.into_iter().filter(|theme| of(*theme) > 0);
            assert!(profile.others > 0 || only.eq(profile.themes.iter().copied()), "{themes:?}");
        }
    }

    #[test]
    fn the_default_is_the_mixture_of_the_table() {
        let all: u64 = PROFILES.iter().map(|profile| profile.weight).sum();
        assert_eq!(all, 100);
        let mut drawn: BTreeMap<&str, u64> = BTreeMap::new();
        for seed in 0..5_000 {
            *drawn.entry(PlanProfile::drawn(seed).name).or_default() += 1;
        }
        for profile in &PROFILES {
            let (seeds, expected) = (drawn.get(profile.name).copied().unwrap_or(0), profile.weight * 50);
            let margin = expected / 3;
            assert!(seeds.abs_diff(expected) <= margin, "{} in {seeds} of 5,000", profile.name);
        }
        for seed in 0..50 {
            assert_eq!(generate(seed), generate_in(seed, PlanProfile::drawn(seed)));
        }
    }

    #[test]
    fn the_chapter_has_the_table() {
        let (_, rows) = include_str!("../../docs/faults.md").split_once("## Profiles").unwrap();
        let rows: Vec<&str> = rows.lines().filter(|line| line.starts_with("| `")).collect();
        let expected = PROFILES
            .iter()
            .map(|profile| format!("| `{}` | {} % | {} |", profile.name, profile.weight, profile.about));
        assert_eq!(rows, expected.collect::<Vec<_>>());
    }
}
