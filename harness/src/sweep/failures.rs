//! The failures of a sweep: each with its seed, grouped by signature, and listed up to a limit.

use crate::outcome::signature::{FailureSignature, Roles};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A seed that violated a property.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FailureRecord {
    /// How it failed.
    #[serde(flatten)]
    pub signature: FailureSignature,
    /// The seed.
    pub seed: u64,
    /// Path of the stored case; `None` if it could not be written.
    pub plan: Option<PathBuf>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Faults of its plan; unknown in ledgers of former versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<u64>,
    /// Its shrunk plan, if it was shrunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shrunk: Option<ShrunkPlan>,
}

/// A shrunk plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShrunkPlan {
    /// Path of the stored case.
    pub path: PathBuf,
    /// Its faults.
    pub faults: u64,
    /// The operations that clients call in its run.
    pub operations: u64,
}

/// Failures of a group that are counted, but not listed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnlistedFailures {
    /// How they failed.
    pub signature: FailureSignature,
    /// Number of seeds.
    pub count: u64,
}

/// Failures with the same signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailureGroup<'a> {
    /// The signature.
    pub signature: &'a FailureSignature,
    /// The failures that are listed, by ascending seed; never empty.
    pub failures: Vec<&'a FailureRecord>,
    /// Number of seeds, listed or not.
    pub count: u64,
    /// The cases of the known defects that it shows.
    pub known: Vec<&'a str>,
}

impl FailureGroup<'_> {
    /// The failure with the smallest plan, if its size is known.
    #[must_use]
    pub fn smallest(&self) -> Option<&FailureRecord> {
        let known = self.failures.iter().filter(|failure| failure.plan_faults().is_some());
        known.min_by_key(|failure| failure.size()).copied()
    }
}

/// The run of a plan of the corpus.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CorpusRun {
    /// The name of its file, without the ending.
    pub name: String,
    /// Whether it failed when it was collected.
    pub failed_before: bool,
    /// How it failed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<CorpusFailure>,
}

/// How a plan of the corpus failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CorpusFailure {
    /// How it failed.
    pub signature: FailureSignature,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The file of the plan.
    pub plan: PathBuf,
}

/// How small a plan is: its faults, whether it was shrunk, and the seed.
type PlanSize = (u64, bool, u64);

impl FailureRecord {
    /// Faults of its smallest plan.
    #[must_use]
    pub fn plan_faults(&self) -> Option<u64> {
        self.shrunk.as_ref().map(|shrunk| shrunk.faults).or(self.faults)
    }

    /// The file of its smallest plan.
    #[must_use]
    pub fn smallest_plan(&self) -> Option<&Path> {
        self.shrunk.as_ref().map(|shrunk| shrunk.path.as_path()).or(self.plan.as_deref())
    }

    /// Sets the file of its smallest plan, which was copied.
    #[cfg(feature = "cli")]
    pub(crate) fn set_smallest_plan(&mut self, copy: PathBuf) {
        match &mut self.shrunk {
            Some(shrunk) => shrunk.path = copy,
            None => self.plan = Some(copy),
        }
    }

    /// Moves its files to another folder, with the same names.
    pub(super) fn move_files(&mut self, is_there: impl Fn(&Path) -> bool, folder: &Path) {
        let shrunk = self.shrunk.as_mut().map(|shrunk| &mut shrunk.path);
        for path in self.plan.iter_mut().chain(shrunk) {
            let moved = folder.join(path.file_name().unwrap_or_default());
            if is_there(&moved) {
                *path = moved;
            }
        }
    }

    fn size(&self) -> PlanSize {
        (self.plan_faults().unwrap_or(u64::MAX), self.shrunk.is_none(), self.seed)
    }
}

/// The failures to list of those with one signature: the first seeds, and the smallest plan. `members` are seed and size.
fn choose(members: &[(u64, PlanSize)], max: usize) -> BTreeSet<usize> {
    let mut positions: Vec<usize> = (0..members.len()).collect();
    positions.sort_by_key(|position| members[*position].0);
    let smallest = positions.iter().copied().min_by_key(|position| members[*position].1);
    positions.into_iter().take(max).chain(smallest).collect()
}

/// Lists at most `max` failures of each group, and the one with the smallest plan. Adds the others to `unlisted`.
pub(super) fn limit(
    failures: Vec<FailureRecord>,
    unlisted: &mut Vec<UnlistedFailures>,
    max: usize,
) -> Vec<FailureRecord> {
    let mut groups: BTreeMap<FailureSignature, Vec<FailureRecord>> = BTreeMap::new();
    for failure in failures {
        match groups.get_mut(&failure.signature) {
            Some(group) => group.push(failure),
            None => drop(groups.insert(failure.signature.clone(), vec![failure])),
        }
    }
    let mut listed = Vec::new();
    for (signature, group) in groups {
        let members: Vec<_> = group.iter().map(|failure| (failure.seed, failure.size())).collect();
        let chosen = choose(&members, max);
        add_unlisted(unlisted, &signature, (group.len() - chosen.len()) as u64);
        let group = group.into_iter().enumerate().filter(|(position, _)| chosen.contains(position));
        listed.extend(group.map(|(_, failure)| failure));
    }
    listed.sort_by_key(|failure| failure.seed);
    listed
}

/// Adds to the failures of a group that are only counted.
pub(super) fn add_unlisted(unlisted: &mut Vec<UnlistedFailures>, signature: &FailureSignature, count: u64) {
    if count == 0 {
        return;
    }
    match unlisted.iter_mut().find(|group| group.signature == *signature) {
        Some(group) => group.count = group.count.saturating_add(count),
        None => unlisted.push(UnlistedFailures { signature: signature.clone(), count }),
    }
}

/// A text in a ledger, borrowed where it has no escapes: most failures of a large ledger are only counted.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A failure in a ledger, perhaps of a former version.
#[derive(Deserialize)]
pub(super) struct StoredFailure<'a> {
    #[serde(borrow)]
    property: Cow<'a, str>,
    #[serde(borrow, alias = "clash")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    location: Option<Text<'a>>,
    #[serde(default)]
    roles: Roles,
    seed: u64,
    #[serde(borrow)]
    plan: Option<Text<'a>>,
    #[serde(borrow, alias = "sentence")]
    message: Cow<'a, str>,
    faults: Option<u64>,
    shrunk: Option<ShrunkPlan>,
}

impl StoredFailure<'_> {
    fn size(&self) -> PlanSize {
        let shrunk = self.shrunk.as_ref().map(|shrunk| shrunk.faults);
        (shrunk.or(self.faults).unwrap_or(u64::MAX), self.shrunk.is_none(), self.seed)
    }

    fn signature(&self) -> FailureSignature {
        let location = self.location.as_ref().map(|text| text.0.clone().into_owned());
        FailureSignature::stored(&self.property, &self.kind, location, self.roles)
    }

    fn record(self) -> FailureRecord {
        FailureRecord {
            signature: self.signature(),
            seed: self.seed,
            plan: self.plan.map(|text| text.0.into_owned().into()),
            message: self.message.into_owned(),
            faults: self.faults,
            shrunk: self.shrunk,
        }
    }
}

/// Lists the failures of a ledger as [`limit`] does, without making records of those that are only counted.
pub(super) fn list_stored(
    stored: Vec<StoredFailure<'_>>,
    unlisted: &mut Vec<UnlistedFailures>,
    max: usize,
) -> Vec<FailureRecord> {
    if stored.len() <= max {
        return stored.into_iter().map(StoredFailure::record).collect();
    }
    let mut chosen = BTreeSet::new();
    {
        type Key<'k> = (&'k str, &'k str, Option<&'k str>, Roles);
        let mut groups: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
        for (position, failure) in stored.iter().enumerate() {
            let location = failure.location.as_ref().map(|text| &*text.0);
            let key = (&*failure.property, &*failure.kind, location, failure.roles);
            groups.entry(key).or_default().push(position);
        }
        for positions in groups.into_values() {
            let members: Vec<_> = positions.iter().map(|at| (stored[*at].seed, stored[*at].size())).collect();
            let of_group = choose(&members, max);
            let count = (members.len() - of_group.len()) as u64;
            add_unlisted(unlisted, &stored[positions[0]].signature(), count);
            chosen.extend(of_group.into_iter().map(|member| positions[member]));
        }
    }
    let listed = stored.into_iter().enumerate().filter(|(position, _)| chosen.contains(position));
    listed.map(|(_, failure)| failure.record()).collect()
}
