//! The corpus: a folder of plans that found something, which the next night replays first.
//!
//! A merge collects into it the smallest plan of each group of failures, and plans that reached something rare. Its size is
//! bounded: one plan for each signature, and fewer than [`RARE_BELOW`] for each rare thing.

use super::failures::{CorpusFailure, CorpusRun, FailureGroup};
use super::rare::{RARE_BELOW, RareThing};
use super::summary::Summary;
use super::{Shard, SweepSettings};
use crate::findings::case::{Case, Expectation};
use crate::findings::child::check_in_child;
use crate::findings::guard::run_watched;
use crate::findings::investigate::{Finding, investigate};
use crate::findings::known::case_files;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{COMMIT, Options};
use crate::plan::file::{self, display_path, error_reason};
use crate::plan::{GENERATOR_VERSION, Plan};
use invariants::Digest;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs the plans of a corpus that are about this system and bug and were not run before. Of several machines each runs some.
///
/// # Errors
///
/// A plan cannot be read, or cannot be run in a child process.
pub fn replay(
    folder: &Path,
    settings: &SweepSettings,
    before: &[CorpusRun],
    stop: &AtomicBool,
) -> Result<Vec<CorpusRun>, String> {
    let (part, parts) = settings.shard.map_or((0, 1), |Shard { index, count }| (index, count));
    let mut runs = Vec::new();
    for (position, path) in (0..).zip(case_files(folder)?) {
        let name = name_of(&path);
        let is_done = before.iter().any(|run| run.name == name);
        if position % parts != part || is_done || stop.load(Ordering::Relaxed) {
            continue;
        }
        let case = file::read_text(&path).and_then(|text| Case::from_text(&text));
        let case = file::with_path(&path, case).map_err(|error| error.to_string())?;
        if case.system != settings.system.full_name() || case.plan.bug != settings.bug {
            continue;
        }
        file::with_path(&path, case.check(&settings.system)).map_err(|error| error.to_string())?;
        let finding = run(&case, settings)?;
        runs.push(CorpusRun {
            name,
            failed_before: case.signature.is_some(),
            failure: finding.map(|finding| CorpusFailure {
                signature: finding.signature(),
                message: finding.failure.cause.to_string(),
                plan: path,
            }),
        });
    }
    Ok(runs)
}

/// How the plan of a case fails, if it does.
fn run(case: &Case, settings: &SweepSettings) -> Result<Option<Finding>, String> {
    let options = Options { disabled: settings.disabled.clone(), ..Options::default() };
    if case.needs_child()
        && let Some(failure) = check_in_child(&settings.system, &case.plan, &options, settings.hang_after)?
    {
        return Ok(Some(Finding::without_end(case.plan.clone(), &options, failure)));
    }
    let run =
        |plan: &Plan, options: &Options| run_watched(&settings.system, plan, options, settings.hang_after);
    Ok(investigate(&case.plan, &options, &run).ok())
}

/// Collects the plans of a sweep. Returns the names of the new ones.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn collect(summary: &Summary, folder: &Path) -> Result<Vec<String>, String> {
    std::fs::create_dir_all(folder)
        .map_err(|error| format!("{}: cannot be created: {}", display_path(folder), error_reason(&error)))?;
    let mut collected = Vec::new();
    for group in summary.groups() {
        collected.extend(collect_failure(&group, summary, folder)?);
    }
    // The seeds of another generator have other plans here.
    if summary.generator_version == GENERATOR_VERSION {
        for thing in &summary.rare {
            collected.extend(collect_rare(thing, summary, folder)?);
        }
    }
    Ok(collected)
}

/// Stores the smallest plan of a group, unless the corpus has one that is as small.
fn collect_failure(
    group: &FailureGroup<'_>,
    summary: &Summary,
    folder: &Path,
) -> Result<Option<String>, String> {
    let FailureSignature { property, kind, location, roles } = group.signature;
    let rest = format!("{location:?} {roles:?} {:?}", summary.settings.bug);
    let name =
        format!("failure-{}-{}-{:08x}", word(property), word(kind), Digest::of(rest.as_bytes()).0 >> 32);
    let path = folder.join(name.clone() + ".toml");
    let failure = group.smallest().unwrap_or(group.failures[0]);
    let stored = failure.smallest_plan().and_then(|path| Case::read(path, &summary.settings.system).ok());
    let case = match stored {
        Some(case) => case,
        None if summary.generator_version != GENERATOR_VERSION => return Ok(None),
        None => {
            let plan = summary.settings.plan(failure.seed);
            let signature = Some(group.signature.clone());
            let origin = format!("Seed {}@{GENERATOR_VERSION}: {}", failure.seed, failure.message);
            Case { signature, ..case_of(origin, plan, summary) }
        }
    };
    let size = |case: &Case| (case.plan.faults.len(), file::to_text(&case.plan).len());
    if Case::read(&path, &summary.settings.system).is_ok_and(|before| size(&before) <= size(&case)) {
        return Ok(None);
    }
    case.write(&path).map_err(|error| error.to_string())?;
    Ok(Some(name))
}

/// Stores plans that reached a rare thing, until there are enough.
fn collect_rare(thing: &RareThing, summary: &Summary, folder: &Path) -> Result<Vec<String>, String> {
    let prefix = format!("rare-{}-{}-seed-", word(&thing.kind), word(&thing.name));
    let mut names: Vec<String> = case_files(folder)?.iter().map(|path| name_of(path)).collect();
    names.retain(|name| name.as_bytes().starts_with(prefix.as_bytes()));
    let mut collected = Vec::new();
    for seed in &thing.seeds {
        let name = format!("{prefix}{seed}");
        if names.len() as u64 + 1 >= RARE_BELOW || names.contains(&name) {
            continue;
        }
        let (kind, what) = (&thing.kind, &thing.name);
        let origin =
            format!("Seed {seed}@{GENERATOR_VERSION} reached the {kind} {what}, which few seeds reach.");
        let case = case_of(origin, summary.settings.plan(*seed), summary);
        case.write(&folder.join(name.clone() + ".toml")).map_err(|error| error.to_string())?;
        names.push(name.clone());
        collected.push(name);
    }
    Ok(collected)
}

fn case_of(description: String, plan: Plan, summary: &Summary) -> Case {
    let system = &summary.settings.system;
    let version = (!system.version.is_empty()).then(|| system.version.to_owned());
    Case {
        system: system.full_name(),
        version,
        commit: Some(COMMIT.to_owned()),
        ..Case::without_run(description, Expectation::Passed, plan)
    }
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A name as a part of a file name.
fn word(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program writes")]
mod tests {
    use super::{collect, replay};
    use crate::outcome::signature::{FailureSignature, Roles};
    use crate::sweep::failures::FailureRecord;
    use crate::sweep::rare::{self, RareThing};
    use crate::sweep::{Shard, Summary, SweepSettings};
    use std::sync::atomic::AtomicBool;

    static NEVER: AtomicBool = AtomicBool::new(false);

    fn thing(name: &str, seeds: &[u64]) -> RareThing {
        RareThing { kind: "milestone".into(), name: name.into(), seeds: seeds.to_vec() }
    }

    #[test]
    fn a_thing_is_rare_until_the_fifth_seed() {
        let mut things = Vec::new();
        for (total, seed) in (1..).zip([7, 9, 12, 40]) {
            rare::note(&mut things, "milestone", "split-vote", total, seed);
            assert_eq!(things[0].seeds.len() as u64, total);
        }
        rare::note(&mut things, "milestone", "other", 1, 50);
        rare::note(&mut things, "milestone", "split-vote", 5, 41);
        rare::note(&mut things, "milestone", "split-vote", 6, 42);
        assert_eq!(things, [thing("other", &[50])]);
        // Another part: together they are too many.
        let mut sum = vec![thing("other", &[50]), thing("third", &[3])];
        let total = |_: &str, name: &str| if name == "other" { 5 } else { 2 };
        rare::add(&mut sum, vec![thing("other", &[1, 2, 3, 4]), thing("third", &[1])], total);
        assert_eq!(sum, [thing("third", &[1, 3])]);
    }

    #[test]
    fn a_corpus_is_collected_once_and_its_size_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let mut summary = Summary::new(&SweepSettings { seeds: 0..99, ..SweepSettings::default() });
        summary.rare = vec![thing("split-vote", &[1, 2, 3])];
        let signature = FailureSignature {
            property: "liveness".into(),
            kind: "no-leader".into(),
            location: None,
            roles: Roles::Cluster,
        };
        let failure = |seed, faults| FailureRecord {
            signature: signature.clone(),
            seed,
            plan: None,
            message: "there is no leader".into(),
            faults: Some(faults),
            shrunk: None,
        };
        let faults = |seed: u64| summary.settings.plan(seed).faults.len() as u64;
        let mut seeds: Vec<u64> = (0..20).collect();
        seeds.sort_by_key(|seed| faults(*seed));
        let (small, large) = (seeds[0], seeds[19]);
        assert!(faults(small) < faults(large));
        summary.failures = vec![failure(large, faults(large))];
        let names = collect(&summary, folder.path()).unwrap();
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(names[0].starts_with("failure-liveness-no-leader-"), "{names:?}");
        assert_eq!(collect(&summary, folder.path()), Ok(vec![]));
        // The next night: a smaller plan replaces the larger one, and not the other way round.
        summary.rare = vec![thing("split-vote", &[4, 5, 6])];
        summary.failures = vec![failure(small, faults(small))];
        let more = collect(&summary, folder.path()).unwrap();
        assert_eq!(more, [names[0].clone(), "rare-milestone-split-vote-seed-4".into()]);
        summary.failures = vec![failure(large, faults(large))];
        assert_eq!(collect(&summary, folder.path()), Ok(vec![]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);

        // Each of two machines replays some, and a resumed sweep only the others. No plan fails without a bug.
        let part =
            |index| SweepSettings { shard: Some(Shard { index, count: 2 }), ..SweepSettings::default() };
        let runs = [0, 1].map(|index| replay(folder.path(), &part(index), &[], &NEVER).unwrap());
        assert_eq!(runs.each_ref().map(Vec::len), [3, 2]);
        assert_eq!(replay(folder.path(), &part(0), &runs[0], &NEVER), Ok(vec![]));
        let all = runs.concat();
        assert!(all.iter().all(|run| run.failure.is_none()), "{all:?}");
        assert_eq!(all.iter().filter(|run| run.failed_before).count(), 1);
        // Plans with a bug are about another sweep.
        let bug =
            SweepSettings { bug: Some("commit-prior-term-by-count".into()), ..SweepSettings::default() };
        assert_eq!(replay(folder.path(), &bug, &[], &NEVER), Ok(vec![]));
    }
}
