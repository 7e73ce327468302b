//! M1–M5: the whole table of standing, what the sources say of an endpoint.

use crate::snapshot::Standing;

/// A fact that bears on an endpoint's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Some source's report has it.
    Listed,
    /// No source's current report has it any more.
    Unlisted,
    /// Its absence is proven by M3 (or, for a name's address, by M4).
    AbsenceProven,
    /// It is archived, but verifies and is ready after all.
    Proven,
    /// A report failed, timed out, was empty, or answered an older question without it.
    NothingSaid,
}

/// M1–M5: the whole table of standing.
pub(crate) fn standing_after(standing: Standing, told: Told) -> Standing {
    match (standing, told) {
        // M1: what any source lists is listed, whatever it was.
        (_, Told::Listed) => Standing::Listed,
        // M2: failure is not absence.
        (standing, Told::NothingSaid) => standing,
        // M3: absence is not removal.
        (Standing::Listed | Standing::Retained, Told::Unlisted) => Standing::Retained,
        (Standing::Listed | Standing::Retained, Told::AbsenceProven) => Standing::Archived,
        // The proof of absence was overtaken.
        (Standing::Archived | Standing::Retained, Told::Proven) => Standing::Retained,
        (Standing::Listed, Told::Proven) => Standing::Listed,
        // M5: archived endpoints are remembered.
        (Standing::Archived, Told::Unlisted | Told::AbsenceProven) => Standing::Archived,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use alloc::format;
    use alloc::string::String;

    use super::*;

    #[test]
    fn the_whole_table_of_standing() {
        let mut table = String::new();
        for standing in [Standing::Listed, Standing::Retained, Standing::Archived] {
            for told in [
                Told::Listed,
                Told::Unlisted,
                Told::AbsenceProven,
                Told::Proven,
                Told::NothingSaid,
            ] {
                let after = standing_after(standing, told);
                let mark = if after == standing { "  " } else { "->" };
                let (standing, told) = (format!("{standing:?}"), format!("{told:?}"));
                writeln!(table, "{standing:<8} + {told:<13} {mark} {after:?}").expect("a string takes all");
            }
        }
        insta::assert_snapshot!(table);
    }
}
