//! The state of the cluster, rebuilt from facts: every log, vote, term and configuration.
//!
//! It checks nothing. Properties compare a fact with the state *before* the fact is applied. Each server has a log in
//! memory and a log on disk; the cluster has the table of all entries, the leaders of all terms, and the committed
//! log.
//!
//! All logs begin at 0@0, also where a server has replaced the beginning of its log with a snapshot: the snapshot
//! covers a prefix of the committed log, which is known.
//!
//! No operation walks a whole log. A restart walks from the recovered end back to the first entry that was known to
//! be on disk or in memory before: at most what was appended since.

mod sorted;
mod fact_origin;
mod term_runs;
mod entries;
mod request_map;
mod sessions;
mod logged_configurations;
mod applications;
mod commits;
mod node_clock;
mod answers;
mod leaderships;
mod server;
mod cluster;
#[cfg(test)]
mod tests;

pub use cluster::ClusterState;
pub use server::{Role, ServerState};

pub(crate) use applications::Application;
pub(crate) use entries::Entry;
pub(crate) use fact_origin::FactOrigin;
pub(crate) use request_map::RequestMap;
pub(crate) use sessions::Sessions;
pub(crate) use sorted::count_prefix;
pub(crate) use term_runs::TermRuns;
