//! Paths: the facts of a path checked against all properties, and a violation told step by step.

use super::Model;
use super::tables::{InputId, StepId, Tables};
use invariants::{Checker, Observed, Violation};
use std::collections::BTreeMap;
use std::fmt;

/// A violation and the path that leads to it.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The property.
    pub property: String,
    /// What contradicts what.
    pub sentence: String,
    /// The facts in contradiction; `None` for liveness and panics.
    pub violation: Option<Box<Violation>>,
    /// The steps, from the start.
    pub trace: Vec<TraceStep>,
    /// The facts of the start and of all steps. A fact's step is the position of its step from 1, or 0 at the start.
    pub facts: Vec<Observed>,
}

/// One step of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceStep {
    /// The server, from 1.
    pub server: u64,
    /// The sender of the message, if it is one, from 1.
    pub from: Option<u64>,
    /// The step that first sent that message.
    pub cause: u64,
    /// What happens, in words.
    pub text: String,
}

/// A line: the sender of a message, the receiver, and what happens.
impl fmt::Display for TraceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Some(from) => write!(f, "n{from} -> n{}: {}", self.server, self.text),
            None => write!(f, "n{}: {}", self.server, self.text),
        }
    }
}

/// The client that states what clients see.
const CLIENT: u64 = 1;

/// Nanoseconds between two steps of a path.
const STEP_TIME: u64 = 1_000_000;

/// The server that an input is for.
pub(super) fn server_of<M: Model>(tables: &Tables<M>, input: InputId) -> usize {
    match input.message() {
        Some(message) => tables.known_message(message).to,
        None => input.parts().0,
    }
}

/// The results of the steps on a path. Steps that are remembered are not carried out again.
pub(super) fn results<M: Model>(tables: &mut Tables<M>, inputs: &[InputId]) -> Vec<(usize, u32)> {
    let mut states: Vec<u32> = tables.starts.iter().map(|(state, _)| *state).collect();
    let mut results = Vec::with_capacity(inputs.len());
    for input in inputs {
        let server = server_of(tables, *input);
        // Only the last step may panic; it has no result.
        let StepId::At(at) = tables.step(states[server], *input) else { break };
        states[server] = tables.results[at as usize].to;
        results.push((server, at));
    }
    results
}

/// Checks the facts of a path. Adds the comparisons of its last step to `checks`.
pub(super) fn check<M: Model>(
    tables: &mut Tables<M>,
    inputs: &[InputId],
    checks: &mut BTreeMap<&'static str, u64>,
) -> Option<Found> {
    let results = results(tables, inputs);
    let mut checker = Checker::new();
    let starts = tables.starts.iter().enumerate().map(|(server, (_, facts))| (0, server, facts));
    let steps = (1..).zip(&results);
    let steps = steps.map(|(step, (server, at))| (step, *server, &tables.results[*at as usize].facts));
    let mut before: Vec<u64> = Vec::new();
    for (step, server, facts) in starts.chain(steps) {
        if step == inputs.len() as u64 {
            before = checker.checks().map(|(_, count)| count).collect();
        }
        for fact in facts {
            if let Err(violation) = checker.observe(&observed(step, server, fact)) {
                let (property, sentence) = (violation.property, violation.conflict.to_string());
                let inputs = &inputs[..step as usize];
                return Some(found(tables, inputs, property, sentence, Some(violation)));
            }
        }
    }
    for ((property, count), before) in checker.checks().zip(before) {
        *checks.entry(property).or_default() += count - before;
    }
    None
}

fn observed(step: u64, server: usize, fact: &invariants::Fact) -> Observed {
    let node = if fact.is_about_server() { server as u64 + 1 } else { CLIENT };
    Observed { at: step * STEP_TIME, step, node, fact: fact.clone() }
}

/// A violation at the end of a path.
pub(super) fn found<M: Model>(
    tables: &mut Tables<M>,
    inputs: &[InputId],
    property: &str,
    sentence: String,
    violation: Option<Box<Violation>>,
) -> Found {
    let results = results(tables, inputs);
    let mut facts = Vec::new();
    for (server, (_, stated)) in tables.starts.iter().enumerate() {
        facts.extend(stated.iter().map(|fact| observed(0, server, fact)));
    }
    let mut sent: BTreeMap<u32, (u64, usize)> = BTreeMap::new();
    let mut trace = Vec::new();
    for (step, input) in (1..).zip(inputs) {
        let server = server_of(tables, *input);
        let (from, cause, text) = match input.message() {
            Some(message) => {
                let (cause, from) = sent[&message];
                let text = tables.known_message(message).message.to_string();
                (Some(from as u64 + 1), cause, text)
            }
            None => {
                let (_, code, number, _) = input.parts();
                (None, 0, tables.model.describe(code, number))
            }
        };
        trace.push(TraceStep { server: server as u64 + 1, from, cause, text });
        let Some((_, at)) = results.get(step as usize - 1) else { break };
        let result = &tables.results[*at as usize];
        facts.extend(result.facts.iter().map(|fact| observed(step, server, fact)));
        for message in &result.messages {
            sent.entry(*message).or_insert((step, server));
        }
    }
    Found { property: property.to_owned(), sentence, violation, trace, facts }
}
