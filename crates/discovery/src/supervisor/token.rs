//! The node token of K3s and RKE2: `K10<CA hash>::<user>:<password>`, the same with a bootstrap token, or a bare secret.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use super::cacerts::CaHash;

/// What a whole token begins with.
const PREFIX: &str = "K10";

/// The user that the supervisor's node paths are open to. The server's own user is refused there.
const NODE_USER: &str = "node";

/// The user that the paths for other servers are open to.
const SERVER_USER: &str = "server";

/// A node token.
pub(crate) struct Token {
    /// What vouches for the cluster's CA; bare secrets have none.
    pub(crate) ca_hash: Option<CaHash>,
    login: Login,
}

enum Login {
    Password { user: String, password: String },
    Bootstrap(String),
}

/// Why a token cannot be understood. Never shows any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum TokenError {
    #[error("the token is empty; write the content of the server's node-token file")]
    Empty,
    #[error("the CA hash of the token (after K10) is not 64 hexadecimal digits; copy the whole token")]
    Hash,
    #[error("the token holds characters that no token has; copy the whole token and nothing else")]
    Characters,
    #[error(
        "the token begins with K10 but holds no user:password and no bootstrap token; copy the whole token"
    )]
    Login,
}

impl Token {
    /// The value of the Authorization header.
    pub(crate) fn authorization(&self) -> String {
        match &self.login {
            Login::Password { user, password } => basic(user, password),
            Login::Bootstrap(token) => format!("Bearer {token}"),
        }
    }

    /// The same where only servers are answered: a server's token is that under the server's name.
    pub(crate) fn authorization_of_server(&self) -> String {
        match &self.login {
            Login::Password { user, password } if user == NODE_USER => basic(SERVER_USER, password),
            _ => self.authorization(),
        }
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(TokenError::Characters);
        }
        let Some(rest) = text.strip_prefix(PREFIX) else {
            return Ok(Self {
                ca_hash: None,
                login: bare_login(text),
            });
        };
        // Without the colons it is a secret that happens to begin so.
        let Some((hash, login)) = rest.split_once("::") else {
            return Ok(Self {
                ca_hash: None,
                login: bare_login(text),
            });
        };
        let ca_hash = match hash {
            "" => None,
            digits => Some(CaHash::from_hex(digits).ok_or(TokenError::Hash)?),
        };
        Ok(Self {
            ca_hash,
            login: full_login(login)?,
        })
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn bare_login(secret: &str) -> Login {
    if is_bootstrap(secret) {
        Login::Bootstrap(secret.to_owned())
    } else {
        Login::Password {
            user: NODE_USER.to_owned(),
            password: secret.to_owned(),
        }
    }
}

fn full_login(text: &str) -> Result<Login, TokenError> {
    if is_bootstrap(text) {
        return Ok(Login::Bootstrap(text.to_owned()));
    }
    let (user, password) = text.split_once(':').ok_or(TokenError::Login)?;
    if password.is_empty() {
        return Err(TokenError::Login);
    }
    // A server's token is a node's too, but only under the node's name.
    let user = if matches!(user, "" | "server") {
        NODE_USER
    } else {
        user
    };
    Ok(Login::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

/// Six characters, a dot, sixteen characters, all of `a-z0-9`.
fn is_bootstrap(text: &str) -> bool {
    let plain = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.split_once('.')
        .is_some_and(|(id, secret)| id.len() == 6 && secret.len() == 16 && plain(id) && plain(secret))
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("ca_hash", &self.ca_hash.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(bool, String), TokenError> {
        text.parse::<Token>()
            .map(|token| (token.ca_hash.is_some(), token.authorization()))
    }

    fn basic(login: &str) -> String {
        format!("Basic {}", STANDARD.encode(login))
    }

    #[test]
    fn every_form_is_read() {
        let hash = "0123456789abcdef".repeat(4);
        assert_eq!(
            read(&format!("K10{hash}::node:pass:word\n")),
            Ok((true, basic("node:pass:word")))
        );
        assert_eq!(
            read(&format!("K10{hash}::server:secret")),
            Ok((true, basic("node:secret")))
        );
        assert_eq!(
            read(&format!("K10{hash}::abcdef.0123456789abcdef")),
            Ok((true, "Bearer abcdef.0123456789abcdef".to_owned()))
        );
        assert_eq!(read("bare-secret"), Ok((false, basic("node:bare-secret"))));
        assert_eq!(
            read("abcdef.0123456789abcdef"),
            Ok((false, "Bearer abcdef.0123456789abcdef".to_owned()))
        );
        assert_eq!(read("K10::node:x"), Ok((false, basic("node:x"))));
        assert_eq!(read("K10kings"), Ok((false, basic("node:K10kings"))));
    }

    #[test]
    fn servers_paths_are_asked_under_the_servers_name() {
        let shown = |text: &str| text.parse::<Token>().expect("a token").authorization_of_server();
        for text in ["K10::server:secret", "K10::node:secret", "secret"] {
            assert_eq!(shown(text), basic("server:secret"), "{text}");
        }
        assert_eq!(shown("abcdef.0123456789abcdef"), "Bearer abcdef.0123456789abcdef");
    }

    #[test]
    fn a_wrong_token_is_refused_without_being_shown() {
        assert_eq!(read(" \n"), Err(TokenError::Empty));
        assert_eq!(read("K10abc::node:x"), Err(TokenError::Hash));
        assert_eq!(
            read(&format!("K10{}::node:x", "g".repeat(64))),
            Err(TokenError::Hash)
        );
        assert_eq!(read("K10::nothing"), Err(TokenError::Login));
        assert_eq!(read("K10::node:"), Err(TokenError::Login));
        assert_eq!(read("two words"), Err(TokenError::Characters));
        assert_eq!(read("line\nline"), Err(TokenError::Characters));
        let token: Token = "very-secret".parse().expect("a token");
        assert!(!format!("{token:?}").contains("very-secret"));
    }
}
