//! A whole Raft cluster in one thread, from one number: broken, watched, replayed.

#[cfg(not(madsim))]
compile_error!(
    "the harness simulates only under `--cfg madsim`: start cargo inside the repository, whose .cargo/config.toml \
     sets it, and keep it in RUSTFLAGS if you set that variable"
);

pub mod rng;
pub mod names;
pub mod bugs;
pub mod plan;
pub mod outcome;
pub mod workload;
pub mod world;
pub mod server;
pub mod cluster;
pub mod pump;
pub mod run;
pub mod bench;
