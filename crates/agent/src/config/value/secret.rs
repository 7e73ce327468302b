//! A secret: read like a text, shown never.

use std::fmt;

use super::{Value, Wrong};

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

#[cfg(test)]
mod tests {
    use super::{Secret, Value};

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::from_word(" hunter2\n").expect("a secret");
        assert_eq!(secret.expose(), "hunter2");
        assert!(!format!("{secret:?}{}", secret.show()).contains("hunter2"));
        let wrong = Secret::from_word("a\u{7}hunter2").expect_err("control characters");
        assert!(!format!("{wrong:?}").contains("hunter2"));
    }
}
