//! The configuration as its users meet it: what is refused and in which words, which layer wins, what is shown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jackline_agent::config::{
    ByteSize, Config, ConfigError, Distribution, Environment, Flags, LogFormat, LogLevel, load,
};

/// Every file here stands at this path in the snapshots.
const SHOWN: &str = "/etc/jackline/config.yaml";

/// A node without files: whatever the machine of the tests is, it is none of theirs.
const NO_NODE: &str = "/nonexistent";

fn load_text(text: &str, flags: Flags, variables: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("config.yaml");
    fs::write(&path, text).expect("written");
    let flags = Flags {
        config: Some(path.clone()),
        root: Some(NO_NODE.into()),
        ..flags
    };
    let environment: Environment = variables.iter().copied().collect();
    load(&flags, &environment).map_err(|error| shown(&error, &path))
}

fn shown(error: &ConfigError, path: &Path) -> String {
    error.to_string().replace(&path.display().to_string(), SHOWN)
}

/// The least that is accepted, so that each case is refused for its own sake.
const SERVER: &str = "servers: [\"https://10.0.0.1:6443\"]\n";

#[test]
fn every_refusal_says_where_what_and_what_to_do() {
    let cases: &[(&str, &str)] = &[
        ("an unknown key", "sevrers: [\"https://10.0.0.1:6443\"]\n"),
        ("an unknown key of a section", "timing:\n  graze: 10m\n"),
        ("an underscore for a dash", "state_dir: /var/lib/jackline\n"),
        ("a key that nothing is like", "colour: green\n"),
        ("a section that is a word", "timing: fast\n"),
        ("a section that is a list", "node: [a, b]\n"),
        ("the whole file is a list", "- a\n- b\n"),
        ("a number without a unit", "timing:\n  grace: 600\n"),
        ("a duration that is none", "timing: { hold: soon }\n"),
        ("a duration out of bounds", "timing: { hold: 2h }\n"),
        ("a period of nothing", "timing: { probe-used: 0s }\n"),
        (
            "a word where true or false is wanted",
            "node: { prefer-local: \"yes\" }\n",
        ),
        ("an old-fashioned yes", "node: { prefer-local: yes }\n"),
        ("a number where a text is wanted", "node: { zone: 7 }\n"),
        ("a text where a number is wanted", "fleet-size: many\n"),
        ("a number too large", "fleet-size: 4294967296\n"),
        (
            "a single server without a list",
            "servers: https://10.0.0.1:6443\n",
        ),
        ("plain http", "servers: [\"http://10.0.0.1:6443\"]\n"),
        (
            "a server with a path",
            "servers: [\"https://10.0.0.1:6443/v1\"]\n",
        ),
        (
            "a server with a user",
            "servers: [\"https://me@10.0.0.1:6443\"]\n",
        ),
        (
            "an IPv6 server without brackets",
            "servers: [\"https://fd00::1:6443\"]\n",
        ),
        (
            "a server that is no address",
            "servers:\n  - https://10.0.0.1:6443\n  - https://10.0.0.999\n",
        ),
        ("an endpoint without a port", "endpoints: [\"10.0.0.2\"]\n"),
        ("an endpoint that is a name", "endpoints: [\"cp1:6443\"]\n"),
        ("an endpoint nobody can reach", "endpoints: [\"0.0.0.0:6443\"]\n"),
        (
            "our own listener as endpoint",
            "endpoints: [\"127.0.0.1:6440\"]\n",
        ),
        (
            "our own listener as server",
            "servers: [\"https://127.0.0.1:6440\"]\n",
        ),
        (
            "a listener twice",
            "listen: [\"127.0.0.1:7000\", \"127.0.0.1:7000\"]\n",
        ),
        ("no listener", "listen: []\n"),
        ("a relative path", "state-dir: state\n"),
        ("an empty path", "socket: \"\"\n"),
        (
            "the socket in the journal's folder",
            "socket: /var/lib/jackline/journal/s.sock\n",
        ),
        (
            "a certificate without its key",
            "cluster: { client-certificate: /c.crt }\n",
        ),
        (
            "a key without its certificate",
            "cluster: { client-key: /c.key }\n",
        ),
        (
            "two credentials",
            "cluster: { client-certificate: /c.crt, client-key: /c.key, token-file: /t }\n",
        ),
        (
            "two tokens",
            "supervisor: { token-file: /t, token: \"hunter2\" }\n",
        ),
        ("an unknown distribution", "supervisor: { distribution: k8s }\n"),
        (
            "the supervisor's port as the API's",
            "servers: [\"https://10.0.0.1:9345\"]\nsupervisor: { distribution: rke2 }\n",
        ),
        ("a secret in the wrong type", "supervisor: { token: [hunter2] }\n"),
        ("a secret in the wrong place", "supervisor: hunter2\n"),
        (
            "etcd without its CA",
            "etcd: { client-certificate: /c.crt, client-key: /c.key }\n",
        ),
        (
            "etcd with half a credential",
            "etcd: { ca-file: /ca.crt, client-key: /c.key }\n",
        ),
        (
            "etcd without a member",
            "etcd: { ca-file: /ca.crt, endpoints: [] }\n",
        ),
        (
            "etcd without TLS",
            "etcd: { ca-file: /ca.crt, endpoints: [\"http://127.0.0.1:2379\"] }\n",
        ),
        (
            "Nodes without Endpoints",
            "kubernetes: { enabled: false, nodes: true }\n",
        ),
        (
            "the weaker evidence sooner",
            "timing: { grace: 2h, unwitnessed-grace: 1h }\n",
        ),
        ("a journal without a unit", "journal: { size: 16 }\n"),
        ("a journal too small", "journal: { size: 4KiB }\n"),
        ("a level that is none", "log: { level: loud }\n"),
        ("a key twice", "fleet-size: 1\nfleet-size: 2\n"),
        ("an open bracket", "servers: [\"https://10.0.0.1:6443\"\n"),
        ("a tab", "node:\n\tname: a\n"),
        ("two documents", "fleet-size: 1\n---\nfleet-size: 2\n"),
        ("an unknown alias", "node: *nobody\n"),
        (
            "several at once",
            "sevrers: []\ntiming: { grace: 600, hold: soon }\nnode: { prefer-local: 1 }\n",
        ),
    ];
    let mut page = String::new();
    for (what, text) in cases {
        let text = if text.contains("servers") || text.starts_with('-') {
            (*text).to_owned()
        } else {
            format!("{text}{SERVER}")
        };
        let error = match load_text(&text, Flags::default(), &[]) {
            Err(error) => error,
            Ok(_) => panic!("{what} was accepted:\n{text}"),
        };
        assert!(!error.contains("hunter2"), "{what} tells a secret: {error}");
        assert!(
            error.lines().all(
                |line| [SHOWN, "    ", "servers: no apiserver", "etcd.ca-file: without"]
                    .iter()
                    .any(|head| line.starts_with(head))
            ),
            "{what}: {error}"
        );
        let _ = writeln!(page, "# {what}\n{error}\n");
    }
    insta::assert_snapshot!("refusals", page);
}

#[test]
fn without_any_way_to_an_apiserver_it_is_refused() {
    let error = load_text("", Flags::default(), &[]).expect_err("nothing to start from");
    insta::assert_snapshot!("nothing-to-start-from", error);
}

#[test]
fn flags_and_variables_are_refused_by_their_names() {
    let flags = Flags {
        servers: vec!["10.0.0.1".into()],
        log_level: Some("loud".into()),
        ..Flags::default()
    };
    let variables = [
        ("JACKLINE_TIMING_HOLD", "soon"),
        ("JACKLINE_ENDPOINTS", "10.0.0.2:6443,nonsense"),
    ];
    let error = load_text("", flags, &variables).expect_err("four problems");
    insta::assert_snapshot!("flags-and-variables", error);
}

#[test]
fn only_a_file_that_is_named_must_exist() {
    let nowhere = || "/nonexistent/jackline.yaml";
    let servers = vec!["https://10.0.0.1".to_owned()];
    let flags = Flags {
        config: Some(nowhere().into()),
        servers: servers.clone(),
        ..Flags::default()
    };
    let by_flag = load(&flags, &Environment::default())
        .expect_err("a missing file")
        .to_string();
    assert!(
        by_flag.starts_with("--config: /nonexistent/jackline.yaml cannot be read"),
        "{by_flag}"
    );
    let environment: Environment = [("JACKLINE_CONFIG", nowhere())].into_iter().collect();
    let flags = Flags {
        servers: servers.clone(),
        ..Flags::default()
    };
    let by_variable = load(&flags, &environment)
        .expect_err("a missing file")
        .to_string();
    assert!(by_variable.starts_with("JACKLINE_CONFIG: "), "{by_variable}");
    if !Path::new(jackline_agent::config::DEFAULT_PATH).exists() {
        let flags = Flags {
            root: Some(NO_NODE.into()),
            ..flags
        };
        load(&flags, &Environment::default()).expect("the default file may be absent");
    }
}

#[test]
fn a_huge_or_binary_file_is_refused_whole() {
    let huge = format!("{SERVER}# {}\n", "x".repeat(2 << 20));
    let error = load_text(&huge, Flags::default(), &[]).expect_err("too large");
    assert!(error.contains("larger than 1 MiB"), "{error}");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("config.yaml");
    fs::write(&path, b"node: \xff\xfe\n").expect("written");
    let flags = Flags {
        config: Some(path),
        ..Flags::default()
    };
    let error = load(&flags, &Environment::default())
        .expect_err("not UTF-8")
        .to_string();
    assert!(error.contains("not UTF-8 from byte 6 on"), "{error}");
}

#[test]
fn a_bomb_of_aliases_is_refused_and_does_no_harm() {
    let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (from, to) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        let nine = vec![format!("*{from}"); 9].join(", ");
        let _ = writeln!(text, "{to}: &{to} [{nine}]");
    }
    load_text(&text, Flags::default(), &[]).expect_err("a bomb");
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file = "servers: [\"https://file:1\"]\nstate-dir: /file\nsocket: /file.sock\ntiming: { hold: 2s }\n";
    let variables = [
        ("JACKLINE_SERVERS", "https://env-1:1, https://env-2:1"),
        ("JACKLINE_STATE_DIR", "/env"),
        ("JACKLINE_TIMING_DRAIN_TIME", "7s"),
        ("JACKLINE_SOCKET", ""),
    ];
    let flags = Flags {
        servers: vec!["https://flag:1".into()],
        ..Flags::default()
    };
    let config = load_text(file, flags, &variables).expect("valid");
    let hosts = |config: &Config| config.servers.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        hosts(&config),
        ["https://flag:1"],
        "a flag replaces the whole list"
    );
    assert_eq!(
        config.state_dir,
        Path::new("/env"),
        "a variable goes before the file"
    );
    assert_eq!(
        config.socket,
        Path::new("/file.sock"),
        "an empty variable is none"
    );
    assert_eq!(
        config.timing.hold,
        Duration::from_secs(2),
        "the file goes before the default"
    );
    assert_eq!(config.timing.drain_time, Duration::from_secs(7));
    assert_eq!(config.timing.grace, Duration::from_secs(600), "the default");
    let config = load_text(file, Flags::default(), &variables).expect("valid");
    assert_eq!(hosts(&config), ["https://env-1:1", "https://env-2:1"]);
}

/// Every key, as in the documentation.
const FULL: &str = "\
node: { name: node-1, address: 10.0.0.5, zone: a, prefer-local: true }
servers: [\"https://10.0.0.1:6443\", \"https://[fd00::1]\", \"srv://_kubernetes._tcp.example\"]
endpoints: [\"10.0.0.2:6443\"]
dns-servers: [\"127.0.0.1:5353\", \"10.0.0.10\"]
listen: [\"127.0.0.1:7440\", \"[::1]:7440\"]
state-dir: /data/jackline
socket: /data/jackline.sock
cluster: { ca-file: /ca.crt, server-name: apiserver, kubeconfig: /k.conf, client-certificate: /c.crt, client-key: /c.key }
supervisor: { distribution: rke2, token: \"K10abc::node:hunter2\" }
kubernetes: { enabled: true, nodes: false }
etcd: { ca-file: /etcd-ca.crt, prefix: /other }
import: [\"/var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json\"]
fleet-size: 1000
timing:
  grace: 20s
  unwitnessed-grace: 1h30m
  refresh-watched: 3m
  refresh-polled: 2s
  probe-used: 1500ms
  probe-idle: 40s
  drain-time: 0s
  settling-time: 5s
  hold: 500ms
  shutdown-time: 3s
allow-loopback-upstreams: true
journal: { size: 32MiB }
metrics-listen: [10.0.0.5:9460]
log: { level: debug, format: json }
";

#[test]
fn every_key_is_read() {
    let config = load_text(FULL, Flags::default(), &[]).expect("valid");
    assert_eq!(config.node.name, "node-1");
    assert_eq!(config.node.address, Some("10.0.0.5".parse().expect("an address")));
    assert_eq!(config.node.zone.as_deref(), Some("a"));
    assert!(config.node.prefer_local && config.allow_loopback_upstreams);
    assert_eq!(config.servers[1].to_string(), "https://[fd00::1]:6443");
    assert_eq!(config.servers[2].to_string(), "srv://_kubernetes._tcp.example");
    assert_eq!(config.dns_servers[1].0.port(), 53);
    assert_eq!(config.cluster.server_name, "apiserver");
    let supervisor = config.supervisor.as_ref().expect("the section is there");
    assert_eq!(
        (supervisor.distribution, supervisor.port),
        (Distribution::Rke2, Some(9345))
    );
    assert_eq!(
        supervisor.token.as_ref().expect("a token").expose(),
        "K10abc::node:hunter2"
    );
    assert!(config.kubernetes.enabled && !config.kubernetes.nodes);
    assert_eq!(config.fleet_size, 1000);
    assert_eq!(config.timing.probe_used, Duration::from_millis(1500));
    assert_eq!(config.timing.unwitnessed_grace, Duration::from_secs(5400));
    assert_eq!(config.journal_size, ByteSize(32 << 20));
    assert_eq!(
        (config.log_level, config.log_format),
        (LogLevel::Debug, LogFormat::Json)
    );
    assert_eq!(
        config.metrics_listen,
        ["10.0.0.5:9460".parse().expect("an address")]
    );
    assert!(
        !format!("{config:?}").contains("hunter2"),
        "Debug tells the token"
    );
}

#[test]
fn defaults_follow_from_what_is_there() {
    let config = load_text(SERVER, Flags::default(), &[]).expect("valid");
    assert!(!config.node.name.is_empty());
    assert_eq!(config.listen.len(), 2);
    assert!(config.supervisor.is_none() && !config.kubernetes.enabled && !config.kubernetes.nodes);
    let config = load_text(
        &format!("{SERVER}cluster: {{ ca-file: /ca.crt }}\nsupervisor:\n"),
        Flags::default(),
        &[],
    );
    let config = config.expect("valid");
    assert!(config.kubernetes.enabled && config.kubernetes.nodes);
    assert_eq!(
        config.supervisor.expect("an empty section turns it on").port,
        None
    );
    let variables = [("JACKLINE_SUPERVISOR_DISTRIBUTION", "rke2")];
    let config = load_text(SERVER, Flags::default(), &variables).expect("valid");
    assert_eq!(
        config.supervisor.expect("a variable turns it on").port,
        Some(9345)
    );
}

fn lines_with_fixed_paths(text: &str) -> String {
    let mut page = String::new();
    for line in text.lines() {
        let line = match line.split_once(" # /") {
            Some((before, path)) => {
                let place = path.rsplit_once("config.yaml").map_or("", |(_, place)| place);
                format!("{before} # {SHOWN}{place}")
            }
            None => line.to_owned(),
        };
        let _ = writeln!(page, "{line}");
    }
    page
}

#[test]
fn each_value_is_shown_with_where_it_came_from_and_secrets_never() {
    let flags = Flags {
        listen: vec!["127.0.0.1:7441".into()],
        ..Flags::default()
    };
    let config = load_text(FULL, flags, &[("JACKLINE_TIMING_HOLD", "250ms")]).expect("valid");
    let all = lines_with_fixed_paths(&config.show(true));
    assert!(!all.contains("hunter2"), "{all}");
    insta::assert_snapshot!("show-defaults", all);
    let file =
        "node: { name: \"true\", address: 10.0.0.5 }\nservers: [\"https://10.0.0.1:6443\"]\nsupervisor:\n";
    let config = load_text(file, Flags::default(), &[]).expect("valid");
    insta::assert_snapshot!("show", lines_with_fixed_paths(&config.show(false)));
    insta::assert_snapshot!(
        "show-nearly-all-defaults",
        lines_with_fixed_paths(&config.show(true))
    );
}

#[test]
fn what_is_shown_is_a_configuration_that_gives_the_same() {
    let file = FULL.replace("token: \"K10abc::node:hunter2\"", "token-file: /t");
    for (file, defaults) in [
        (file.as_str(), true),
        (file.as_str(), false),
        (SERVER, true),
        (SERVER, false),
    ] {
        let config = load_text(file, Flags::default(), &[]).expect("valid");
        let again = load_text(&config.show(defaults), Flags::default(), &[]).expect("what is shown is valid");
        let values = |config: &Config| {
            config
                .shown
                .iter()
                .map(|shown| shown.value.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(values(&config), values(&again));
        assert_eq!(config.supervisor.is_some(), again.supervisor.is_some());
        assert_eq!(config.etcd.is_some(), again.etcd.is_some());
    }
}

#[test]
fn what_is_odd_but_allowed_is_told() {
    let file = "listen: [\"0.0.0.0:6440\"]\nservers: [\"https://10.0.0.1\"]\n";
    let config = load_text(file, Flags::default(), &[("JACKLINE_TIMING_GRAZE", "1m")]).expect("valid");
    let told = config.warnings.join("\n");
    assert!(
        told.contains("JACKLINE_TIMING_GRAZE is none of jackline's"),
        "{told}"
    );
    assert!(
        told.contains("0.0.0.0:6440 can be reached from other machines"),
        "{told}"
    );
}

#[test]
fn the_socket_is_found_even_where_the_rest_is_refused() {
    let environment: Environment = [("JACKLINE_SOCKET", "/env.sock")].into_iter().collect();
    let socket =
        |flags: &Flags, environment: &Environment| jackline_agent::config::socket(flags, environment);
    assert_eq!(socket(&Flags::default(), &environment), Path::new("/env.sock"));
    let flags = Flags {
        socket: Some("/flag.sock".into()),
        ..Flags::default()
    };
    assert_eq!(socket(&flags, &environment), Path::new("/flag.sock"));
    let flags = Flags {
        config: Some("/nonexistent".into()),
        ..Flags::default()
    };
    assert_eq!(
        socket(&flags, &Environment::default()),
        Path::new("/run/jackline/jackline.sock")
    );
}
