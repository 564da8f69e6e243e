//! A stored plan with its story: what was found once, and what shall come of it from now on.

use crate::outcome::{COMMIT, HARNESS_PANIC, Outcome, Verdict};
use crate::plan::Plan;
use crate::plan::file::{self, FileError};
use crate::{names, vocabulary};
use invariants::{current_milestone_name, current_property_name};
use serde::de::{Deserializer, Error, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the cases of the house are kept, seen from the top of the work tree.
pub const CASES_DIR: &str = "regressions/cases";

/// A stored plan with its story.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What happened, and why it is kept.
    pub story: String,
    /// What shall come of it.
    pub expect: Expectation,
    /// The commit that it was made or last refreshed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What its run reached: where nothing breaks, this is what makes it worth running.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "milestones")]
    pub milestones: Vec<String>,
    /// What it was before it was shrunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrunk: Option<ShrunkFrom>,
    /// What shall happen.
    pub plan: Plan,
}

/// What a plan was before it was shrunk, and how long that took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShrunkFrom {
    /// How many faults it had.
    pub faults: u64,
    /// How many operations clients called until it failed.
    pub operations: u64,
    /// How many runs shrinking took.
    pub runs: u64,
}

/// What shall come of a case. A case that does anything else is news.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// It stays fixed: all promises are kept.
    Passed,
    /// It stays caught: the plan's bug is noticed by this property.
    Caught(#[serde(deserialize_with = "property")] String),
    /// It is still there: a known open defect breaks this property.
    StillThere(#[serde(deserialize_with = "property")] String),
}

/// The name of a property that exists.
fn property<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let properties = vocabulary::properties().into_iter().map(|(name, _)| name);
    let known = properties.chain([HARNESS_PANIC]);
    parse_known_name("property", String::deserialize(deserializer)?, current_property_name, known)
}

/// Names of milestones that exist.
fn milestones<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let milestones = Vec::<MilestoneName>::deserialize(deserializer)?;
    Ok(milestones.into_iter().map(|MilestoneName(name)| name).collect())
}

/// The name of a milestone that exists.
struct MilestoneName(String);

impl<'de> Deserialize<'de> for MilestoneName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MilestoneName, D::Error> {
        let milestones = vocabulary::milestones().into_iter().map(|(name, _)| name);
        parse_known_name("milestone", String::deserialize(deserializer)?, current_milestone_name, milestones)
            .map(MilestoneName)
    }
}

/// What was typed, as the current name, if that is one of these names.
fn parse_known_name<E: Error>(
    what: &str,
    typed: String,
    current_name: fn(&str) -> &str,
    names: impl Iterator<Item = &'static str>,
) -> Result<String, E> {
    let names: Vec<&str> = names.collect();
    match [typed.as_str(), current_name(&typed)].into_iter().find(|name| names.contains(name)) {
        Some(name) => Ok(name.to_owned()),
        None => Err(E::custom(names::unknown_name(what, &typed, names))),
    }
}

impl Expectation {
    /// Whether this verdict is what was expected.
    #[must_use]
    pub fn is_met_by(&self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Expectation::Passed, Verdict::Passed) => true,
            (Expectation::Caught(property) | Expectation::StillThere(property), Verdict::Failed(failure)) => {
                *property == failure.property
            }
            _ => false,
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expectation::Passed => f.write_str("all promises kept"),
            Expectation::Caught(property) => write!(f, "`{property}` catches the bug"),
            Expectation::StillThere(property) => write!(f, "`{property}` is still broken"),
        }
    }
}

impl Case {
    /// A case that is made of this plan now: it says what came of it.
    #[must_use]
    pub fn new(story: String, expect: Expectation, outcome: &Outcome, plan: Plan) -> Case {
        Case {
            story,
            expect,
            commit: Some(COMMIT.to_owned()),
            milestones: reached_milestones(outcome),
            shrunk: None,
            plan,
        }
    }

    /// Whether this came of it that was expected. A run in which nothing shall break must also get as far as it did: one
    /// that breaks nothing because nothing happens says nothing.
    #[must_use]
    pub fn is_met_by(&self, outcome: &Outcome) -> bool {
        self.expect.is_met_by(&outcome.verdict)
            && (self.expect != Expectation::Passed || self.missed_milestones(outcome).is_empty())
    }

    /// The milestones that its run reached once and this one did not.
    #[must_use]
    pub fn missed_milestones(&self, outcome: &Outcome) -> Vec<&str> {
        let reached = reached_milestones(outcome);
        self.milestones.iter().filter(|name| !reached.contains(name)).map(String::as_str).collect()
    }

    /// The case as text.
    ///
    /// # Panics
    ///
    /// Never for a plan that passes [`Plan::check`].
    #[must_use]
    pub fn to_text(&self) -> String {
        // Put together by hand: the story over several lines, and all else on one line each.
        let sayable = "a case has nothing that TOML cannot say";
        let story = toml::to_string_pretty(&BTreeMap::from([("story", &self.story)])).expect(sayable);
        let expect = toml::Value::try_from(&self.expect).expect(sayable);
        let mut text = format!("{story}expect = {expect}\n");
        if let Some(commit) = &self.commit {
            text += &format!("commit = {}\n", toml::Value::from(commit.as_str()));
        }
        if !self.milestones.is_empty() {
            text += &format!("milestones = {}\n", toml::Value::from(self.milestones.clone()));
        }
        if let Some(ShrunkFrom { faults, operations, runs }) = self.shrunk {
            text += &format!("shrunk = {{ faults = {faults}, operations = {operations}, runs = {runs} }}\n");
        }
        let plan = toml::to_string(&BTreeMap::from([("plan", &self.plan)])).expect(sayable);
        format!("{text}\n{plan}")
    }

    /// The case that a text tells.
    ///
    /// # Errors
    ///
    /// The text is no case, or its plan cannot be run.
    pub fn from_text(text: &str) -> Result<Case, FileError> {
        let outline: CaseHeader = file::parse_toml(text)?;
        if outline.plan.is_none() && outline.nodes.is_some() {
            return Err(FileError {
                path: None,
                position: None,
                sentence: "this is a plan and not a case: `harness run --plan` runs it".into(),
            });
        }
        file::reject_newer_version(outline.plan.and_then(|plan| plan.version))?;
        let case: Case = file::parse_toml(text)?;
        file::check_plan(&case.plan)?;
        let needs_bug = matches!(case.expect, Expectation::Caught(_)) && case.plan.bug.is_none();
        if needs_bug {
            return Err(FileError {
                path: None,
                position: None,
                sentence: "`expect` says that a bug is caught, but `plan.bug` switches none on".into(),
            });
        }
        Ok(case)
    }

    /// The case in a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds no case that can be run.
    pub fn read(path: &Path) -> Result<Case, FileError> {
        file::with_path(path, Case::from_text(&file::read_text(path)?))
    }

    /// Writes the case to a file, wholly or not at all.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        file::write_text(path, &self.to_text())
    }
}

/// The milestones that a run reached.
fn reached_milestones(outcome: &Outcome) -> Vec<String> {
    let reached = outcome.milestones.iter().filter(|(_, count)| *count > 0);
    reached.map(|(name, _)| (*name).to_owned()).collect()
}

/// What a case begins with that was found and has no story yet.
pub const DESCRIPTION_TEMPLATE: &str =
    "(Tell the story: what happens here, why it once went wrong, what mended it.)";

/// The case in a file, and of a plan that stands alone a case that asks that all promises are kept.
///
/// # Errors
///
/// The file cannot be read, or holds no plan that can be run.
pub fn read_case_or_plan(path: &Path) -> Result<Case, FileError> {
    let text = file::read_text(path)?;
    let outline: CaseHeader = file::with_path(path, file::parse_toml(&text))?;
    let case = match outline.plan {
        Some(_) => Case::from_text(&text),
        None => file::from_text(&text).map(|plan| Case {
            story: String::new(),
            expect: Expectation::Passed,
            commit: None,
            milestones: Vec::new(),
            shrunk: None,
            plan,
        }),
    };
    file::with_path(path, case)
}

/// The plan in a file, whether it stands there alone or in a case.
///
/// # Errors
///
/// The file cannot be read, or holds no plan that can be run.
pub fn read_plan(path: &Path) -> Result<Plan, FileError> {
    read_case_or_plan(path).map(|case| case.plan)
}

/// Where the case of this name is kept.
#[must_use]
pub fn case_path(name: &str) -> PathBuf {
    Path::new(CASES_DIR).join(format!("{name}.toml"))
}

/// As much of a case as any version of it has, and what tells a plan that stands alone.
#[derive(Deserialize)]
struct CaseHeader {
    plan: Option<PlanHeader>,
    nodes: Option<IgnoredAny>,
}

/// As much of a plan as any version of it has.
#[derive(Deserialize)]
struct PlanHeader {
    version: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::{Case, Expectation, ShrunkFrom, read_plan};
    use crate::plan::{file, generate};
    use crate::vocabulary;
    use proptest::prelude::*;

    fn case(expect: Expectation) -> Case {
        let story = "A leader fell.\nIt came back.\n".into();
        let shrunk = Some(ShrunkFrom { faults: 17, operations: 230, runs: 1_234 });
        let milestones = vec!["log-truncated".into()];
        Case { story, expect, commit: Some("0123456789ab".into()), milestones, shrunk, plan: generate(3) }
    }

    #[test]
    fn a_case_begins_with_its_story() {
        let text = case(Expectation::StillThere("read-safety".into())).to_text();
        insta::assert_snapshot!(text.split("seed = ").next().unwrap());
    }

    #[test]
    fn what_is_wrong_in_a_case_has_a_sentence() {
        let text = case(Expectation::Passed).to_text();
        let said = [
            ("expect = \"passed\"", "expect = \"failed\""),
            ("expect = \"passed\"", ""),
            ("expect = \"passed\"", "expect = { caught = \"reads\" }"),
            ("version = 1", "version = 7\nmood = \"bad\""),
            ("version = 1", "version = 1\nmood = \"bad\""),
        ]
        .map(|(from, to)| {
            assert!(text.contains(from), "{text}");
            format!("{to:?}\n    {}", Case::from_text(&text.replacen(from, to, 1)).unwrap_err())
        });
        insta::assert_snapshot!(said.join("\n"));
        let said = Case::from_text(&file::to_text(&generate(3))).unwrap_err().to_string();
        assert_eq!(said, "this is a plan and not a case: `harness run --plan` runs it");
    }

    #[test]
    fn a_plan_is_found_alone_and_in_a_case() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.toml");
        case(Expectation::Passed).write(&path).unwrap();
        assert_eq!(read_plan(&path), Ok(generate(3)));
        file::write(&path, &generate(4)).unwrap();
        assert_eq!(read_plan(&path), Ok(generate(4)));
    }

    proptest! {
        #[test]
        fn every_case_is_read_back_as_it_was(story: String, seed: u64, still in any::<bool>(), at: prop::sample::Index) {
            let properties = vocabulary::properties();
            let property = properties[at.index(properties.len())].0.to_owned();
            let expect = if still { Expectation::StillThere(property) } else { Expectation::Passed };
            let commit = still.then(|| story.clone());
            let all = vocabulary::milestones();
            let milestones = all[at.index(all.len())..].iter().map(|(name, _)| (*name).to_owned()).collect();
            let case = Case { story, expect, commit, milestones, shrunk: None, plan: generate(seed) };
            prop_assert_eq!(Case::from_text(&case.to_text()), Ok(case));
        }
    }
}
