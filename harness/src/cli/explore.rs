//! The command `explore`: every interleaving of a small cluster of the built-in system.

#![expect(clippy::disallowed_types, reason = "progress is reported as time passes")]

use super::exit::{SUCCESS, VIOLATION};
use super::paths::Paths;
use super::signals::{self, STOP_REQUESTED};
use super::{CommandResult, arguments, catalog, print, print_json, print_message};
use crate::explore::list::{ListedScope, ScopeList};
use crate::explore::search::Settings;
use crate::explore::{Budget, Ended, ExplorationCase, Explored, Limits, Progress, Scope, explore, replay};
use crate::outcome::{BUILT_IN_SYSTEM, COMMIT};
use crate::plan::file::{self, display_path};
use crate::report::{self, with_thousands};
use crate::systems::SystemInfo;
use crate::systems::raft_core::explored::CoreModel;
use raft_core::Bug;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Seconds between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Checks that the system can be explored from the command line.
pub(super) fn check_system(system: &SystemInfo) -> Result<(), String> {
    if system.name != BUILT_IN_SYSTEM {
        return Err(format!(
            "only {BUILT_IN_SYSTEM} can be explored from the command line; another system is explored by its own test"
        ));
    }
    Ok(())
}

pub(super) fn explore_scope(system: &SystemInfo, arguments: &arguments::ExploreArgs) -> CommandResult {
    check_system(system)?;
    if let Some(path) = &arguments.replay {
        return replay_case(system, path);
    }
    if let Some(path) = &arguments.scopes {
        return explore_list(path, arguments);
    }
    let scope = scope_of(arguments);
    if let Some(path) = &arguments.out {
        Paths::default().add_output("--out", path)?;
    }
    let bug = core_bug(system, arguments.bug.as_deref())?;
    signals::install_handlers("ending with the states so far; a second signal ends at once")?;
    let (explored, seconds) = explored(scope, bug, arguments.liveness, arguments)?;
    match arguments.json {
        true => print_json(&as_json(&scope, arguments, &explored, seconds))?,
        false => print(&as_text(&scope, arguments, &explored, seconds))?,
    }
    if let (Ended::Violation(found), Some(path)) = (&explored.ended, &arguments.out) {
        let case = ExplorationCase::of(scope, arguments.bug.as_deref(), found);
        file::write_text(path, &case.to_toml()?).map_err(|error| error.to_string())?;
    }
    let code = if matches!(explored.ended, Ended::Violation(_)) { VIOLATION } else { SUCCESS };
    Ok(signals::exit_code_after(code))
}

/// Explores a scope, and prints progress. Returns the seconds, too.
pub(super) fn explored(
    scope: Scope,
    bug: Option<Bug>,
    liveness: bool,
    arguments: &arguments::ExploreArgs,
) -> Result<(Explored, f64), String> {
    let model = CoreModel::new(scope, bug)?;
    let renamings = model.renamings();
    let settings = Settings {
        limits: scope.limits,
        drop_dead: scope.drop_dead,
        liveness,
        budget: Budget { states: arguments.max_states, bytes: arguments.max_memory << 20 },
    };
    let started = Instant::now();
    let mut last = started;
    let explored = explore(model, renamings, &settings, &mut |progress: Progress| {
        if last.elapsed() >= PROGRESS_INTERVAL {
            last = Instant::now();
            print_message(&progress_line(&progress));
        }
        !STOP_REQUESTED.load(Ordering::Relaxed)
    });
    Ok((explored, started.elapsed().as_secs_f64()))
}

/// The list of scopes in a file.
pub(super) fn read_list(path: &Path) -> Result<ScopeList, String> {
    ScopeList::from_toml(&read_text(path)?).map_err(|reason| format!("{}: {reason}", display_path(path)))
}

fn read_text(path: &Path) -> Result<String, String> {
    let cannot = |reason: String| format!("{}: {reason}", display_path(path));
    let bytes = file::read_bytes(path).map_err(|error| cannot(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| cannot(error.to_string()))
}

/// Explores the scopes of a list. Each must be complete, and have the number of states that the list says.
fn explore_list(path: &Path, arguments: &arguments::ExploreArgs) -> CommandResult {
    let list = read_list(path)?;
    signals::install_handlers("ending with the states so far; a second signal ends at once")?;
    let mut objects = Vec::new();
    let mut all_as_listed = true;
    for listed in &list.explore {
        let (explored, seconds) = explored(listed.scope, None, listed.liveness, arguments)?;
        all_as_listed &= is_as_listed(listed, &explored);
        match arguments.json {
            true => objects.push(as_json(&listed.scope, arguments, &explored, seconds)),
            false => print(&line_of_list(listed, &explored, seconds))?,
        }
        if STOP_REQUESTED.load(Ordering::Relaxed) {
            break;
        }
    }
    if arguments.json {
        print_json(&json!({"commit": COMMIT, "scopes": objects, "as_listed": all_as_listed}))?;
    }
    Ok(signals::exit_code_after(if all_as_listed { SUCCESS } else { VIOLATION }))
}

fn is_as_listed(listed: &ListedScope, explored: &Explored) -> bool {
    explored.ended == Ended::Complete && listed.states.is_none_or(|states| states == explored.states)
}

/// One scope of a list as a line; a violation as a page below it.
fn line_of_list(listed: &ListedScope, explored: &Explored, seconds: f64) -> String {
    let Explored { states, edges, all_edges, depth, rounds, bytes, .. } = *explored;
    let scope = &listed.scope;
    let ended = match &explored.ended {
        Ended::Complete => "complete".into(),
        Ended::Violation(found) => format!("{} violated", found.property),
        Ended::Incomplete { reason, .. } => format!("not complete ({reason})"),
    };
    let liveness = if listed.liveness { ", liveness" } else { "" };
    let mut text = format!(
        "{scope}{liveness}\n  {ended}: {} states, {} edges, depth {depth}, {rounds} rounds with {} edges, {seconds:.1} s, {} bytes a state\n",
        with_thousands(states as u64),
        with_thousands(edges),
        with_thousands(all_edges),
        bytes / states.max(1)
    );
    if let Some(expected) = listed.states.filter(|_| !is_as_listed(listed, explored)) {
        text += &format!("  the list says: complete, {} states\n", with_thousands(expected as u64));
    }
    if let Ended::Violation(found) = &explored.ended {
        text += &report::exploration_page(scope, None, found, report::page_width());
        text += "\n";
    }
    text
}

/// The bug of the core with this name.
fn core_bug(system: &SystemInfo, name: Option<&str>) -> Result<Option<Bug>, String> {
    catalog::check_bug(system, name)?;
    let Some(name) = name else { return Ok(None) };
    let of_host = || format!("{name} is a bug of the host around the core, which is not explored");
    Bug::named(name).ok_or_else(of_host).map(Some)
}

/// Replays a case. It must break its property again.
fn replay_case(system: &SystemInfo, path: &Path) -> CommandResult {
    let cannot = |reason: String| format!("{}: {reason}", display_path(path));
    let case = ExplorationCase::from_toml(&read_text(path)?).map_err(cannot)?;
    let model = CoreModel::new(case.scope, core_bug(system, case.bug.as_deref())?)?;
    let found = replay(model, &case.scope.limits, &case.trace).map_err(cannot)?;
    let Some(found) = found else {
        print(&format!("{}: the trace breaks no property\n", display_path(path)))?;
        return Ok(VIOLATION);
    };
    let page = report::exploration_page(&case.scope, case.bug.as_deref(), &found, report::page_width());
    print(&page)?;
    Ok(if found.property == case.property { SUCCESS } else { VIOLATION })
}

fn scope_of(arguments: &arguments::ExploreArgs) -> Scope {
    Scope {
        servers: arguments.servers,
        voters: arguments.voters.unwrap_or(arguments.servers),
        terms: arguments.terms,
        limits: Limits {
            timers: arguments.timers,
            proposals: arguments.proposals,
            crashes: arguments.crashes,
            changes: arguments.changes,
            reads: arguments.reads,
            transfers: arguments.transfers,
            snapshots: arguments.snapshots,
            disks: arguments.disks,
        },
        heartbeats: arguments.heartbeats,
        asynchronous: !arguments.instant_saves,
        pre_vote: arguments.pre_vote,
        check_quorum: arguments.check_quorum,
        batch: arguments.batch,
        symmetry: !arguments.no_symmetry,
        drop_dead: !arguments.keep_dead,
    }
}

fn progress_line(progress: &Progress) -> String {
    let Progress { round, states, open, depth } = *progress;
    let (states, open) = (with_thousands(states as u64), with_thousands(open as u64));
    format!("round {round}: {states} states, {open} not expanded, depth {depth}")
}

fn as_text(scope: &Scope, arguments: &arguments::ExploreArgs, explored: &Explored, seconds: f64) -> String {
    let Explored {
        states,
        edges,
        depth,
        server_states,
        server_steps,
        messages,
        rounds,
        bytes,
        paths,
        recovered,
        ..
    } = *explored;
    let number = |number: usize| with_thousands(number as u64);
    let bug = arguments.bug.as_ref().map_or(String::new(), |bug| format!(", bug {bug}"));
    let mut text = match &explored.ended {
        Ended::Complete => {
            format!(
                "{scope}{bug}\ncomplete: within this scope there is no violation, in {} states\n",
                number(states)
            )
        }
        Ended::Incomplete { depth, reason } => {
            format!("{scope}{bug}\nnot complete: {} states, depth {depth}: {reason}\n", number(states))
        }
        Ended::Violation(found) => {
            let page = report::exploration_page(scope, arguments.bug.as_deref(), found, report::page_width());
            page + "\n"
        }
    };
    text += &format!(
        "{} edges, depth {depth}, {} server states, {} server steps, {} messages, {rounds} rounds\n{seconds:.1} s, {} bytes a state, {} paths checked\n",
        with_thousands(edges),
        number(server_states),
        number(server_steps),
        number(messages),
        bytes / states.max(1),
        with_thousands(paths)
    );
    if recovered > 0 {
        text += &format!(
            "liveness: {} combinations of servers, from which a leader can commit again\n",
            number(recovered)
        );
    }
    for (property, checks) in explored.checks.iter().filter(|(_, checks)| **checks > 0) {
        text += &format!("  {property:<24} {:>12} checks\n", with_thousands(*checks));
    }
    text
}

fn as_json(
    scope: &Scope,
    arguments: &arguments::ExploreArgs,
    explored: &Explored,
    seconds: f64,
) -> serde_json::Value {
    let ended = match &explored.ended {
        Ended::Complete => json!({"result": "complete"}),
        Ended::Incomplete { depth, reason } => {
            json!({"result": "incomplete", "depth": depth, "reason": reason})
        }
        Ended::Violation(found) => json!({
            "result": "violation", "property": found.property, "sentence": found.sentence,
            "trace": found.trace.iter().map(|step| json!({"server": step.server, "from": step.from, "text": step.text})).collect::<Vec<_>>(),
        }),
    };
    json!({
        "commit": COMMIT, "scope": scope, "bug": arguments.bug, "ended": ended,
        "states": explored.states, "edges": explored.edges, "all_edges": explored.all_edges, "depth": explored.depth,
        "server_states": explored.server_states, "server_steps": explored.server_steps, "messages": explored.messages,
        "rounds": explored.rounds, "bytes": explored.bytes, "paths": explored.paths, "checks": explored.checks, "recovered": explored.recovered,
        "seconds": seconds,
    })
}
