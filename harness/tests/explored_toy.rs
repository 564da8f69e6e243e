//! Any server can be explored: a toy that elects one primary by asking all others, with a bug or without.
#![cfg(feature = "explore")]

use harness::explore::search::Settings;
use harness::explore::{Budget, Ended, Event, Explored, Input, Limits, Model, Renaming, Step, explore};
use invariants::Fact;
use std::fmt;

/// Elections of a term in which every server must agree.
struct Toy {
    bug: Option<ToyBug>,
}

#[derive(Clone, Copy, PartialEq)]
enum ToyBug {
    /// A server grants the term to two.
    GrantsTwice,
    /// A server that leads goes back to an older term for a moment when it is granted the term again.
    Slips,
}

const SERVERS: usize = 3;

#[derive(Clone, Default)]
struct ToyServer {
    number: usize,
    /// The server that it has granted the term to.
    granted: Option<usize>,
    /// The servers that have granted the term to it.
    votes: Vec<usize>,
    leads: bool,
}

#[derive(Clone, Copy)]
struct ToyMessage {
    from: usize,
    to: usize,
    asks: bool,
}

impl fmt::Display for ToyMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.asks { "may I lead?" } else { "you may" })
    }
}

impl ToyServer {
    fn send(&self, to: usize, asks: bool) -> (usize, ToyMessage) {
        (to, ToyMessage { from: self.number, to, asks })
    }

    fn count(&mut self, voter: usize, facts: &mut Vec<Fact>) {
        if !self.votes.contains(&voter) {
            self.votes.push(voter);
            self.votes.sort_unstable();
        }
        if self.votes.len() == SERVERS && !self.leads {
            self.leads = true;
            facts.push(Fact::Leads { term: 1 });
        }
    }
}

impl Model for Toy {
    type State = ToyServer;
    type Message = ToyMessage;

    fn servers(&self) -> usize {
        SERVERS
    }

    fn start(&self, server: usize) -> Step<Toy> {
        let state = ToyServer { number: server, ..ToyServer::default() };
        Step { state, messages: Vec::new(), facts: Vec::new() }
    }

    fn events(&self, server: &ToyServer, events: &mut Vec<Event>) {
        if server.granted.is_none() {
            events.push(Event { code: 0, limit: None });
        }
    }

    fn step(&self, server: &ToyServer, input: Input<'_, ToyMessage>) -> Option<Step<Toy>> {
        let (mut state, mut messages, mut facts) = (server.clone(), Vec::new(), Vec::new());
        match input {
            Input::Event { .. } => {
                state.granted = Some(state.number);
                state.count(state.number, &mut facts);
                let others = (0..SERVERS).filter(|other| *other != state.number);
                messages.extend(others.map(|other| state.send(other, true)));
            }
            Input::Message(message) if message.asks => {
                if state
                    .granted
                    .is_none_or(|granted| granted == message.from || self.bug == Some(ToyBug::GrantsTwice))
                {
                    state.granted = Some(message.from);
                    messages.push(state.send(message.from, false));
                }
            }
            Input::Message(_) if state.leads && self.bug == Some(ToyBug::Slips) => {
                facts.extend([2, 1].map(|term| Fact::TermChanged { term }));
            }
            Input::Message(message) => state.count(message.from, &mut facts),
        }
        Some(Step { state, messages, facts })
    }

    fn key(&self, server: &ToyServer, renaming: &Renaming, words: &mut Vec<u32>) {
        let ToyServer { number: _, granted, votes, leads } = server;
        words.extend([granted.map_or(0, |granted| renaming.of(granted) as u32 + 1), u32::from(*leads)]);
        let mut votes: Vec<u32> = votes.iter().map(|voter| renaming.of(*voter) as u32).collect();
        votes.sort_unstable();
        words.extend(votes);
    }

    fn message_key(&self, message: &ToyMessage, renaming: &Renaming, words: &mut Vec<u32>) {
        words.extend([renaming.of(message.from) as u32, u32::from(message.asks)]);
    }

    fn view(&self, server: &ToyServer, words: &mut Vec<u32>) {
        words.push(server.leads.into());
    }

    fn renamed(&self, message: &ToyMessage, renaming: &Renaming) -> Option<ToyMessage> {
        let ToyMessage { from, to, asks } = *message;
        Some(ToyMessage { from: renaming.of(from), to: renaming.of(to), asks })
    }

    fn describe(&self, _code: u32, _number: u32) -> String {
        "it wants to lead".into()
    }
}

fn explored(bug: Option<ToyBug>, renamings: Vec<Renaming>, drop_dead: bool) -> Explored {
    let budget = Budget { states: 100_000, bytes: 1 << 28 };
    let settings = Settings { limits: Limits::default(), drop_dead, liveness: false, budget };
    explore(Toy { bug }, renamings, &settings, &mut |_| true)
}

#[test]
fn a_toy_is_explored_completely() {
    let all = || Renaming::all_within(SERVERS, |_| 0);
    let one = || vec![Renaming::identity(SERVERS)];
    let full = explored(None, one(), false);
    assert_eq!(full.ended, Ended::Complete);
    // Who was asked shows in the state of the one who asks: that a message is gone merges nothing.
    assert_eq!(explored(None, one(), true).states, full.states);
    for drop_dead in [false, true] {
        let reduced = explored(None, all(), drop_dead);
        assert_eq!(reduced.ended, Ended::Complete);
        assert!(reduced.states < full.states && reduced.states * 6 >= full.states, "{}", reduced.states);
    }
}

#[test]
fn a_toy_with_a_bug_elects_two() {
    let Ended::Violation(found) =
        explored(Some(ToyBug::GrantsTwice), Renaming::all_within(SERVERS, |_| 0), true).ended
    else {
        panic!("two servers must lead")
    };
    assert_eq!(found.property, "election-safety");
    // Two ask; each is granted by the two others, and receives both grants.
    assert_eq!(found.trace.len(), 10, "{:#?}", found.trace);
}

/// A step that breaks a property and changes nothing is looked at, although it was asked before whether its message is dead.
#[test]
fn a_step_that_leads_back_is_checked() {
    for drop_dead in [false, true] {
        let all = Renaming::all_within(SERVERS, |_| 0);
        let Ended::Violation(found) = explored(Some(ToyBug::Slips), all, drop_dead).ended else {
            panic!("it goes back to an older term")
        };
        assert_eq!(found.property, "monotonic-term");
    }
}
