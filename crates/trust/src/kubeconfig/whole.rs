//! A kubeconfig that needs no other file: its current context alone, with what it referred to inside. It is for handing a
//! credential over: certificate and key travel in one file, so that nobody ever sees a new one beside an old one.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Authorization, Kubeconfig, Piece, fault};
use crate::error::TrustError;

/// Makes `yaml` whole. Relative paths are relative to `folder`; `read` reads a file, or says in words why it cannot.
///
/// The server's address is left out: jackline learns addresses from its sources, and from no credential.
///
/// # Errors
/// It is no kubeconfig that jackline could use, or a file that it names cannot be read. No secret is quoted.
pub fn whole(
    yaml: &[u8],
    folder: &Path,
    read: &dyn Fn(&Path) -> Result<Vec<u8>, String>,
) -> Result<String, TrustError> {
    let parsed = Kubeconfig::parse(yaml, folder)?;
    let mut text = String::from("apiVersion: v1\nkind: Config\nclusters:\n- name: cluster\n  cluster:\n");
    let mut lines = 0;
    let mut piece = |text: &mut String, key: &str, piece: Option<&Piece>| -> Result<(), TrustError> {
        let bytes = match piece {
            None => return Ok(()),
            Some(Piece::Inline(bytes)) => bytes.clone(),
            Some(Piece::File(path)) => read(path).map_err(fault)?,
        };
        lines += 1;
        let _ = writeln!(text, "    {key}: {}", STANDARD.encode(bytes));
        Ok(())
    };
    piece(&mut text, "certificate-authority-data", parsed.authority.as_ref())?;
    text.push_str("    server: \"\"\nusers:\n- name: user\n  user:\n");
    piece(&mut text, "client-certificate-data", parsed.certificate.as_ref())?;
    piece(&mut text, "client-key-data", parsed.key.as_ref())?;
    match &parsed.authorization {
        None if lines == 0 => return Err(fault("it holds neither a CA nor a credential".to_owned())),
        None => text.push_str("    username: \"\"\n"),
        Some(Authorization::Token(token)) => {
            let _ = writeln!(text, "    token: {}", quoted(token.reveal()));
        }
        Some(Authorization::TokenFile(path)) => {
            let token = read(path).map_err(fault)?;
            let token = String::from_utf8(token).map_err(|_| fault("its token is no text".to_owned()))?;
            let _ = writeln!(text, "    token: {}", quoted(token.trim()));
        }
        Some(Authorization::Basic { user, password }) => {
            let (user, password) = (quoted(user), quoted(password.reveal()));
            let _ = writeln!(text, "    username: {user}\n    password: {password}");
        }
    }
    text.push_str(
        "contexts:\n- name: context\n  context:\n    cluster: cluster\n    user: user\ncurrent-context: context\n",
    );
    Ok(text)
}

/// As YAML's double-quoted style has it, whatever the bytes are.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(yaml: &str) -> Kubeconfig {
        Kubeconfig::parse(yaml.as_bytes(), Path::new("/nowhere")).expect("a kubeconfig")
    }

    fn bytes(piece: Option<Piece>) -> Vec<u8> {
        match piece {
            Some(Piece::Inline(bytes)) => bytes,
            Some(Piece::File(path)) => panic!("still refers to {}", path.display()),
            None => panic!("lost"),
        }
    }

    const K3S: &str = "kind: Config\nclusters:\n- name: local\n  cluster: { server: https://127.0.0.1:6444, certificate-authority: /k3s/ca.crt }\n\
        users:\n- name: me\n  user: { client-certificate: me.crt, client-key: /k3s/me.key }\n- name: admin\n  user: { token: hunter2 }\n\
        contexts:\n- name: Default\n  context: { cluster: local, user: me }\n- name: other\n  context: { cluster: local, user: admin }\ncurrent-context: Default\n";

    #[test]
    fn what_a_kubeconfig_refers_to_is_in_it_and_nothing_of_other_contexts() {
        let read = |path: &Path| Ok(path.display().to_string().into_bytes());
        let text = whole(K3S.as_bytes(), Path::new("/k3s"), &read).expect("whole");
        let parts = parts(&text);
        assert_eq!(bytes(parts.authority), b"/k3s/ca.crt");
        assert_eq!(bytes(parts.certificate), b"/k3s/me.crt");
        assert_eq!(bytes(parts.key), b"/k3s/me.key");
        assert!(!text.contains("hunter2") && !text.contains("6444"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told() {
        let read = |path: &Path| Err(format!("{} is not there", path.display()));
        let error = whole(K3S.as_bytes(), Path::new("/k3s"), &read).expect_err("incomplete");
        assert!(error.to_string().contains("/k3s/ca.crt is not there"), "{error}");
    }

    #[test]
    fn a_token_survives_whatever_it_is_made_of() {
        let odd = "a\"b\\c: {d}";
        let yaml = format!(
            "clusters: [{{ name: c, cluster: {{}} }}]\nusers: [{{ name: u, user: {{ token: {} }} }}]\n\
             contexts: [{{ name: x, context: {{ cluster: c, user: u }} }}]\n",
            quoted(odd)
        );
        let text = whole(yaml.as_bytes(), Path::new("/"), &|_| Err(String::new())).expect("whole");
        let Some(Authorization::Token(token)) = parts(&text).authorization else {
            panic!("no token in {text}")
        };
        assert_eq!(token.reveal(), odd);
    }
}
