//! `KEY=VALUE` as in the configuration: those keys that the core goes by and that can be changed under way.

use std::time::Duration;

use jackline_core::Settings;

use crate::config::value::Value;

/// A pace is not set below this: the world of a journal is not finer.
const PACE_MIN: Duration = Duration::from_millis(100);

/// The keys that can be set.
pub const SETTABLE: [&str; 10] = [
    "fleet-size",
    "node.prefer-local",
    "timing.grace",
    "timing.unwitnessed-grace",
    "timing.refresh-watched",
    "timing.refresh-polled",
    "timing.probe-used",
    "timing.probe-idle",
    "timing.drain-time",
    "timing.settling-time",
];

/// Why a setting cannot be tried.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingError {
    /// There is nothing to try it on.
    #[error("the journal holds no event: there is nothing to try a setting on")]
    Nothing,
    /// It is no `KEY=VALUE`.
    #[error("{0:?} is no setting: write KEY=VALUE, for example timing.probe-used=5s")]
    Form(String),
    /// The key is none of those.
    #[error("{key:?} cannot be set for a replay: the keys are {}", SETTABLE.join(", "))]
    Key {
        /// What was given.
        key: String,
    },
    /// The value cannot be read.
    #[error("{key}: {what}: {remedy}")]
    Value {
        /// Whose.
        key: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
}

/// Sets what `word` says.
///
/// # Errors
/// It is no setting, or has no such value.
pub fn change(settings: &mut Settings, word: &str) -> Result<(), SettingError> {
    let (key, value) = word
        .split_once('=')
        .ok_or_else(|| SettingError::Form(word.to_owned()))?;
    let span: &mut Duration = match key {
        "fleet-size" => {
            settings.fleet_size = read(key, value)?;
            return Ok(());
        }
        "node.prefer-local" => {
            settings.prefer_local = read(key, value)?;
            return Ok(());
        }
        "timing.grace" => &mut settings.grace,
        "timing.unwitnessed-grace" => &mut settings.unwitnessed_grace,
        "timing.refresh-watched" => &mut settings.refresh_watched,
        "timing.refresh-polled" => &mut settings.refresh_polled,
        "timing.probe-used" => &mut settings.probe_used,
        "timing.probe-idle" => &mut settings.probe_idle,
        "timing.drain-time" => &mut settings.drain_time,
        "timing.settling-time" => &mut settings.settling_time,
        _ => {
            return Err(SettingError::Key { key: key.to_owned() });
        }
    };
    let given: Duration = read(key, value)?;
    if given < PACE_MIN && !matches!(key, "timing.drain-time" | "timing.settling-time") {
        return Err(SettingError::Value {
            key: key.to_owned(),
            what: format!("{value} is too short"),
            remedy: "write at least 100ms".to_owned(),
        });
    }
    *span = given;
    Ok(())
}

fn read<V: Value>(key: &str, value: &str) -> Result<V, SettingError> {
    V::from_word(value).map_err(|wrong| SettingError::Value {
        key: key.to_owned(),
        what: wrong.what,
        remedy: wrong.remedy,
    })
}
