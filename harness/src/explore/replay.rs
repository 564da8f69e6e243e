//! Replays a trace line by line.

use super::liveness;
use super::scope::Limits;
use super::tables::{InputId, StepId, Tables};
use super::trace::{self, Found, TraceStep};
use super::{Model, Renaming};
use crate::outcome::NO_PANIC;
use std::collections::BTreeMap;

/// Replays a trace: each line is a step as [`TraceStep`] is displayed. Returns the violation, if there is one.
///
/// # Errors
/// A line is not a step that can be taken there.
pub fn replay<M: Model>(model: M, limits: &Limits, lines: &[String]) -> Result<Option<Found>, String> {
    let servers = model.servers();
    let mut tables = Tables::new(model, vec![Renaming::identity(servers)]);
    let mut replay = Replay {
        servers: tables.starts.iter().map(|(state, _)| *state).collect(),
        sent: Vec::new(),
        counts: 0,
        inputs: Vec::new(),
    };
    for (number, line) in (1..).zip(lines) {
        let Some((input, counts)) = replay.find(&mut tables, limits, line) else {
            return Err(format!("step {number} of {} cannot be taken there: {line}", lines.len()));
        };
        replay.inputs.push(input);
        replay.counts = counts;
        let server = trace::server_of(&tables, input);
        match tables.step(replay.servers[server], input) {
            StepId::NoEffect | StepId::OutOfScope => {}
            StepId::Panics(at) => {
                let sentence = tables.panics[at as usize].to_string();
                return Ok(Some(trace::found(&mut tables, &replay.inputs, NO_PANIC, sentence, None)));
            }
            StepId::At(at) => {
                let result = &tables.results[at as usize];
                replay.servers[server] = result.to;
                replay.sent.extend(result.messages.iter().map(|message| (*message, server)));
            }
        }
    }
    let violation = trace::check(&mut tables, &replay.inputs, &mut BTreeMap::new());
    Ok(violation.or_else(|| liveness::check(&mut tables, &replay.servers, &replay.inputs)))
}

/// A trace that is being replayed.
struct Replay {
    servers: Vec<u32>,
    /// The messages sent so far, each with its sender.
    sent: Vec<(u32, usize)>,
    counts: u32,
    inputs: Vec<InputId>,
}

impl Replay {
    /// The step that a line means and has an effect, and the counts after it.
    fn find<M: Model>(&self, tables: &mut Tables<M>, limits: &Limits, line: &str) -> Option<(InputId, u32)> {
        let mut candidates = Vec::new();
        for (message, from) in &self.sent {
            let known = tables.known_message(*message);
            let (server, from) = (known.to as u64 + 1, Some(*from as u64 + 1));
            let step = TraceStep { server, from, cause: 0, text: known.message.to_string() };
            candidates.push((InputId(*message), self.counts, step));
        }
        let known = self.servers.iter().map(|state| tables.known_state(*state).known).max().unwrap_or(0);
        for (server, state) in self.servers.iter().enumerate() {
            for event in &tables.known_state(*state).events {
                let input = InputId::event(server, *event, self.counts, known);
                let (_, code, number, _) = input.parts();
                let text = tables.model.describe(code, number);
                let step = TraceStep { server: server as u64 + 1, from: None, cause: 0, text };
                let counts = match event.limit {
                    Some(limit) if limits.of(limit) < 15 => limit.use_once(self.counts),
                    _ => self.counts,
                };
                candidates.push((input, counts, step));
            }
        }
        candidates.retain(|(_, _, step)| step.to_string() == line);
        let mut effective = candidates.into_iter().filter(|(input, _, _)| {
            let server = trace::server_of(tables, *input);
            matches!(tables.step(self.servers[server], *input), StepId::At(_) | StepId::Panics(_))
        });
        effective.next().map(|(input, counts, _)| (input, counts))
    }
}
