//! Reads the lines of a ledger, also those of former versions.
//!
//! A line may be megabytes long, nearly all of it failures. So nothing in it is flattened, which would copy it, and its texts
//! are borrowed.

use super::{LedgerHeader, MAX_DURATION, checksum};
use crate::outcome::Counts;
use crate::plan::FaultKind;
use crate::sweep::failures::{CorpusRun, StoredFailure, UnlistedFailures, list_stored};
use crate::sweep::pace::Pace;
use crate::sweep::rare::RareThing;
use crate::sweep::seeds::Seeds;
use crate::sweep::summary::{Summary, Tally, seconds};
use invariants::{Digest, current_milestone_name, current_property_name};
use serde::Deserialize;
use std::ops::Range;
use std::time::Duration;

/// The results of some seeds.
pub(super) struct ReadBatch {
    pub(super) header: LedgerHeader,
    pub(super) sums: Summary,
}

/// A line of a ledger.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredEntry<'a> {
    #[serde(alias = "head")]
    Header(Box<LedgerHeader>),
    #[serde(borrow)]
    Batch(Box<StoredBatch<'a>>),
}

/// A batch: the header, and the fields of [`Summary`] that a ledger has.
#[derive(Deserialize)]
struct StoredBatch<'a> {
    #[serde(alias = "head")]
    header: LedgerHeader,
    ran: Seeds,
    counts: Counts,
    #[serde(alias = "looked")]
    checks: Vec<Tally>,
    milestones: Vec<Tally>,
    faults: Vec<Tally>,
    #[serde(alias = "kept")]
    passed: u64,
    unknown: u64,
    #[serde(borrow)]
    failures: Vec<StoredFailure<'a>>,
    #[serde(default)]
    unlisted: Vec<UnlistedFailures>,
    #[serde(default)]
    exercised: Vec<Tally>,
    #[serde(default)]
    pace: Pace,
    #[serde(default)]
    rare: Vec<RareThing>,
    #[serde(default)]
    corpus: Vec<CorpusRun>,
    digest: Digest,
    #[serde(rename = "seconds", with = "seconds")]
    elapsed: Duration,
    #[serde(alias = "blind")]
    canaries_missed: u64,
}

impl ReadBatch {
    /// Reads a line, and lists at most `max_listed` failures of each group.
    pub(super) fn from_line(line: &[u8], max_listed: usize) -> Result<ReadBatch, String> {
        let (text, sum) = line
            .split_last_chunk::<10>()
            .filter(|(_, sum)| sum[0] == b'\t')
            .ok_or("the line has no checksum")?;
        if sum != checksum(text).as_bytes() {
            return Err("the line does not match its checksum".into());
        }
        let entry = serde_json::from_slice(text)
            .map_err(|error| format!("the line is not a ledger entry: error in column {}", error.column()))?;
        let mut batch = match entry {
            StoredEntry::Header(header) => ReadBatch { header: *header, sums: Summary::default() },
            StoredEntry::Batch(batch) => batch.read(max_listed),
        };
        batch.use_current_names();
        if batch.is_plausible() { Ok(batch) } else { Err("its numbers are impossible".into()) }
    }

    /// Replaces former names of properties, milestones and faults, so that ledgers of older versions can be added.
    fn use_current_names(&mut self) {
        let rename_all = |tallies: &mut [Tally], current_name: fn(&str) -> &str| {
            tallies.iter_mut().for_each(|tally| tally.name = current_name(&tally.name).to_owned().into());
        };
        rename_all(&mut self.sums.checks, current_property_name);
        rename_all(&mut self.sums.milestones, current_milestone_name);
        rename_all(&mut self.sums.faults, FaultKind::current_name);
        let disabled = self.header.settings.disabled.iter_mut();
        disabled.for_each(|name| *name = current_property_name(name).to_owned());
    }

    /// Whether the numbers are possible: ordered ranges, a bounded duration, seeds of this sweep, and no more verdicts
    /// than seeds. Sums that would overflow saturate.
    fn is_plausible(&self) -> bool {
        let ReadBatch { header: LedgerHeader { settings, merged, .. }, sums } = self;
        let in_order = |seeds: &Range<u64>| seeds.start <= seeds.end;
        let asked = merged.iter().flat_map(|merged| merged.asked.iter().map(|asked| &asked.seeds));
        let ranges = asked.chain(merged.iter().flat_map(|merged| &merged.limited));
        let unlisted = sums.unlisted.iter().map(|group| group.count);
        let verdicts = [sums.passed, sums.unknown, sums.failures.len() as u64].into_iter().chain(unlisted);
        let verdicts = verdicts.into_iter().try_fold(0, |sum: u64, count| sum.checked_add(count));
        let is_listed = |group: &UnlistedFailures| {
            sums.failures.iter().any(|failure| failure.signature == group.signature)
        };
        in_order(&settings.seeds)
            && in_order(&settings.all_seeds)
            && ranges.into_iter().all(in_order)
            && settings.shard.is_none_or(|shard| shard.index < shard.count)
            && sums.elapsed < MAX_DURATION
            && sums.pace.is_plausible()
            && sums.ran.difference(&Seeds::from(settings.seeds.clone())).is_empty()
            && sums.unlisted.iter().all(is_listed)
            && verdicts.is_some_and(|sum| sum <= sums.ran.count())
    }
}

impl StoredBatch<'_> {
    fn read(self, max_listed: usize) -> ReadBatch {
        let mut unlisted = self.unlisted;
        let failures = list_stored(self.failures, &mut unlisted, max_listed);
        let sums = Summary {
            ran: self.ran,
            counts: self.counts,
            checks: self.checks,
            milestones: self.milestones,
            faults: self.faults,
            passed: self.passed,
            unknown: self.unknown,
            failures,
            unlisted,
            exercised: self.exercised,
            pace: self.pace,
            rare: self.rare,
            corpus: self.corpus,
            digest: self.digest,
            elapsed: self.elapsed,
            canaries_missed: self.canaries_missed,
            ..Summary::default()
        };
        ReadBatch { header: self.header, sums }
    }
}
