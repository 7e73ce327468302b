//! The server that a kubeconfig names, and where in the file it stands. What else it holds is the trust's.

use crate::config::Place;
use crate::config::tree::{Node, Tree, parse};

/// The server of the current context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Its URL, as it is written.
    pub(crate) url: String,
    /// Where the URL stands.
    pub(crate) place: Place,
    /// The name that certificates are held to instead of the URL's host, if one is given.
    pub(crate) tls_server_name: Option<String>,
    /// Whether the CA is in the file itself, or in a file that it names.
    pub(crate) has_authority: bool,
}

/// Reads the server, or says in words why there is none.
pub(crate) fn server(text: &str) -> Result<Server, String> {
    // What the library says may quote the file, and the file holds secrets.
    let root = parse(text).map_err(|(place, _)| format!("line {} is no YAML", place.line))?;
    let contexts = items(&root, "contexts");
    let context = match (text_at(&root, "current-context"), contexts) {
        (Some(current), contexts) if !current.is_empty() => contexts
            .iter()
            .find(|context| text_at(context, "name") == Some(current))
            .ok_or("its current-context is not among its contexts")?,
        (_, [only]) => only,
        _ => return Err("it has no current-context".to_owned()),
    };
    let name = at(context, "context")
        .and_then(|context| text_at(context, "cluster"))
        .ok_or("its current context names no cluster")?;
    let cluster = items(&root, "clusters")
        .iter()
        .find(|cluster| text_at(cluster, "name") == Some(name))
        .and_then(|cluster| at(cluster, "cluster"))
        .ok_or("it does not have the cluster that its current context names")?;
    let server = at(cluster, "server").ok_or("its cluster has no server")?;
    let Node::Text(url) = &server.node else {
        return Err("its server is no text".to_owned());
    };
    let authority = ["certificate-authority-data", "certificate-authority"]
        .into_iter()
        .filter_map(|key| text_at(cluster, key));
    Ok(Server {
        url: url.clone(),
        place: server.place,
        tls_server_name: text_at(cluster, "tls-server-name").map(str::to_owned),
        has_authority: authority.into_iter().any(|text| !text.is_empty()),
    })
}

fn at<'t>(tree: &'t Tree, key: &str) -> Option<&'t Tree> {
    match &tree.node {
        Node::Map(entries) => entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value),
        _ => None,
    }
}

fn items<'t>(tree: &'t Tree, key: &str) -> &'t [Tree] {
    match at(tree, key).map(|list| &list.node) {
        Some(Node::List(items)) => items,
        _ => &[],
    }
}

fn text_at<'t>(tree: &'t Tree, key: &str) -> Option<&'t str> {
    match at(tree, key).map(|value| &value.node) {
        Some(Node::Text(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::server;

    const TWO: &str = "\
apiVersion: v1
clusters:
- cluster:
    server: https://other:6443
  name: other
- cluster:
    certificate-authority-data: QUJD
    server: https://cp.example:6443
  name: kubernetes
contexts:
- context: {cluster: other, user: a}
  name: b
- context:
    cluster: kubernetes
    user: system:node:a
  name: system:node:a@kubernetes
current-context: system:node:a@kubernetes
";

    #[test]
    fn the_server_is_that_of_the_current_context() {
        let found = server(TWO).expect("a server");
        assert_eq!(found.url, "https://cp.example:6443");
        assert_eq!(
            (found.place.line, found.place.column),
            (8, 13),
            "where the URL stands"
        );
        assert!(found.has_authority && found.tls_server_name.is_none());
    }

    #[test]
    fn what_is_no_kubeconfig_is_told_in_words_and_never_quoted() {
        for (text, words) in [
            ("", "no current-context"),
            ("token: [hunter2", "is no YAML"),
            (
                &TWO.replace("cluster: kubernetes", "cluster: gone"),
                "does not have the cluster",
            ),
            (
                &TWO.replace("current-context: system", "current-context: hunter2"),
                "not among its contexts",
            ),
            (
                &TWO.replace("server: https://cp.example:6443", "server: 7"),
                "no text",
            ),
        ] {
            let told = server(text).expect_err(words);
            assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
        }
    }
}
