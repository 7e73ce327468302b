//! The ways to servers in the configuration: what the environment of all programs says, what goes before it, and that no
//! password is shown, wherever it stands.

use std::fs;

use jackline_agent::config::{Config, Environment, Flags, load};

const SERVER: &str = "servers: [\"https://10.0.0.1:6443\"]\n";

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("config.yaml");
    fs::write(&path, format!("{SERVER}{text}")).expect("written");
    let flags = Flags {
        config: Some(path),
        root: Some("/nonexistent".into()),
        ..Flags::default()
    };
    let environment: Environment = variables.iter().copied().collect();
    load(&flags, &environment).map_err(|error| error.to_string())
}

fn proxy_of(text: &str, variables: &[(&str, &str)]) -> Option<String> {
    let config = load_text(text, variables).expect("a good configuration");
    config.way.proxy.map(|proxy| proxy.to_string())
}

#[test]
fn the_environments_proxy_comes_after_everything_of_ours() {
    let usual = ("HTTPS_PROXY", "http://usual:3128");
    let lower = ("https_proxy", "http://lower:3128");
    let ours = ("JACKLINE_WAY_PROXY", "http://ours:3128");
    let in_file = "way: { proxy: \"http://file:3128\" }\n";
    let shown = |name: &str| Some(format!("http://{name}:3128"));
    assert_eq!(proxy_of("", &[]), None);
    assert_eq!(proxy_of("", &[lower]), shown("lower"));
    assert_eq!(proxy_of("", &[lower, usual]), shown("usual"));
    assert_eq!(proxy_of("", &[("HTTPS_PROXY", ""), lower]), shown("lower"));
    assert_eq!(proxy_of(in_file, &[usual]), shown("file"));
    assert_eq!(proxy_of(in_file, &[usual, ours]), shown("ours"));
    assert_eq!(proxy_of("way: { proxy: none }\n", &[usual]), None);
    assert_eq!(proxy_of("", &[usual, ("JACKLINE_WAY_PROXY", "none")]), None);
    let ours_alone = load_text("", &[usual]).expect("good");
    assert!(
        ours_alone.warnings.is_empty(),
        "no variable of others is complained of: {:?}",
        ours_alone.warnings
    );
}

#[test]
fn exceptions_come_from_the_environment_whole_or_from_the_file() {
    let many = (0..200)
        .map(|n| format!("10.{n}.0.0/16"))
        .collect::<Vec<_>>()
        .join(",");
    let config = load_text("", &[("no_proxy", &many)]).expect("good");
    assert_eq!(config.way.no_proxy.iter().count(), 200);
    let config = load_text("way: { no-proxy: [\".example\"] }\n", &[("NO_PROXY", &many)]).expect("good");
    let shown: Vec<String> = config.way.no_proxy.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [".example"]);
    let config = load_text("way: { no-proxy: [] }\n", &[("NO_PROXY", "*")]).expect("good");
    assert_eq!(config.way.no_proxy.iter().count(), 0);
}

#[test]
fn a_variable_of_others_that_makes_no_sense_is_told_and_not_refused() {
    for (value, words) in [
        ("https://jo:hunter2@proxy:3128", "over TLS"),
        ("socks5://jo:hunter2@proxy:1080", "CONNECT"),
        ("http://jo:hunter2%@proxy", "%40"),
    ] {
        let config = load_text("", &[("HTTPS_PROXY", value)]).expect("it starts");
        assert_eq!(config.way.proxy, None);
        let told = config
            .warnings
            .iter()
            .find(|warning| warning.contains("HTTPS_PROXY is not taken"));
        let told = told.unwrap_or_else(|| panic!("{value}: {:?}", config.warnings));
        assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn what_is_written_wrong_is_refused_in_words_without_the_password() {
    for (text, words) in [
        (
            "way: { proxy: \"https://jo:hunter2@proxy\" }\n",
            "write the http:// port",
        ),
        (
            "way: { proxy: \"http://jo:hunter2@proxy:x\" }\n",
            "write http://HOST:PORT",
        ),
        ("way: { proxy: 3128 }\n", "or none"),
        ("way: { routes: [\"10.0.0.1\"] }\n", "10.0.0.0/8=direct"),
        (
            "way: { routes: [\"api.example=http://jo:hunter2@proxy\"] }\n",
            "before the =",
        ),
        ("way: { routes: [\"*=socks5://jo:hunter2@proxy\"] }\n", "CONNECT"),
        ("way: { no-proxy: [\"10.0.0.0/33\"] }\n", "no exception"),
        (
            "way: { proxy-protocol: [\"api.example\"] }\n",
            "no address, network",
        ),
        ("way: { proxy-protocol: true }\n", "a list is wanted"),
    ] {
        let refused = load_text(text, &[]).expect_err(text);
        assert!(refused.contains(words), "{text}: {refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[test]
fn a_password_is_shown_nowhere() {
    let text = "way:\n  proxy: \"http://jo:hunter2@proxy:3128\"\n  routes: [\"10.0.0.0/8=http://jo:hunter2@other:3128\"]\n";
    let variables = [("HTTPS_PROXY", "http://jo:hunter2@usual:3128")];
    for (text, variables) in [(text, &[][..]), ("", &variables)] {
        let config = load_text(text, variables).expect("good");
        let shown = config.show(true);
        assert!(shown.contains("http://(hidden)@"), "{shown}");
        let all = format!("{shown}{}{config:?}{:?}", config.show(false), config.warnings);
        assert!(!all.contains("hunter2"), "{all}");
    }
    let shown = load_text("", &variables).expect("good").show(false);
    assert!(shown.contains("# HTTPS_PROXY"), "who gave it: {shown}");
}
