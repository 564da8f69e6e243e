//! Features of plans: what a sweep can leave out, to see what lies behind.

use super::{FaultKind, Plan, Supports};
use crate::support::suggest;

/// What a plan may rely on: a row of [`Supports`], or a kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feature(Removed);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Removed {
    Support(&'static str),
    Fault(&'static str),
}

impl Feature {
    /// All of them. What servers state is none: plans do not decide it.
    #[must_use]
    pub fn all() -> Vec<Feature> {
        let stated = [
            "facts",
            "application-facts",
            "read-confirmations",
            "follower-counts",
            "candidacy-orders",
            "sent-entries",
            "bookkeeping",
        ];
        let rows = Supports::NAMES.iter().filter(|name| !stated.contains(name));
        let is_row = |name: &str| Supports::NAMES.contains(&name);
        let kinds = FaultKind::ALL.iter().map(|(name, _)| *name).filter(|name| !is_row(name));
        let rows = rows.map(|name| Feature(Removed::Support(name)));
        rows.chain(kinds.map(|name| Feature(Removed::Fault(name)))).collect()
    }

    /// The feature of this name.
    ///
    /// # Errors
    ///
    /// There is none; the message suggests others.
    pub fn named(name: &str) -> Result<Feature, String> {
        let all = Feature::all();
        let found = all.iter().find(|feature| feature.name() == name);
        found
            .copied()
            .ok_or_else(|| suggest::unknown_name("feature", name, all.iter().map(|feature| feature.name())))
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.0 {
            Removed::Support(name) | Removed::Fault(name) => name,
        }
    }

    /// What systems do that support it; `None` for a fault, which [`FaultKind::ALL`] describes.
    #[must_use]
    pub fn about(&self) -> Option<&'static str> {
        let missing = Supports::ALL.without(self.name()).missing();
        missing.first().map(|(_, about)| *about)
    }

    /// The plan without it.
    #[must_use]
    pub fn remove_from(&self, mut plan: Plan) -> Plan {
        match self.0 {
            Removed::Support(name) => Supports::ALL.without(name).restrict(plan),
            Removed::Fault(name) => {
                plan.faults.retain(|fault| fault.kind.name() != name);
                plan
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Feature;
    use crate::plan::generate;

    #[test]
    fn each_feature_can_be_left_out_of_each_plan() {
        let all = Feature::all();
        assert!(all.len() > 25, "{all:?}");
        for feature in all {
            assert_eq!(Feature::named(feature.name()), Ok(feature));
            let mut changed = 0;
            for seed in 0..300 {
                let plan = feature.remove_from(generate(seed));
                assert_eq!(plan.check(), Ok(()), "seed {seed} without {}", feature.name());
                assert_eq!(feature.remove_from(plan.clone()), plan);
                changed += u64::from(plan != generate(seed));
            }
            assert!(changed > 0, "no plan has {}", feature.name());
        }
        assert_eq!(
            Feature::named("leasse").unwrap_err(),
            "there is no feature `leasse`; did you mean `leases` or `leave`?"
        );
    }
}
