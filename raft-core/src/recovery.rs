//! Validation of recovered state. A server that started from a state that cannot have been saved would make
//! promises on top of it, so it does not start.
//!
//! Each check is an invariant of every write of this core. Two states look wrong but can occur, so they are
//! accepted:
//!
//! * a vote for a server in no recovered configuration: a candidate may come from a configuration that the
//!   voter does not know yet (6);
//! * a vote for this server itself although no configuration contains it: the log that it campaigned with may
//!   have been replaced in the same term.
//!
//! Missing data cannot be detected here: a disk that lost what was reported durable must return with another
//! [`DirectoryId`](crate::DirectoryId).

use crate::config::ConfigError;
use crate::ids::{Index, LogId, NodeId, Term};
use crate::io::Recovered;
use crate::log::Payload;
use crate::membership::{Configuration, Malformed};
use std::fmt;

/// Why a server does not start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartError {
    /// Its settings cannot work.
    Config(ConfigError),
    /// The recovered state cannot have been saved.
    Recovered(RecoveredError),
}

/// Why a [`Recovered`] cannot have been saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecoveredError {
    /// A vote in term 0, which is before the first election.
    VoteInTermZero {
        /// The vote.
        vote: NodeId,
    },
    /// An entry, or a compacted index above 0, of term 0: only leaders create entries, in term 1 at the
    /// earliest. Or compacted index 0 with another term.
    ImpossibleTerm {
        /// The entry.
        entry: LogId,
    },
    /// An entry's term is below that of the entry before it.
    TermDecreases {
        /// The entry.
        entry: LogId,
        /// The entry before it, or the last compacted one.
        previous: LogId,
    },
    /// An entry, or the last compacted one, is of a term after the saved one. The term is saved before or
    /// with its first entry.
    BeyondSavedTerm {
        /// The first such entry.
        entry: LogId,
        /// The saved term.
        term: Term,
    },
    /// The log begins after the end of the snapshot: the entries between are lost.
    GapAfterSnapshot {
        /// The last entry that the snapshot includes.
        snapshot: LogId,
        /// The last compacted entry.
        compacted: LogId,
    },
    /// The snapshot ends beyond the log: installing it would have reset the log to its end.
    SnapshotBeyondLog {
        /// The last entry that the snapshot includes.
        snapshot: LogId,
        /// The last entry of the log.
        last: LogId,
    },
    /// The log has an entry of another term where the snapshot ends.
    SnapshotDiffers {
        /// The last entry that the snapshot includes.
        snapshot: LogId,
        /// The entry of the log.
        entry: LogId,
    },
    /// A configuration that cannot be the result of changes.
    Malformed {
        /// Its index in the log, the compacted index, or the end of the snapshot.
        index: Index,
        /// What is wrong with it.
        why: Malformed,
    },
}

impl Recovered {
    /// Checks that this can have been saved.
    ///
    /// # Errors
    /// The first rule that it breaks, and where.
    pub fn validate(&self) -> Result<(), RecoveredError> {
        if let Some(vote) = self.vote.filter(|_| self.term == Term(0)) {
            return Err(RecoveredError::VoteInTermZero { vote });
        }
        let compacted = self.checkpoint.as_ref().map_or(LogId::default(), |checkpoint| checkpoint.compacted);
        if (compacted.index == Index(0)) != (compacted.term == Term(0)) {
            return Err(RecoveredError::ImpossibleTerm { entry: compacted });
        }
        if compacted.term > self.term {
            return Err(RecoveredError::BeyondSavedTerm { entry: compacted, term: self.term });
        }
        let mut previous = compacted;
        for recovered in &self.entries {
            let entry = LogId { index: previous.index.next(), term: recovered.term };
            if entry.term == Term(0) {
                return Err(RecoveredError::ImpossibleTerm { entry });
            }
            if entry.term < previous.term {
                return Err(RecoveredError::TermDecreases { entry, previous });
            }
            if entry.term > self.term {
                return Err(RecoveredError::BeyondSavedTerm { entry, term: self.term });
            }
            if let Payload::Configuration(configuration) = &recovered.payload {
                validate_configuration(configuration, entry.index)?;
            }
            previous = entry;
        }
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        validate_configuration(&checkpoint.configuration, compacted.index)?;
        let (snapshot, last) = (checkpoint.snapshot.last, previous);
        validate_configuration(&checkpoint.snapshot.configuration, snapshot.index)?;
        if snapshot.index < compacted.index || snapshot.index == Index(0) {
            return Err(RecoveredError::GapAfterSnapshot { snapshot, compacted });
        }
        if snapshot.index > last.index {
            return Err(RecoveredError::SnapshotBeyondLog { snapshot, last });
        }
        let position = (snapshot.index.0 - compacted.index.0).checked_sub(1);
        let term = position.map_or(compacted.term, |position| self.entries[position as usize].term);
        if term != snapshot.term {
            let entry = LogId { index: snapshot.index, term };
            return Err(RecoveredError::SnapshotDiffers { snapshot, entry });
        }
        Ok(())
    }
}

fn validate_configuration(configuration: &Configuration, index: Index) -> Result<(), RecoveredError> {
    configuration.validate().map_err(|why| RecoveredError::Malformed { index, why })
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> StartError {
        StartError::Config(error)
    }
}

impl From<RecoveredError> for StartError {
    fn from(error: RecoveredError) -> StartError {
        StartError::Recovered(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(error) => error.fmt(f),
            StartError::Recovered(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for RecoveredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what was recovered cannot have been saved: ")?;
        match self {
            RecoveredError::VoteInTermZero { vote } => {
                write!(f, "a vote for {vote} in term 0, before the first election")
            }
            RecoveredError::ImpossibleTerm { entry } => {
                write!(f, "{entry}; term 0 is only the term of index 0")
            }
            RecoveredError::TermDecreases { entry, previous } => {
                write!(f, "{entry} follows {previous}; terms in a log must not decrease")
            }
            RecoveredError::BeyondSavedTerm { entry, term } => {
                write!(f, "{entry} is of a term after the saved term {term}")
            }
            RecoveredError::GapAfterSnapshot { snapshot, compacted } => {
                write!(f, "the snapshot ends at {snapshot}, and the log begins after {compacted}")
            }
            RecoveredError::SnapshotBeyondLog { snapshot, last } => {
                write!(f, "the snapshot ends at {snapshot}, beyond the end of the log at {last}")
            }
            RecoveredError::SnapshotDiffers { snapshot, entry } => {
                write!(f, "the snapshot ends at {snapshot}, where the log has {entry}")
            }
            RecoveredError::Malformed { index, why } => {
                write!(f, "the configuration at {index} is malformed: {why}")
            }
        }
    }
}

impl std::error::Error for StartError {}

impl std::error::Error for RecoveredError {}
