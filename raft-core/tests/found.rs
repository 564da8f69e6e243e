//! What was found in the core and is not mended yet: these fail.

mod table;

use raft_core::{Index, Input, Instant, LogId, Message, NodeId, Term};
use table::Table;

/// A server yields to one that has more, whatever term that one asks for. A late or doubled letter of a candidacy that
/// is long over puts off the next election as well, and so does each further copy.
#[test]
fn a_request_of_a_past_term_does_not_put_off_an_election() {
    let mut t = Table::of(3);
    t.elect(1);
    t.elect(2);
    t.elect(1);
    let mut raft = t.raft(2).clone();
    let due = raft.deadline();
    let last = LogId { index: Index(9), term: Term(1) };
    let message =
        Message::RequestVote { term: Term(1), last: LogId { term: Term(9), ..last }, transfer: false };
    let input = Input::Message { from: NodeId(3), message };
    raft.step(Instant(t.server(2).now), input, &mut Vec::new());
    assert_eq!(raft.term(), Term(3));
    assert_eq!(raft.deadline(), due, "the letter is of term 1");
}
