//! openraft 0.10 under test.
//!
//! *In*: plans of the harness. *Out*: the system [`Openraft`], unmodified, with a runtime of simulated tasks, a log and
//! votes on a simulated disk, and the key-value application of the harness as its state machine.
//!
//! Each server has one `Raft`. What arrives is passed to it by a task of its own: a call of another server, a client's
//! request, an operator's command. README.md says what is supported, what was found, and what is left out.

#[cfg(not(madsim))]
compile_error!(
    "harness-openraft is made of tasks, which run on madsim: build with RUSTFLAGS=\"--cfg madsim\", or inside the \
     repository without RUSTFLAGS"
);

#[cfg(madsim)]
mod channels;
#[cfg(madsim)]
mod runtime;
#[cfg(madsim)]
mod message;
#[cfg(madsim)]
mod bugs;
#[cfg(madsim)]
mod store;
#[cfg(madsim)]
mod state_machine;
#[cfg(madsim)]
mod network;
#[cfg(madsim)]
mod node;
#[cfg(madsim)]
mod system;

#[cfg(madsim)]
pub use system::Openraft;
