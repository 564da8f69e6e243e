//! A server whose step does not return, or ends the process, in some plans.

use super::primary::PrimarySystem;
use harness::plan::Supports;
use harness::server::{Arrival, Damaged, Host, LocalTime, Server};
use harness::systems::System;
use std::hint::black_box;
use std::time::Duration;

/// The server that it is, but for its mistakes.
type Primary = <PrimarySystem as System>::Server;

/// What goes wrong in the fifth request that the primary gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mistake {
    Hang,
    Overflow,
    Abort,
}

/// The mistake of a seed.
pub(crate) fn mistake(seed: u64) -> Option<Mistake> {
    match seed % 10 {
        3 => Some(Mistake::Hang),
        6 => Some(Mistake::Overflow),
        8 => Some(Mistake::Abort),
        _ => None,
    }
}

/// A primary that makes the mistake of its seed if it is one of `HANGS` or `ABORTS`.
pub(crate) struct Endless<const HANGS: bool, const ABORTS: bool> {
    primary: Primary,
    requests: u64,
}

/// Never returns: it uses up the stack.
#[expect(unconditional_recursion, reason = "the stack must overflow")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1)) + 1)
}

impl<const HANGS: bool, const ABORTS: bool> Server for Endless<HANGS, ABORTS> {
    type Message = String;
    const SUPPORTS: Supports = Supports::NOTHING;

    fn boot(host: &mut Host<'_, String>) -> Result<Self, Damaged> {
        Ok(Endless { primary: Primary::boot(host)?, requests: 0 })
    }

    fn step(&mut self, host: &mut Host<'_, String>, arrival: Arrival<String>) {
        if host.node() == 1 && matches!(arrival, Arrival::Request { .. }) {
            self.requests += 1;
            match mistake(host.plan().seed).filter(|_| self.requests == 5) {
                Some(Mistake::Hang) if HANGS => loop {
                    std::thread::sleep(Duration::from_secs(1));
                },
                Some(Mistake::Overflow) if ABORTS => drop(black_box(recurse(0))),
                Some(Mistake::Abort) if ABORTS => std::process::abort(),
                _ => {}
            }
        }
        self.primary.step(host, arrival);
    }

    fn deadline(&self) -> Option<LocalTime> {
        None
    }

    fn is_heartbeat(_: &String) -> bool {
        false
    }
}

/// A system of such servers.
pub(crate) enum EndlessSystem<const HANGS: bool, const ABORTS: bool> {}

impl<const HANGS: bool, const ABORTS: bool> System for EndlessSystem<HANGS, ABORTS> {
    const NAME: &'static str = "endless";
    type Server = Endless<HANGS, ABORTS>;
}
