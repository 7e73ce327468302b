//! Words of a unit's command line and of a file of variables, as systemd splits them; and flags out of words. Variables are
//! not put in: a word with one in it is left as it is, for the reader to leave alone.

/// So many words of a command are looked at.
const WORDS_MAX: usize = 512;

/// Splits a line at white space; quotes hold words together, a backslash takes the next character as it is.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => all.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all.truncate(WORDS_MAX);
    all
}

/// The command that a unit runs: the last `ExecStart=`, its continued lines joined; an empty one takes back those before.
pub(crate) fn command(unit: &str) -> Option<String> {
    let joined = unit.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut command = None;
    for line in joined.lines() {
        if let Some(rest) = line.trim_start().strip_prefix("ExecStart=") {
            command = Some(rest.trim().to_owned()).filter(|rest| !rest.is_empty());
        }
    }
    command
}

/// The variables of a file, in order.
pub(crate) fn variables(text: &str) -> Vec<(String, String)> {
    let variable = |line: &str| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=')?;
        let name = name.trim();
        let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // What is in quotes is one word; what is not goes on to the line's end.
        let value = value.trim();
        let value = match value.chars().next() {
            Some('\'' | '"') => words(value).into_iter().next().unwrap_or_default(),
            _ => value.to_owned(),
        };
        good.then(|| (name.to_owned(), value))
    };
    text.lines()
        .filter(|line| !line.trim_start().starts_with(['#', ';']))
        .filter_map(variable)
        .take(WORDS_MAX)
        .collect()
}

/// The flags among `words`, each with its value; one without a value is a switch, and on.
pub(crate) fn flags(words: &[String]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let Some(flag) = word
            .strip_prefix("--")
            .or_else(|| word.strip_prefix('-'))
            .filter(|flag| !flag.is_empty())
        else {
            continue;
        };
        if let Some((name, value)) = flag.split_once('=') {
            all.push((name.to_owned(), value.trim_matches(['"', '\'']).to_owned()));
        } else if let Some(value) = words.get(at).filter(|next| !next.starts_with('-')) {
            all.push((flag.to_owned(), value.clone()));
            at += 1;
        } else {
            all.push((flag.to_owned(), "true".to_owned()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{command, flags, variables, words};

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_units_command_is_split_as_the_installer_wrote_it() {
        let unit = "[Service]\nExecStart=/old\nExecStart=\nExecStart=/usr/local/bin/k3s \\\n    agent \\\n\t'--node-ip' \\\n\t'10.0.0.5' \\\n\t\"--node-label=a b\"\n\nRestart=always\n";
        let words = words(&command(unit).expect("a command"));
        assert_eq!(
            words,
            strings(&[
                "/usr/local/bin/k3s",
                "agent",
                "--node-ip",
                "10.0.0.5",
                "--node-label=a b"
            ])
        );
        assert_eq!(
            flags(&words),
            [
                ("node-ip".to_owned(), "10.0.0.5".to_owned()),
                ("node-label".to_owned(), "a b".to_owned())
            ]
        );
        assert_eq!(command("ExecStart=/a\nExecStart=\n"), None);
    }

    #[test]
    fn switches_are_on_and_short_flags_are_flags() {
        let given = flags(&strings(&["--disable-etcd", "-s", "https://a:1", "--x=", "-"]));
        let given: Vec<(&str, &str)> = given.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(given, [("disable-etcd", "true"), ("s", "https://a:1"), ("x", "")]);
    }

    #[test]
    fn variables_are_read_with_and_without_quotes() {
        let text = "# a comment\nK3S_TOKEN='a b'\nexport K3S_URL=https://a:1\nnot a variable\nEMPTY=\nARGS=\"--a=b --c=d\"\n";
        let given = variables(text);
        let given: Vec<(&str, &str)> = given.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            given,
            [
                ("K3S_TOKEN", "a b"),
                ("K3S_URL", "https://a:1"),
                ("EMPTY", ""),
                ("ARGS", "--a=b --c=d")
            ]
        );
    }

    #[test]
    fn an_open_quote_and_a_lone_backslash_end_with_the_line() {
        assert_eq!(words("a 'b c"), strings(&["a", "b c"]));
        assert_eq!(words("a \\"), strings(&["a", ""]));
    }
}
