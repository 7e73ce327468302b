//! The types that a value of the configuration can have: how each is read from a word, and how it is shown again.
//! Bounds that hang on the key are the key's ([`super::read`]).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::problem::Place;
use super::tree::{Node, Tree};

/// So many items a list may have.
pub(crate) const LIST_MAX: usize = 64;

/// What is wrong with a value, and where: the place of the item, if it is one of a list.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) place: Option<Place>,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Wrong {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            place: None,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// A type that a key can have.
pub(crate) trait Value: Sized {
    /// What is expected, for the sentence "write …".
    const EXPECTED: &'static str;

    /// From a word: of a flag, of the environment, or a text of the file.
    fn from_word(word: &str) -> Result<Self, Wrong>;

    /// From the file. Only a text will do, if the type says nothing else.
    fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
        match &tree.node {
            Node::Text(word) => Self::from_word(word),
            other => Err(wrong_type::<Self>(other)),
        }
    }

    /// As YAML, to be read back to the same value.
    fn show(&self) -> String;
}

fn wrong_type<V: Value>(node: &Node) -> Wrong {
    let hint = match node {
        Node::Number(_) | Node::Bool(_) if V::EXPECTED == String::EXPECTED => " (in quotes)",
        _ => "",
    };
    Wrong::new(
        format!("this is {}", node.kind()),
        format!("write {}{hint}", V::EXPECTED),
    )
}

fn unreadable<V: Value>(word: &str) -> Wrong {
    Wrong::new(
        format!("{} cannot be read", quoted(word)),
        format!("write {}", V::EXPECTED),
    )
}

/// A word as it may be shown: in quotes, cut, without control characters.
pub(crate) fn quoted(word: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let mut shown: String = word.chars().take(SHOWN_MAX).collect();
    if shown.len() < word.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

impl Value for String {
    const EXPECTED: &'static str = "a text";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        const TEXT_MAX: usize = 253;
        let good = !word.is_empty() && word.len() <= TEXT_MAX && !word.chars().any(char::is_control);
        good.then(|| word.to_owned()).ok_or_else(|| {
            Wrong::new(
                format!("{} is empty, too long or holds control characters", quoted(word)),
                format!("write a text of 1 to {TEXT_MAX} bytes, or leave the key out"),
            )
        })
    }

    fn show(&self) -> String {
        quoted_yaml(self)
    }
}

/// A plain word stays plain, anything that YAML could take for something else gets quotes (a JSON text is YAML).
fn quoted_yaml(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        word.parse().map_err(|_| unreadable::<Self>(word))
    }

    fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
        match &tree.node {
            Node::Bool(value) => Ok(*value),
            other => Err(wrong_type::<Self>(other)),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! number {
    ($type:ty, $expected:literal) => {
        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn from_word(word: &str) -> Result<Self, Wrong> {
                word.parse().map_err(|_| unreadable::<Self>(word))
            }

            fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
                match &tree.node {
                    Node::Number(digits) => Self::from_word(digits),
                    other => Err(wrong_type::<Self>(other)),
                }
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    };
}

number!(u16, "a whole number from 0 to 65535");
number!(u32, "a whole number from 0 to 4294967295");

impl Value for Duration {
    const EXPECTED: &'static str =
        "a duration: a number and a unit (ms, s, m, h, d), for example 10m or 250ms";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        duration(word).ok_or_else(|| unreadable::<Self>(word))
    }

    fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
        match &tree.node {
            Node::Text(word) => Self::from_word(word),
            Node::Number(digits) => Err(Wrong::new(
                format!("{digits} has no unit"),
                format!("write the unit too, for example {digits}s ({digits} seconds)"),
            )),
            other => Err(wrong_type::<Self>(other)),
        }
    }

    fn show(&self) -> String {
        show_duration(*self)
    }
}

/// Milliseconds in each unit, longest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// `1h30m` and the like: whole numbers, each with its unit, longer units first.
fn duration(word: &str) -> Option<Duration> {
    let mut rest = word;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let (_, millis) = units.by_ref().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*millis)?)?;
        rest = after;
    }
    (!word.is_empty()).then(|| Duration::from_millis(total))
}

/// In the largest unit that leaves no fraction.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    UNITS
        .iter()
        .find(|(_, unit)| millis % unit == 0)
        .map_or_else(String::new, |(name, unit)| format!("{}{name}", millis / unit))
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl Value for ByteSize {
    const EXPECTED: &'static str = "a size: a whole number and KiB, MiB or GiB, for example 16MiB";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        let (number, unit) =
            word.split_at(word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len());
        let shift = match unit {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(unreadable::<Self>(word)),
        };
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(1 << shift));
        bytes.map(Self).ok_or_else(|| unreadable::<Self>(word))
    }

    fn show(&self) -> String {
        match self.0 {
            bytes if bytes % (1 << 30) == 0 => format!("{}GiB", bytes >> 30),
            bytes if bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
            bytes => format!("{}KiB", bytes >> 10),
        }
    }
}

impl Value for IpAddr {
    const EXPECTED: &'static str = "an IP address, for example 10.0.0.5";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        word.parse().map_err(|_| unreadable::<Self>(word))
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string())
    }
}

impl Value for SocketAddr {
    const EXPECTED: &'static str =
        "an IP address and a port, for example 10.0.0.2:6443 or \"[fd00::2]:6443\"";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        word.parse().map_err(|_| {
            if let Ok(ip) = word.trim_matches(['[', ']']).parse::<IpAddr>() {
                return Wrong::new(
                    format!("{} has no port", quoted(word)),
                    format!("write the port too, for example {}", SocketAddr::new(ip, 6443)),
                );
            }
            unreadable::<Self>(word)
        })
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string())
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "the path of a file or folder, from / on";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        if word.starts_with('/') && !word.contains('\0') {
            Ok(Self::from(word))
        } else {
            Err(Wrong::new(
                format!("{} is not a path from / on", quoted(word)),
                "write the whole path: a service has no folder of its own to start from",
            ))
        }
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string_lossy())
    }
}

/// A name server: an IP address, with a port or on port 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameServer(pub SocketAddr);

impl Value for NameServer {
    const EXPECTED: &'static str =
        "an IP address, with or without a port, for example 10.0.0.10 or \"127.0.0.1:5353\"";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        const DNS: u16 = 53;
        let address = word
            .parse()
            .or_else(|_| word.parse().map(|ip| SocketAddr::new(ip, DNS)));
        address.map(Self).map_err(|_| unreadable::<Self>(word))
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// A registration address: `https://HOST[:PORT]`, port 6443 if none is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// A name, or an IP address (IPv6 without its brackets).
    pub host: String,
    /// The port.
    pub port: u16,
}

impl ServerUrl {
    /// The address, if the host is none that must be resolved.
    pub fn address(&self) -> Option<SocketAddr> {
        self.host.parse().ok().map(|ip| SocketAddr::new(ip, self.port))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "https://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "https://{}:{}", self.host, self.port)
        }
    }
}

impl Value for ServerUrl {
    const EXPECTED: &'static str =
        "an address such as https://10.0.0.1:6443, https://api.example or https://[fd00::1]:6443";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        let Some(rest) = word.strip_prefix("https://") else {
            let remedy = if word.starts_with("http://") {
                "apiservers only speak TLS: write https://"
            } else {
                "write https:// and the host, for example https://10.0.0.1:6443"
            };
            return Err(Wrong::new(
                format!("{} is not an https address", quoted(word)),
                remedy,
            ));
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(Wrong::new(
                "only a host and a port belong here, no path, query or user",
                format!("write {}", Self::EXPECTED),
            ));
        }
        authority_of(authority).ok_or_else(|| unreadable::<Self>(word))
    }

    fn show(&self) -> String {
        quoted_yaml(&self.to_string())
    }
}

/// `HOST[:PORT]`; an IPv6 address is in brackets.
fn authority_of(authority: &str) -> Option<ServerUrl> {
    const API: u16 = 6443;
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (
            host,
            port.strip_prefix(':')
                .map_or_else(|| port.is_empty().then_some(None), |port| Some(Some(port)))?,
        )
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let port = match port {
        Some(port) => port.parse::<u16>().ok().filter(|port| *port != 0)?,
        None => API,
    };
    (host.contains(':') || host_name(host)).then(|| ServerUrl {
        host: host.to_owned(),
        port,
    })
}

/// A name as DNS has it, or an IPv4 address. Digits and dots alone must be an address: 10.0.0.300 is no name.
fn host_name(host: &str) -> bool {
    let labels = host.strip_suffix('.').unwrap_or(host).split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
    });
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    host.len() <= 253 && labels && (!numeric || host.parse::<IpAddr>().is_ok())
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one who presents it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Value for Secret {
    const EXPECTED: &'static str = "the secret as a text in quotes";

    fn from_word(word: &str) -> Result<Self, Wrong> {
        const SECRET_MAX: usize = 4096;
        let word = word.trim();
        let good = !word.is_empty() && word.len() <= SECRET_MAX && !word.chars().any(char::is_control);
        good.then(|| Self(word.to_owned())).ok_or_else(|| {
            Wrong::new(
                "the secret is empty, too long or holds control characters",
                format!("write {}", Self::EXPECTED),
            )
        })
    }

    fn show(&self) -> String {
        "(hidden)".to_owned()
    }
}

macro_rules! choice {
    ($type:ty, $expected:literal, $($word:literal => $variant:ident),+) => {
        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn from_word(word: &str) -> Result<Self, Wrong> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(unreadable::<Self>(word)),
                }
            }

            fn show(&self) -> String {
                match self {
                    $(Self::$variant => $word.to_owned(),)+
                }
            }
        }
    };
}

/// Whose supervisor it is: paths and ports hang on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// K3s.
    K3s,
    /// RKE2.
    Rke2,
}

choice!(Distribution, "k3s or rke2", "k3s" => K3s, "rke2" => Rke2);

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only dangers.
    Error,
    /// Changes for the worse too.
    Warn,
    /// Every change.
    Info,
    /// Every connection.
    Debug,
    /// Everything.
    Trace,
}

choice!(LogLevel, "error, warn, info, debug or trace",
    "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug, "trace" => Trace);

impl<V: Value> Value for Vec<V> {
    const EXPECTED: &'static str = "a list";

    /// Items apart by commas.
    fn from_word(word: &str) -> Result<Self, Wrong> {
        bounded(
            word.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(V::from_word)
                .collect(),
        )
    }

    fn from_tree(tree: &Tree) -> Result<Self, Wrong> {
        let Node::List(items) = &tree.node else {
            return Err(Wrong::new(
                format!("this is {}, and a list is wanted", tree.node.kind()),
                format!("write a list, even of one: [ … ]; each item: {}", V::EXPECTED),
            ));
        };
        bounded(
            items
                .iter()
                .map(|item| {
                    V::from_tree(item).map_err(|wrong| Wrong {
                        place: wrong.place.or(Some(item.place)),
                        ..wrong
                    })
                })
                .collect(),
        )
    }

    fn show(&self) -> String {
        format!(
            "[{}]",
            self.iter().map(Value::show).collect::<Vec<_>>().join(", ")
        )
    }
}

fn bounded<V>(list: Result<Vec<V>, Wrong>) -> Result<Vec<V>, Wrong> {
    let list = list?;
    if list.len() > LIST_MAX {
        return Err(Wrong::new(
            format!("the list has {} items", list.len()),
            format!("{LIST_MAX} are the most"),
        ));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ByteSize, Secret, ServerUrl, Value};

    #[test]
    fn durations_are_read_and_shown_again() {
        for (word, millis) in [
            ("10m", 600_000),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
            ("0s", 0),
        ] {
            let duration = Duration::from_word(word).expect(word);
            assert_eq!(duration, Duration::from_millis(millis), "{word}");
            assert_eq!(
                Duration::from_word(&duration.show()).expect("shown"),
                duration,
                "{word}"
            );
        }
        for word in [
            "",
            "10",
            "m",
            "10 m",
            "-1s",
            "1.5s",
            "5x",
            "30m1h",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(Duration::from_word(word).is_err(), "{word}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown_again() {
        for (word, bytes) in [("16MiB", 16 << 20), ("512KiB", 512 << 10), ("1GiB", 1 << 30)] {
            assert_eq!(ByteSize::from_word(word).expect(word), ByteSize(bytes));
            assert_eq!(ByteSize(bytes).show(), word);
        }
        for word in ["16", "16MB", "MiB", "1.5MiB", "99999999999GiB"] {
            assert!(ByteSize::from_word(word).is_err(), "{word}");
        }
    }

    #[test]
    fn registration_addresses_are_https_hosts_with_the_usual_port() {
        for (word, host, port) in [
            ("https://10.0.0.1:6443", "10.0.0.1", 6443),
            ("https://api.example", "api.example", 6443),
            ("https://api.example:443/", "api.example", 443),
            ("https://[fd00::1]", "fd00::1", 6443),
            ("https://[fd00::1]:9345", "fd00::1", 9345),
        ] {
            let url = ServerUrl::from_word(word).expect(word);
            assert_eq!((url.host.as_str(), url.port), (host, port), "{word}");
            assert_eq!(ServerUrl::from_word(&url.to_string()).expect("shown"), url);
        }
        for word in [
            "10.0.0.1:6443",
            "http://a:6443",
            "https://",
            "https://a:0",
            "https://a:b",
            "https://fd00::1",
            "https://[fd00::1]x",
            "https://[nonsense]:1",
            "https://a/path",
            "https://u@a",
            "https://10.0.0.300",
            "https://-a",
            "https://a..b",
            "https://a b",
        ] {
            assert!(ServerUrl::from_word(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::from_word(" hunter2\n").expect("a secret");
        assert_eq!(secret.expose(), "hunter2");
        assert!(!format!("{secret:?}{}", secret.show()).contains("hunter2"));
        let wrong = Secret::from_word("a\u{7}hunter2").expect_err("control characters");
        assert!(!format!("{wrong:?}").contains("hunter2"));
    }

    #[test]
    fn texts_that_yaml_would_take_for_something_else_are_shown_in_quotes() {
        for (text, shown) in [
            ("node-1", "node-1"),
            ("true", "\"true\""),
            ("1", "\"1\""),
            ("a: b", "\"a: b\""),
        ] {
            assert_eq!(text.to_owned().show(), shown);
        }
    }
}
