//! Whatever happens in whatever order: nothing that must never be, ever is; and once it is quiet, things move.

mod table;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use raft_core::{ConfChange, ConfChangeOp, Config, Configuration, DirectoryId, Input, NodeId, Timestamp};
use table::Table;

/// One thing that happens. The numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Event {
    Deliver(usize),
    DeliverAll,
    Lose(usize),
    Duplicate(usize),
    Fire(u64),
    FireEarly(u64),
    Pause(u64, u64),
    Propose(u64),
    Read(u64),
    Sync(u64, usize),
    Slow(u64),
    Fast(u64),
    Cut(u64, u64),
    Heal,
    Crash(u64),
    PowerLoss(u64, usize),
    Restart(u64),
    ConfChange(u64, ConfChange),
    Transfer(u64, u64),
    ProposeToLeader,
    ChangeByLeader(ConfChange),
    TransferByLeader(u64),
    CopyState(u64),
    Compact(u64, u64),
    CompactByLeader(u64),
    DiskError(u64),
    Wipe(u64),
    Readmit(u64),
    Gather(u64),
    GatherAtLeader,
    StepGathered(u64),
}

/// A step names anybody: its number is taken modulo what there is when it is asked for.
fn step() -> impl Strategy<Value = ConfChangeOp> {
    let node = (0..6_u64).prop_map(NodeId);
    prop_oneof![
        4 => node.clone().prop_map(ConfChangeOp::AddVoter),
        2 => node.clone().prop_map(ConfChangeOp::AddLearner),
        3 => node.prop_map(ConfChangeOp::Remove),
    ]
}

fn change() -> impl Strategy<Value = ConfChange> {
    prop_oneof![
        4 => step().prop_map(|step| ConfChange::Auto(vec![step])),
        4 => vec(step(), 1..5).prop_map(ConfChange::Auto),
        2 => vec(step(), 0..4).prop_map(ConfChange::ExplicitJoint),
        3 => Just(ConfChange::LeaveJoint),
    ]
}

/// What happens to a group whose logs are compacted, and whose disks fail.
fn wear() -> impl Strategy<Value = Event> {
    let node = 0..30_u64;
    prop_oneof![
        100 => events(),
        25 => Just(Event::ProposeToLeader),
        8 => Just(Event::DeliverAll),
        12 => (0..3_u64).prop_map(Event::CompactByLeader),
        5 => (node.clone(), 0..5_u64).prop_map(|(node, trailing)| Event::Compact(node, trailing)),
        15 => node.clone().prop_map(Event::Read),
        4 => node.clone().prop_map(Event::CopyState),
        4 => node.clone().prop_map(Event::Restart),
        2 => Just(Event::Heal),
        1 => node.prop_map(Event::DiskError),
    ]
}

/// All of it.
fn anything() -> impl Strategy<Value = Event> {
    let node = 0..6_u64;
    prop_oneof![
        60 => wear(),
        60 => churn(),
        2 => node.clone().prop_map(Event::Wipe),
        6 => node.prop_map(Event::Readmit),
    ]
}

/// What happens to a group whose servers take one step for all that has come since they last looked.
fn gathered() -> impl Strategy<Value = Event> {
    let node = 0..6_u64;
    prop_oneof![
        60 => wear(),
        40 => churn(),
        12 => node.clone().prop_map(Event::Gather),
        6 => Just(Event::GatherAtLeader),
        10 => node.prop_map(Event::StepGathered),
    ]
}

/// What happens to a group that changes.
fn churn() -> impl Strategy<Value = Event> {
    let node = 0..6_u64;
    prop_oneof![
        130 => events(),
        6 => Just(Event::ProposeToLeader),
        14 => change().prop_map(Event::ChangeByLeader),
        2 => (node.clone(), change()).prop_map(|(node, change)| Event::ConfChange(node, change)),
        4 => node.clone().prop_map(Event::TransferByLeader),
        1 => (node.clone(), node).prop_map(|(node, to)| Event::Transfer(node, to)),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let node = 0..30_u64;
    prop_oneof![
        40 => (0..64_usize).prop_map(Event::Deliver),
        20 => Just(Event::Deliver(0)),
        3 => (0..64_usize).prop_map(Event::Lose),
        3 => (0..64_usize).prop_map(Event::Duplicate),
        8 => node.clone().prop_map(Event::Fire),
        2 => node.clone().prop_map(Event::FireEarly),
        2 => (node.clone(), 1..600_u64).prop_map(|(node, pause)| Event::Pause(node, pause)),
        12 => node.clone().prop_map(Event::Propose),
        5 => node.clone().prop_map(Event::Read),
        12 => (node.clone(), 1..4_usize).prop_map(|(node, count)| Event::Sync(node, count)),
        2 => node.clone().prop_map(Event::Slow),
        1 => node.clone().prop_map(Event::Fast),
        1 => (node.clone(), node.clone()).prop_map(|(a, b)| Event::Cut(a, b)),
        1 => Just(Event::Heal),
        1 => node.clone().prop_map(Event::Crash),
        2 => (node.clone(), 0..3_usize).prop_map(|(node, kept)| Event::PowerLoss(node, kept)),
        5 => node.prop_map(Event::Restart),
    ]
}

/// Lets one thing happen, if it can.
fn happen(table: &mut Table, event: &Event, count: &mut u64) {
    let nodes = table.servers.len() as u64;
    let id = |node: u64| node % nodes + 1;
    let envelope = |number: usize| number % table.letters.len().max(1);
    match *event {
        Event::Deliver(number) if !table.letters.is_empty() => table.deliver_at(envelope(number)),
        Event::Lose(number) if !table.letters.is_empty() => {
            table.letters.remove(envelope(number));
        }
        Event::Duplicate(number) if !table.letters.is_empty() => {
            let copy = table.letters[envelope(number)].clone();
            table.letters.push_back(copy);
        }
        Event::Deliver(_) | Event::Lose(_) | Event::Duplicate(_) => {}
        Event::DeliverAll => table.deliver_all(),
        Event::Heal => table.heal(),
        Event::Cut(a, b) => table.cut_link(id(a), id(b)),
        Event::Slow(node) => table.slow_disk(id(node)),
        Event::Restart(node) if !table.is_up(id(node)) => table.restart(id(node)),
        Event::Restart(_) => {}
        Event::Fire(node)
        | Event::FireEarly(node)
        | Event::Pause(node, _)
        | Event::Propose(node)
        | Event::Read(node)
        | Event::Sync(node, _)
        | Event::Fast(node)
        | Event::Crash(node)
        | Event::PowerLoss(node, _)
        | Event::ConfChange(node, _)
        | Event::Transfer(node, _)
        | Event::CopyState(node)
        | Event::Compact(node, _)
        | Event::DiskError(node)
        | Event::Gather(node)
        | Event::StepGathered(node)
            if !table.is_up(id(node)) => {}
        Event::Fire(node) if table.raft(id(node)).is_halted() => {}
        Event::Fire(node) => table.fire(id(node)),
        Event::FireEarly(node) => nothing_is_early(table, id(node)),
        Event::Pause(node, pause) => table.pause(id(node), pause),
        Event::Propose(node) => {
            *count += 1;
            table.propose(id(node), &format!("x={count}"));
        }
        Event::Read(node) => {
            *count += 1;
            table.read(id(node), &format!("r{count}"));
        }
        Event::Sync(node, writes) => table.sync_up_to(id(node), writes),
        Event::Fast(node) => table.fast_disk(id(node)),
        Event::Crash(node) => table.crash(id(node)),
        Event::PowerLoss(node, kept) => table.power_loss_but(id(node), kept),
        // Whoever removes the living while a dead one is counted may leave no majority.
        Event::ConfChange(_, ref change) if *change != ConfChange::LeaveJoint && knows_the_dead(table) => {}
        Event::ConfChange(node, ref change) => table.change(id(node), named(change, table)),
        Event::Transfer(node, to) => table.transfer(id(node), id(to)),
        Event::CopyState(node) => table.copy_state(id(node)),
        Event::Compact(node, trailing) => table.compact(id(node), trailing),
        Event::DiskError(node) => table.fail_disk(id(node)),
        Event::Wipe(node) => wipe(table, id(node)),
        Event::Readmit(node) => readmit(table, id(node)),
        Event::Gather(node) => table.gather(id(node)),
        Event::StepGathered(node) => {
            table.step_gathered(id(node));
        }
        Event::ProposeToLeader
        | Event::GatherAtLeader
        | Event::ChangeByLeader(_)
        | Event::TransferByLeader(_)
        | Event::CompactByLeader(_) => {
            let Some(leader) = newest_leader(table) else { return };
            let event = match event {
                Event::ChangeByLeader(change) => Event::ConfChange(leader - 1, change.clone()),
                Event::TransferByLeader(to) => Event::Transfer(leader - 1, *to),
                Event::GatherAtLeader => Event::Gather(leader - 1),
                Event::CompactByLeader(trailing) => Event::Compact(leader - 1, *trailing),
                _ => Event::Propose(leader - 1),
            };
            happen(table, &event, count);
        }
    }
}

/// A change that names only who is there, and in the life in which it is.
fn named(change: &ConfChange, table: &Table) -> ConfChange {
    let name = |step: &ConfChangeOp| -> Vec<ConfChangeOp> {
        let id = |NodeId(node): NodeId| NodeId(node % table.servers.len() as u64 + 1);
        let life = |node: NodeId| match table.peer(node.0).directory_id {
            DirectoryId(0) => None,
            life => Some(ConfChangeOp::SetDirectoryId(node, life)),
        };
        match *step {
            ConfChangeOp::AddVoter(node) => {
                life(id(node)).into_iter().chain([ConfChangeOp::AddVoter(id(node))]).collect()
            }
            ConfChangeOp::AddLearner(node) => {
                life(id(node)).into_iter().chain([ConfChangeOp::AddLearner(id(node))]).collect()
            }
            ConfChangeOp::Remove(node) => vec![ConfChangeOp::Remove(id(node))],
            ConfChangeOp::SetDirectoryId(node, life) => vec![ConfChangeOp::SetDirectoryId(id(node), life)],
        }
    };
    match change {
        ConfChange::Auto(steps) => ConfChange::Auto(steps.iter().flat_map(name).collect()),
        ConfChange::ExplicitJoint(steps) => ConfChange::ExplicitJoint(steps.iter().flat_map(name).collect()),
        ConfChange::LeaveJoint => ConfChange::LeaveJoint,
    }
}

/// Wipes a disk, if the group can live with that: of all who belong to it, in any log and in either half, a majority
/// must be in the life that it knows.
fn wipe(table: &mut Table, id: u64) {
    let drawn = table.peer(id).directory_id != DirectoryId(0);
    if !drawn || table.nodes().any(|other| !table.is_up(other) || table.raft(other).is_halted()) {
        return;
    }
    let lives = |configuration: &Configuration| {
        configuration.is_quorum(|node| node.0 != id && table.peer(node.0) == configuration.replica(node))
    };
    let all = |id: u64| table.raft(id).log().configurations().iter().all(|(_, known)| lives(known));
    if table.nodes().all(all) {
        table.power_loss(id);
        table.wipe(id);
    }
}

/// Whether somebody counts on a life that is over.
fn knows_the_dead(table: &Table) -> bool {
    let up = table.nodes().filter(|&id| table.is_up(id));
    let groups = up.flat_map(|id| table.raft(id).log().configurations());
    groups
        .into_iter()
        .any(|(_, group)| group.members().iter().any(|&node| table.peer(node.0) != group.replica(node)))
}

/// A server that came back as another life is removed, or taken in again.
fn readmit(table: &mut Table, id: u64) {
    let Some(leader) = newest_leader(table) else { return };
    let (peer, group) = (table.peer(id), table.raft(leader).configuration().clone());
    let node = NodeId(id);
    if group.is_member(node) && group.replica(node) != peer {
        table.change_steps(leader, &[ConfChangeOp::Remove(node)]);
    } else if !group.is_member(node) && peer.directory_id != DirectoryId(0) && !knows_the_dead(table) {
        table.change_steps(
            leader,
            &[ConfChangeOp::SetDirectoryId(node, peer.directory_id), ConfChangeOp::AddVoter(node)],
        );
    }
}

/// A timer that rings before it is due does nothing, as `Input::Timer` says.
fn nothing_is_early(table: &Table, id: u64) {
    let (before, now) = (table.raft(id), Timestamp(table.server(id).now));
    if before.deadline().is_some_and(|due| now < due) {
        let (mut after, mut effects) = (before.clone(), Vec::new());
        after.step(now, Input::Timer, &mut effects);
        assert_eq!((effects, &after), (Vec::new(), before), "n{id} did something before it was due");
    }
}

/// All is well again: everybody runs, reaches everybody, and time passes for all alike.
fn settle(table: &mut Table) {
    table.heal();
    for id in table.nodes() {
        if table.is_up(id) {
            table.step_gathered(id);
        }
        if table.is_up(id) && table.raft(id).is_halted() {
            table.crash(id);
        }
        if !table.is_up(id) {
            table.restart(id);
        }
        table.fast_disk(id);
    }
    table.deliver_all();
    live(table, |table| newest_leader(table).is_some(), "nobody was elected");
    live(table, |table| table.unanswered().is_empty(), "an old request stays unanswered");
    bury(table);
    live(table, |table| newest_leader(table).is_some(), "nobody was elected again");
    let leader = newest_leader(table).expect("just elected");
    table.propose(leader, "fresh");
    table.read(leader, "fresh read");
    table.deliver_all();
    live(table, |table| table.unanswered().is_empty(), "a request stays unanswered");
    live(table, has_converged, "somebody does not catch up");
    let leader = newest_leader(table).expect("somebody leads those who have converged");
    for NodeId(id) in table.raft(leader).configuration().members() {
        assert_eq!(table.server(id).state, table.server(leader).state, "n{id} and n{leader} differ");
    }
}

/// Whoever is known in a life that is over is removed.
fn bury(table: &mut Table) {
    let dead = |table: &Table, leader: u64| -> Option<u64> {
        let group = table.raft(leader).configuration().clone();
        group
            .members()
            .into_iter()
            .map(|NodeId(id)| id)
            .find(|&id| group.replica(NodeId(id)) != table.peer(id))
    };
    for _ in 0..20 {
        let settled = |table: &Table| {
            newest_leader(table)
                .is_some_and(|id| table.raft(id).commit_index() == table.raft(id).last().index)
        };
        live(table, settled, "nobody leads those who are left");
        let leader = newest_leader(table).expect("just elected");
        let Some(id) = dead(table, leader) else { return };
        match table.raft(leader).configuration().is_joint() {
            true => table.change(leader, ConfChange::LeaveJoint),
            false => readmit(table, id),
        }
        table.deliver_all();
        live(table, |table| table.unanswered().is_empty(), "a removal stays unanswered");
    }
    panic!("the dead still belong to the group\n{}", table.transcript());
}

/// Everybody who belongs to the group has applied all that the leader's log has.
fn has_converged(table: &Table) -> bool {
    newest_leader(table).is_some_and(|leader| {
        let leader = table.raft(leader);
        leader
            .configuration()
            .members()
            .iter()
            .all(|node| table.raft(node.0).last_applied() >= leader.last().index)
    })
}

fn newest_leader(table: &Table) -> Option<u64> {
    let leaders = table.nodes().filter(|&id| table.is_up(id) && table.raft(id).is_leader());
    leaders.max_by_key(|&id| table.raft(id).term())
}

/// Time passes, letters arrive at once, until it is so.
fn live(table: &mut Table, is_so: impl Fn(&Table) -> bool, otherwise: &str) {
    for _ in 0..200 {
        if is_so(table) {
            return;
        }
        let due = |id: u64| table.raft(id).deadline().expect("always").0.saturating_sub(table.server(id).now);
        let (passed, next) = table.nodes().map(|id| (due(id), id)).min().expect("somebody");
        table.elapse(passed);
        table.fire(next);
        table.deliver_all();
    }
    table.show();
    panic!("{otherwise}\n{}", table.transcript());
}

/// What may be switched on or off.
#[derive(Clone, Copy, Debug)]
struct Setup {
    pre_vote: bool,
    check_quorum: bool,
    forward: bool,
    /// Whether bytes are few as well.
    narrow: bool,
    /// By how many millionths clocks may be wrong, and by how many sixteenths of that each is.
    lease: Option<(u32, [i64; 6])>,
    directory_ids: bool,
}

fn setups() -> impl Strategy<Value = Setup> {
    any::<(bool, bool)>().prop_map(|(pre_vote, check_quorum)| Setup {
        pre_vote,
        check_quorum,
        forward: false,
        narrow: false,
        lease: None,
        directory_ids: false,
    })
}

fn all_setups() -> impl Strategy<Value = Setup> {
    let drift = prop_oneof![Just(1_u32), 1..500_000_u32];
    let lease =
        proptest::option::of((drift, prop::array::uniform6(prop_oneof![Just(-16), -16..17_i64, Just(16)])));
    (setups(), any::<(bool, bool, bool)>(), lease).prop_map(
        |(setup, (forward, narrow, directory_ids), lease)| Setup {
            check_quorum: setup.check_quorum || lease.is_some(),
            forward,
            narrow,
            lease,
            directory_ids,
            ..setup
        },
    )
}

fn table(founders: u64, nodes: u64, setup: Setup) -> Table {
    let first_life = |id: NodeId| DirectoryId(if setup.directory_ids { id.0 } else { 0 });
    let mut table = Table::founded_by(founders, nodes, |config| {
        let Config { id, voters, .. } = config;
        let directory_ids = voters.iter().map(|&voter| (voter, first_life(voter)));
        *config = Config {
            directory_id: first_life(*id),
            directory_ids: directory_ids.filter(|(_, life)| *life != DirectoryId(0)).collect(),
            pre_vote: setup.pre_vote,
            check_quorum: setup.check_quorum,
            forward: setup.forward,
            lease_drift: setup.lease.map(|(drift, _)| drift),
            max_batch_entries: 2,
            max_in_flight_messages: 2,
            ..config.clone()
        };
        if setup.narrow {
            config.max_batch_bytes = 5;
            config.max_in_flight_bytes = 7;
            config.max_uncommitted_bytes = 20 + 3 * raft_core::log::ENTRY_COST;
            config.max_chunk_bytes = 3;
        }
    });
    if let Some((drift, rates)) = setup.lease {
        table.together = true;
        for (id, rate) in table.nodes().zip(rates) {
            table.server_mut(id).rate = i64::from(drift) * rate / 16;
        }
    }
    table
}

fn run(founders: u64, nodes: u64, setup: Setup, schedule: &[Event]) {
    let mut table = table(founders, nodes, setup);
    let mut count = 0;
    for event in schedule {
        happen(&mut table, event, &mut count);
    }
    settle(&mut table);
}

/// A fixed seed, so that a test that passed passes again; but `PROPTEST_CASES=100000` goes hunting.
fn chance(cases: u32) -> ProptestConfig {
    let usual =
        ProptestConfig { failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => usual,
        None => ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..usual },
    }
}

proptest! {
    #![proptest_config(chance(400))]

    #[test]
    fn three_servers_keep_their_promises(setup in setups(), schedule in vec(events(), 0..400)) {
        run(3, 3, setup, &schedule);
    }

    #[test]
    fn five_servers_keep_their_promises(setup in setups(), schedule in vec(events(), 0..500)) {
        run(5, 5, setup, &schedule);
    }

    #[test]
    fn even_and_single_groups_keep_their_promises(
        nodes in prop_oneof![Just(1_u64), Just(2), Just(4)],
        setup in setups(),
        schedule in vec(events(), 0..300),
    ) {
        run(nodes, nodes, setup, &schedule);
    }

    #[test]
    fn groups_that_change_keep_their_promises(
        founders in 1..6_u64,
        spares in 0..4_u64,
        setup in setups(),
        led: bool,
        schedule in vec(churn(), 0..500),
    ) {
        let first = led.then_some([Event::Fire(0), Event::DeliverAll]);
        let schedule: Vec<Event> = first.into_iter().flatten().chain(schedule).collect();
        run(founders, 6.min(founders + spares), setup, &schedule);
    }

    #[test]
    fn groups_that_compact_keep_their_promises(
        nodes in prop_oneof![1 => Just(1_u64), 1 => Just(2), 8 => Just(3), 3 => Just(5)],
        setup in all_setups(),
        schedule in vec(wear(), 0..400),
    ) {
        let setup = Setup { directory_ids: false, ..setup };
        let first = [Event::Fire(0), Event::DeliverAll, Event::Fire(0), Event::DeliverAll];
        let schedule: Vec<Event> = first.into_iter().chain(schedule).collect();
        run(nodes, nodes, setup, &schedule);
    }

    /// Whoever takes one step for much keeps what it would have kept in many.
    #[test]
    fn groups_that_gather_keep_their_promises(
        founders in 1..6_u64,
        spares in 0..2_u64,
        setup in all_setups(),
        schedule in vec(gathered(), 0..500),
    ) {
        let setup = Setup { directory_ids: false, ..setup };
        let first = [Event::Fire(0), Event::DeliverAll];
        let schedule: Vec<Event> = first.into_iter().chain(schedule).collect();
        run(founders, 6.min(founders + spares), setup, &schedule);
    }

    #[test]
    fn groups_to_which_anything_happens_keep_their_promises(
        founders in 1..6_u64,
        spares in 0..4_u64,
        setup in all_setups(),
        schedule in vec(anything(), 0..500),
    ) {
        let first = [Event::Fire(0), Event::DeliverAll];
        let schedule: Vec<Event> = first.into_iter().chain(schedule).collect();
        run(founders, 6.min(founders + spares), setup, &schedule);
    }

    /// A server is a value: of two that are equal, neither can do what the other does not.
    #[test]
    fn a_clone_does_the_same_for_ever(
        setup in setups(),
        before in vec(churn(), 0..200),
        after in vec(churn(), 0..200),
    ) {
        let (mut table, mut count) = (table(3, 4, setup), 0);
        for event in &before {
            happen(&mut table, event, &mut count);
        }
        let (mut twin, mut twin_count) = (table.clone(), count);
        for event in &after {
            happen(&mut table, event, &mut count);
        }
        for event in &after {
            happen(&mut twin, event, &mut twin_count);
        }
        prop_assert_eq!(twin.transcript(), table.transcript());
        for id in table.nodes() {
            prop_assert_eq!(&twin.server(id).raft, &table.server(id).raft);
        }
    }
}
