//! The section `services`: what it turns on, what is shown of it, and what is refused.

use std::fs;

use jackline_agent::config::{Config, Environment, Flags, load};

const SERVER: &str = "servers: [\"https://10.0.0.1:6443\", \"https://cp.example:6443\"]\n";

fn configured(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("config.yaml");
    fs::write(&file, text).expect("written");
    let flags = Flags {
        config: Some(file),
        root: Some("/nonexistent".into()),
        ..Flags::default()
    };
    load(&flags, &Environment::default()).map_err(|error| error.to_string())
}

#[test]
fn a_service_is_on_where_its_section_is_there_and_has_its_defaults() {
    let config = configured(SERVER).expect("valid");
    assert!(config.services.etcd.is_none() && config.services.supervisor.is_none());
    let config =
        configured(&format!("{SERVER}services:\n  etcd: {{}}\n  supervisor: {{}}\n")).expect("valid");
    let etcd = config.services.etcd.as_ref().expect("on");
    let members: Vec<String> = etcd.endpoints.iter().map(|member| member.0.to_string()).collect();
    assert_eq!(members, ["https://10.0.0.1:2379", "https://cp.example:2379"]);
    assert_eq!(
        (etcd.listen[0].to_string().as_str(), etcd.server_name.as_str()),
        ("127.0.0.1:2379", "127.0.0.1")
    );
    let supervisor = config.services.supervisor.as_ref().expect("on");
    assert_eq!(
        (supervisor.listen[0].to_string().as_str(), supervisor.port),
        ("127.0.0.2:9345", 9345)
    );
    let keys: Vec<&str> = config.listeners().iter().map(|(_, key, _)| *key).collect();
    assert_eq!(
        keys,
        ["listen", "services.etcd.listen", "services.supervisor.listen"]
    );
}

#[test]
fn what_is_shown_gives_the_same_configuration_again() {
    let text = format!(
        "{SERVER}services:\n  etcd:\n    listen: [\"127.0.0.3:2379\"]\n    ca-file: /ca.crt\n  supervisor:\n    port: 9346\n"
    );
    let shown = configured(&text).expect("valid").show(false);
    assert!(shown.contains("services:\n  etcd:\n    listen:"), "{shown}");
    assert!(shown.contains("\n  supervisor:\n    listen:"), "{shown}");
    for defaults in [false, true] {
        let again = configured(&configured(&text).expect("valid").show(defaults)).expect("valid");
        assert_eq!(again.services.etcd.as_ref().map(|etcd| etcd.listen.clone()), {
            let listen = "127.0.0.3:2379".parse().expect("an address");
            Some(vec![listen])
        });
        assert_eq!(
            again.services.supervisor.map(|supervisor| supervisor.port),
            Some(9346)
        );
    }
    let one = configured(&format!("{SERVER}services: {{ supervisor: {{ }} }}\n")).expect("valid");
    let again = configured(&one.show(true)).expect("what is off is a comment");
    assert!(again.services.etcd.is_none() && again.services.supervisor.is_some());
}

#[test]
fn what_cannot_be_meant_is_refused_by_the_key_that_is_to_be_mended() {
    let cases = [
        (
            "etcd: { listen: [] }",
            "services.etcd.listen",
            "nowhere to listen",
        ),
        (
            "etcd: { listen: [\"127.0.0.1:6440\"] }",
            "services.etcd.listen",
            "given twice",
        ),
        (
            "etcd: { }, supervisor: { listen: [\"127.0.0.1:2379\"] }",
            "services.supervisor.listen",
            "given twice",
        ),
        (
            "etcd: { client-key: /k, ca-file: /c }",
            "services.etcd.client-key",
            "without its client certificate",
        ),
        (
            "etcd: { client-key: /k, client-certificate: /c }",
            "services.etcd.ca-file",
            "nothing to verify them by",
        ),
        (
            "etcd: { endpoints: [\"https://127.0.0.1:2379\"] }",
            "services.etcd.endpoints",
            "our own listeners",
        ),
        ("supervisor: { port: 0 }", "services.supervisor.port", "port 0"),
        ("etdc: { }", "", "has no key"),
    ];
    for (section, key, words) in cases {
        let error = configured(&format!("{SERVER}services: {{ {section} }}\n"))
            .err()
            .unwrap_or_else(|| panic!("{section} is taken"));
        assert!(error.contains(words) && error.contains(key), "{section}: {error}");
    }
    let nobody = "endpoints: [\"10.0.0.1:6443\"]\nservices: { etcd: { } }\n";
    let error = configured(nobody).expect_err("no member is known");
    assert!(error.contains("services.etcd.endpoints"), "{error}");
}
