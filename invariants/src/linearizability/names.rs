//! How keys and values are written.

use std::collections::BTreeMap;
use std::fmt;

/// How a file writes keys, values and processes that are not small whole numbers. All others are displayed by number,
/// as `k7`, `7` and `s7`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    pub(crate) keys: BTreeMap<u64, String>,
    pub(crate) values: BTreeMap<u64, String>,
    pub(crate) processes: BTreeMap<u64, String>,
}

/// Everything by number.
pub(crate) static NUMBERS: Names =
    Names { keys: BTreeMap::new(), values: BTreeMap::new(), processes: BTreeMap::new() };

impl Names {
    /// The name of the key with this number.
    #[must_use]
    pub fn key(&self, number: u64) -> impl fmt::Display {
        fmt::from_fn(move |f| match self.keys.get(&number) {
            Some(name) => f.write_str(name),
            None => write!(f, "k{number}"),
        })
    }

    /// The name of the value with this number.
    pub(crate) fn value(&self, number: u64) -> impl fmt::Display {
        fmt::from_fn(move |f| match self.values.get(&number) {
            Some(name) => f.write_str(name),
            None => write!(f, "{number}"),
        })
    }

    /// Values, separated by commas.
    pub(crate) fn values(&self, numbers: &[u64]) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            for (position, &number) in numbers.iter().enumerate() {
                write!(f, "{}{}", if position == 0 { "" } else { ", " }, self.value(number))?;
            }
            Ok(())
        })
    }
}

/// What is written with the names of keys and values.
pub(crate) trait DisplayNamed {
    fn fmt_named(&self, names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    fn named(&self, names: &Names) -> impl fmt::Display {
        fmt::from_fn(move |f| self.fmt_named(names, f))
    }
}

/// Displays keys and values by number.
macro_rules! display_by_number {
    ($($type:ty),+ $(,)?) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.fmt_named(&$crate::linearizability::names::NUMBERS, f)
            }
        }
    )+};
}
pub(crate) use display_by_number;
