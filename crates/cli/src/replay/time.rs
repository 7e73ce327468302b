//! Which moment people mean: `03:12`, or a whole date and time. All is UTC, as in the journal.

use std::time::Duration;

use jackline_agent::journal::played::Played;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A minute is meant by 03:12, a second by 03:12:04.
const MINUTE: Duration = Duration::from_secs(60);

/// The steps around `at` that tell something, by their places; the nearest one before, if there is none.
pub(super) fn steps(played: &Played, at: &str, within: Duration) -> Result<Vec<usize>, String> {
    let walls = played.steps.iter().filter_map(|step| step.wall);
    let (Some(first), Some(last)) = (walls.clone().min(), walls.max()) else {
        return Err("the journal does not tell the time of any event".to_owned());
    };
    let (begin, lasts) = moment(at, first, last)?;
    let margin =
        SignedDuration::try_from(within).map_err(|_| "that is too long a time around it".to_owned())?;
    let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::ZERO);
    let from = begin.checked_sub(margin).unwrap_or(Timestamp::MIN);
    let to = begin
        .checked_add(lasts)
        .and_then(|end| end.checked_add(margin))
        .unwrap_or(Timestamp::MAX);
    if to < first || from > last {
        return Err(format!(
            "the journal tells of {first} to {last}: {at} is not among it"
        ));
    }
    let found = played.telling(played.between(from, to));
    if !found.is_empty() {
        return Ok(found);
    }
    let mut before = played.telling(played.between(first, from));
    Ok(before.pop().into_iter().collect())
}

/// The moment that `text` means in a journal from `first` to `last`, and how long it is.
fn moment(text: &str, first: Timestamp, last: Timestamp) -> Result<(Timestamp, Duration), String> {
    let wrong = || format!("{text:?} is no time: write 03:12, 03:12:04 or 2026-01-31T03:12:04Z, in UTC");
    if let Ok(whole) = text.parse::<Timestamp>() {
        return Ok((whole, Duration::ZERO));
    }
    let time: Time = text.trim_end_matches('Z').parse().map_err(|_| wrong())?;
    let lasts = match text.matches(':').count() {
        1 => MINUTE,
        _ => Duration::from_secs(1),
    };
    // The latest such time that the journal tells of.
    let mut day = last.to_zoned(TimeZone::UTC).date();
    loop {
        let at = day
            .to_datetime(time)
            .to_zoned(TimeZone::UTC)
            .map_err(|_| wrong())?
            .timestamp();
        if at <= last {
            return Ok((at, lasts));
        }
        day = day.yesterday().map_err(|_| wrong())?;
        if day < first.to_zoned(TimeZone::UTC).date() {
            return Ok((at, lasts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MINUTE, moment};

    #[test]
    fn a_time_of_the_day_is_the_latest_one_in_the_journal() {
        let at = |text: &str| text.parse().expect("a time");
        let (first, last) = (at("2026-01-30T22:00:00Z"), at("2026-01-31T04:00:00Z"));
        let mean = |text: &str| moment(text, first, last).expect(text);
        assert_eq!(mean("03:12"), (at("2026-01-31T03:12:00Z"), MINUTE));
        assert_eq!(mean("23:00:01").0, at("2026-01-30T23:00:01Z"));
        assert_eq!(mean("2026-01-31T03:12:04+01:00").0, at("2026-01-31T02:12:04Z"));
        for wrong in ["", "soon", "25:00", "3"] {
            let error = moment(wrong, first, last).expect_err(wrong);
            assert!(error.contains("is no time: write"), "{error}");
        }
    }
}
