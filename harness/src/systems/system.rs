//! What makes a Raft a system under test: a name, servers, and bugs and milestones of its own.

use super::raft_core::RaftServer;
use super::run::run_with;
use crate::outcome::{Engine, MAX_CATALOGUES, Options, RunRecord, WITNESS, catalog};
use crate::plan::{Knob, PROFILES, Plan, PlanError, PlanProfile, Setting, Supports, generate, generate_in};
use crate::server::{BugInfo, Catalogue, Server};
use crate::support::suggest;
use invariants::PROPERTIES;
use std::fmt;

/// The usual folder of cases.
pub const CASES_DIR: &str = "regressions/cases";

/// A system under test.
pub trait System: 'static {
    /// Its name: lower-case letters, digits and dashes. Cases name it.
    const NAME: &'static str;
    /// Its servers.
    type Server: Server;

    /// What `cargo run` needs to start its command line, such as `-p my-raft --features cli`: printed commands have it.
    const CARGO_ARGUMENTS: &'static str = "";

    /// Its version, such as `raft 0.7.0`. Cases record it, and say so when they end otherwise than expected.
    const VERSION: &'static str = "";

    /// The folder of its cases, relative to the folder in which its command line is started.
    const CASES: &'static str = CASES_DIR;

    /// Other ways to sweep it, each chosen with `--profile NAME`.
    #[must_use]
    fn profiles() -> &'static [Profile] {
        &[]
    }

    /// Milestones that its servers count beside the usual ones, each with a description.
    #[must_use]
    fn milestones() -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
}

/// A system with another table of what it supports. Its findings are kept and counted apart.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// The name: lower-case letters, digits and dashes.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// What the plans may rely on. Only what concerns plans may differ from the system's own table.
    pub supports: Supports,
}

/// The built-in system: `raft-core` with a write-ahead log.
enum RaftCore {}

impl System for RaftCore {
    const NAME: &'static str = crate::outcome::BUILT_IN_SYSTEM;
    type Server = RaftServer;
}

/// What the harness must know about a system, without its types.
#[derive(Clone, Copy)]
pub struct SystemInfo {
    /// Its name.
    pub name: &'static str,
    /// What `cargo run` needs to start its command line.
    pub cargo_arguments: &'static str,
    /// Its version; may be empty.
    pub version: &'static str,
    /// The folder of its cases.
    pub cases: &'static str,
    /// What it supports.
    pub supports: Supports,
    /// The settings of every plan that it does not read.
    pub unread: &'static [Setting],
    /// The settings that only it has.
    pub knobs: &'static [Knob],
    /// What it supports in no profile.
    own_supports: Supports,
    /// The profile, if any.
    profile: Option<&'static str>,
    /// The profile of its plans, if any; otherwise their mixture.
    plans: Option<&'static PlanProfile>,
    profiles: fn() -> &'static [Profile],
    /// The only engine that can run it; `None`: all can.
    pub engine: Option<Engine>,
    run: fn(&Plan, &Options) -> RunRecord,
    bugs: fn() -> Vec<&'static BugInfo>,
    /// Its catalogues of bugs: those whose lines are counted when they are exercised.
    pub catalogues: &'static [Catalogue],
    milestones: fn() -> Vec<(&'static str, &'static str)>,
}

/// The built-in system.
pub const BUILT_IN: SystemInfo = SystemInfo::of::<RaftCore>();

/// Its name: addresses of functions differ between builds, and within one.
impl fmt::Debug for SystemInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemInfo({})", self.full_name())
    }
}

impl SystemInfo {
    /// The description of a system. Does not compile if this build lacks the engine that the system demands.
    #[must_use]
    pub const fn of<S: System>() -> SystemInfo {
        const {
            assert!(
                <S::Server as Server>::CATALOGUES.len() <= MAX_CATALOGUES,
                "a system has at most 4 catalogues of bugs"
            );
            if let Some(engine) = <S::Server as Server>::ENGINE {
                assert!(
                    engine.is_available(),
                    "this system runs on madsim: build with RUSTFLAGS=\"--cfg madsim\""
                );
            }
        }
        SystemInfo {
            name: S::NAME,
            cargo_arguments: S::CARGO_ARGUMENTS,
            cases: S::CASES,
            version: S::VERSION,
            supports: <S::Server as Server>::SUPPORTS,
            own_supports: <S::Server as Server>::SUPPORTS,
            unread: <S::Server as Server>::UNREAD,
            knobs: <S::Server as Server>::KNOBS,
            profile: None,
            plans: None,
            profiles: S::profiles,
            engine: <S::Server as Server>::ENGINE,
            run: run_with::<S::Server>,
            bugs: <S::Server as Server>::bugs,
            catalogues: <S::Server as Server>::CATALOGUES,
            milestones: S::milestones,
        }
    }

    /// The same system in a profile.
    ///
    /// # Errors
    ///
    /// There is no such profile; the message suggests others.
    pub fn with_profile(&self, name: &str) -> Result<SystemInfo, String> {
        if let Some(profile) = self.profiles().iter().find(|profile| profile.name == name) {
            return Ok(SystemInfo { supports: profile.supports, profile: Some(profile.name), ..*self });
        }
        match PlanProfile::named(name) {
            Some(profile) => Ok(SystemInfo { plans: Some(profile), profile: Some(profile.name), ..*self }),
            None => {
                let own = self.profiles().iter().map(|profile| profile.name);
                let all = own.chain(PROFILES.iter().map(|profile| profile.name));
                Err(suggest::unknown_name("profile", name, all))
            }
        }
    }

    /// Its own profiles; those of plans are [`PROFILES`].
    #[must_use]
    pub fn profiles(&self) -> &'static [Profile] {
        (self.profiles)()
    }

    /// The profile, if any.
    #[must_use]
    pub const fn profile(&self) -> Option<&'static str> {
        self.profile
    }

    /// The version as a case records it.
    #[must_use]
    pub fn recorded_version(&self) -> Option<String> {
        (!self.version.is_empty()).then(|| self.version.to_owned())
    }

    /// The name in cases and ledgers: `system`, or `system/profile`.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.profile.map_or_else(|| self.name.to_owned(), |profile| format!("{}/{profile}", self.name))
    }

    /// This system in the profile that a full name means; `None` if it means another system.
    #[must_use]
    pub fn named(&self, full_name: &str) -> Option<SystemInfo> {
        let plain = SystemInfo { profile: None, plans: None, supports: self.own_supports, ..*self };
        let own = self.profiles().iter().map(|profile| profile.name);
        let names = own.chain(PROFILES.iter().map(|profile| profile.name));
        let profiles = names.filter_map(|name| plain.with_profile(name).ok());
        [plain].into_iter().chain(profiles).find(|system| system.full_name() == full_name)
    }

    /// The settings that a plan varies and this system does not read.
    #[must_use]
    pub fn unread_in(&self, plan: &Plan) -> Vec<&'static str> {
        let varies = |setting: &&Setting| {
            let mut reset = plan.clone();
            setting.reset(&mut reset);
            reset != *plan
        };
        self.unread.iter().filter(varies).map(|setting| setting.name()).collect()
    }

    /// Runs a plan on it.
    #[must_use]
    pub fn run(&self, plan: &Plan, options: &Options) -> RunRecord {
        (self.run)(plan, options)
    }

    /// The plan of a seed, with one of its bugs, and without whatever it does not support.
    #[must_use]
    pub fn plan(&self, seed: u64, bug: Option<&str>) -> Plan {
        let generated = self.plans.map_or_else(|| generate(seed), |profile| generate_in(seed, profile));
        let mut plan = Plan { bug: bug.map(str::to_owned), ..self.supports.restrict(generated) };
        self.unread.iter().for_each(|setting| setting.reset(&mut plan));
        plan.draw_knobs(self.knobs);
        plan
    }

    /// Its bugs, by id.
    #[must_use]
    pub fn bugs(&self) -> Vec<&'static BugInfo> {
        (self.bugs)()
    }

    /// All milestones of its runs, each with a description.
    #[must_use]
    pub fn milestones(&self) -> Vec<(&'static str, &'static str)> {
        catalog::milestones().into_iter().chain((self.milestones)()).collect()
    }

    /// The properties that its plans do not ask for, because their disks go bad without a limit.
    #[must_use]
    pub fn not_asked(&self) -> Vec<&'static str> {
        match self.plans {
            Some(profile) if profile.has_unlimited_damage() => catalog::resting_on_disks(),
            _ => Vec::new(),
        }
    }

    /// Whether a property can look at its runs: it states the facts that the property needs, and does what the property
    /// is about.
    #[must_use]
    pub fn can_check(&self, property: &str) -> bool {
        let supports = &self.supports;
        let of_application =
            [WITNESS, "state-machine-safety", "exactly-once", "read-safety"].contains(&property);
        let is_stated = match PROPERTIES.iter().any(|of_facts| of_facts.name == property) {
            _ if of_application => supports.states_application(),
            needs_facts => supports.facts || !needs_facts,
        };
        is_stated
            && !self.not_asked().contains(&property)
            && match property {
                "leader-counts" => supports.follower_counts,
                "ordered-candidacies" => supports.candidacy_orders && supports.transfer,
                "bookkeeping" => supports.bookkeeping && (supports.pre_vote || supports.check_quorum),
                "repair-ends" => supports.sent_entries,
                "confirmed-reads" => supports.read_confirmations,
                "requested-membership" => supports.membership,
                "snapshot-consistency" => supports.snapshots,
                "exactly-once" => supports.sessions,
                "no-disruption" => supports.pre_vote || supports.check_quorum,
                _ => true,
            }
    }

    /// Whether it has this bug.
    ///
    /// # Errors
    ///
    /// There is no such bug; the message suggests others.
    pub fn check_bug(&self, name: &str) -> Result<(), String> {
        let bugs = self.bugs();
        match bugs.iter().any(|bug| bug.name == name) {
            true => Ok(()),
            false => Err(suggest::unknown_name("bug", name, bugs.iter().map(|bug| bug.name))),
        }
    }

    /// Whether it can run a plan: it has the bug that the plan enables, and supports what the plan relies on.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub fn check_plan(&self, plan: &Plan) -> Result<(), PlanError> {
        let unsupported = self.supports.unsupported(plan);
        if !unsupported.is_empty() {
            let problem =
                format!("relies on what {} does not support: {}", self.name, unsupported.join(", "));
            return Err(PlanError::new("plan", problem));
        }
        for (name, value) in &plan.system {
            let Some(knob) = self.knobs.iter().find(|knob| knob.name == name) else {
                let names = self.knobs.iter().map(|knob| knob.name);
                let problem = suggest::unknown_name("setting", name, names);
                return Err(PlanError::new("system", format!("of {}: {problem}", self.name)));
            };
            if *value > knob.most {
                let problem = format!("is {value}: it must be at most {}", knob.most);
                return Err(PlanError::new(&format!("system.{name}"), problem));
            }
        }
        let Some(bug) = &plan.bug else { return Ok(()) };
        self.check_bug(bug).map_err(|message| PlanError::new("bug", format!("is \"{bug}\": {message}")))
    }
}
