//! The checker: passes each fact to every property that it concerns and stops at the first violation.
//!
//! The cost of a fact does not depend on the number of facts before it.

use crate::check_context::CheckContext;
use crate::contract::Contract;
use crate::fact::{Fact, Observed};
use crate::former_names::current_property_name;
use crate::milestones::Milestones;
use crate::properties::{PROPERTIES, Properties};
use crate::state::ClusterState;
use crate::violation::Violation;
use std::fmt;

/// Error: no property has this name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownProperty {
    /// The unknown name.
    pub name: String,
}

impl fmt::Display for UnknownProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = PROPERTIES.iter().map(|property| property.name).collect();
        write!(f, "There is no property \"{}\"; the properties are {}.", self.name, known.join(", "))
    }
}

impl std::error::Error for UnknownProperty {}

/// Checks a stream of facts against all properties.
#[derive(Debug)]
pub struct Checker {
    cluster: ClusterState,
    properties: Properties,
    milestones: Milestones,
}

impl Default for Checker {
    fn default() -> Self {
        Checker::new()
    }
}

impl Checker {
    /// A checker of all properties.
    #[must_use]
    pub fn new() -> Checker {
        Checker {
            cluster: ClusterState::default(),
            properties: Properties::with_disabled(&[]),
            milestones: Milestones::default(),
        }
    }

    /// A checker of all properties but these. Accepts former names (see [`current_property_name`]).
    ///
    /// # Errors
    ///
    /// A name is not known.
    pub fn with_disabled(names: &[&str]) -> Result<Checker, UnknownProperty> {
        let names: Vec<&str> = names.iter().map(|name| current_property_name(name)).collect();
        match names.iter().find(|name| PROPERTIES.iter().all(|property| property.name != **name)) {
            Some(&unknown) => Err(UnknownProperty { name: unknown.into() }),
            None => Ok(Checker { properties: Properties::with_disabled(&names), ..Checker::new() }),
        }
    }

    /// The same checker, before the first fact, for a system that promises otherwise than the Raft paper.
    #[must_use]
    pub fn with_contract(mut self, contract: Contract) -> Checker {
        self.cluster.contract = contract;
        self
    }

    /// Checks the next fact; facts come in the order of the run. Do not use the checker after a violation: its
    /// results are meaningless from then on.
    ///
    /// # Errors
    ///
    /// The fact violates a property.
    pub fn observe(&mut self, observed: &Observed) -> Result<(), Box<Violation>> {
        match observed.fact {
            Fact::WriteAcknowledged { index, write } => {
                if let Some(read_safety) = &mut self.properties.read_safety {
                    read_safety.record_acked_write(observed, index, write);
                }
                self.milestones.record_client_fact(observed);
            }
            Fact::ReadAsked { read } => {
                if let Some(read_safety) = &mut self.properties.read_safety {
                    read_safety.record_read_request(read);
                }
            }
            _ => {
                // Properties and milestones see the state before the fact.
                let position = self.cluster.get_or_insert(observed.node);
                let node = self.cluster.server_at(position);
                if let Some(membership_safety) = &mut self.properties.membership_safety {
                    membership_safety.check_valid(CheckContext { cluster: &self.cluster, node, observed })?;
                }
                // A server that is listed twice counts once.
                let (stated, deduplicated) = (observed, observed.without_duplicates());
                let observed = deduplicated.as_ref().unwrap_or(stated);
                let checked = self.properties.check(CheckContext { cluster: &self.cluster, node, observed });
                // A violation shows the fact as it was stated.
                checked.map_err(|violation| Box::new(Violation { second: stated.clone(), ..*violation }))?;
                self.milestones.record_server_fact(&self.cluster, node, observed);
                self.cluster.apply_to(position, observed);
            }
        }
        Ok(())
    }

    /// For each enabled property, the number of comparisons that could have failed. A property with zero checks has
    /// not passed: it had nothing to check.
    pub fn checks(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.properties.checks()
    }

    /// The state of the cluster after the facts so far.
    #[must_use]
    pub fn cluster(&self) -> &ClusterState {
        &self.cluster
    }

    /// The milestones reached so far.
    #[must_use]
    pub fn milestones(&self) -> &Milestones {
        &self.milestones
    }
}
