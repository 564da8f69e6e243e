//! The two quantities of a plan, as people write them: `"2.5s"` and `"2.5%"`. Exact both ways, without floats.

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A span of time in nanoseconds, written with its unit: `"2.5s"`, `"150ms"`, `"80us"`, `"7ns"`. Hours and minutes are
/// read too (`"8h"`, `"90min"`), and written in seconds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Duration(pub u64);

/// A chance in parts per million, written in percent: `"2.5%"`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Chance(pub u32);

/// The units that a duration is written in, the largest first.
const WRITTEN: [(&str, u64); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
/// Further units that it is read in.
const READ: [(&str, u64); 3] = [("h", 3_600_000_000_000), ("min", 60_000_000_000), ("m", 60_000_000_000)];
/// Parts per million in one percent.
const PERCENT: u64 = 10_000;

impl Duration {
    /// So many milliseconds.
    #[must_use]
    pub const fn millis(count: u64) -> Duration {
        Duration(count * 1_000_000)
    }

    /// Whether it is none at all: in a plan, mostly, that something never happens.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// So many microseconds.
    #[must_use]
    pub const fn micros(count: u64) -> Duration {
        Duration(count * 1_000)
    }
}

impl Chance {
    /// What always happens.
    pub const CERTAIN: Chance = Chance(1_000_000);

    /// Whether it never happens: what is off stands in no file.
    pub(super) const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = WRITTEN.into_iter().find(|&(_, unit)| self.0 >= unit).unwrap_or(WRITTEN[0]);
        f.pad(&(decimal(self.0, unit) + name))
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&(decimal(u64::from(self.0), PERCENT) + "%"))
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Duration, String> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, name) = (&text[..end], text[end..].trim_start());
        let unit = WRITTEN.into_iter().chain(READ).find(|&(unit, _)| unit == name).map(|(_, unit)| unit);
        unit.and_then(|unit| parse(number, unit)).map(Duration).ok_or_else(|| {
            format!("`{text}` is no duration: write a number and its unit, such as 2.5s, 150ms, 80us or 7ns")
        })
    }
}

impl FromStr for Chance {
    type Err = String;

    fn from_str(text: &str) -> Result<Chance, String> {
        let number = text.strip_suffix('%').and_then(|number| parse(number.trim_end(), PERCENT));
        match number.and_then(|number| u32::try_from(number).ok()) {
            Some(number) if number <= Chance::CERTAIN.0 => Ok(Chance(number)),
            Some(_) => Err(format!("`{text}` is no chance: it must be between 0% and 100%")),
            None => {
                Err(format!("`{text}` is no chance: write percent with at most four decimals, such as 2.5%"))
            }
        }
    }
}

/// `value / unit` in decimals, exact: `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    format!("{whole}.{rest:0digits$}").trim_end_matches('0').to_owned()
}

/// The number of parts that `text` times `unit` is; `None` where it is no decimal number, too large, or finer than one
/// part.
fn parse(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    let parts = fraction.checked_mul(u128::from(unit))?;
    if parts % scale != 0 {
        return None;
    }
    let whole = u128::from(whole.parse::<u64>().ok()?) * u128::from(unit);
    u64::try_from(whole.checked_add(parts / scale)?).ok()
}

/// Reads a quantity from its text, and says what would be right where there is none.
struct Text<T> {
    expecting: &'static str,
    read: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(E::custom)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(Text {
            expecting: "a duration in quotes with its unit, such as \"150ms\"",
            read: str::parse,
        })
    }
}

impl Serialize for Chance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Chance, D::Error> {
        deserializer
            .deserialize_str(Text { expecting: "a chance in quotes, such as \"2.5%\"", read: str::parse })
    }
}

#[cfg(test)]
mod tests {
    use super::{Chance, Duration};
    use proptest::prelude::*;

    #[test]
    fn are_written_as_people_write_them() {
        let durations = [0, 7, 80_000, 150_000_000, 2_500_000_000, 1_000_000_001, 1_500];
        assert_eq!(
            durations.map(|nanos| Duration(nanos).to_string()),
            ["0s", "7ns", "80us", "150ms", "2.5s", "1.000000001s", "1.5us"]
        );
        assert_eq!(
            [0, 1, 25_000, 1_000_000].map(|ppm| Chance(ppm).to_string()),
            ["0%", "0.0001%", "2.5%", "100%"]
        );
        assert_eq!("8h".parse(), Ok(Duration(8 * 3_600 * 1_000_000_000)));
    }

    #[test]
    fn what_cannot_be_exact_or_has_no_unit_is_refused() {
        for text in
            ["", "5", "s", ".5s", "5.s", "1.5ns", "-1s", "1e3s", "20000000000s", "5 parsecs", "1.2.3s"]
        {
            assert!(text.parse::<Duration>().unwrap_err().contains("150ms"), "{text}");
        }
        for text in ["", "5", "%", "0.00001%", "100.0001%", "-1%", "99999999999%"] {
            assert!(text.parse::<Chance>().unwrap_err().contains("no chance"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_quantity_is_read_back_as_it_was(nanos: u64, ppm in 0..=1_000_000_u32) {
            prop_assert_eq!(Duration(nanos).to_string().parse(), Ok(Duration(nanos)));
            prop_assert_eq!(Chance(ppm).to_string().parse(), Ok(Chance(ppm)));
        }
    }
}
