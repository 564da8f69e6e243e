//! A system that states no facts is judged by its clients alone.

#![expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]

#[path = "../examples/primary/server.rs"]
#[expect(unreachable_pub, reason = "it is the library of a package in the documentation")]
mod primary;

use harness::findings::case::{Case, Expectation};
use harness::outcome::{FailureCause, LINEARIZABILITY, LIVENESS, Options, Verdict};
use harness::plan::{Knob, Plan, Setting, Supports};
use harness::server::{Arrival, Damaged, Host, Server};
use harness::systems::{BUILT_IN, Profile, System, SystemInfo};
use harness::testing;
use harness::workload::{ClientResponse, Reply, RequestBody};
use primary::{Primary, PrimarySystem, record};
use std::collections::BTreeMap;

/// The primary of the example without its mistake: each response waits for the disk.
struct CarefulPrimary {
    primary: Primary,
    waiting: BTreeMap<u64, (u64, Reply)>,
    syncs: u64,
}

/// How many syncs a write waits for.
const SYNCS: Knob =
    Knob { name: "syncs", about: "syncs before an answer", default: 1, most: 3, drawn: &[1, 2, 3] };

impl Server for CarefulPrimary {
    type Message = String;
    const SUPPORTS: Supports = Supports::NOTHING;
    const UNREAD: &'static [Setting] = &[Setting::Batch, Setting::Requests];
    const KNOBS: &'static [Knob] = &[SYNCS];

    fn boot(host: &mut Host<'_, String>) -> Result<CarefulPrimary, Damaged> {
        Ok(CarefulPrimary { primary: Primary::boot(host)?, waiting: BTreeMap::new(), syncs: 0 })
    }

    fn step(&mut self, host: &mut Host<'_, String>, arrival: Arrival<String>) {
        match arrival {
            Arrival::Request { client, request } if host.node() == 1 => {
                let RequestBody::Operation(operation) = request.body else {
                    unreachable!("it has no sessions")
                };
                let (response, written) = self.primary.execute(operation);
                if let Some(content) = written {
                    host.disk().append("log", |end| end.extend(record(operation.key, content)));
                    host.disk().sync_directory();
                }
                let response = match operation.action.is_read() {
                    true => ClientResponse::Read { applied: 0, response },
                    false => ClientResponse::Written { index: 0, response },
                };
                self.syncs += 1;
                for _ in 1..host.plan().knob(&SYNCS) {
                    host.sync(0);
                }
                self.waiting.insert(self.syncs, (client, Reply { id: request.id, response }));
                host.sync(self.syncs);
            }
            Arrival::Synced(token) => {
                if let Some((client, reply)) = self.waiting.remove(&token) {
                    host.reply(client, reply);
                }
            }
            other => self.primary.step(host, other),
        }
    }
}

enum Careful {}

const WITH_WIPES: Supports = Supports { wipes: true, ..Supports::NOTHING };

impl System for Careful {
    const NAME: &'static str = "careful";
    type Server = CarefulPrimary;
    const VERSION: &'static str = "careful 2.1";

    fn profiles() -> &'static [Profile] {
        const { &[Profile { name: "wiped", about: "disks are wiped", supports: WITH_WIPES }] }
    }
}

/// A careful primary that rejects every other request as too much.
struct Reluctant {
    primary: CarefulPrimary,
    requests: u64,
}

impl Server for Reluctant {
    type Message = String;
    const SUPPORTS: Supports = Supports::NOTHING;

    fn boot(host: &mut Host<'_, String>) -> Result<Reluctant, Damaged> {
        Ok(Reluctant { primary: CarefulPrimary::boot(host)?, requests: 0 })
    }

    fn step(&mut self, host: &mut Host<'_, String>, arrival: Arrival<String>) {
        match arrival {
            Arrival::Request { client, request } if self.requests.is_multiple_of(2) => {
                self.requests += 1;
                host.reply(client, Reply { id: request.id, response: ClientResponse::Busy });
            }
            other => {
                self.requests += u64::from(matches!(other, Arrival::Request { .. }));
                self.primary.step(host, other);
            }
        }
    }
}

enum ReluctantSystem {}

impl System for ReluctantSystem {
    const NAME: &'static str = "reluctant";
    type Server = Reluctant;
}

/// A server that answers no write.
struct Silent(CarefulPrimary);

impl Server for Silent {
    type Message = String;
    const SUPPORTS: Supports = Supports::NOTHING;

    fn boot(host: &mut Host<'_, String>) -> Result<Silent, Damaged> {
        Ok(Silent(CarefulPrimary::boot(host)?))
    }

    fn step(&mut self, host: &mut Host<'_, String>, arrival: Arrival<String>) {
        match arrival {
            Arrival::Request { request, .. } if request.read_operation().is_none() => {}
            other => self.0.step(host, other),
        }
    }
}

enum SilentSystem {}

impl System for SilentSystem {
    const NAME: &'static str = "silent";
    type Server = Silent;
}

#[test]
fn a_correct_black_box_passes() {
    testing::sweep::<Careful>(300);
}

/// Rejections are duplicated and delayed, too: a late copy of one must not make a client send a write again.
#[test]
fn a_correct_black_box_that_rejects_requests_passes() {
    testing::sweep::<ReluctantSystem>(600);
}

#[test]
fn a_plan_that_relies_on_what_is_not_supported_is_refused() {
    let system = SystemInfo::of::<Careful>();
    let plan = (0..).map(harness::plan::generate).find(|plan| plan.compaction.is_some()).unwrap();
    let error = system.check_plan(&plan).unwrap_err().to_string();
    assert!(error.contains("careful does not support: ") && error.contains("snapshots"), "{error}");
    assert_eq!(system.check_plan(&system.plan(plan.seed, None)), Ok(()));
}

#[test]
fn a_system_has_knobs_of_its_own_and_refuses_others() {
    let system = SystemInfo::of::<Careful>();
    let values: BTreeMap<u64, u64> = (0..300).fold(BTreeMap::new(), |mut values, seed| {
        *values.entry(system.plan(seed, None).knob(&SYNCS)).or_default() += 1;
        values
    });
    assert!(values.len() == 3 && values.values().all(|count| *count > 50), "{values:?}");
    let with = |name: &str, value| {
        let mut plan = system.plan(0, None);
        plan.system.insert(name.to_owned(), value);
        plan
    };
    assert_eq!(system.check_plan(&with("syncs", 3)), Ok(()));
    let events = |plan| system.run(&plan, &Options::default()).outcome.counts.events;
    assert!(events(with("syncs", 3)) > events(with("syncs", 1)), "the server reads it");
    let error = |plan: Plan| system.check_plan(&plan).unwrap_err().to_string();
    let unknown = error(with("sync", 1));
    assert!(unknown.contains("of careful: there is no setting `sync`; did you mean `syncs`?"), "{unknown}");
    let too_large = error(with("syncs", 4));
    assert!(too_large.contains("`system.syncs` is 4: it must be at most 3"), "{too_large}");
    let other = BUILT_IN.check_plan(&with("syncs", 3)).unwrap_err().to_string();
    assert!(other.contains("of raft-core: there is no setting `syncs`"), "{other}");
}

#[test]
fn settings_that_a_system_does_not_read_are_named_and_not_varied() {
    let system = SystemInfo::of::<Careful>();
    for seed in 0..100 {
        assert_eq!(system.unread_in(&system.plan(seed, None)), [""; 0], "seed {seed}");
    }
    let mut plan = system.plan(0, None);
    plan.raft.requests = 7;
    assert_eq!(system.unread_in(&plan), ["raft.requests"]);
    assert_eq!(system.check_plan(&plan), Ok(()));
}

#[test]
fn a_profile_has_plans_and_cases_of_its_own() {
    let system = SystemInfo::of::<Careful>();
    let profile = system.with_profile("wiped").unwrap();
    assert_eq!((system.full_name(), profile.full_name()), ("careful".to_owned(), "careful/wiped".to_owned()));
    let error = system.with_profile("wipde").unwrap_err();
    assert!(error.contains("there is no profile `wipde`; did you mean `wiped`?"), "{error}");
    let seed = (0..).find(|&seed| system.check_plan(&profile.plan(seed, None)).is_err()).unwrap();
    let plan = profile.plan(seed, None);
    assert_eq!(profile.check_plan(&plan), Ok(()));
    let outcome = profile.run(&system.plan(seed, None), &Options::default()).outcome;
    let case = |plan, name: &SystemInfo| Case {
        system: name.full_name(),
        ..Case::new("wiped".to_owned(), Expectation::Passed, &outcome, plan)
    };
    // Whichever of the two runs it, a case is judged by the table of its own profile.
    for runner in [&system, &profile] {
        assert_eq!(case(plan.clone(), &profile).check(runner), Ok(()));
        let error = case(plan.clone(), &system).check(runner).unwrap_err().to_string();
        assert!(error.contains("does not support: wipes"), "{error}");
    }
    assert!(case(plan, &profile).check(&BUILT_IN).is_err());
}

#[test]
fn a_case_says_that_its_system_has_another_version_only_when_it_ends_otherwise() {
    let system = SystemInfo::of::<Careful>();
    let plan = system.plan(0, None);
    let outcome = system.run(&plan, &Options::default()).outcome;
    let folder = tempfile::tempdir().unwrap();
    let replayed = |expect, version: &str| {
        let path = folder.path().join("case.toml");
        let case = Case::new("nothing happens".to_owned(), expect, &outcome, plan.clone());
        let version = Some(version.to_owned());
        Case { system: system.full_name(), version, ..case }.write(&path).unwrap();
        testing::replay_case(&path, &system)
    };
    let open = || Expectation::OpenDefect(LINEARIZABILITY.to_owned());
    assert_eq!(replayed(Expectation::Passed, "careful 1.9"), Ok(()));
    let error = replayed(open(), "careful 1.9").unwrap_err();
    assert!(error.contains("it was kept with careful 1.9, and this is careful 2.1"), "{error}");
    let error = replayed(open(), "careful 2.1").unwrap_err();
    assert!(!error.contains("kept with"), "{error}");
}

#[test]
fn a_lost_write_of_a_black_box_is_found_by_its_clients() {
    let system = SystemInfo::of::<PrimarySystem>();
    let failures = (0..100).filter_map(|seed| {
        match system.run(&system.plan(seed, None), &Options::default()).outcome.verdict {
            Verdict::Failed(failure) => Some(failure),
            _ => None,
        }
    });
    let failures: Vec<_> = failures.collect();
    assert!(failures.len() > 5, "{}", failures.len());
    assert!(failures.iter().all(|failure| failure.property == LINEARIZABILITY), "{failures:?}");
}

#[test]
fn a_black_box_that_answers_no_write_is_not_live() {
    let system = SystemInfo::of::<SilentSystem>();
    for seed in 0..20 {
        let verdict = system.run(&system.plan(seed, None), &Options::default()).outcome.verdict;
        let Verdict::Failed(failure) = verdict else { panic!("seed {seed}: {verdict:?}") };
        assert_eq!(failure.property, LIVENESS, "seed {seed}");
        assert!(matches!(failure.cause, FailureCause::MissedDeadline { .. }), "{}", failure.cause);
    }
}

#[test]
fn a_failed_sweep_in_a_test_shows_a_shrunk_page_and_how_to_repeat_it() {
    let folder = tempfile::tempdir().unwrap();
    // The sweep writes to the working folder, which all threads share: so this runs in a process of its own.
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sweeps_the_wrong_primary", "--ignored"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("linearizability"), "{text}");
    let seed = text.split("repeat it: MADSIM_TEST_SEED=").nth(1).expect(&text).split(' ').next().unwrap();
    let shrunk = folder.path().join("failures").join(format!("seed-{seed}.small.toml"));

    // The shrunk plan is a case of its system, and of no other.
    let system = SystemInfo::of::<PrimarySystem>();
    let case = Case::read(&shrunk, &system).unwrap();
    assert!(case.plan.faults.len() <= 3, "{:?}", case.plan.faults);
    let error = Case::read(&shrunk, &BUILT_IN).unwrap_err().to_string();
    assert!(error.contains("`system` is \"primary\", and this program runs raft-core"), "{error}");
    // It fails until the mistake is mended, or its case says that the defect is known.
    let error = testing::replay_case(&shrunk, &system).unwrap_err();
    assert!(error.contains("actual: linearizability"), "{error}");
    let known = Case { expect: Expectation::OpenDefect(LINEARIZABILITY.to_owned()), ..case };
    known.write(&shrunk).unwrap();
    assert_eq!(testing::replay_case(&shrunk, &system), Ok(()));
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn sweeps_the_wrong_primary() {
    testing::sweep::<PrimarySystem>(60);
}
