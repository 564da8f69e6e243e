//! What the tests found in the core and what is not mended yet. Each of these fails until it is.

mod table;

use table::Table;

/// A read that came before the leader's first own entry was committed waits until somebody looks again. Only answers
/// from followers make the leader look; where the commit index moves because the leader's own write is durable,
/// nobody does.
#[test]
fn an_early_read_is_answered_where_there_are_no_followers() {
    let mut t = Table::of(1);
    t.slow_disk(1);
    t.time_out(1);
    t.sync(1);
    t.read(1, "early");
    t.sync(1);
    for _ in 0..20 {
        t.fire(1);
    }
    assert_eq!(t.unanswered(), [] as [&str; 0], "nobody answers\n{}", t.transcript());
}

/// The same with followers: the read could leave when the own write is durable, and waits for a heartbeat instead.
#[test]
fn an_early_read_starts_its_round_once_the_own_write_is_durable() {
    let mut t = Table::of(3);
    t.slow_disk(1);
    t.time_out(1);
    t.sync(1);
    t.hold(1, 3);
    t.deliver_all();
    t.read(1, "early");
    assert_eq!(t.raft(1).commit().0, 0, "one follower and no own write are no majority");
    t.sync(1);
    assert_eq!(t.raft(1).commit().0, 1);
    t.deliver_all();
    assert_eq!(t.unanswered(), [] as [&str; 0], "nobody asks the followers\n{}", t.transcript());
}
