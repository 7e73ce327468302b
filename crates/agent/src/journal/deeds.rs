//! What the core wanted done, as the journal keeps it: the actions as they are, but a membership to be saved without its
//! records. They are the largest thing that an action carries, the state file has them, and the next segment's
//! checkpoint holds what they were made from.

use jackline_core::Action;

/// `actions` as the journal keeps them, a JSON array.
///
/// # Errors
/// An action cannot be told as JSON: a defect.
pub(crate) fn write(actions: &[Action]) -> serde_json::Result<String> {
    let mut text = String::from("[");
    for (place, action) in actions.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        match action {
            Action::PersistMembership { .. } => text.push_str(&serde_json::to_string(&kept(action))?),
            action => text.push_str(&serde_json::to_string(action)?),
        }
    }
    text.push(']');
    Ok(text)
}

/// An action as it is kept.
#[must_use]
pub fn kept(action: &Action) -> Action {
    match action {
        Action::PersistMembership { .. } => Action::PersistMembership { records: Vec::new() },
        action => action.clone(),
    }
}

/// Whether the actions that a replay gave are those that the journal kept.
#[must_use]
pub fn are_alike(kept_ones: &[Action], played: &[Action]) -> bool {
    kept_ones.len() == played.len()
        && kept_ones.iter().zip(played).all(|(then, now)| match now {
            Action::PersistMembership { .. } => matches!(then, Action::PersistMembership { .. }),
            now => then == now,
        })
}
