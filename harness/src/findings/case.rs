//! Stored cases: a plan with a description and the result that it must have.

use crate::outcome::catalog;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{COMMIT, HARNESS_PANIC, NO_ABORT, NO_HANG, Outcome, Verdict};
use crate::plan::Plan;
use crate::plan::file::{self, FileError};
use crate::support::suggest;
use crate::support::text::display_value;
use crate::systems::{BUILT_IN, SystemInfo};
use invariants::{current_milestone_name, current_property_name};
use serde::de::{Deserializer, Error, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use crate::systems::CASES_DIR;

/// A stored plan with a description and an expected result.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What happens, and why the case is stored.
    #[serde(alias = "story")]
    pub description: String,
    /// The system that it runs on.
    #[serde(default = "built_in_system", skip_serializing_if = "is_built_in")]
    pub system: String,
    /// The version of the system with which the case was created or last refreshed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The expected result.
    pub expect: Expectation,
    /// The commit at which the case was created or last refreshed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The milestones that its run reached. A run that is expected to pass is only useful if it reaches them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "current_milestones")]
    pub milestones: Vec<String>,
    /// How its run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<FailureSignature>,
    /// The plan's size before shrinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shrunk: Option<ShrunkFrom>,
    /// The plan.
    pub plan: Plan,
}

/// The size of a plan before shrinking, and the cost of shrinking it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShrunkFrom {
    /// Faults of the original plan.
    pub faults: u64,
    /// Operations called until it failed.
    pub operations: u64,
    /// Runs used for shrinking.
    pub runs: u64,
}

/// The expected result of a case. Any other result is reported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// It stays fixed: all properties hold.
    Passed,
    /// It stays caught: this property detects the plan's bug.
    Caught(#[serde(deserialize_with = "property")] String),
    /// A known open defect violates this property.
    #[serde(alias = "still-there")]
    OpenDefect(#[serde(deserialize_with = "property")] String),
}

/// Reads the name of a known property.
fn property<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let properties = catalog::properties().into_iter().map(|(name, _)| name);
    let known = properties.chain([HARNESS_PANIC]);
    parse_known_name("property", String::deserialize(deserializer)?, current_property_name, known)
}

/// Reads names of milestones, former ones too. Whether there are such milestones depends on the system.
fn current_milestones<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    Ok(names.iter().map(|name| current_milestone_name(name).to_owned()).collect())
}

/// The system of cases that name none.
fn built_in_system() -> String {
    BUILT_IN.name.to_owned()
}

fn is_built_in(system: &str) -> bool {
    system == BUILT_IN.name
}

/// The current form of a typed name, if it is one of these names.
fn parse_known_name<E: Error>(
    what: &str,
    typed: String,
    current_name: fn(&str) -> &str,
    names: impl Iterator<Item = &'static str>,
) -> Result<String, E> {
    let names: Vec<&str> = names.collect();
    match [typed.as_str(), current_name(&typed)].into_iter().find(|name| names.contains(name)) {
        Some(name) => Ok(name.to_owned()),
        None => Err(E::custom(suggest::unknown_name(what, &typed, names))),
    }
}

impl Expectation {
    /// Whether this verdict is the expected one.
    #[must_use]
    pub fn is_met_by(&self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Expectation::Passed, Verdict::Passed) => true,
            (Expectation::Caught(property) | Expectation::OpenDefect(property), Verdict::Failed(failure)) => {
                *property == failure.property
            }
            _ => false,
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expectation::Passed => f.write_str("all properties hold"),
            Expectation::Caught(property) => write!(f, "`{property}` catches the bug"),
            Expectation::OpenDefect(property) => write!(f, "`{property}` is still broken"),
        }
    }
}

impl Case {
    /// A new case of this plan, with the milestones of its outcome.
    #[must_use]
    pub fn new(description: String, expect: Expectation, outcome: &Outcome, plan: Plan) -> Case {
        let signature = match &outcome.verdict {
            Verdict::Failed(failure) => Some(FailureSignature::of(failure)),
            Verdict::Passed | Verdict::Unknown(_) => None,
        };
        Case {
            commit: Some(COMMIT.to_owned()),
            milestones: reached_milestones(outcome),
            signature,
            ..Case::without_run(description, expect, plan)
        }
    }

    /// A case of a plan whose run has no outcome.
    #[must_use]
    pub fn without_run(description: String, expect: Expectation, plan: Plan) -> Case {
        Case {
            description,
            system: built_in_system(),
            version: None,
            expect,
            commit: None,
            milestones: Vec::new(),
            signature: None,
            shrunk: None,
            plan,
        }
    }

    /// The version of the system in it, if this is another one now.
    #[must_use]
    pub fn version_change(&self, system: &SystemInfo) -> Option<String> {
        let kept = self.version.as_deref().filter(|kept| *kept != system.version)?;
        Some(format!("it was kept with {kept}, and this is {}", system.version))
    }

    /// Whether the outcome is the expected one. A run that is expected to pass must also reach its milestones: a run in
    /// which nothing happens proves nothing.
    #[must_use]
    pub fn is_met_by(&self, outcome: &Outcome) -> bool {
        self.expect.is_met_by(&outcome.verdict)
            && (self.expect != Expectation::Passed || self.missed_milestones(outcome).is_empty())
    }

    /// Whether its run may hang or end its process, so that it must run in a child process first.
    #[must_use]
    pub fn needs_child(&self) -> bool {
        let expected = match &self.expect {
            Expectation::Passed => None,
            Expectation::Caught(property) | Expectation::OpenDefect(property) => Some(property),
        };
        let properties =
            expected.into_iter().chain(self.signature.as_ref().map(|signature| &signature.property));
        properties.into_iter().any(|property| [NO_HANG, NO_ABORT].contains(&property.as_str()))
    }

    /// The stored milestones that this run did not reach.
    #[must_use]
    pub fn missed_milestones(&self, outcome: &Outcome) -> Vec<&str> {
        let reached = reached_milestones(outcome);
        self.milestones.iter().filter(|name| !reached.contains(name)).map(String::as_str).collect()
    }

    /// The case as TOML.
    ///
    /// # Panics
    ///
    /// Never for a plan that passes [`Plan::check`].
    #[must_use]
    pub fn to_text(&self) -> String {
        // Written by hand: the description over several lines, everything else on one line each.
        let representable = "every case can be written as TOML";
        let description = toml::to_string_pretty(&BTreeMap::from([("description", &self.description)]))
            .expect(representable);
        let expect = toml::Value::try_from(&self.expect).expect(representable);
        let mut text = description;
        if !is_built_in(&self.system) {
            text += &format!("system = {}\n", toml::Value::from(self.system.as_str()));
        }
        if let Some(version) = &self.version {
            text += &format!("version = {}\n", toml::Value::from(version.as_str()));
        }
        text += &format!("expect = {expect}\n");
        if let Some(commit) = &self.commit {
            text += &format!("commit = {}\n", toml::Value::from(commit.as_str()));
        }
        if !self.milestones.is_empty() {
            text += &format!("milestones = {}\n", toml::Value::from(self.milestones.clone()));
        }
        if let Some(signature) = &self.signature {
            let signature = toml::Value::try_from(signature).expect(representable);
            text += &format!("signature = {signature}\n");
        }
        if let Some(ShrunkFrom { faults, operations, runs }) = self.shrunk {
            text += &format!("shrunk = {{ faults = {faults}, operations = {operations}, runs = {runs} }}\n");
        }
        let plan = toml::to_string(&BTreeMap::from([("plan", &self.plan)])).expect(representable);
        format!("{text}\n{plan}")
    }

    /// Parses and checks a case.
    ///
    /// # Errors
    ///
    /// The text is not a case, or its plan cannot be run.
    pub fn from_text(text: &str) -> Result<Case, FileError> {
        let header: CaseHeader = file::parse_toml(text)?;
        if header.plan.is_none() && header.nodes.is_some() {
            return Err(FileError {
                path: None,
                position: None,
                sentence: "this is a plan, not a case: run it with the command `run --plan`".into(),
            });
        }
        file::reject_newer_version(header.plan.and_then(|plan| plan.version))?;
        let case: Case = file::parse_toml(text)?;
        file::check_plan(&case.plan)?;
        let needs_bug = matches!(case.expect, Expectation::Caught(_)) && case.plan.bug.is_none();
        if needs_bug {
            return Err(FileError {
                path: None,
                position: None,
                sentence: "`expect` says that a bug is caught, but `plan.bug` enables none".into(),
            });
        }
        Ok(case)
    }

    /// Whether this system can run the case: it names this system, and what it enables and expects exists there.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub fn check(&self, system: &SystemInfo) -> Result<(), FileError> {
        let refuse = |sentence| Err(FileError { path: None, position: None, sentence });
        let Some(system) = system.named(&self.system) else {
            return refuse(format!(
                "`system` is \"{}\", and this program runs {}: replay it with the program of that system",
                display_value(&self.system),
                system.name
            ));
        };
        if let Err(error) = system.check_plan(&self.plan) {
            return refuse(error.to_string());
        }
        let milestones = system.milestones();
        let known = || milestones.iter().map(|&(name, _)| name);
        match self.milestones.iter().find(|name| !known().any(|known| known == **name)) {
            Some(unknown) => {
                refuse(format!("`milestones`: {}", suggest::unknown_name("milestone", unknown, known())))
            }
            None => Ok(()),
        }
    }

    /// Reads a case of this system from a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or does not contain a case that this system can run.
    pub fn read(path: &Path, system: &SystemInfo) -> Result<Case, FileError> {
        let case = Case::from_text(&file::read_text(path)?);
        file::with_path(path, case.and_then(|case| case.check(system).map(|()| case)))
    }

    /// Writes the case to a file, atomically.
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

/// The first line of a new case, until someone describes it.
pub const DESCRIPTION_TEMPLATE: &str =
    "(Describe what happens here, why it once went wrong, and what fixed it.)";

/// Reads a case. A plan file is read as a case that is expected to pass.
///
/// # Errors
///
/// The file cannot be read, or does not contain a plan that can be run.
pub fn read_case_or_plan(path: &Path, system: &SystemInfo) -> Result<Case, FileError> {
    let text = file::read_text(path)?;
    let header: CaseHeader = file::with_path(path, file::parse_toml(&text))?;
    let case = match header.plan {
        Some(_) => Case::from_text(&text),
        None => {
            let case = |plan| Case::without_run(String::new(), Expectation::Passed, plan);
            file::from_text(&text).map(case).map(|case| Case { system: system.full_name(), ..case })
        }
    };
    file::with_path(path, case.and_then(|case| case.check(system).map(|()| case)))
}

/// The file of a system's case of this name.
#[must_use]
pub fn case_path(system: &SystemInfo, name: &str) -> PathBuf {
    Path::new(system.cases).join(format!("{name}.toml"))
}

/// The part of a case that every version has, and the field by which a plan file is recognised.
#[derive(Deserialize)]
struct CaseHeader {
    plan: Option<PlanHeader>,
    nodes: Option<IgnoredAny>,
}

/// The part of a plan that every version has.
#[derive(Deserialize)]
struct PlanHeader {
    version: Option<u32>,
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test changes stored cases")]
mod tests {
    use super::{BUILT_IN, Case, Expectation, ShrunkFrom, read_case_or_plan};
    use crate::outcome::catalog;
    use crate::outcome::signature::{FailureSignature, Roles};
    use crate::plan::{file, generate};
    use proptest::prelude::*;

    fn case(expect: Expectation) -> Case {
        let description = "A leader crashed.\nIt restarted.\n".into();
        let shrunk = Some(ShrunkFrom { faults: 17, operations: 230, runs: 1_234 });
        let milestones = vec!["log-truncated".into()];
        Case {
            description,
            system: BUILT_IN.name.into(),
            version: None,
            expect,
            commit: Some("0123456789ab".into()),
            milestones,
            signature: Some(FailureSignature {
                property: "read-safety".into(),
                kind: "stale-read".into(),
                location: None,
                roles: Roles::ServerAndClient,
            }),
            shrunk,
            plan: generate(3),
        }
    }

    #[test]
    fn a_case_starts_with_its_description() {
        let text = case(Expectation::OpenDefect("read-safety".into())).to_text();
        insta::assert_snapshot!(text.split("seed = ").next().unwrap());
    }

    #[test]
    fn an_invalid_case_is_rejected_with_a_message() {
        let text = case(Expectation::Passed).to_text();
        let errors = [
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
        insta::assert_snapshot!(errors.join("\n"));
        let error = Case::from_text(&file::to_text(&generate(3))).unwrap_err().to_string();
        assert_eq!(error, "this is a plan, not a case: run it with the command `run --plan`");
    }

    #[test]
    fn a_plan_is_read_from_a_plan_file_and_from_a_case_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.toml");
        let read_plan = || read_case_or_plan(&path, &BUILT_IN).map(|case| case.plan);
        case(Expectation::Passed).write(&path).unwrap();
        assert_eq!(read_plan(), Ok(generate(3)));
        file::write(&path, &generate(4)).unwrap();
        assert_eq!(read_plan(), Ok(generate(4)));
    }

    /// All words of plans and cases that were replaced, in one case, and the same case in the current words.
    const OLD_WORDS: &str = include_str!("../../tests/old_words.toml");
    const CURRENT_WORDS: &str = include_str!("../../tests/current_words.toml");

    #[test]
    fn a_case_in_old_words_equals_the_same_case_in_current_words() {
        let old = Case::from_text(OLD_WORDS).unwrap();
        assert_eq!(old, Case::from_text(CURRENT_WORDS).unwrap());
        assert_eq!(old.to_text(), CURRENT_WORDS, "old words must not be written");
        let plan = |text: &str| {
            let (_, plan) = text.split_once("[plan]\n").unwrap();
            file::from_text(&plan.replace("plan.", "")).unwrap()
        };
        assert_eq!(plan(OLD_WORDS), plan(CURRENT_WORDS));
        assert_eq!(plan(OLD_WORDS), old.plan);
    }

    #[test]
    fn each_old_fault_name_and_target_is_read_as_its_current_one() {
        for (old, new) in [
            ("kind = \"cut\"", "kind = \"one-way-partition\""),
            ("kind = \"split\"", "kind = \"partition\""),
            ("kind = \"weather\"", "kind = \"degraded-network\""),
            ("kind = \"rot\"", "kind = \"bit-rot\""),
            ("\"newest\"", "\"longest-log\""),
            ("\"there\"", "\"trigger-node\""),
            ("\"mute\"", "\"outbound-partition\""),
        ] {
            assert!(OLD_WORDS.contains(old) && !CURRENT_WORDS.contains(old), "{old}");
            assert!(CURRENT_WORDS.contains(new) && !OLD_WORDS.contains(new), "{new}");
        }
        let deaf = OLD_WORDS.replacen("\"mute\"", "\"deaf\"", 1);
        let blocked = CURRENT_WORDS.replacen("\"outbound-partition\"", "\"inbound-partition\"", 1);
        assert_eq!(Case::from_text(&deaf).unwrap(), Case::from_text(&blocked).unwrap());
    }

    proptest! {
        #[test]
        fn cases_survive_a_round_trip(
            description: String,
            seed: u64,
            is_open in any::<bool>(),
            at: prop::sample::Index,
        ) {
            let properties = catalog::properties();
            let property = properties[at.index(properties.len())].0.to_owned();
            let expect = if is_open { Expectation::OpenDefect(property) } else { Expectation::Passed };
            let commit = is_open.then(|| description.clone());
            let all = catalog::milestones();
            let milestones = all[at.index(all.len())..].iter().map(|(name, _)| (*name).to_owned()).collect();
            let case = Case { commit, milestones, ..Case::without_run(description, expect, generate(seed)) };
            prop_assert_eq!(Case::from_text(&case.to_text()), Ok(case));
        }
    }
}
