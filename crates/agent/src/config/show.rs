//! `config show`: what the profile found and why, and the configuration as YAML, each value with where it came from. Secrets
//! were hidden before.

use std::fmt::Write as _;

use super::{Config, Origin};

impl Config {
    /// What the profile found, a comment on each line. Nothing, where there was nothing to find.
    pub fn show_profile(&self) -> String {
        self.profile.words("## ")
    }

    /// The values that somebody gave, or, with `defaults`, all of them; each with its origin as a comment. It is YAML
    /// that gives the same configuration again, but for secrets.
    pub fn show(&self, defaults: bool) -> String {
        const VALUE_COLUMN: usize = 44;
        let mut text = String::new();
        let mut section: Vec<&str> = Vec::new();
        for shown in &self.shown {
            let by_default = matches!(shown.origin, Origin::Default(_));
            let mut path: Vec<&str> = shown.key.split('.').collect();
            let name = path.pop().unwrap_or_default();
            // That the section is there is what turns it on: it is shown if it is, and only then.
            let off = self.is_off(&path);
            let turns_on = TURNS_ON.contains(&shown.key) && !off;
            if by_default && !defaults && !turns_on {
                continue;
            }
            let same = section.iter().zip(&path).take_while(|(a, b)| a == b).count();
            for depth in same..path.len() {
                let (mark, indent) = shape(self.is_off(&path[..=depth]), depth);
                let _ = writeln!(text, "{mark}{indent}{}:", path[depth]);
            }
            let (off, indent) = shape(off, path.len());
            section = path;
            let line = match &shown.value {
                Some(value) => format!("{off}{indent}{name}: {value}"),
                None => format!("{off}{indent}# {name}:"),
            };
            let _ = writeln!(text, "{line:VALUE_COLUMN$} # {}", shown.origin);
        }
        text
    }

    /// Whether the value of `key` counts: its section is there.
    pub fn counts(&self, key: &str) -> bool {
        let mut path: Vec<&str> = key.split('.').collect();
        path.pop();
        !self.is_off(&path)
    }

    /// Whether the section is not there, so that what is in it counts for nothing.
    fn is_off(&self, path: &[&str]) -> bool {
        let (etcd, supervisor) = (self.services.etcd.is_none(), self.services.supervisor.is_none());
        match path {
            ["supervisor"] => self.supervisor.is_none(),
            ["etcd"] => self.etcd.is_none(),
            ["services"] => etcd && supervisor,
            ["services", "etcd"] => etcd,
            ["services", "supervisor"] => supervisor,
            _ => false,
        }
    }
}

/// The keys that stand for their sections.
const TURNS_ON: [&str; 4] = [
    "supervisor.distribution",
    "etcd.endpoints",
    "services.etcd.listen",
    "services.supervisor.listen",
];

/// What stands before a line at this depth.
fn shape(off: bool, depth: usize) -> (&'static str, String) {
    if off {
        ("# ", String::new())
    } else {
        ("", "  ".repeat(depth))
    }
}
