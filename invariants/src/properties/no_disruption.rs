//! **Nobody outside the group brings a term about in it** while nothing is wrong and nothing is asked.
//!
//! *Source*: thesis 4.2.3 (disruptive servers), 9.6 (pre-vote), 6.2 (a leader that hears a quorum, followers that hear
//! their leader). *Facts*: `Quiet`, `Campaigned`, `TermChanged`, `SteppedDown`, and for who belongs to the group
//! `Configured` and `Committed`.
//!
//! *Reading*: where it is quiet, everybody in the group hears its leader, and follows no one who asks for votes from
//! outside: it does not go to a term in which somebody outside has campaigned since it became quiet. Who belongs to the
//! group but was not said to be quiet, because it is ill, may not hear the leader: nothing is asked of it, and to the
//! others it is like one outside. A term that was brought about before may still be on its way, and is let go. So is
//! everything once a member campaigns, falls, or leads no more for a reason of its own: then there is no leader to hear.
//! Each candidacy from outside is one look: from then on every term of the group is held against it.
//!
//! *Blind spots*: with pre-vote those outside mostly do not even campaign, and nothing is looked at; neither is what
//! they ask before they do. Looks only where the world says that it is quiet, which it does only where pre-vote or
//! check-quorum is on: without them thesis 4.2.3 promises nothing.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Configuration, Node, Observed, Term};
use crate::shadow::Shadow;
use std::collections::{BTreeMap, BTreeSet};

/// Nobody outside the group brings a term about in it.
#[derive(Default, Debug)]
pub struct NoDisruption {
    pub(crate) checks: u64,
    /// Of whom it was said that it is quiet.
    healed: BTreeSet<Node>,
    /// The first candidacy of those outside in each term since then.
    candidacies: BTreeMap<Term, Observed>,
    /// The event during which a leader stepped down: it may have done so because of a term that it states next.
    stepped_down_at: Option<u64>,
}

impl NoDisruption {
    /// Its name.
    pub const NAME: &str = "no-disruption";
    /// In one line.
    pub const ABOUT: &str =
        "after healing, with pre-vote or check-quorum, nobody outside the group brings a term about in it";

    pub(crate) fn record_healed(&mut self, scene: CheckContext<'_>) -> CheckResult {
        self.healed.insert(scene.node.id);
        Ok(())
    }

    pub(crate) fn check_campaign(&mut self, scene: CheckContext<'_>, term: Term) -> CheckResult {
        let Some(group) = self.committed_configuration(scene.shadow) else { return Ok(()) };
        if self.is_healed_member(group, scene.node.id) {
            self.reset();
        } else if group.members().any(|node| self.healed.contains(&node)) {
            self.checks += 1;
            self.candidacies.entry(term).or_insert_with(|| scene.observed.clone());
        }
        Ok(())
    }

    pub(crate) fn check_term_change(&mut self, scene: CheckContext<'_>, term: Term) -> CheckResult {
        let Some(group) = self.committed_configuration(scene.shadow) else { return Ok(()) };
        let id = scene.node.id;
        if !self.is_healed_member(group, id) {
            return Ok(());
        }
        if self.stepped_down_at.is_some_and(|step| step != scene.observed.step) {
            self.reset();
            return Ok(());
        }
        let Some(first) = self.candidacies.get(&term) else { return Ok(()) };
        let other = first.node;
        let who = match group.has(other) {
            true => "is ill".to_owned(),
            false => format!("does not belong to the group {group}"),
        };
        let sentence = format!("n{id} goes to term {term}, in which n{other} campaigns, which {who}");
        scene.violation(Self::NAME, Some(first.clone()), sentence)
    }

    pub(crate) fn record_step_down(&mut self, scene: CheckContext<'_>) -> CheckResult {
        if self.healed.contains(&scene.node.id) {
            self.stepped_down_at = Some(scene.observed.step);
        }
        Ok(())
    }

    /// Somebody has died, or lives again.
    pub(crate) fn record_failure(&mut self, scene: CheckContext<'_>) -> CheckResult {
        if self.healed.contains(&scene.node.id) {
            self.reset();
        }
        Ok(())
    }

    /// The group, where it is quiet. Nothing is asked for, so it is the one that is committed.
    fn committed_configuration<'a>(&self, shadow: &'a Shadow) -> Option<&'a Configuration> {
        if self.healed.is_empty() {
            return None;
        }
        shadow.configuration_at(shadow.committed_log.last().index).map(|group| &group.configuration)
    }

    fn is_healed_member(&self, group: &Configuration, node: Node) -> bool {
        group.has(node) && self.healed.contains(&node)
    }

    fn reset(&mut self) {
        self.healed.clear();
        self.candidacies.clear();
        self.stepped_down_at = None;
    }
}
