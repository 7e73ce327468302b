//! The question mark's right side: parameters, label selectors, field selectors.

use serde_json::Value;

/// Parameters read; more are ignored.
const PARAMETERS_MAX: usize = 64;

/// The parameters of a request.
#[derive(Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let parameters = text
            .split('&')
            .filter(|part| !part.is_empty())
            .take(PARAMETERS_MAX);
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name), decoded(value))
        };
        Self {
            pairs: parameters.map(pair).collect(),
        }
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be given again.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let own = self.pairs.iter().filter(move |(own, _)| own == name);
        own.map(|(_, value)| value.as_str())
    }

    /// `true` or `1`, as Kubernetes reads booleans.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        matches!(self.value(name), Some("true" | "1" | ""))
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digit = |at: usize| {
            tail.get(at)
                .and_then(|digit| char::from(*digit).to_digit(16))
                .and_then(|d| u8::try_from(d).ok())
        };
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = &tail[2..];
            }
            (b'+', ..) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Which objects are meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Label>,
    name: Option<String>,
    namespace: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Label {
    Is(String, String),
    IsNot(String, String),
    Exists(String),
    Lacks(String),
}

impl Selector {
    /// # Errors
    /// A sentence about what is not understood.
    pub(crate) fn of(query: &Query) -> Result<Self, String> {
        let mut selector = Self::default();
        for part in parts(query.value("labelSelector")) {
            selector.labels.push(label(part)?);
        }
        for part in parts(query.value("fieldSelector")) {
            let (field, value) = part
                .split_once("==")
                .or_else(|| part.split_once('='))
                .unwrap_or((part, ""));
            match field {
                "metadata.name" => selector.name = Some(value.to_owned()),
                "metadata.namespace" => selector.namespace = Some(value.to_owned()),
                // There are no pods here that any value could select.
                "spec.nodeName" => {}
                _ => return Err(format!("field label not supported: {field}")),
            }
        }
        Ok(selector)
    }

    /// The one name that is meant, if it is one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let same = |wanted: &Option<String>, field: &str| {
            wanted.as_deref().is_none_or(|wanted| metadata[field] == *wanted)
        };
        let has = |label: &Label| {
            let value = |name: &str| metadata["labels"][name].as_str();
            match label {
                Label::Is(name, wanted) => value(name) == Some(wanted),
                Label::IsNot(name, unwanted) => value(name) != Some(unwanted),
                Label::Exists(name) => value(name).is_some(),
                Label::Lacks(name) => value(name).is_none(),
            }
        };
        same(&self.name, "name") && same(&self.namespace, "namespace") && self.labels.iter().all(has)
    }
}

fn parts(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn label(part: &str) -> Result<Label, String> {
    if part.contains(['(', ')', ' ']) {
        return Err(format!("this server knows no set-based label selector: {part}"));
    }
    let own = str::to_owned;
    Ok(if let Some((name, value)) = part.split_once("!=") {
        Label::IsNot(own(name), own(value))
    } else if let Some((name, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        Label::Is(own(name), own(value))
    } else if let Some(name) = part.strip_prefix('!') {
        Label::Lacks(own(name))
    } else {
        Label::Exists(own(part))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selector(query: &str) -> Result<Selector, String> {
        Selector::of(&Query::parse(query))
    }

    #[test]
    fn a_selector_as_clients_write_it_selects_what_it_says() {
        let slice = json!({ "metadata": { "name": "kubernetes", "labels": { "kubernetes.io/service-name": "kubernetes" } } });
        let matches = |query: &str| selector(query).expect("understood").matches(&slice);
        assert!(matches("labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"));
        assert!(matches(
            "labelSelector=kubernetes.io/service-name&fieldSelector=metadata.name%3Dkubernetes"
        ));
        assert!(matches(
            "labelSelector=!node-role,kubernetes.io/service-name!=other"
        ));
        assert!(!matches("labelSelector=kubernetes.io/service-name=other"));
        assert!(!matches("fieldSelector=metadata.name=other"));
        assert!(matches("watch=1"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(selector("labelSelector=a+in+(b)").is_err());
        assert!(selector("fieldSelector=status.phase=Running").is_err());
    }

    #[test]
    fn broken_escapes_are_taken_as_they_are() {
        assert_eq!(decoded("a%2"), "a%2");
        assert_eq!(decoded("%zz+%41"), "%zz A");
        assert_eq!(decoded("%ff"), "\u{fffd}");
    }
}
