//! Durations and sentences for a terminal: short, wrapped, and without anything that a terminal would act upon.

use jiff::Timestamp as Time;

/// The width that everything keeps to.
pub(crate) const WIDTH: usize = 80;

/// How long from `earlier` to `later`, in its two largest units; nought if they are the wrong way round.
pub(crate) fn span(earlier: Time, later: Time) -> String {
    let seconds = later.as_second().saturating_sub(earlier.as_second()).max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// The same in its largest unit, for a column.
pub(crate) fn short_span(earlier: Time, later: Time) -> String {
    let span = span(earlier, later);
    span.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")
}

/// A span as it is typed, in seconds: a number and its unit (90s, 30m, 2h, 1d). `None`: it is none.
pub(crate) fn typed_span(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // A sign would be one too many.
    let number: u64 = number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(number)?
        .parse()
        .ok()?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// `text` as one or more lines of at most [`WIDTH`] columns, each behind `indent` spaces and with its line feed. A word
/// that is longer than a line is broken. Nothing for an empty text.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let room = WIDTH.saturating_sub(indent).max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in clean(text).split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if !line.is_empty() && line.chars().count() + 1 + word.len() > room {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > room {
            let rest = word.split_off(room);
            lines.push(word.into_iter().collect());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
        .iter()
        .map(|line| format!("{:indent$}{line}\n", ""))
        .collect()
}

/// `text` with every control character shown as `?`: reasons quote what strange servers said.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && !c.is_whitespace() {
                '?'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Time {
        Time::from_second(second).expect("a time")
    }

    #[test]
    fn spans_are_told_in_two_units() {
        let told = [0, 59, 60, 3_599, 3_600, 86_399, 86_400, 700_000].map(|s| span(time(0), time(s)));
        let expected = [
            "0 s",
            "59 s",
            "1 min 0 s",
            "59 min 59 s",
            "1 h 0 min",
            "23 h 59 min",
            "1 d 0 h",
            "8 d 2 h",
        ];
        assert_eq!(told, expected);
        assert_eq!(span(time(10), time(0)), "0 s");
        assert_eq!(short_span(time(0), time(3_700)), "1 h");
    }

    #[test]
    fn lines_break_between_words_and_long_words_break_anywhere() {
        let text = format!("a sentence of several words {} and an end", "x".repeat(200));
        let lines = wrapped(&text, 4);
        assert_eq!(lines.lines().count(), 4);
        for line in lines.lines() {
            assert!(
                line.starts_with("    ") && line.chars().count() <= WIDTH,
                "{line}"
            );
        }
        assert_eq!(lines.replace([' ', '\n'], ""), text.replace(' ', ""));
        assert_eq!(wrapped("", 4), "");
        assert_eq!(wrapped("one\ntwo", 2), "  one two\n");
    }

    #[test]
    fn nothing_that_a_terminal_would_act_upon_comes_through() {
        assert_eq!(
            wrapped("bad \x1b[2J\u{9b}31m\x07 server", 0),
            "bad ?[2J?31m? server\n"
        );
    }
}
