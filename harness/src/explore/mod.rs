//! Explores every interleaving of a small cluster: all orders of messages, saves, timers and crashes within a
//! [`Scope`].
//!
//! A sweep samples; this leaves nothing out, but only within small limits. A [`Model`] is any server that is a value:
//! its state can be cloned, and a step is a function of the state and one input. For the built-in system it is the
//! real core with its disk ([`crate::systems::raft_core::explored`]), not a model that was written beside it.
//!
//! # How a cluster is explored
//!
//! - **Breadth first** ([`search`]): the first violation has a shortest trace.
//! - **Steps are remembered** ([`tables`]): server states and messages are numbered by their canonical words, and a step
//!   is carried out once for each pair of state and input. A state of the cluster is a few numbers.
//! - **The network** ([`network`]) is the set of all messages sent so far: any of them may arrive at any time, again, or
//!   never. So loss, any order and unlimited duplication are part of every scope, and cost nothing.
//! - **Dead messages** leave the network ([`dead`]): those that change nothing at their receiver now. That they will not
//!   later is an assumption, which is verified after the search over all states that may follow; where it was wrong the
//!   message is kept, and the search is repeated. A result is complete only after a round without such an error. A
//!   violation that was found in any round is real: each step of its trace was taken.
//! - **Symmetry** ([`symmetry`]): states that differ by the numbers of servers count once.
//! - **Properties** ([`trace`]): those of the crate `invariants`, the same as in a sweep. The facts of a path are passed
//!   to a fresh checker whenever a server takes a step for the first time, and whenever what the properties compare
//!   ([`Model::view`]) is new. So a property must be a function of the state. What properties compare with the past, a
//!   model must keep in its state: a bounded history.
//! - **Liveness** ([`liveness`]): from every state that was reached, the cluster can still get to work.
//! - **Cases** ([`case`]): a scope with a trace that breaks a property, to be replayed.
//! - **Lists** ([`list`]): scopes with the numbers of their states, to be compared.

mod fixed;
mod words;
pub mod scope;
pub mod list;
pub mod symmetry;
pub mod network;
pub mod tables;
pub mod trace;
pub mod case;
pub mod dead;
pub mod search;
pub mod liveness;
mod replay;

#[cfg(test)]
mod tests;

pub use case::ExplorationCase;
pub use liveness::explore;
pub use replay::replay;
pub use scope::{Limit, Limits, Scope};
pub use search::{Budget, Ended, Explored, Progress};
pub use symmetry::Renaming;
pub use trace::{Found, TraceStep};

use invariants::Fact;
use std::fmt::Display;

/// A server to explore: a value with one function.
pub trait Model {
    /// A server with all that it has stored, and with the history that properties compare.
    type State: Clone;
    /// A message between servers.
    type Message: Clone + Display;

    /// The number of servers, which are numbered from 0.
    fn servers(&self) -> usize;

    /// A server at the start.
    fn start(&self, server: usize) -> Step<Self>;

    /// What may happen to a server besides a message.
    fn events(&self, state: &Self::State, events: &mut Vec<Event>);

    /// One step. `None`: it would leave the scope, and is not taken.
    fn step(&self, state: &Self::State, input: Input<'_, Self::Message>) -> Option<Step<Self>>;

    /// Everything that decides how a server behaves from here on, in a cluster whose servers are renamed: states with
    /// equal words behave alike.
    fn key(&self, state: &Self::State, renaming: &Renaming, words: &mut Vec<u32>);

    /// The content of a message, in a cluster whose servers are renamed.
    fn message_key(&self, message: &Self::Message, renaming: &Renaming, words: &mut Vec<u32>);

    /// What properties compare between servers.
    fn view(&self, state: &Self::State, words: &mut Vec<u32>);

    /// What clients have learnt from this server, as a number that only grows; the greatest of all servers is passed to
    /// [`Input::Event`].
    fn known(&self, _state: &Self::State) -> u32 {
        0
    }

    /// The same message in a cluster whose servers are renamed. `None`: servers differ by more than their numbers, so
    /// there is no symmetry.
    fn renamed(&self, _message: &Self::Message, _renaming: &Renaming) -> Option<Self::Message> {
        None
    }

    /// The same servers without the limits of a scope, for liveness. `None`: liveness is not checked.
    fn beyond(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// For liveness: whether this server does what the cluster is there for, such as leading and committing.
    fn is_productive(&self, _state: &Self::State) -> bool {
        true
    }

    /// For liveness: the event that brings a server on, if there is one.
    fn push(&self, _state: &Self::State, _push: Push) -> Option<u32> {
        None
    }

    /// An event in words.
    fn describe(&self, event: u32, number: u32) -> String;
}

/// The result of a step.
pub struct Step<M: Model + ?Sized> {
    /// The server after it.
    pub state: M::State,
    /// The messages it sends, each with its receiver.
    pub messages: Vec<(usize, M::Message)>,
    /// The facts it states.
    pub facts: Vec<Fact>,
}

/// What may happen to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// The model's number for it, below 2^16.
    pub code: u32,
    /// What it uses up; `None`: it may happen as often as it can.
    pub limit: Option<Limit>,
}

/// What brings a server on that works and waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Push {
    /// Its writes end, and it restarts if it has stopped.
    Repair,
    /// Time passes without a message.
    Wait,
    /// It campaigns.
    Campaign,
    /// It repeats what it has sent as leader.
    Repeat,
}

/// What a server is stepped with.
#[derive(Debug)]
pub enum Input<'a, T> {
    /// A message.
    Message(&'a T),
    /// An event.
    Event {
        /// The model's number for it.
        code: u32,
        /// How many events of its limit happened before.
        number: u32,
        /// What clients have learnt so far ([`Model::known`]).
        known: u32,
    },
}

impl<T> Clone for Input<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Input<'_, T> {}
