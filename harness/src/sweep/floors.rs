//! Depth floors: how many seeds of a large sweep must reach each situation, and exercise each line.
//!
//! A change of the world or of the plans can make a situation rare without failing anything. So `floors.toml` lists, for the
//! built-in system, what each milestone and each line reached in ten sweeps; a sweep that is as large must reach half of it.

use super::rare::{LINE, MILESTONE};
use super::summary::{Summary, Tally};
use crate::plan::GENERATOR_VERSION;
use crate::systems::BUILT_IN;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Number of seeds that the floors are about. Sweeps of fewer seeds are not judged: chance alone would miss some floors.
pub const FLOOR_SEEDS: u64 = 5_000;
/// What fewer of these seeds reach has no floor.
pub const MIN_MEDIAN: u64 = 50;

/// The floors of the built-in system, as they are stored.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Floors {
    /// The version of the generator whose plans were measured.
    pub generator_version: u32,
    /// The commit that was measured.
    pub commit: String,
    /// Of each milestone: how many of 5,000 seeds reach it, in the median of several sweeps.
    pub milestones: BTreeMap<String, u64>,
    /// Of each line, by the name of the bug without it: how many exercise it.
    pub lines: BTreeMap<String, u64>,
    /// What has no floor because it is rarer than [`MIN_MEDIAN`], and the reason.
    pub without_floor: BTreeMap<String, String>,
}

/// Something that too few seeds reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BelowFloor {
    /// What it is: `milestone` or `line`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The seeds that reached it.
    pub seeds: u64,
    /// The least number of seeds.
    pub floor: u64,
}

static FLOORS: LazyLock<Floors> =
    LazyLock::new(|| toml::from_str(include_str!("../../floors.toml")).expect("floors.toml is valid"));

impl Floors {
    /// The stored floors.
    #[must_use]
    pub fn stored() -> &'static Floors {
        &FLOORS
    }

    /// The medians of several sweeps of [`FLOOR_SEEDS`] seeds, with the reasons of `former` for what has no floor.
    #[must_use]
    pub fn measured(sweeps: &[Summary], former: &Floors) -> Floors {
        let medians = |tallies: fn(&Summary) -> &Vec<Tally>| {
            let mut seeds: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
            for tally in sweeps.iter().flat_map(tallies) {
                seeds.entry(&tally.name).or_default().push(tally.seeds);
            }
            let median = |(name, mut seeds): (&str, Vec<u64>)| {
                seeds.sort_unstable();
                (name.to_owned(), seeds[seeds.len() / 2])
            };
            seeds.into_iter().map(median).collect::<BTreeMap<_, _>>()
        };
        let (milestones, lines) = (medians(|it| &it.milestones), medians(|it| &it.exercised));
        let rare = milestones.iter().chain(&lines).filter(|(_, median)| **median < MIN_MEDIAN);
        let reason = |name: &String| former.without_floor.get(name).cloned().unwrap_or_default();
        let without_floor = rare.map(|(name, _)| (name.clone(), reason(name))).collect();
        let commit = crate::outcome::COMMIT.to_owned();
        Floors { generator_version: GENERATOR_VERSION, commit, milestones, lines, without_floor }
    }

    /// How many of so many seeds must reach a thing; `None`: it has no floor.
    #[must_use]
    pub fn floor_of(&self, kind: &str, name: &str, seeds: u64) -> Option<u64> {
        let medians = match kind {
            MILESTONE => &self.milestones,
            LINE => &self.lines,
            _ => return None,
        };
        let median = *medians.get(name).filter(|median| **median >= MIN_MEDIAN)?;
        u64::try_from(u128::from(median) * u128::from(seeds) / u128::from(2 * FLOOR_SEEDS)).ok()
    }
}

impl Summary {
    /// The floors that hold for this sweep: of default plans of the built-in system, and so many that chance hardly matters.
    #[must_use]
    pub fn floors(&self) -> Option<&'static Floors> {
        let settings = &self.settings;
        let is_default = settings.system.full_name() == BUILT_IN.name
            && settings.bug.is_none()
            && settings.left_out.is_empty()
            && settings.disabled.is_empty();
        let floors = Floors::stored();
        let is_measured = self.generator_version == floors.generator_version;
        (is_default && is_measured && self.seeds >= FLOOR_SEEDS).then_some(floors)
    }

    /// What too few seeds reached.
    #[must_use]
    pub fn below_floor(&self) -> Vec<BelowFloor> {
        let Some(floors) = self.floors() else { return Vec::new() };
        let below = |(kind, tally): (&'static str, &Tally)| {
            let (name, seeds) = (tally.name.to_string(), tally.seeds);
            let floor = floors.floor_of(kind, &name, self.seeds)?;
            (seeds < floor).then_some(BelowFloor { kind, name, seeds, floor })
        };
        let milestones = self.milestones.iter().map(|tally| (MILESTONE, tally));
        let lines = self.exercised.iter().map(|tally| (LINE, tally));
        milestones.chain(lines).filter_map(below).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::SweepSettings;

    fn tally(name: &str, seeds: u64) -> Tally {
        Tally { name: name.to_owned().into(), count: seeds, seeds }
    }

    #[test]
    fn each_milestone_and_line_has_a_floor_or_a_reason() {
        let floors = Floors::stored();
        assert_eq!(floors.generator_version, GENERATOR_VERSION, "measure again: `harness floors`");
        let milestones: Vec<String> = BUILT_IN.milestones().into_iter().map(|it| it.0.to_owned()).collect();
        let mut sorted = milestones.clone();
        sorted.sort_unstable();
        assert_eq!(
            floors.milestones.keys().cloned().collect::<Vec<_>>(),
            sorted,
            "measure again: `harness floors`"
        );
        #[cfg(feature = "bugs")]
        {
            let mut lines: Vec<&str> = BUILT_IN.bugs().iter().map(|bug| bug.name).collect();
            lines.sort_unstable();
            assert_eq!(floors.lines.keys().collect::<Vec<_>>(), lines, "measure again: `harness floors`");
        }
        let all = floors.milestones.iter().chain(&floors.lines);
        let rare = all.filter(|(_, median)| **median < MIN_MEDIAN).map(|(name, _)| name.as_str());
        let mut rare: Vec<&str> = rare.collect();
        rare.sort_unstable();
        assert_eq!(floors.without_floor.keys().collect::<Vec<_>>(), rare);
        for (name, reason) in &floors.without_floor {
            assert!(!reason.is_empty(), "{name} is rare and has no reason");
        }
    }

    #[test]
    fn half_of_the_median_is_enough() {
        let floors = Floors::stored();
        let (name, median) =
            floors.milestones.iter().find(|(_, median)| **median >= MIN_MEDIAN).expect("one");
        let (line, of_line) = floors.lines.iter().find(|(_, median)| **median >= MIN_MEDIAN).expect("one");
        let mut summary = Summary::new(&SweepSettings::default());
        let mut below = |seeds, milestone: u64, exercised: u64| {
            summary.seeds = seeds;
            summary.milestones = vec![tally(name, milestone), tally("unknown", 0)];
            summary.exercised = vec![tally(line, exercised)];
            summary.below_floor().into_iter().map(|it| (it.kind, it.seeds, it.floor)).collect::<Vec<_>>()
        };
        assert_eq!(below(FLOOR_SEEDS, median / 2, of_line / 2), []);
        assert_eq!(
            below(FLOOR_SEEDS, median / 2 - 1, of_line / 2),
            [(MILESTONE, median / 2 - 1, median / 2)]
        );
        assert_eq!(below(FLOOR_SEEDS, median / 2, 0), [(LINE, 0, of_line / 2)]);
        assert_eq!(below(2 * FLOOR_SEEDS, median - 1, *of_line), [(MILESTONE, median - 1, *median)]);
        assert_eq!(below(FLOOR_SEEDS - 1, 0, 0), [], "too small to judge");
        summary.settings.bug = Some("some-bug".into());
        summary.seeds = FLOOR_SEEDS;
        assert_eq!(summary.below_floor(), [], "other plans");
    }

    #[test]
    fn medians_keep_reasons() {
        let sweep = |milestone, line| Summary {
            milestones: vec![tally("split-vote", milestone)],
            exercised: vec![tally("some-bug", line)],
            ..Summary::new(&SweepSettings::default())
        };
        let former = Floors {
            without_floor: [("some-bug".to_owned(), "because".to_owned())].into(),
            ..Floors::default()
        };
        let floors = Floors::measured(&[sweep(90, 3), sweep(10, 60), sweep(70, 49)], &former);
        assert_eq!(floors.milestones, [("split-vote".to_owned(), 70)].into());
        assert_eq!(floors.lines, [("some-bug".to_owned(), 49)].into());
        assert_eq!(floors.without_floor, former.without_floor);
    }
}
