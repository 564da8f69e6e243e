//! Durations and probabilities as a plan writes them: `"2.5s"`, `"2.5%"`. Reading and writing are exact, without
//! floats.

use crate::support::text::display_value;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A duration in nanoseconds, written with its unit: `"2.5s"`, `"150ms"`, `"80us"`, `"7ns"`. Hours and minutes (`"8h"`,
/// `"90min"`) are read too, and written in seconds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SimDuration(pub u64);

/// A probability in parts per million, written in percent: `"2.5%"`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Probability(pub u32);

/// The units that durations are written in, the largest first.
const WRITE_UNITS: [(&str, u64); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
/// Units that are only read.
const READ_ONLY_UNITS: [(&str, u64); 3] =
    [("h", 3_600_000_000_000), ("min", 60_000_000_000), ("m", 60_000_000_000)];
/// Parts per million in one percent.
const PPM_PER_PERCENT: u64 = 10_000;

impl SimDuration {
    /// This many milliseconds.
    #[must_use]
    pub const fn millis(count: u64) -> SimDuration {
        SimDuration(count * 1_000_000)
    }

    /// Whether it is zero, which in a plan mostly means "never".
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// This many microseconds.
    #[must_use]
    pub const fn micros(count: u64) -> SimDuration {
        SimDuration(count * 1_000)
    }
}

impl Probability {
    /// 100 %.
    pub const CERTAIN: Probability = Probability(1_000_000);

    /// Whether it is zero. Such options are not written.
    pub(super) const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for SimDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) =
            WRITE_UNITS.into_iter().find(|&(_, unit)| self.0 >= unit).unwrap_or(WRITE_UNITS[0]);
        f.pad(&(format_decimal(self.0, unit) + name))
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&(format_decimal(u64::from(self.0), PPM_PER_PERCENT) + "%"))
    }
}

impl FromStr for SimDuration {
    type Err = String;

    #[expect(clippy::disallowed_methods, reason = "the text comes from a plan or the command line")]
    fn from_str(text: &str) -> Result<SimDuration, String> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, name) = (&text[..end], text[end..].trim_start());
        let unit = WRITE_UNITS
            .into_iter()
            .chain(READ_ONLY_UNITS)
            .find(|&(unit, _)| unit == name)
            .map(|(_, unit)| unit);
        match unit.ok_or(QuantityError::NoNumber).and_then(|unit| parse_decimal(number, unit)) {
            Ok(nanos) => Ok(SimDuration(nanos)),
            Err(QuantityError::NoNumber) => {
                Err("write a number and its unit, such as 2.5s, 150ms, 80us or 7ns".to_owned())
            }
            Err(QuantityError::TooLarge) => {
                Err(format!("too long: a duration is at most {}, which is 584 years", SimDuration(u64::MAX)))
            }
            Err(QuantityError::TooFine) => Err("too fine: the smallest unit is 1ns".to_owned()),
        }
    }
}

impl FromStr for Probability {
    type Err = String;

    #[expect(clippy::disallowed_methods, reason = "the text comes from a plan or the command line")]
    fn from_str(text: &str) -> Result<Probability, String> {
        let number = text.strip_suffix('%').ok_or(QuantityError::NoNumber);
        match number.and_then(|number| parse_decimal(number.trim_end(), PPM_PER_PERCENT)).map(u32::try_from) {
            Ok(Ok(number)) if number <= Probability::CERTAIN.0 => Ok(Probability(number)),
            Ok(_) | Err(QuantityError::TooLarge) => Err("a probability is between 0% and 100%".to_owned()),
            Err(QuantityError::NoNumber) => Err("write a probability in percent, such as 2.5%".to_owned()),
            Err(QuantityError::TooFine) => {
                Err("a probability has at most four decimals, such as 0.0001%".to_owned())
            }
        }
    }
}

/// `value / unit` as an exact decimal. `unit` is a power of ten.
fn format_decimal(value: u64, unit: u64) -> String {
    let (whole, mut rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let mut digits = unit.ilog10() as usize;
    while rest.is_multiple_of(10) {
        (rest, digits) = (rest / 10, digits - 1);
    }
    format!("{whole}.{rest:0digits$}")
}

/// Why a text is not a quantity.
enum QuantityError {
    /// Not a decimal number.
    NoNumber,
    /// More than the type can hold.
    TooLarge,
    /// Finer than the smallest unit.
    TooFine,
}

/// `text` times `unit`, which must be a whole number.
#[expect(clippy::disallowed_methods, reason = "the text comes from a plan or the command line")]
fn parse_decimal(text: &str, unit: u64) -> Result<u64, QuantityError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return Err(QuantityError::NoNumber);
    }
    // More than 18 digits after the point are too fine, unless they are zeros.
    let fraction = fraction.trim_end_matches('0');
    let parts = match fraction.len() {
        0 => 0,
        length @ 1..=18 => {
            let (number, scale) = (fraction.parse::<u128>(), 10_u128.pow(length as u32));
            let parts = number.map_err(|_| QuantityError::NoNumber)? * u128::from(unit);
            if parts % scale != 0 {
                return Err(QuantityError::TooFine);
            }
            parts / scale
        }
        _ => return Err(QuantityError::TooFine),
    };
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { Ok(0) } else { whole.parse::<u64>() };
    let whole = u128::from(whole.map_err(|_| QuantityError::TooLarge)?) * u128::from(unit);
    u64::try_from(whole + parts).map_err(|_| QuantityError::TooLarge)
}

/// Reads a quantity from a string; its error says what would be right.
struct QuantityVisitor<T> {
    expecting: &'static str,
    read: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for QuantityVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(|why| E::custom(format!("`{}`: {why}", display_value(text))))
    }
}

impl Serialize for SimDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SimDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SimDuration, D::Error> {
        deserializer.deserialize_str(QuantityVisitor {
            expecting: "a duration in quotes with its unit, such as \"150ms\"",
            read: str::parse,
        })
    }
}

impl Serialize for Probability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Probability, D::Error> {
        deserializer.deserialize_str(QuantityVisitor {
            expecting: "a probability in quotes, such as \"2.5%\"",
            read: str::parse,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Probability, SimDuration};
    use proptest::prelude::*;

    #[test]
    fn quantities_are_written_in_their_largest_unit() {
        let durations = [0, 7, 80_000, 150_000_000, 2_500_000_000, 1_000_000_001, 1_500];
        assert_eq!(
            durations.map(|nanos| SimDuration(nanos).to_string()),
            ["0s", "7ns", "80us", "150ms", "2.5s", "1.000000001s", "1.5us"]
        );
        assert_eq!(
            [0, 1, 25_000, 1_000_000].map(|ppm| Probability(ppm).to_string()),
            ["0%", "0.0001%", "2.5%", "100%"]
        );
        assert_eq!("8h".parse(), Ok(SimDuration(8 * 3_600 * 1_000_000_000)));
    }

    #[test]
    fn inexact_quantities_and_missing_units_are_rejected() {
        let number = "write a number and its unit, such as 2.5s, 150ms, 80us or 7ns";
        let long = "too long: a duration is at most 18446744073.709551615s, which is 584 years";
        let fine = "too fine: the smallest unit is 1ns";
        for text in ["", "5", "s", ".5s", "5.s", "-1s", "1e3s", "5 parsecs", "1.2.3s", "h", "٣s"] {
            assert_eq!(text.parse::<SimDuration>(), Err(number.into()), "{text}");
        }
        let many = "9".repeat(400);
        for text in ["20000000000s", "18446744073.709551616s", "5124096h", &format!("{many}ns")] {
            assert_eq!(text.parse::<SimDuration>(), Err(long.into()), "{text}");
        }
        for text in ["1.5ns", "0.0000000001s", &format!("0.{many}s")] {
            assert_eq!(text.parse::<SimDuration>(), Err(fine.into()), "{text}");
        }
        assert_eq!("0000000000000000000000000000001s".parse(), Ok(SimDuration(1_000_000_000)));
        assert_eq!(format!("1.5{}s", "0".repeat(100)).parse(), Ok(SimDuration(1_500_000_000)));
        for (text, why) in [
            ("", "write a probability in percent, such as 2.5%"),
            ("5", "write a probability in percent, such as 2.5%"),
            ("%", "write a probability in percent, such as 2.5%"),
            ("-1%", "write a probability in percent, such as 2.5%"),
            ("0.00001%", "a probability has at most four decimals, such as 0.0001%"),
            ("100.0001%", "a probability is between 0% and 100%"),
            ("99999999999%", "a probability is between 0% and 100%"),
            ("99999999999999999999999%", "a probability is between 0% and 100%"),
        ] {
            assert_eq!(text.parse::<Probability>(), Err(why.into()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn quantities_survive_a_round_trip(nanos: u64, ppm in 0..=1_000_000_u32) {
            prop_assert_eq!(SimDuration(nanos).to_string().parse(), Ok(SimDuration(nanos)));
            prop_assert_eq!(Probability(ppm).to_string().parse(), Ok(Probability(ppm)));
        }
    }
}
