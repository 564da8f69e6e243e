//! Reads a fault from its flat table. This is done by hand because a flattened serde enum loses the line and column of
//! a field and accepts fields that the kind does not have.

use super::FaultKind;
use crate::plan::SimDuration;
use crate::support::suggest;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// The index of a kind that exists.
pub(super) struct FaultName(pub(super) usize);

impl<'de> Deserialize<'de> for FaultName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FaultName, D::Error> {
        let typed = String::deserialize(deserializer)?;
        let known = || FaultKind::ALL.into_iter().map(|(name, _)| name);
        match known().position(|name| name == FaultKind::current_name(&typed)) {
            Some(index) => Ok(FaultName(index)),
            None => Err(D::Error::custom(suggest::unknown_name("fault", &typed, known()))),
        }
    }
}

/// How far a clock jumps: a duration for a monotonic clock, signed milliseconds for a wall clock.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a clock jumps `by` a duration such as \"150ms\", a wall clock `by` whole milliseconds"
)]
pub(super) enum JumpBy {
    Duration(SimDuration),
    Milliseconds(i64),
}

/// A field's value from its form in a plan.
pub(super) trait FromField<T>: Sized {
    fn from_field(field: T) -> Result<Self, String>;
}

impl<T> FromField<T> for T {
    fn from_field(field: T) -> Result<T, String> {
        Ok(field)
    }
}

impl FromField<JumpBy> for SimDuration {
    fn from_field(by: JumpBy) -> Result<SimDuration, String> {
        match by {
            JumpBy::Duration(by) => Ok(by),
            JumpBy::Milliseconds(_) => {
                Err("a clock jumps `by` a duration in quotes, such as \"150ms\"".into())
            }
        }
    }
}

impl FromField<JumpBy> for i64 {
    fn from_field(by: JumpBy) -> Result<i64, String> {
        match by {
            JumpBy::Milliseconds(by) => Ok(by),
            JumpBy::Duration(_) => {
                Err("a wall clock jumps `by` a whole number of milliseconds, such as -1500".into())
            }
        }
    }
}

/// The value of a field, or its default.
pub(super) fn read_field<T, V: FromField<T>>(
    field: Option<T>,
    kind: &str,
    name: &str,
    default: Option<V>,
) -> Result<V, String> {
    match (field, default) {
        (Some(field), _) => V::from_field(field),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(format!("a fault of kind `{kind}` needs `{name}`")),
    }
}
