//! **Promises come after durability**: nothing that promises a write leaves before that write is on disk.
//!
//! *Source*: Raft paper, 5.1 to 5.3 and figure 2 ("updated on stable storage before responding to RPCs"); what may
//! overtake a write: thesis, 10.2.1. *Facts*: `Voted`, `Campaigned`, `Acknowledged`, and the disk's `Saved`,
//! `SavedEntry`, `SavedSnapshot`, `SavedRecovered`.
//!
//! *Reading*: when a vote leaves, the disk holds its term and the vote, or a higher term, in which it cannot be given
//! again. The same for a candidacy, which is a vote for oneself. When an acknowledgement leaves, the disk holds its term
//! or a higher one, and holds the acknowledged log as the leader of that term has it; a snapshot stands for the log that
//! it covers. Where no such leader is known,
//! the server's own log in memory stands in for the leader's. Once the disk holds a higher term, that log may have been
//! replaced by a newer leader's; then it is enough that it ever was on disk, for an acknowledgement that leaves late is
//! no different from one that the network delivers late.
//!
//! *Blind spots*: refusals and pre-votes promise nothing and are not facts. An acknowledgement of a past term for what
//! was on disk once, was cut, and was taken again but not saved. Looks only where disks speak: in a stream
//! without a single truth of a disk nothing can be asked.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Index, LogId, Node, Term};

/// Nothing that promises a write leaves before that write is durable.
#[derive(Default, Debug)]
pub struct PersistBeforeReply {
    pub(crate) checks: u64,
}

impl PersistBeforeReply {
    /// Its name.
    pub const NAME: &str = "persist-before-reply";
    /// In one line.
    pub const ABOUT: &str =
        "votes, candidacies and acknowledgements leave only after what they promise is on disk";

    pub(crate) fn check_vote(&mut self, scene: CheckContext<'_>, term: Term, candidate: Node) -> CheckResult {
        if !scene.shadow.disk_facts_seen {
            return Ok(());
        }
        self.checks += 1;
        let (node, durable) = (scene.node.id, &scene.node.durable);
        if durable.term > term || (durable.term == term && durable.vote == Some(candidate)) {
            return Ok(());
        }
        let has = match durable.vote {
            Some(vote) => format!("term {} with a vote for n{vote}", durable.term),
            None => format!("term {} without a vote", durable.term),
        };
        let does = if candidate == node {
            format!("n{node} campaigns in term {term}")
        } else {
            format!("n{node} gives n{candidate} its vote in term {term}")
        };
        scene.violation(Self::NAME, None, format!("{does} while its disk has {has}"))
    }

    pub(crate) fn check_ack(&mut self, scene: CheckContext<'_>, term: Term, index: Index) -> CheckResult {
        if !scene.shadow.disk_facts_seen {
            return Ok(());
        }
        self.checks += 1;
        let (node, durable) = (scene.node.id, &scene.node.durable);
        if durable.term < term {
            let sentence = format!(
                "n{node} acknowledges {index} in term {term} while its disk has term {}",
                durable.term
            );
            return scene.violation(Self::NAME, None, sentence);
        }
        let leaders = scene.shadow.term_in_leaders_log(term, index);
        let Some(promised) = leaders.or(scene.node.log.term_at(index)) else { return Ok(()) };
        let was_durable = durable.term > term && scene.node.ever_durable(promised) >= index;
        let sentence = match durable.log.term_at(index) {
            Some(saved) if saved == promised => return Ok(()),
            _ if was_durable => return Ok(()),
            Some(saved) => format!(
                "n{node} acknowledges {} in term {term} while its disk has {}",
                LogId { index, term: promised },
                LogId { index, term: saved }
            ),
            None => format!(
                "n{node} acknowledges {} in term {term} while its disk ends at {}",
                LogId { index, term: promised },
                durable.log.last()
            ),
        };
        scene.violation(Self::NAME, scene.shadow.leader_fact(term), sentence)
    }
}
