//! The command `determinism`: runs seeds in several ways, and compares.

use super::exit::{SUCCESS, VIOLATION};
use super::{CommandResult, arguments, print};
use crate::findings::determinism::{Variation, find_difference};
use crate::outcome::{Difference, Engine, Options};
use crate::support::program;
use crate::systems::SystemInfo;
use invariants::Digest;
use std::ops::Range;
use std::process::{Command, Stdio};

/// What usually makes runs differ.
const USUAL_CAUSES: &str = "usual causes: the order of a hash map, a generator of the system's own, a real clock, a thread,\n\
    an address in a decision, `select!` without `biased`; see the chapter on determinism";

pub(super) fn determinism(system: &SystemInfo, arguments: &arguments::DeterminismArgs) -> CommandResult {
    let seeds = arguments.seeds.clone();
    if arguments.digests {
        for seed in seeds {
            print(&format!("{}\n", digest(system, seed)))?;
        }
        return Ok(SUCCESS);
    }
    let engines = other_engines(system);
    for seed in seeds.clone() {
        let run = |plan: &_, options: &_| system.run(plan, options);
        let plan = system.plan(seed, None);
        if let Some((variation, difference)) = find_difference(&plan, &Options::default(), &engines, &run) {
            return report_difference(seed, variation, difference);
        }
    }
    if let Some(seed) = differs_in_another_process(system, seeds.clone())? {
        print(&format!("seed {seed}: another process gives another digest\n{USUAL_CAUSES}\n"))?;
        return Ok(VIOLATION);
    }
    let engines: String = engines.iter().map(|engine| format!(", the engine {}", engine.name())).collect();
    let Range { start, end } = seeds;
    print(&format!(
        "seeds {start}..{end}: the same on a used thread, a fresh thread{engines}, and in another process\n"
    ))?;
    Ok(SUCCESS)
}

/// The engines of this build, except the one that is used anyway.
fn other_engines(system: &SystemInfo) -> Vec<Engine> {
    if system.engine.is_some() {
        return Vec::new();
    }
    let others = Engine::ALL.into_iter().map(|(_, engine)| engine);
    others.filter(|engine| engine.is_available() && *engine != Engine::default()).collect()
}

fn report_difference(seed: u64, variation: Variation, difference: Difference) -> CommandResult {
    let what = match difference {
        Difference::Event(event) => format!("differs from event {event} on"),
        Difference::Digests(..) | Difference::Outcomes => "ends differently".to_owned(),
    };
    let command = program::command(&format!("run --seed {seed} --trace"));
    print(&format!("seed {seed}: {variation} {what}\n{USUAL_CAUSES}\n  {command}\n"))?;
    Ok(VIOLATION)
}

fn digest(system: &SystemInfo, seed: u64) -> Digest {
    system.run(&system.plan(seed, None), &Options::default()).outcome.digest
}

/// The first seed whose digest differs in another process.
fn differs_in_another_process(system: &SystemInfo, seeds: Range<u64>) -> Result<Option<u64>, String> {
    let failed = |error: std::io::Error| format!("another process cannot be started: {error}");
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["determinism", "--digests", "--seeds", &format!("{}..{}", seeds.start, seeds.end)]);
    command.args(system.profile().map(|profile| format!("--profile={profile}")));
    let output = command.stderr(Stdio::inherit()).output().map_err(failed)?;
    let mut lines = output.stdout.split(|byte| *byte == b'\n');
    let mut same = |seed| lines.next() == Some(digest(system, seed).to_string().as_bytes());
    Ok(seeds.into_iter().map(|seed| (seed, same(seed))).find(|(_, same)| !same).map(|(seed, _)| seed))
}
