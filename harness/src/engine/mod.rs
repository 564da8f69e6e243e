//! How a cluster moves: events in the order of simulated time, on the simulator underneath.
//!
//! *In*: a plan, a [`World`](crate::world) and a [`Server`](crate::server::Server). *Out*: what the world's observer recorded.
//! Used by [`systems`](crate::systems) only.

pub mod cluster;
pub mod pump;
