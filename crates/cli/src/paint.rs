//! Colour, on a terminal only, and never as the only sign: what is coloured is a word that says the same without.

use std::io::IsTerminal;

/// Whether words are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint(bool);

impl Paint {
    /// As the standard output wants it: not where it is no terminal, where `NO_COLOR` is set (no-color.org), or where the
    /// terminal is a dumb one.
    pub(crate) fn of_stdout() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        Self(std::io::stdout().is_terminal() && set("NO_COLOR").is_none() && !dumb)
    }

    /// Without colour.
    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self(false)
    }

    /// `page` with the words of states and healths coloured, where they stand as words of their own.
    pub(crate) fn page(self, page: &str) -> String {
        if !self.0 {
            return page.to_owned();
        }
        page.split_inclusive(' ').map(word).collect()
    }
}

/// The colour of a state's word; `None`: it has none.
fn colour(word: &str) -> Option<u8> {
    match word {
        "ATTACHED" | "ready" | "attached" => Some(32),
        "DEGRADED" | "alive" | "not-ready" | "degraded" | "warn" | "warning" | "retained" | "failed" => {
            Some(33)
        }
        "ISOLATED" | "unreachable" | "impostor" | "isolated" | "error" | "LOST" | "LATE" => Some(31),
        _ => None,
    }
}

/// A word with what is around it, coloured if it is a state's.
fn word(text: &str) -> String {
    let bare = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    match (text.find(bare), colour(bare)) {
        (Some(at), Some(colour)) => {
            let (before, rest) = text.split_at(at);
            let after = &rest[bare.len()..];
            format!("{before}\u{1b}[{colour}m{bare}\u{1b}[0m{after}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_changes_no_word() {
        let page = "node-1: ATTACHED for 3 s\n10.0.0.1:6443  listed  ready            2\n";
        let painted = Paint(true).page(page);
        assert!(
            painted.contains("\u{1b}[32mATTACHED\u{1b}[0m") && painted.contains("\u{1b}[32mready\u{1b}[0m")
        );
        let mut bare = painted;
        for code in ["\u{1b}[32m", "\u{1b}[33m", "\u{1b}[31m", "\u{1b}[0m"] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, page);
        assert_eq!(Paint::plain().page(page), page);
    }
}
