//! What `jackline config --output json` tells: the definitions `configuration` and `checked` of docs/commands-schema.json.

use jackline_agent::config::{Config, ConfigError, Origin};
use serde::Serialize;

/// `config show`: what was found on the node, and each value with where it came from.
#[derive(Serialize)]
pub(super) struct Shown {
    profile: Profile,
    values: Vec<Value>,
}

#[derive(Serialize)]
struct Profile {
    name: &'static str,
    why: String,
    /// `null`: nothing tells it.
    role: Option<String>,
    notes: Vec<String>,
    missing: Vec<String>,
}

#[derive(Serialize)]
struct Value {
    key: &'static str,
    /// As the file would have it, in YAML; a secret is hidden. `null`: there is none.
    value: Option<String>,
    layer: &'static str,
    /// The flag, the variable, the file with line and column, or the words of profile and default.
    origin: String,
    /// `false`: its section is not there, so it counts for nothing.
    counts: bool,
}

impl Shown {
    /// The values that somebody gave, or, with `defaults`, all of them.
    pub(super) fn of(config: &Config, defaults: bool) -> Self {
        let found = &config.profile;
        let given = config
            .shown
            .iter()
            .filter(|shown| defaults || !matches!(shown.origin, Origin::Default(_)));
        Self {
            profile: Profile {
                name: found.profile.name(),
                why: found.why.clone(),
                role: found.role.as_ref().map(|(role, _)| role.to_string()),
                notes: found.notes.clone(),
                missing: found.missing.iter().map(ToString::to_string).collect(),
            },
            values: given
                .map(|shown| Value {
                    key: shown.key,
                    value: shown.value.clone(),
                    layer: layer(&shown.origin),
                    origin: shown.origin.to_string(),
                    counts: config.counts(shown.key),
                })
                .collect(),
        }
    }
}

/// `config check`: whether it is good, and what is wrong with it.
#[derive(Serialize)]
pub(super) struct Checked {
    good: bool,
    warnings: Vec<String>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    layer: &'static str,
    origin: String,
    /// Empty where the problem is the file's.
    key: String,
    what: String,
    remedy: String,
}

impl Checked {
    pub(super) fn of(loaded: Result<&Config, &ConfigError>) -> Self {
        let problems = loaded.err().into_iter().flat_map(|error| &error.problems);
        Self {
            good: loaded.is_ok(),
            warnings: loaded.map(|config| config.warnings.clone()).unwrap_or_default(),
            problems: problems
                .map(|problem| Problem {
                    layer: layer(&problem.origin),
                    origin: problem.origin.to_string(),
                    key: problem.key.clone(),
                    what: problem.what.clone(),
                    remedy: problem.remedy.clone(),
                })
                .collect(),
        }
    }
}

const fn layer(origin: &Origin) -> &'static str {
    match origin {
        Origin::Flag(_) => "flag",
        Origin::Environment(_) => "environment",
        Origin::File(..) => "file",
        Origin::Profile(..) => "profile",
        Origin::Default(_) => "default",
    }
}
