//! Short and stable words for what a policy announces, for timelines that people compare.

/// What an announcement about `name` says of it, if it is one that a timeline shows.
pub(crate) fn of_announcement(text: &str, name: &str) -> Option<String> {
    for word in [
        "ready",
        "alive",
        "not-ready",
        "unreachable",
        "impostor",
        "unknown",
    ] {
        if text.strip_prefix(word).is_some_and(|rest| rest.starts_with(':')) {
            return Some(format!("finds {name} {word}"));
        }
    }
    for (start, word) in [
        ("archived:", "archives"),
        ("forgotten:", "forgets"),
        ("retained again:", "takes back"),
        ("draining:", "drains"),
        ("enabled again:", "no longer drains"),
    ] {
        if text.starts_with(start) {
            return Some(format!("{word} {name}"));
        }
    }
    text.contains("avoided").then(|| format!("avoids {name}"))
}
