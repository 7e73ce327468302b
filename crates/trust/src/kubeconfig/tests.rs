//! The forms that K3s and kubeadm write, and the ones that are refused.

use super::*;

const FOLDER: &str = "/etc/somewhere";

fn parse(yaml: &str) -> Result<Kubeconfig, TrustError> {
    Kubeconfig::parse(yaml.as_bytes(), Path::new(FOLDER))
}

fn complaint(yaml: &str) -> String {
    match parse(yaml) {
        Ok(_) => panic!("accepted: {yaml}"),
        Err(error) => error.to_string(),
    }
}

fn path(piece: Option<&Piece>) -> &Path {
    match piece {
        Some(Piece::File(path)) => path,
        _ => panic!("no file"),
    }
}

fn inline(piece: Option<&Piece>) -> &[u8] {
    match piece {
        Some(Piece::Inline(bytes)) => bytes,
        _ => panic!("not inline"),
    }
}

/// One cluster, one user, one context; `user` and `cluster` are lines indented by six.
fn config(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\npreferences: {{}}\nclusters:\n- name: local\n  cluster:\n      server: https://127.0.0.1:6444\n{cluster}\
         contexts:\n- name: Default\n  context:\n    cluster: local\n    namespace: default\n    user: user\n\
         current-context: Default\nusers:\n- name: user\n  user:\n{user}"
    )
}

#[test]
fn k3s_agent_files_by_absolute_paths() {
    let parts = parse(&config(
        "      certificate-authority: /var/lib/rancher/k3s/agent/server-ca.crt\n",
        "      client-certificate: /var/lib/rancher/k3s/agent/client-kubelet.crt\n      client-key: /var/lib/rancher/k3s/agent/client-kubelet.key\n",
    ))
    .unwrap();
    assert_eq!(
        path(parts.authority.as_ref()),
        Path::new("/var/lib/rancher/k3s/agent/server-ca.crt")
    );
    assert_eq!(
        path(parts.certificate.as_ref()),
        Path::new("/var/lib/rancher/k3s/agent/client-kubelet.crt")
    );
    assert_eq!(
        path(parts.key.as_ref()),
        Path::new("/var/lib/rancher/k3s/agent/client-kubelet.key")
    );
    assert!(parts.authorization.is_none() && parts.refusals.is_empty());
}

#[test]
fn kubeadm_inline_ca_and_one_file_for_certificate_and_key() {
    let parts = parse(&config(
        "      certificate-authority-data: Y2EgYnl0ZXM=\n",
        "      client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n      client-key: /var/lib/kubelet/pki/kubelet-client-current.pem\n",
    ))
    .unwrap();
    assert_eq!(inline(parts.authority.as_ref()), b"ca bytes");
    assert_eq!(path(parts.certificate.as_ref()), path(parts.key.as_ref()));
}

#[test]
fn admin_conf_has_everything_inline_and_inline_goes_before_files() {
    let parts = parse(&config(
        "      certificate-authority-data: Y2E=\n      certificate-authority: elsewhere.crt\n",
        "      client-certificate-data: Y2VydA==\n      client-key-data: a2V5\n",
    ))
    .unwrap();
    assert_eq!(inline(parts.authority.as_ref()), b"ca");
    assert_eq!(inline(parts.certificate.as_ref()), b"cert");
    assert_eq!(inline(parts.key.as_ref()), b"key");
}

#[test]
fn relative_paths_are_relative_to_the_kubeconfig() {
    let parts = parse(&config(
        "      certificate-authority: pki/ca.crt\n",
        "      client-certificate: ../client.crt\n      client-key: client.key\n      tokenFile: token\n",
    ))
    .unwrap();
    assert_eq!(
        path(parts.authority.as_ref()),
        Path::new("/etc/somewhere/pki/ca.crt")
    );
    assert_eq!(
        path(parts.certificate.as_ref()),
        Path::new("/etc/somewhere/../client.crt")
    );
    assert!(
        matches!(parts.authorization, Some(Authorization::TokenFile(path)) if path == Path::new("/etc/somewhere/token"))
    );
}

#[test]
fn a_token_goes_before_a_password_and_its_file_before_it() {
    let token = "      token: abcdef.0123456789abcdef\n";
    let basic = "      username: node\n      password: secret\n";
    let parts = parse(&config("", &format!("{token}{basic}"))).unwrap();
    assert!(
        matches!(parts.authorization, Some(Authorization::Token(token)) if token.reveal() == "abcdef.0123456789abcdef")
    );
    let parts = parse(&config("", &format!("{token}      tokenFile: /run/token\n"))).unwrap();
    assert!(matches!(parts.authorization, Some(Authorization::TokenFile(_))));
    let parts = parse(&config("", basic)).unwrap();
    assert!(
        matches!(parts.authorization, Some(Authorization::Basic { user, password })
        if user == "node" && password.reveal() == "secret")
    );
}

#[test]
fn the_current_context_is_the_one_that_counts() {
    let yaml = r"
kind: Config
clusters: [{name: a, cluster: {certificate-authority: a.crt}}, {name: b, cluster: {certificate-authority: b.crt}}]
contexts: [{name: one, context: {cluster: a}}, {name: two, context: {cluster: b, user: ''}}]
users: []
";
    let parts = parse(&format!("{yaml}current-context: two\n")).unwrap();
    assert_eq!(path(parts.authority.as_ref()), Path::new("/etc/somewhere/b.crt"));
    assert!(complaint(yaml).contains("set current-context"));
    assert!(complaint(&format!("{yaml}current-context: three\n")).contains("three"));
}

#[test]
fn a_kubeconfig_is_also_json() {
    let json = r#"{"kind":"Config","clusters":[{"name":"a","cluster":{"certificate-authority":"/a.crt","extensions":[{"name":"x","extension":{"y":1}}]}}],
        "contexts":[{"name":"one","context":{"cluster":"a","user":"u"}}],"users":[{"name":"u","user":{"token":"t"}}],"current-context":"one"}"#;
    let parts = parse(json).unwrap();
    assert_eq!(path(parts.authority.as_ref()), Path::new("/a.crt"));
    assert!(parts.authorization.is_some());
}

#[test]
fn programs_are_refused_with_a_sentence_and_the_rest_is_taken() {
    let user = "      exec:\n        apiVersion: client.authentication.k8s.io/v1\n        command: aws\n        args: [eks]\n      token: t\n";
    let parts = parse(&config("      certificate-authority: ca.crt\n", user)).unwrap();
    assert!(parts.authority.is_some() && parts.authorization.is_some());
    assert!(
        parts.refusals[0].contains("exec") && parts.refusals[0].contains("runs no programs"),
        "{:?}",
        parts.refusals
    );
    let user = "      auth-provider:\n        name: gcp\n";
    assert!(parse(&config("", user)).unwrap().refusals[0].contains("auth-provider"));
}

#[test]
fn a_request_not_to_verify_is_not_heeded() {
    let parts = parse(&config(
        "      insecure-skip-tls-verify: true\n",
        "      token: t\n",
    ))
    .unwrap();
    assert!(parts.refusals[0].contains("not heeded"), "{:?}", parts.refusals);
}

#[test]
fn missing_pieces_are_named() {
    let yaml = config("", "      token: t\n");
    assert!(complaint(&yaml.replace("cluster: local\n    n", "cluster: gone\n    n")).contains("gone"));
    assert!(complaint(&yaml.replace("    user: user\n", "    user: nobody\n")).contains("nobody"));
    assert!(complaint(&yaml.replace("kind: Config", "kind: Secret")).contains("kind"));
    assert!(
        complaint(&config(
            "      certificate-authority-data: '***'\n",
            "      token: t\n"
        ))
        .contains("base64")
    );
}

#[test]
fn rubbish_is_refused_with_its_place_and_never_quoted() {
    let secret = "hunter2secret";
    for yaml in [
        secret.to_owned(),
        format!("users: {secret}\n"),
        format!("users:\n- name: u\n  user: [{secret}]\n"),
        format!("users:\n- name: u\n  user: {{token: {{a: {secret}}}}}\n"),
        format!("users:\n- name: u\n  user:\n    token: {secret}\n    token: {secret}2\n"),
        format!("users: [{secret}\n"),
        format!("token: \"{secret}\n"),
        format!("--- {secret}\n--- {secret}\n"),
        String::new(),
        "\u{0}\u{1}".to_owned(),
        "[".repeat(100_000),
        "- ".repeat(100_000),
    ] {
        let said = complaint(&yaml);
        assert!(!said.contains(secret), "{said}");
        assert!(said.len() < 400, "{said}");
    }
    assert!(Kubeconfig::parse(b"\xff\xfe", Path::new("/")).is_err());
}

#[test]
fn aliases_do_not_blow_up() {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = level - 1;
        let row = vec![format!("*a{previous}"); 10].join(", ");
        yaml += &format!("a{level}: &a{level} [{row}]\n");
    }
    assert!(complaint(&yaml).len() < 400);
}
