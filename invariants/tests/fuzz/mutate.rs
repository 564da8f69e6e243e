//! Mutations of an input: of bytes, and of lines, tokens and fields, which keep most of its syntax.

/// A small seeded generator.
pub(crate) struct TestRng(u64);

impl TestRng {
    pub(crate) const fn new(seed: u64) -> TestRng {
        TestRng(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x6a09_e667_f3bc_c908)
    }

    /// A number below `bound`, which must not be 0.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }

    /// An index below `length`, which must not be 0.
    const fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}

/// The longest input that copying may produce.
const MAX_BYTES: usize = 1 << 20;

/// Replacements of numbers: limits of types, and other notations.
const NUMBERS: [&str; 36] = [
    "0",
    "1",
    "2",
    "-1",
    "-0",
    "00",
    "007",
    "255",
    "256",
    "65536",
    "1000000",
    "1000001",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "0.5",
    "1.0",
    "-1.5",
    "1e3",
    "1e308",
    "1e400",
    "-1e400",
    "1e-400",
    "0x10",
    "1_000",
    "3N",
    "22/7",
];

/// Replacements of values: other types and malformed values.
const VALUES: [&str; 50] = [
    "null",
    "nil",
    "true",
    "false",
    "\"\"",
    "\"text\"",
    "[]",
    "{}",
    "()",
    "#{}",
    "[1]",
    "[1,2]",
    "[1 2]",
    "{\"a\":1}",
    "{:a 1}",
    "[[1 2] [3 4]]",
    "[null]",
    "[nil 1]",
    ":ok",
    ":fail",
    ":info",
    ":invoke",
    ":read",
    ":write",
    ":cas",
    ":txn",
    ":add",
    ":enqueue",
    ":dequeue",
    ":acquire",
    ":release",
    "inf",
    "nan",
    "##Inf",
    "##NaN",
    "\\a",
    "#_",
    "#_ 1",
    ";",
    "#",
    "#inst \"1985\"",
    "#jepsen.x/y{:a 1}",
    "^{:a 1}",
    "'",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"\\",
    "\u{feff}",
    "1979-05-27",
    "\"\"\"\n\"\"\"",
];

/// Quantities in the notation of plans.
const QUANTITIES: [&str; 14] = [
    "\"0s\"",
    "\"1ns\"",
    "\"30min\"",
    "\"720h\"",
    "\"721h\"",
    "\"18446744073709551615ns\"",
    "\"18446744074s\"",
    "\"0.0000000001s\"",
    "\"1e3s\"",
    "\"-1s\"",
    "\"0%\"",
    "\"100%\"",
    "\"100.0001%\"",
    "\"0.0001%\"",
];

/// One to six mutations of an input. Foreign parts come from the donor.
pub(crate) fn mutate(bytes: &[u8], donor: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // Mostly one mutation, so that most inputs pass the first check.
    for _ in 0..rng.pick(&[1, 1, 1, 1, 1, 2, 3, 6]) {
        bytes = match rng.below(100) {
            0..20 => raw(bytes, donor, rng),
            20..45 => lines(&bytes, donor, rng),
            _ => tokens(&bytes, donor, rng),
        };
        bytes.truncate(MAX_BYTES);
    }
    bytes
}

/// A range below `length`, mostly a short one.
fn range(length: usize, rng: &mut TestRng) -> std::ops::Range<usize> {
    let start = rng.index(length + 1);
    let most = (length - start).min(rng.pick(&[1, 4, 16, 64, 1 << 20]));
    start..start + rng.index(most + 1)
}

fn raw(mut bytes: Vec<u8>, donor: &[u8], rng: &mut TestRng) -> Vec<u8> {
    if bytes.is_empty() {
        return donor.to_vec();
    }
    let at = rng.index(bytes.len());
    match rng.below(9) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => {
            bytes[at] =
                rng.pick(&[0, 9, 10, 13, 27, 32, 34, 35, 58, 91, 92, 123, 127, 128, 0xc0, 0xed, 0xfe, 0xff])
        }
        2 => {
            let more: Vec<u8> = (0..rng.below(8)).map(|_| rng.below(256) as u8).collect();
            bytes.splice(at..at, more);
        }
        3 => drop(bytes.drain(range(bytes.len(), rng))),
        4 => {
            let copied = bytes[range(bytes.len(), rng)].to_vec();
            let times = rng.pick(&[1, 1, 1, 10, 1_000]).min(MAX_BYTES / copied.len().max(1));
            bytes.splice(at..at, copied.repeat(times));
        }
        5 => bytes.truncate(at),
        6 => {
            bytes.truncate(at);
            bytes.extend_from_slice(&donor[rng.index(donor.len() + 1)..]);
        }
        7 => {
            let taken = donor[range(donor.len(), rng)].to_vec();
            bytes.splice(at..at, taken);
        }
        _ => {
            // Another encoding, or other line ends.
            bytes = match rng.below(3) {
                0 => bytes.iter().flat_map(|byte| [*byte, 0]).collect(),
                1 => [&[0xef, 0xbb, 0xbf], &bytes[..]].concat(),
                _ => bytes
                    .iter()
                    .flat_map(|byte| if *byte == b'\n' { vec![13, 10] } else { vec![*byte] })
                    .collect(),
            };
        }
    }
    bytes
}

/// Removes, repeats, swaps or inserts lines.
fn lines(bytes: &[u8], donor: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    rearrange(&mut lines, &donor.split_inclusive(|byte| *byte == b'\n').collect::<Vec<_>>(), rng);
    lines.concat()
}

/// Removes, repeats or swaps parts, or takes one from the donor.
fn rearrange<'a>(parts: &mut Vec<&'a [u8]>, donor: &[&'a [u8]], rng: &mut TestRng) {
    if parts.is_empty() {
        return;
    }
    let (at, other) = (rng.index(parts.len()), rng.index(parts.len()));
    match rng.below(6) {
        0 => drop(parts.remove(at)),
        1 => {
            let times = rng.pick(&[1, 1, 1, 3, 300]).min(MAX_BYTES / parts[at].len().max(1));
            parts.splice(other..other, std::iter::repeat_n(parts[at], times));
        }
        2 => parts.swap(at, other),
        3 => drop(parts.drain(at.min(other)..at.max(other))),
        _ if donor.is_empty() => {}
        4 => parts[at] = donor[rng.index(donor.len())],
        _ => parts.insert(at, donor[rng.index(donor.len())]),
    }
}

/// Splits into tokens: quoted texts, words and numbers, spaces, and every other byte alone.
fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.+%/".contains(byte) || *byte >= 128;
    let mut tokens = Vec::new();
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let run = |of: &dyn Fn(&u8) -> bool| rest.iter().position(|byte| !of(byte)).unwrap_or(rest.len());
        let length = match first {
            b'"' => rest[1..].iter().position(|byte| [b'"', b'\n'].contains(byte)).map_or(1, |end| end + 2),
            b' ' | b'\t' => run(&|byte| [b' ', b'\t'].contains(byte)),
            first if is_word(first) => run(&is_word),
            _ => 1,
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after;
    }
    tokens
}

fn tokens(bytes: &[u8], donor: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let mut tokens = split(bytes);
    let donor = split(donor);
    let is_number = |token: &&[u8]| token[0].is_ascii_digit() || (token.len() > 1 && token[0] == b'-');
    let is_value = |token: &&[u8]| token[0] == b'"' || token[0].is_ascii_alphanumeric();
    let indexes = |tokens: &[&[u8]], wanted: &dyn Fn(&&[u8]) -> bool| -> Vec<usize> {
        (0..tokens.len()).filter(|index| wanted(&tokens[*index])).collect()
    };
    // Owns a generated token.
    let made: Vec<u8>;
    match rng.below(12) {
        0..4 => {
            let numbers = indexes(&tokens, &is_number);
            if numbers.is_empty() {
                return bytes.to_vec();
            }
            tokens[rng.pick(&numbers)] = match rng.below(2) {
                0 => tokens[rng.pick(&numbers)],
                _ => rng.pick(&NUMBERS).as_bytes(),
            };
        }
        4..7 => {
            let values = indexes(&tokens, &is_value);
            if values.is_empty() {
                return bytes.to_vec();
            }
            let at = rng.pick(&values);
            match rng.below(12) {
                0 => {
                    made = nested(tokens[at], rng);
                    tokens[at] = &made;
                }
                1 => {
                    made = long(tokens[at], rng);
                    tokens[at] = &made;
                }
                2 | 3 => tokens[at] = rng.pick(&QUANTITIES).as_bytes(),
                4..8 => tokens[at] = tokens[rng.pick(&values)],
                _ => tokens[at] = rng.pick(&VALUES).as_bytes(),
            }
        }
        // One or more fields between two separators.
        7..10 => {
            let separators = indexes(&tokens, &|token| b",\n[]{}".contains(&token[0]));
            if separators.len() < 2 {
                return bytes.to_vec();
            }
            let first = rng.index(separators.len() - 1);
            let last = (first + 1 + rng.pick(&[0, 0, 0, 1, 5])).min(separators.len() - 1);
            let field = tokens[separators[first]..separators[last]].to_vec();
            let at = match rng.below(3) {
                0 => separators[first]..separators[last],
                1 => separators[last]..separators[last],
                _ => {
                    let other = rng.pick(&separators);
                    other..other
                }
            };
            let is_dropped = !at.is_empty();
            tokens.splice(at, if is_dropped { Vec::new() } else { field });
        }
        _ => rearrange(&mut tokens, &donor, rng),
    }
    tokens.concat()
}

/// A value in many nested brackets, closed or not.
fn nested(value: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let depth = rng.pick(&[2, 20, 127, 128, 129, 1_000, 20_000, 200_000]);
    let (open, close) = rng.pick(&[
        ("[", "]"),
        ("{\"a\":", "}"),
        ("{:a ", "}"),
        ("(", ")"),
        ("#{", "}"),
        ("#_ ", ""),
        ("#a ", ""),
        ("{a=", "}"),
        ("^:a ", ""),
        ("a.", ""),
    ]);
    let close = if rng.below(3) == 0 { String::new() } else { close.repeat(depth) };
    [open.repeat(depth).as_bytes(), value, close.as_bytes()].concat()
}

/// A long text or number.
fn long(value: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let length = rng.pick(&[20, 80, 400, 5_000, 200_000]);
    match rng.below(5) {
        0 => b"9".repeat(length),
        1 => [b"\"", &*b"a".repeat(length), b"\""].concat(),
        2 => [b"\"", "\u{e4}\u{1f600}".repeat(length / 6).as_bytes(), b"\""].concat(),
        3 => [b"0.", &*b"3".repeat(length)].concat(),
        _ => value.repeat(length / value.len().max(1) + 1),
    }
}
