//! `config show`: the configuration as YAML, each value with where it came from. Secrets were hidden before.

use std::fmt::Write as _;

use super::{Config, Origin};

impl Config {
    /// The values that somebody gave, or, with `defaults`, all of them; each with its origin as a comment. It is YAML
    /// that gives the same configuration again, but for secrets.
    pub fn show(&self, defaults: bool) -> String {
        const VALUE_COLUMN: usize = 44;
        let mut text = String::new();
        let mut section = "";
        for shown in &self.shown {
            let by_default = matches!(shown.origin, Origin::Default(_));
            let (parent, name) = shown.key.split_once('.').unwrap_or(("", shown.key));
            // That the section is there is what turns the source on: it is shown if it is, and only then.
            let off = match parent {
                "supervisor" => self.supervisor.is_none(),
                "etcd" => self.etcd.is_none(),
                _ => false,
            };
            let turns_on = matches!(shown.key, "supervisor.distribution" | "etcd.endpoints") && !off;
            if by_default && !defaults && !turns_on {
                continue;
            }
            let (off, indent) = if off {
                ("# ", "")
            } else {
                ("", if parent.is_empty() { "" } else { "  " })
            };
            if parent != section && !parent.is_empty() {
                let _ = writeln!(text, "{off}{parent}:");
            }
            section = parent;
            let line = match &shown.value {
                Some(value) => format!("{off}{indent}{name}: {value}"),
                None => format!("{off}{indent}# {name}:"),
            };
            let _ = writeln!(text, "{line:VALUE_COLUMN$} # {}", shown.origin);
        }
        text
    }
}
