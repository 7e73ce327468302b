//! Durations and sizes: whole numbers with a unit, always.

use std::time::Duration;

use super::super::tree::{Node, Tree};
use super::{Value, Wrong, unreadable, wrong_type};

impl Value for Duration {
    const EXPECTED: &'static str =
        "a duration: a number and a unit (ms, s, m, h, d), for example 10m or 250ms";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        duration(word).ok_or_else(|| unreadable::<Self>(word))
    }

    fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
        match &tree.node {
            Node::Text(word) => Self::from_word(word),
            Node::Number(digits) => Err(Wrong::new(
                format!("{digits} has no unit"),
                format!("write the unit too, for example {digits}s ({digits} seconds)"),
            )),
            other => Err(wrong_type::<Self>(other)),
        }
    }

    fn show(&self) -> String {
        show_duration(*self)
    }
}

/// Milliseconds in each unit, longest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// `1h30m` and the like: whole numbers, each with its unit, longer units first.
fn duration(word: &str) -> Option<Duration> {
    let mut rest = word;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let (_, millis) = units.by_ref().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*millis)?)?;
        rest = after;
    }
    (!word.is_empty()).then(|| Duration::from_millis(total))
}

/// In the largest unit that leaves no fraction.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    UNITS
        .iter()
        .find(|(_, unit)| millis % unit == 0)
        .map_or_else(String::new, |(name, unit)| format!("{}{name}", millis / unit))
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl Value for ByteSize {
    const EXPECTED: &'static str = "a size: a whole number and KiB, MiB or GiB, for example 16MiB";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        let (number, unit) =
            word.split_at(word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len());
        let shift = match unit {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(unreadable::<Self>(word)),
        };
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(1 << shift));
        bytes.map(Self).ok_or_else(|| unreadable::<Self>(word))
    }

    fn show(&self) -> String {
        match self.0 {
            bytes if bytes % (1 << 30) == 0 => format!("{}GiB", bytes >> 30),
            bytes if bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
            bytes => format!("{}KiB", bytes >> 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ByteSize, Value};

    #[test]
    fn durations_are_read_and_shown_again() {
        for (word, millis) in [
            ("10m", 600_000),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
            ("0s", 0),
        ] {
            let duration = Duration::from_word(word).expect(word);
            assert_eq!(duration, Duration::from_millis(millis), "{word}");
            assert_eq!(
                Duration::from_word(&duration.show()).expect("shown"),
                duration,
                "{word}"
            );
        }
        for word in [
            "",
            "10",
            "m",
            "10 m",
            "-1s",
            "1.5s",
            "5x",
            "30m1h",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(Duration::from_word(word).is_err(), "{word}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown_again() {
        for (word, bytes) in [("16MiB", 16 << 20), ("512KiB", 512 << 10), ("1GiB", 1 << 30)] {
            assert_eq!(ByteSize::from_word(word).expect(word), ByteSize(bytes));
            assert_eq!(ByteSize(bytes).show(), word);
        }
        for word in ["16", "16MB", "MiB", "1.5MiB", "99999999999GiB"] {
            assert!(ByteSize::from_word(word).is_err(), "{word}");
        }
    }
}
