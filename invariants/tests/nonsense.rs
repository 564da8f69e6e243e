//! Random streams of facts that no Raft would record. The checker may give any verdict, but must not panic.

use invariants::{
    Checker, ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, ConfirmedBy, Digest, Fact, LogId,
    Observed, PROPERTIES, RejectionReason, RequestId, SessionOutcome, SessionUse,
};
use proptest::prelude::*;

/// Small numbers that collide, and sometimes one so large that allocating it would fail.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![30 => 0..5u64, 1 => Just(u64::MAX), 1 => Just(1 << 40)]
}

/// Small numbers are often those of sessions that exist.
fn session_use(x: u64, y: u64, z: u64) -> Option<SessionUse> {
    let outcome = match x % 6 {
        0 => return None,
        1 => SessionOutcome::Registered,
        2 => SessionOutcome::Fresh,
        3 => SessionOutcome::Repeated,
        4 => SessionOutcome::Forgotten,
        _ => SessionOutcome::Expired,
    };
    Some(SessionUse { outcome, log_time: y, mark: z })
}

fn fact() -> impl Strategy<Value = Fact> {
    (0..47u8, number(), number(), number(), any::<bool>()).prop_map(|(kind, x, y, z, yes)| {
        let request = RequestId { session: y, sequence: z };
        let last = LogId { index: x, term: y };
        let configuration = Box::new(Configuration {
            voters: (1..x % 5).collect(),
            joint: (y % 5..3).collect(),
            further: if z == 3 { vec![vec![x % 4, y]] } else { vec![] },
            learners: vec![],
            digest: yes.then_some(Digest(z)),
        });
        match kind {
            0 => Fact::Started {
                term: z,
                vote: yes.then_some(z),
                base: if y % 2 == 0 { LogId::default() } else { LogId { index: z, term: y } },
                last,
                digest: Digest(0),
            },
            1 => Fact::TermChanged { term: x },
            2 | 3 => Fact::Appended { index: x, term: y, entry: Digest(z) },
            4 => Fact::Truncated { after: x },
            5 => Fact::Leads { term: x },
            6 => Fact::SteppedDown { term: x },
            7 => Fact::Committed { index: x },
            8 => Fact::Applied {
                index: x,
                entry: Digest(z),
                state: Digest(0),
                request: yes.then_some(request),
                effect: yes,
                session: session_use(x, y, z),
            },
            9 => Fact::Configured { index: z, configuration },
            10 => Fact::Voted { term: x, candidate: y },
            11 => Fact::Campaigned { term: x },
            12 => Fact::Acknowledged { term: x, index: y },
            13 => Fact::ReadServed { read: request, applied: x },
            14 => Fact::Saved { term: x, vote: yes.then_some(y), after: yes.then_some(z) },
            15 => Fact::SavedEntry { index: x, term: y, entry: Digest(z) },
            16 => Fact::SavedRecovered,
            17 => Fact::Crashed,
            18 => Fact::PowerLost,
            19 => Fact::Wiped,
            20 => Fact::WriteAcknowledged { index: x, write: request },
            21 => Fact::ReadAsked { read: request },
            22 => Fact::SnapshotTaken { last, state: Digest(z), configuration },
            23 => Fact::SnapshotInstalled { last, configuration },
            24 => Fact::Restored { index: x, state: Digest(0) },
            25 => Fact::Quiet,
            26 => Fact::Founded { voters: vec![x, y, z] },
            27 => {
                let ops = vec![ConfChangeOp::Voter(x), ConfChangeOp::Learner(y), ConfChangeOp::Remove(z)];
                let change = match x % 3 {
                    0 => ConfChange::Steps(ops),
                    1 => ConfChange::Joint(ops),
                    _ => ConfChange::Leave,
                };
                Fact::ChangeRequested { request: x, change: Box::new(change) }
            }
            28 => {
                let answer = if yes { ConfChangeResponse::Done } else { ConfChangeResponse::Unknown };
                Fact::ChangeAnswered { request: x, answer }
            }
            29 => Fact::Answered { term: x },
            30 => {
                let by = if yes { ConfirmedBy::Round } else { ConfirmedBy::Lease };
                Fact::ReadConfirmed { read: RequestId { session: y, sequence: y }, term: x, index: z, by }
            }
            32 => Fact::Counts { term: x, follower: y, identity: z, match_index: x },
            34 => Fact::SessionLifetime { lifetime: x },
            33 => Fact::Identified { identity: x },
            43 => Fact::LeasePromised { length: x },
            44 => Fact::ClockChanged { jump: y, rate: z },
            35 => Fact::ToldToCampaign { term: x, leader: yes.then_some(y) },
            36 => Fact::CampaignedByOrder { term: x },
            37 => Fact::Redirected { leader: x },
            38 => Fact::Healed,
            41 => Fact::Kept { requests: x / 2, promises: 0, parts: 0, followers: vec![y, z] },
            45 => Fact::SizeKept { before: x, after: y },
            39 => Fact::EntriesSent { term: x, follower: y, entries: z, first: x, identity: y },
            40 => Fact::ChunkSent { term: x, follower: y, last, bytes: z, size: x },
            42 => {
                let reasons = [
                    RejectionReason::NotLeader,
                    RejectionReason::ChangePending,
                    RejectionReason::NotCaughtUp,
                    RejectionReason::UnknownServer,
                    RejectionReason::NoOwnCommit,
                ];
                let servers = if yes { vec![y, z] } else { vec![] };
                Fact::CommandRejected { reason: reasons[x as usize % 5], servers }
            }
            31 => Fact::ReadArrived { read: RequestId { session: y, sequence: y } },
            _ => Fact::SavedSnapshot { base: LogId { index: z, term: y }, last },
        }
    })
}

fn stream() -> impl Strategy<Value = Vec<(u64, Fact)>> {
    prop::collection::vec((number(), fact()), 0..200)
}

proptest! {
    #[test]
    fn no_stream_panics_the_checker(stream in stream(), enabled in 0..PROPERTIES.len()) {
        // One property at a time, so that no other one ends the stream first.
        let others: Vec<&str> =
            PROPERTIES.iter().map(|property| property.name).filter(|&name| name != PROPERTIES[enabled].name).collect();
        let mut checker = Checker::with_disabled(&others).expect("properties");
        for (step, (node, fact)) in stream.into_iter().enumerate() {
            let observed = Observed { at: 0, step: step as u64, node, fact };
            if let Err(violation) = checker.observe(&observed) {
                prop_assert_eq!(violation.property, PROPERTIES[enabled].name);
                prop_assert_eq!(violation.second, observed);
                break;
            }
        }
    }

    #[test]
    fn a_checker_without_properties_accepts_everything(stream in stream()) {
        let all: Vec<&str> = PROPERTIES.iter().map(|property| property.name).collect();
        let mut checker = Checker::with_disabled(&all).expect("properties");
        for (step, (node, fact)) in stream.into_iter().enumerate() {
            prop_assert_eq!(checker.observe(&Observed { at: 0, step: step as u64, node, fact }), Ok(()));
        }
        prop_assert_eq!(checker.checks().count(), 0);
    }
}

/// A server that is listed twice counts once, but the violation shows what was stated.
#[test]
fn a_violation_shows_a_configuration_as_it_was_stated() {
    let configuration = Box::new(Configuration {
        joint: vec![0, 1, 2],
        further: vec![vec![0, 0]],
        ..Configuration::default()
    });
    let fact = Fact::SnapshotInstalled { last: LogId { index: 2, term: 1 }, configuration };
    let observed = Observed { at: 0, step: 0, node: 1, fact };
    let others: Vec<&str> = PROPERTIES.iter().map(|it| it.name).filter(|&it| it != "log-matching").collect();
    let mut checker = Checker::with_disabled(&others).expect("properties");
    // Another entry is committed.
    let committed = [
        Fact::Leads { term: 1 },
        Fact::Appended { index: 1, term: 1, entry: Digest(1) },
        Fact::Committed { index: 1 },
    ];
    for fact in committed {
        assert_eq!(checker.observe(&Observed { at: 0, step: 0, node: 2, fact }), Ok(()));
    }
    let violation = checker.observe(&observed).expect_err("the entry is not committed");
    assert_eq!(violation.second, observed);
}
