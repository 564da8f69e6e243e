//! Settings that one system has and another lacks: knobs of its own, and settings of every plan that it does not read.

use super::plan_rng::PlanRng;
use super::{CompactionConfig, Plan, SimDuration};
use crate::support::rng::label;
use std::fmt;

/// A setting that only one system has, in the table `[system]` of its plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Knob {
    /// The name.
    pub name: &'static str,
    /// What it sets, in one line, with its unit.
    pub about: &'static str,
    /// The value in plans that do not set it.
    pub default: u64,
    /// The largest value.
    pub most: u64,
    /// What the plan of a seed may have, each equally often; empty: always the default.
    pub drawn: &'static [u64],
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0 to {}; default {})", self.about, self.most, self.default)
    }
}

impl Plan {
    /// Draws the values of knobs, each from a stream of its own.
    pub(crate) fn draw_knobs(&mut self, knobs: &[Knob]) {
        for (number, knob) in (0..).zip(knobs) {
            let mut rng = PlanRng::new(self.seed, label::PLAN_SYSTEM, number);
            let Some(last) = (knob.drawn.len() as u64).checked_sub(1) else { continue };
            let value = knob.drawn[rng.in_range(0, last) as usize];
            if value != knob.default {
                self.system.insert(knob.name.to_owned(), value);
            }
        }
    }

    /// The value of a knob.
    #[must_use]
    pub fn knob(&self, knob: &Knob) -> u64 {
        self.system.get(knob.name).copied().unwrap_or(knob.default)
    }
}

macro_rules! settings {
    ($($setting:ident $name:literal: $reset:expr,)+) => {
        /// A setting of every plan that a system may leave unread.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Setting {
            $(#[doc = concat!("`", $name, "`")] $setting,)+
        }

        impl Setting {
            /// All of them.
            pub const ALL: &[Setting] = &[$(Setting::$setting,)+];

            /// Its path in a plan.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Setting::$setting => $name,)+ }
            }

            /// Sets it to the value that asks least of a server.
            pub(crate) fn reset(self, plan: &mut Plan) {
                let reset: fn(&mut Plan) = match self { $(Setting::$setting => $reset,)+ };
                reset(plan);
            }
        }
    };
}

settings! {
    Heartbeat "raft.heartbeat": |plan| plan.raft.heartbeat = SimDuration::millis(100).min(plan.raft.election_timeout),
    Batch "raft.batch": |plan| plan.raft.batch = 64,
    Window "raft.window": |plan| plan.raft.window = 16,
    BatchBytes "raft.batch_bytes": |plan| plan.raft.batch_bytes = 0,
    WindowBytes "raft.window_bytes": |plan| plan.raft.window_bytes = 0,
    UncommittedBytes "raft.uncommitted_bytes": |plan| plan.raft.uncommitted_bytes = 0,
    Requests "raft.requests": |plan| plan.raft.requests = 0,
    PromotionLag "raft.promotion_lag": |plan| plan.raft.promotion_lag = 0,
    Trailing "compaction.trailing": |plan| each_compaction(plan, |compaction| compaction.trailing = 0),
}

fn each_compaction(plan: &mut Plan, set: fn(&mut CompactionConfig)) {
    plan.compaction.iter_mut().for_each(set);
}

#[cfg(test)]
mod tests {
    use super::Setting;
    use crate::plan::generate;

    #[test]
    fn a_plan_without_a_setting_is_valid_and_each_setting_is_in_some_plan() {
        for &setting in Setting::ALL {
            let mut changed = 0;
            for seed in 0..300 {
                let mut plan = generate(seed);
                setting.reset(&mut plan);
                assert_eq!(plan.check(), Ok(()), "{} of seed {seed}", setting.name());
                changed += u64::from(plan != generate(seed));
            }
            assert!(changed > 10, "{}: {changed}", setting.name());
        }
    }
}
