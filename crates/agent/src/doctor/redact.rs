//! Takes secrets out of texts that leave the machine. Where in doubt it takes too much: what is shown is for strangers' eyes.
//!
//! By form: private keys, tokens of K3s and of bootstrap, JSON Web Tokens, `Authorization` values, users and passwords in URLs. By name: the
//! value of every key that sounds like a secret, in YAML, JSON, variables and flags.

/// What stands in a secret's place.
pub(crate) const HIDDEN: &str = "(hidden)";

/// Keys whose values are secrets; a key that ends in one of them, whatever its case and its dashes.
const NAMES: [&str; 12] = [
    "token",
    "password",
    "passwd",
    "secret",
    "clientkeydata",
    "clientkey",
    "privatekey",
    "authorization",
    "credential",
    "accesskey",
    "secretkey",
    "passphrase",
];
/// Ends of keys that only name a file, a kind or a count.
const HARMLESS: [&str; 4] = ["file", "path", "dir", "total"];

/// The same text without secrets.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_key = false;
    let mut block: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        if bare.contains("PRIVATE KEY") && bare.contains("BEGIN") {
            // A key may also stand in one line, escaped as JSON has it.
            in_key = !bare.contains("END");
            let indent: String = bare.chars().take_while(|c| c.is_whitespace()).collect();
            out.push_str(&format!("{indent}{HIDDEN}\n"));
            continue;
        }
        if in_key {
            in_key = !bare.contains("-----END");
            continue;
        }
        let indent = bare.len() - bare.trim_start().len();
        if block.is_some_and(|above| indent > above || bare.trim().is_empty()) {
            continue;
        }
        block = None;
        let (clean, opens) = redact_line(bare);
        if opens {
            block = Some(indent);
        }
        out.push_str(&clean);
        out.push_str(&line[bare.len()..]);
    }
    out
}

/// One line without secrets, and whether it opens a block whose lines are all one (`token: |`).
fn redact_line(line: &str) -> (String, bool) {
    let mut opens = false;
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    // A key is a run of letters, digits, dashes, dots and underscores before `:` or `=` or, of a flag, a space.
    while let Some(at) = rest.find([':', '=', ' ']) {
        let before = &line[..line.len() - rest.len() + at];
        let key = match rest[at..].starts_with(' ') {
            // `--token VALUE`; elsewhere a blank ends no name.
            true => before.rsplit(' ').next().filter(|word| word.starts_with("--")),
            false if rest[at..].starts_with("://") => None,
            false => Some(before.trim_end_matches(['"', '\'', '\\', ' '])),
        };
        if key.is_some_and(names_a_secret) {
            let (value, length) = value_of(&rest[at + 1..]);
            out.push_str(&rest[..=at]);
            if value.is_empty() {
                rest = &rest[at + 1..];
                continue;
            }
            opens |= matches!(value, "|" | ">" | "|-" | ">-");
            let space: String = rest[at + 1..].chars().take_while(|c| c.is_whitespace()).collect();
            let quote = rest[at + 1 + space.len()..]
                .chars()
                .next()
                .filter(|c| matches!(c, '"' | '\''))
                .map(String::from)
                .unwrap_or_default();
            out.push_str(&space);
            out.push_str(&quote);
            out.push_str(HIDDEN);
            out.push_str(&quote);
            rest = &rest[at + 1 + length..];
        } else {
            out.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
        }
    }
    out.push_str(rest);
    (by_form(&out), opens)
}

/// Whether the last word of `before` is the name of a secret.
fn names_a_secret(before: &str) -> bool {
    let word: String = before
        .chars()
        .rev()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .collect();
    let word: String = word
        .chars()
        .rev()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    NAMES.iter().any(|name| word.ends_with(name)) && !HARMLESS.iter().any(|end| word.ends_with(end))
}

/// The value that a text begins with, and how far it reaches.
fn value_of(text: &str) -> (&str, usize) {
    let start = text.len() - text.trim_start().len();
    let body = &text[start..];
    let (value, length) = match body.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = &body[1..];
            let mut escaped = false;
            let end = inner.find(|c: char| {
                let ends = c == quote && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let end = end.unwrap_or(inner.len());
            (&inner[..end], (end + 2).min(body.len()))
        }
        // `Bearer abc`, `Basic abc`: a scheme and its value; elsewhere up to what may end a value.
        Some(_) => {
            let end = body.find([',', '}', ']', '"', '#']).unwrap_or(body.len());
            (body[..end].trim_end(), body[..end].trim_end().len())
        }
        None => ("", 0),
    };
    (value, start + length)
}

/// Takes out what looks like a secret by itself.
fn by_form(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut word = String::new();
    for c in line.chars().chain(std::iter::once(' ')) {
        if c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '<' | '>' | '`' | '(' | ')') {
            out.push_str(&without_form(&word));
            word.clear();
            out.push(c);
        } else {
            word.push(c);
        }
    }
    out.pop();
    out
}

fn without_form(word: &str) -> String {
    if word.is_empty() || word.starts_with(HIDDEN) {
        return word.to_owned();
    }
    let start = word.rfind('=').map_or(0, |at| at + 1);
    let (before, value) = word.split_at(start);
    let is_hash = |text: &str| text.len() >= 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    // K3s's and RKE2's: K10<hash>::<user>:<password>.
    let k10 = word
        .find("K10")
        .is_some_and(|at| word[at + 3..].contains("::") || is_hash(&word[at + 3..]));
    let jwt = word
        .find("eyJ")
        .is_some_and(|at| word[at..].matches('.').count() >= 2);
    let bootstrap = value.split_once('.').is_some_and(|(id, secret)| {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        id.len() == 6 && secret.len() == 16 && plain(id) && plain(secret)
    });
    // A key in base64, as kubeconfigs have it: `-----BEGIN ` is what it begins with.
    let key = word.contains("LS0tLS1CRUdJTi")
        && (word.contains("UFJJVkFURSBLRVk")
            || word.contains("BSSVZBVEUgS0VZ")
            || word.contains("QUklWQVRFIEtFW"));
    if k10 || jwt || bootstrap || key {
        return format!("{before}{HIDDEN}");
    }
    // scheme://user:password@host
    if let Some((scheme, rest)) = word.split_once("://") {
        let authority = rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end]);
        if let Some((_, host)) = authority.rsplit_once('@') {
            return format!("{scheme}://{HIDDEN}@{host}{}", &rest[authority.len()..]);
        }
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::redact;

    /// A secret in its place, and what must be left of the line.
    const PLANTED: [(&str, &str); 19] = [
        ("token: hunter2", "token:"),
        ("K3S_TOKEN='hunter2'", "K3S_TOKEN="),
        ("agent-token: \"hunter2 and more\" # a comment", "# a comment"),
        (
            "{\"password\":\"hun\\\"ter2\",\"node\":\"n1\"}",
            "\"node\":\"n1\"",
        ),
        ("  client-key-data: hunter2", "client-key-data:"),
        (
            "https://admin:hunter2@proxy.example:3128/x",
            "proxy.example:3128/x",
        ),
        ("HTTPS_PROXY=http://u:hunter2@10.0.0.1:3128", "10.0.0.1:3128"),
        ("Authorization: Bearer hunter2", "Authorization:"),
        (
            "ExecStart=/usr/bin/k3s agent --token hunter2 --node-ip 10.0.0.1",
            "agent --token",
        ),
        ("ExecStart=/usr/bin/k3s agent --token=hunter2", "agent --token="),
        ("joined with K10abc::node:hunter2 at 10.0.0.1", "at 10.0.0.1"),
        ("a word abcdef.0123456789hunter in a line", "in a line"),
        ("sent eyJhbGciOi.eyJhunter2.c2ln to it", "to it"),
        ("secret_key = hunter2", "secret_key ="),
        ("{\"a\":{\"clientSecret\": \"hunter2\"}}", "clientSecret"),
        ("token: |\n  hunter2\n  hunter2\nnode: n1", "node: n1"),
        (
            "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----\nnode: n1",
            "node: n1",
        ),
        (
            "x\n\"-----BEGIN PRIVATE KEY-----\\nhunter2\\n-----END PRIVATE KEY-----\"\nnode: n1",
            "node: n1",
        ),
        ("data: LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0thunter2", "data:"),
    ];

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (text, left) in PLANTED {
            let clean = redact(text);
            assert!(!clean.contains("hunter"), "{text:?} gives {clean:?}");
            assert!(clean.contains(left), "{text:?} gives {clean:?}");
            assert_eq!(redact(&clean), clean, "what is clean stays as it is");
        }
    }

    #[test]
    fn what_is_no_secret_is_left_as_it_is() {
        for text in [
            "server: https://10.0.0.1:6443\n",
            "token-file: /etc/rancher/token\n",
            "{\"address\":\"10.0.0.1:6443\",\"health\":\"ready\",\"open\":3}\n",
            "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "10.0.0.2:6443: last probe failed: etcd\r\nnext line",
            "",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
