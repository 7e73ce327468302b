//! What the operator told the distribution, wherever it was told: files and their overlays, variables, flags of units and of
//! static pods. Values are never shown by anything here: one of them is a token.

use std::collections::BTreeMap;

use super::host::Host;
use super::layout::{Layout, OptionsFrom};
use super::words;
use crate::config::tree::{Node, Tree, parse};

/// The overlay that jackline itself writes ([`crate::setup`]); what it says is not the operator's word.
pub(crate) const OWN_OVERLAY: &str = "50-jackline.yaml";
/// So many overlays are read.
const OVERLAYS_MAX: usize = 64;
/// So deep a file may nest, and an option's name may be.
const DEPTH_MAX: usize = 8;

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The value; `true` of a switch.
    pub(crate) value: String,
    /// The file that tells it.
    pub(crate) from: String,
    /// Whether it is a flag of a command, which goes before every file.
    pub(crate) by_flag: bool,
}

/// All options of one distribution on one node.
#[derive(Debug, Default)]
pub(crate) struct Options {
    told: BTreeMap<String, Vec<Told>>,
    /// Subcommands that units run, each with the unit.
    pub(crate) commands: Vec<(String, String)>,
    /// What could not be read, each a sentence with what to do.
    pub(crate) problems: Vec<String>,
}

impl Options {
    /// Reads them all.
    pub(crate) fn read(host: &Host, layout: &Layout) -> Self {
        let mut options = Self::default();
        // A variable or a flag may name another file, so files are read last and put in where they belong.
        let mut commands = Self::default();
        for from in layout.options {
            match from {
                OptionsFrom::Variables { path, names, flags } => options.variables(host, path, names, flags),
                OptionsFrom::Unit(path) => commands.unit(host, layout, path),
                OptionsFrom::Flags(path) => commands.flags_of(host, path),
                OptionsFrom::Pod(path) => commands.pod(host, path),
                OptionsFrom::Yaml { .. } => {}
            }
        }
        for from in layout.options {
            if let OptionsFrom::Yaml { path, overlays } = from {
                let named = ["config", "c"]
                    .into_iter()
                    .find_map(|key| commands.last(key).or(options.last(key)));
                let path = named.map_or_else(|| (*path).to_owned(), |named| named.value.clone());
                options.yaml(host, &path, *overlays);
            }
        }
        options.take(commands);
        for (short, long) in layout.aliases {
            let mut told = options.told.remove(*short).unwrap_or_default();
            options
                .told
                .entry((*long).to_owned())
                .or_default()
                .append(&mut told);
        }
        options.told.retain(|_, told| !told.is_empty());
        options
    }

    /// The value that counts.
    pub(crate) fn last(&self, key: &str) -> Option<&Told> {
        self.told.get(key).and_then(|told| told.last())
    }

    /// Every value, the weakest first.
    pub(crate) fn all(&self, key: &str) -> &[Told] {
        self.told.get(key).map_or(&[], Vec::as_slice)
    }

    /// The first of these options that has a value.
    pub(crate) fn first_of(&self, keys: &[&'static str]) -> Option<(&'static str, &Told)> {
        keys.iter().find_map(|key| Some((*key, self.last(key)?)))
    }

    fn take(&mut self, stronger: Self) {
        for (key, mut told) in stronger.told {
            self.told.entry(key).or_default().append(&mut told);
        }
        self.commands.extend(stronger.commands);
        self.problems.extend(stronger.problems);
    }

    fn tell(&mut self, key: String, value: String, from: &str, by_flag: bool) {
        // A variable on a command line: nobody here knows what it stands for.
        if by_flag && value.contains('$') {
            return;
        }
        self.told.entry(key).or_default().push(Told {
            value,
            from: from.to_owned(),
            by_flag,
        });
    }

    fn text(&mut self, host: &Host, path: &str) -> Option<String> {
        host.read(path).text(path, |problem| self.problems.push(problem))
    }

    fn variables(&mut self, host: &Host, path: &str, names: &[(&'static str, &'static str)], flags: &[&str]) {
        let Some(text) = self.text(host, path) else {
            return;
        };
        for (name, value) in words::variables(&text) {
            if value.is_empty() {
                continue;
            }
            if let Some((_, key)) = names.iter().find(|(variable, _)| *variable == name) {
                self.tell((*key).to_owned(), value, path, false);
            } else if flags.contains(&name.as_str()) {
                for (key, value) in words::flags(&words::words(&value)) {
                    self.tell(key, value, path, true);
                }
            }
        }
    }

    /// The unit, and the drop-ins beside it.
    fn unit(&mut self, host: &Host, layout: &Layout, path: &str) {
        let Some(mut text) = self.text(host, path) else {
            return;
        };
        let folder = format!("{path}.d");
        let names = host.names(&folder).unwrap_or_default();
        for name in names
            .iter()
            .filter(|name| name.ends_with(".conf"))
            .take(OVERLAYS_MAX)
        {
            if let Some(more) = self.text(host, &format!("{folder}/{name}")) {
                text.push('\n');
                text.push_str(&more);
            }
        }
        let Some(command) = words::command(&text) else {
            return;
        };
        let words = words::words(&command);
        let program = layout.profile.name();
        if let Some(word) = words
            .iter()
            .skip_while(|word| !word.ends_with(program))
            .nth(1)
            .filter(|word| !word.starts_with('-'))
        {
            self.commands.push((word.clone(), path.to_owned()));
        }
        for (key, value) in words::flags(&words) {
            self.tell(key, value, path, true);
        }
    }

    fn flags_of(&mut self, host: &Host, path: &str) {
        let Some(text) = self.text(host, path) else {
            return;
        };
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            for (key, value) in words::flags(&words::words(line)) {
                self.tell(key, value, path, true);
            }
        }
    }

    fn pod(&mut self, host: &Host, path: &str) {
        let Some(text) = self.text(host, path) else {
            return;
        };
        let Ok(tree) = parse(&text) else {
            self.problems.push(format!(
                "{path} is no YAML; mend it, the kubelet cannot read it either"
            ));
            return;
        };
        let mut flat = Vec::new();
        flatten(&tree, "", 0, &mut flat);
        let command = flat
            .into_iter()
            .filter(|(key, _)| key == "spec.containers.command" || key == "spec.containers.args")
            .map(|(_, value)| value)
            .collect::<Vec<_>>();
        for (key, value) in words::flags(&command) {
            self.tell(key, value, path, true);
        }
    }

    fn yaml(&mut self, host: &Host, path: &str, overlays: bool) {
        let mut files = vec![path.to_owned()];
        if overlays {
            let folder = format!("{path}.d");
            match host.names(&folder) {
                Ok(names) => files.extend(
                    names
                        .iter()
                        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
                        .filter(|name| *name != OWN_OVERLAY)
                        .take(OVERLAYS_MAX)
                        .map(|name| format!("{folder}/{name}")),
                ),
                Err(words) => self
                    .problems
                    .push(format!("{words}; let jackline's user read it")),
            }
        }
        let mut layer: BTreeMap<String, Vec<Told>> = BTreeMap::new();
        for file in files {
            let Some(text) = self.text(host, &file) else {
                continue;
            };
            let Ok(tree) = parse(&text) else {
                self.problems.push(format!(
                    "{file} is no YAML; mend it, the distribution cannot read it either"
                ));
                continue;
            };
            overlay(&mut layer, &tree, &file);
        }
        for (key, told) in layer {
            self.told.entry(key).or_default().extend(told);
        }
    }
}

/// Lays one file over those before it: a key replaces, `key+` adds.
fn overlay(layer: &mut BTreeMap<String, Vec<Told>>, tree: &Tree, file: &str) {
    let mut flat = Vec::new();
    flatten(tree, "", 0, &mut flat);
    let mut fresh: Vec<String> = Vec::new();
    for (key, value) in flat {
        let (name, adds) = match key.strip_suffix('+') {
            Some(name) => (name.to_owned(), true),
            None => (key, false),
        };
        let told = layer.entry(name.clone()).or_default();
        if !adds && !fresh.contains(&name) {
            told.clear();
            fresh.push(name);
        }
        told.push(Told {
            value,
            from: file.to_owned(),
            by_flag: false,
        });
    }
}

/// The scalars of a tree, each with its dotted key; the items of a list all have the list's.
pub(crate) fn flatten(tree: &Tree, key: &str, depth: usize, flat: &mut Vec<(String, String)>) {
    if depth > DEPTH_MAX {
        return;
    }
    match &tree.node {
        Node::Map(entries) => {
            for entry in entries {
                let full = if key.is_empty() {
                    entry.key.clone()
                } else {
                    format!("{key}.{}", entry.key)
                };
                flatten(&entry.value, &full, depth + 1, flat);
            }
        }
        Node::List(items) => items.iter().for_each(|item| flatten(item, key, depth + 1, flat)),
        Node::Text(text) | Node::Number(text) => flat.push((key.to_owned(), text.clone())),
        Node::Bool(value) => flat.push((key.to_owned(), value.to_string())),
        Node::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::overlay;
    use crate::config::tree::parse;
    use std::collections::BTreeMap;

    #[test]
    fn later_files_replace_a_key_and_a_plus_adds_to_it() {
        let mut layer = BTreeMap::new();
        for (file, text) in [
            ("a", "server: https://a:1\ntls-san: [x, y]\nnode-label: [l=1]\n"),
            (
                "b",
                "server: https://b:1\ntls-san+: [z]\nnode-label: [l=2]\nnew+: 7\n",
            ),
        ] {
            overlay(&mut layer, &parse(text).expect("YAML"), file);
        }
        let values = |key: &str| {
            layer[key]
                .iter()
                .map(|told| told.value.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(values("server"), ["https://b:1"]);
        assert_eq!(values("tls-san"), ["x", "y", "z"]);
        assert_eq!(values("node-label"), ["l=2"]);
        assert_eq!(values("new"), ["7"]);
        assert_eq!(layer["server"][0].from, "b");
    }
}
