//! Windows: a range of seeds for each night, by name.
//!
//! A window has a billion seeds. Window `w` begins at seed `w * 1_000_000_000`, and the name says which it is:
//!
//! | name | window |
//! |---|---|
//! | none: `--seeds`, or `--for` alone | 0 to 9,999,999 |
//! | a day, `2026-11-30` | 20261130: the digits of the day |
//! | a number, such as that of a run, up to 8,999,999,999 | 1,000,000,000 plus the number |
//! | anything else, such as a commit | 10,000,000,000 plus one of 8,446,744,073, by a hash |
//!
//! The rows share no window, so days and numbers never overlap. Two given names of the last row share a window with a
//! chance of 1 in 8 billion; any two of a thousand such names with a chance of 1 in 17,000. The map is a stored format:
//! it must not change, or two nights of one name would have different seeds.

use invariants::Digest;
use std::fmt;
use std::ops::Range;

/// Seeds of a window.
pub const WINDOW_SEEDS: u64 = 1_000_000_000;
/// The first window of a number.
const FIRST_NUMBER: u64 = 1_000_000_000;
/// The first window of a hashed name.
const FIRST_HASHED: u64 = 10_000_000_000;
/// The windows of hashed names: all that are left.
const HASHED: u64 = u64::MAX / WINDOW_SEEDS - FIRST_HASHED;
/// The longest name.
const MAX_NAME_BYTES: usize = 200;

/// A named range of a billion seeds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// Its name.
    pub name: String,
    /// Its seeds.
    pub seeds: Range<u64>,
}

impl Window {
    /// The window with this name.
    ///
    /// # Errors
    ///
    /// The name is empty or too long, a day that is in no calendar, or a number that is too large.
    pub fn named(name: &str) -> Result<Window, String> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(format!(
                "a window has a name of 1 to {MAX_NAME_BYTES} bytes without control characters"
            ));
        }
        let window = if let Some(day) = Day::read(name) {
            day.window()?
        } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
            window_of_number(name)?
        } else {
            FIRST_HASHED + Digest::of(name.as_bytes()).0 % HASHED
        };
        let start = window * WINDOW_SEEDS;
        Ok(Window { name: name.to_owned(), seeds: start..start + WINDOW_SEEDS })
    }

    /// The seeds at these positions in the window.
    ///
    /// # Errors
    ///
    /// The window has fewer seeds.
    pub fn at(&self, positions: Range<u64>) -> Result<Range<u64>, String> {
        if positions.end > WINDOW_SEEDS {
            return Err(format!(
                "a window has {WINDOW_SEEDS} seeds, and `--seeds` counts from its first one"
            ));
        }
        Ok(self.seeds.start + positions.start..self.seeds.start + positions.end)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "window {}: seeds {}..{}", self.name, self.seeds.start, self.seeds.end)
    }
}

/// A window in a ledger, by its name. A name of a later version may have none here; then its seeds are known only from
/// the ledger.
pub(super) mod by_name {
    use super::Window;
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::Serializer;

    pub(in crate::sweep) fn serialize<S: Serializer>(
        window: &Option<Window>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match window {
            Some(window) => serializer.serialize_some(&window.name),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::sweep) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Window>, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        Ok(name.and_then(|name| Window::named(&name).ok()))
    }
}

/// The window of a number; zeros in front do not change it.
fn window_of_number(name: &str) -> Result<u64, String> {
    let largest = FIRST_HASHED - FIRST_NUMBER - 1;
    match name.parse::<u64>() {
        Ok(number) if number <= largest => Ok(FIRST_NUMBER + number),
        _ => Err(format!("the largest number is {largest}: with a letter before it, the name is hashed")),
    }
}

/// A name of the form `YYYY-MM-DD`.
struct Day {
    year: u64,
    month: u64,
    day: u64,
}

impl Day {
    fn read(name: &str) -> Option<Day> {
        let digits = |text: &[u8]| {
            let digit =
                |sum: u64, byte: &u8| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'));
            text.iter().try_fold(0, digit)
        };
        match name.as_bytes() {
            [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => {
                Some(Day { year: digits(year)?, month: digits(&[*m1, *m2])?, day: digits(&[*d1, *d2])? })
            }
            _ => None,
        }
    }

    fn window(&self) -> Result<u64, String> {
        let Day { year, month, day } = *self;
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        match (1_000..=9_999).contains(&year) && (1..=days).contains(&day) {
            true => Ok(year * 10_000 + month * 100 + day),
            false => Err("there is no such day: write YYYY-MM-DD, from 1000-01-01 to 9999-12-31".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_HASHED, FIRST_NUMBER, HASHED, WINDOW_SEEDS, Window};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn window(name: &str) -> Window {
        Window::named(name).unwrap()
    }

    /// The same on every machine: stored nights depend on these.
    #[test]
    fn windows_keep_their_seeds() {
        let first = |name: &str| window(name).seeds.start;
        assert_eq!(first("2026-11-30"), 20_261_130_000_000_000);
        assert_eq!(first("1000-01-01"), 10_000_101_000_000_000);
        assert_eq!(first("0"), 1_000_000_000_000_000_000);
        assert_eq!(first("4711"), 1_000_004_711_000_000_000);
        assert_eq!(first("004711"), first("4711"));
        assert_eq!(first("8999999999"), 9_999_999_999_000_000_000);
        assert_eq!(first("f0cbe21"), 17_887_301_756_000_000_000);
        assert_eq!(
            window("2026-11-30").to_string(),
            "window 2026-11-30: seeds 20261130000000000..20261131000000000"
        );
    }

    #[test]
    fn the_last_window_of_each_kind_fits() {
        assert!((FIRST_HASHED + HASHED).checked_mul(WINDOW_SEEDS).is_some());
        assert!(window("9999-12-31").seeds.end <= FIRST_NUMBER * WINDOW_SEEDS);
        assert_eq!(window("8999999999").seeds.end, FIRST_HASHED * WINDOW_SEEDS);
        // Seeds typed by hand, and those of `--for` on a thousand machines, lie before all windows.
        assert!(window("1000-01-01").seeds.start > 1_024 << 40);
    }

    #[test]
    fn names_without_a_window_are_rejected() {
        let rejected =
            ["", "2026-02-29", "2026-13-01", "2026-11-31", "0999-01-01", "2026-00-10", "2026-01-00"];
        for name in rejected.into_iter().chain(["9000000000", "99999999999999999999999", "a\nb"]) {
            assert!(Window::named(name).is_err(), "{name}");
        }
        assert!(Window::named(&"x".repeat(201)).is_err());
        assert_eq!(window("2024-02-29").seeds.start, 20_240_229_000_000_000);
        assert!(window("a").at(0..WINDOW_SEEDS).is_ok());
        assert!(window("a").at(0..WINDOW_SEEDS + 1).is_err());
        assert_eq!(window("2026-11-30").at(5..7), Ok(20_261_130_000_000_005..20_261_130_000_000_007));
    }

    #[test]
    fn days_follow_the_calendar() {
        // The slow twin: counts the days of 400 years, after which the calendar repeats.
        let days = (2000..2400)
            .flat_map(|year| (0..14).flat_map(move |month| (0..33).map(move |day| (year, month, day))));
        let valid =
            days.filter(|(year, month, day)| Window::named(&format!("{year}-{month:02}-{day:02}")).is_ok());
        assert_eq!(valid.count(), 146_097);
    }

    /// A day or a number, and what it means.
    fn day_or_number() -> impl Strategy<Value = (String, (u64, u64))> {
        let day = (1_000..=9_999_u64, 1..=12_u64, 1..=28_u64).prop_map(|(year, month, day)| {
            (format!("{year}-{month:02}-{day:02}"), (0, year * 372 + month * 31 + day))
        });
        let near = prop_oneof![0..3_000_u64, 10_000_000..100_000_000_u64, 0..9_000_000_000_u64];
        let number = (near, 0..3_usize)
            .prop_map(|(number, zeros)| ("0".repeat(zeros) + &number.to_string(), (1, number)));
        prop_oneof![day, number]
    }

    proptest! {
        #[test]
        fn days_and_numbers_never_share_a_seed(
            named in prop::collection::vec(day_or_number(), 2..60),
            other in "[a-z0-9.-]{0,12}[a-z]",
        ) {
            let mut by_meaning = BTreeMap::new();
            for (name, meaning) in named {
                let window = window(&name);
                prop_assert_eq!(window.seeds.end - window.seeds.start, 1_000_000_000);
                // The same name again, as on another machine.
                prop_assert_eq!(&Window::named(&name).unwrap(), &window);
                let before = by_meaning.entry(meaning).or_insert_with(|| window.seeds.clone());
                prop_assert_eq!(&*before, &window.seeds, "another spelling of the same number");
            }
            by_meaning.insert((2, 0), window(&other).seeds);
            let mut ranges: Vec<_> = by_meaning.into_values().collect();
            ranges.sort_by_key(|range| range.start);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "{:?}", ranges);
        }
    }
}
