//! Whether what a disk kept can have been saved. A server that starts from anything else would make promises on top of
//! what never was, so it does not start.
//!
//! Each check names what every write of this core keeps true. Two things look strange and are legal, and so are not
//! refused:
//!
//! * a vote for a server in no configuration that was recovered: a candidate may come from a configuration that the voter
//!   has not heard of (6);
//! * a vote for this server itself where no configuration has it: the log that it campaigned with may have been replaced
//!   since, in the same term.
//!
//! What cannot be told from here is whether something is missing: a disk that has lost what it once reported durable must
//! come back as another [`DirectoryId`](crate::Identity).

use crate::config::ConfigError;
use crate::ids::{Index, LogId, NodeId, Term};
use crate::io::Recovered;
use crate::log::Payload;
use crate::membership::{Configuration, Malformed};
use std::fmt;

/// Why a server does not start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartError {
    /// It is set up in a way that cannot work.
    Config(ConfigError),
    /// What its disk is said to have kept cannot have been saved.
    Recovered(RecoveredError),
}

/// Why a [`Recovered`] cannot have been saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecoveredError {
    /// A vote in term 0, which is before the first election.
    VoteInTermZero {
        /// For whom.
        vote: NodeId,
    },
    /// An entry, or a base above index 0, of term 0: only leaders create entries, and the first leads term 1 at the
    /// earliest. Or a base at index 0, before all entries, of another term.
    ImpossibleTerm {
        /// Where.
        entry: LogId,
    },
    /// The term of an entry is below that of the one before it.
    TermDecreases {
        /// The entry.
        entry: LogId,
        /// The entry before it, or the base.
        previous: LogId,
    },
    /// An entry, or the base, is of a term after the saved one: the term is saved with or before the first entry of it.
    BeyondSavedTerm {
        /// The first such entry.
        entry: LogId,
        /// The saved term.
        term: Term,
    },
    /// The log begins after the end of the snapshot: what is between the two is lost.
    GapAfterSnapshot {
        /// The last entry that the snapshot stands for.
        snapshot: LogId,
        /// What the log begins after.
        compacted: LogId,
    },
    /// The snapshot stands for entries beyond the end of the log: one that is installed is the log's new base.
    SnapshotBeyondLog {
        /// The last entry that the snapshot stands for.
        snapshot: LogId,
        /// Where the log ends.
        last: LogId,
    },
    /// The log has an entry of another term where the snapshot ends.
    SnapshotDiffers {
        /// The last entry that the snapshot stands for.
        snapshot: LogId,
        /// What the log has there.
        entry: LogId,
    },
    /// A configuration that no change leads to.
    Malformed {
        /// Where it stands, or from where on the base or the snapshot says that it is in force.
        index: Index,
        /// What is wrong with it.
        why: Malformed,
    },
}

impl Recovered {
    /// Whether this can have been saved.
    ///
    /// # Errors
    /// The first thing that cannot, and where.
    pub fn validate(&self) -> Result<(), RecoveredError> {
        if let Some(vote) = self.vote.filter(|_| self.term == Term(0)) {
            return Err(RecoveredError::VoteInTermZero { vote });
        }
        let compacted = self.checkpoint.as_ref().map_or(LogId::default(), |kept| kept.compacted);
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
        let Some(kept) = &self.checkpoint else { return Ok(()) };
        validate_configuration(&kept.configuration, compacted.index)?;
        let (snapshot, last) = (kept.snapshot.last, previous);
        validate_configuration(&kept.snapshot.configuration, snapshot.index)?;
        if snapshot.index < compacted.index || snapshot.index == Index(0) {
            return Err(RecoveredError::GapAfterSnapshot { snapshot, compacted });
        }
        if snapshot.index > last.index {
            return Err(RecoveredError::SnapshotBeyondLog { snapshot, last });
        }
        let place = (snapshot.index.0 - compacted.index.0).checked_sub(1);
        let term = place.map_or(compacted.term, |place| self.entries[place as usize].term);
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
                write!(f, "{entry}; term 0 is that of index 0 and of nothing else")
            }
            RecoveredError::TermDecreases { entry, previous } => {
                write!(f, "{entry} follows {previous}; terms in a log never fall")
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
