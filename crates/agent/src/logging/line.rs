//! What a line of the log looks like: for people, or as a JSON object.

use std::fmt::{self, Write};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_subscriber::fmt::FormattedFields;
use tracing_subscriber::fmt::format::DefaultFields;
use tracing_subscriber::registry::Extensions;

use crate::clock::calendar;

/// One line, before it is text.
pub(super) struct Line {
    level: Level,
    message: String,
    fields: Map<String, Value>,
    /// So many lines of the same place were left out before it.
    pub(super) left_out: u64,
}

/// The priorities of syslog, which journald heeds at the beginning of a line.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut line = Self {
            level: *event.metadata().level(),
            message: String::new(),
            fields: Map::new(),
            left_out: 0,
        };
        event.record(&mut line);
        line
    }

    /// It is about this service, as its span says.
    pub(super) fn service(&mut self, span: &str, extensions: &Extensions<'_>) {
        if let Some(fields) = extensions.get::<FormattedFields<DefaultFields>>() {
            // The span has the one field `name`.
            let name = fields.fields.trim_start_matches("name=").trim_matches('"');
            self.fields
                .insert(span.to_owned(), Value::String(name.to_owned()));
        }
    }

    /// As a JSON object, on one line.
    pub(super) fn json(mut self) -> String {
        let time = calendar(SystemTime::now()).map(|time| time.to_string());
        let mut object = Map::new();
        object.insert("time".to_owned(), time.map_or(Value::Null, Value::String));
        object.insert(
            "level".to_owned(),
            Value::String(self.level.as_str().to_ascii_lowercase()),
        );
        object.insert("message".to_owned(), Value::String(self.message));
        if self.left_out > 0 {
            object.insert("left_out".to_owned(), self.left_out.into());
        }
        // What every line has comes first, and is not to be written over.
        self.fields.retain(|name, _| !object.contains_key(name));
        object.append(&mut self.fields);
        Value::Object(object).to_string()
    }

    /// For people: time, level, message, and the fields behind.
    pub(super) fn text(self, with_time: bool, colour: bool) -> String {
        let mut text = String::new();
        if with_time && let Some(time) = calendar(SystemTime::now()) {
            let _ = write!(text, "{time} ");
        }
        let level = self.level.as_str();
        let _ = match (colour, self.level) {
            (true, Level::ERROR) => write!(text, "\u{1b}[31m{level:5}\u{1b}[0m "),
            (true, Level::WARN) => write!(text, "\u{1b}[33m{level:5}\u{1b}[0m "),
            _ => write!(text, "{level:5} "),
        };
        text.push_str(&one_line(&self.message));
        for (name, value) in &self.fields {
            let _ = match value {
                Value::String(word) => write!(text, " {name}={}", one_line(word)),
                other => write!(text, " {name}={other}"),
            };
        }
        if self.left_out > 0 {
            let _ = write!(text, " ({} lines like this were left out)", self.left_out);
        }
        text
    }

    fn note(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = match value {
                Value::String(message) => message,
                other => other.to_string(),
            };
        } else {
            self.fields.insert(field.name().to_owned(), value);
        }
    }
}

/// Strange servers' words must not begin a line of their own, nor command the terminal.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, Value::String(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> Line {
        let mut fields = Map::new();
        fields.insert("endpoint".to_owned(), "10.0.0.1:6443".into());
        fields.insert("level".to_owned(), "forged".into());
        Line {
            level: Level::WARN,
            message: message.to_owned(),
            fields,
            left_out: 3,
        }
    }

    #[test]
    fn a_line_of_json_has_its_own_fields_first_and_none_is_forged() {
        let told: Value =
            serde_json::from_str(&line("unreachable: \"refused\"\nINFO all is well").json()).expect("JSON");
        assert_eq!(told["level"], "warn");
        assert_eq!(told["endpoint"], "10.0.0.1:6443");
        assert_eq!(told["left_out"], 3);
        assert!(told["message"].as_str().is_some_and(|words| words.contains('\n')));
    }

    #[test]
    fn a_line_of_text_is_one_line_whatever_a_server_said() {
        let text = line("unreachable: \u{1b}[2J\nINFO all is well").text(false, false);
        assert_eq!(
            text,
            "WARN  unreachable:  [2J INFO all is well endpoint=10.0.0.1:6443 level=forged (3 lines like this were left out)"
        );
    }

    #[test]
    fn priorities_are_syslogs() {
        let told = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG].map(priority);
        assert_eq!(told, [3, 4, 6, 7]);
    }
}
