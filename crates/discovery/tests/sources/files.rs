//! Sources that ask no server: the static list, and the state files of K3s's and RKE2's balancer.

use jackline_core::{Event, Mode};
use jackline_discovery::{ImportConfig, SourceConfig, StaticConfig};

use crate::stand::{Pki, Stand, listed};

fn import(files: Vec<std::path::PathBuf>, pki: &Pki) -> Stand {
    Stand::new(SourceConfig::Import(ImportConfig { files }), pki.anonymous())
}

#[tokio::test]
async fn the_static_list_is_told_as_it_is_configured() {
    let pki = Pki::new();
    let endpoints = vec![
        "10.0.0.2:6443".parse().unwrap(),
        "[fd00::1]:6443".parse().unwrap(),
    ];
    let mut stand = Stand::new(SourceConfig::Static(StaticConfig { endpoints }), pki.anonymous());
    for refresh in 1..=2 {
        stand.order(refresh, &[]);
        let (told, position, report) = stand.report().await;
        assert_eq!((told, position, report.mode), (refresh, 0, Mode::Fixed));
        assert_eq!(listed(&report), ["10.0.0.2:6443", "fd00::1:6443"]);
    }
}

#[tokio::test]
async fn balancer_files_are_read_anew_and_never_written() {
    let pki = Pki::new();
    let old = r#"{"ServerURL":"https://10.0.0.1:6443","ServerAddresses":["10.0.0.2:6443"],"Listener":null}"#;
    let path = pki.file("k3s-agent-load-balancer.json", old);
    let mut stand = import(vec![path.clone()], &pki);
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(
        (listed(&report), report.mode, report.verified),
        (
            vec!["10.0.0.1:6443".to_owned(), "10.0.0.2:6443".to_owned()],
            Mode::Poll,
            false
        )
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), old);
    std::fs::write(&path, old.replace("10.0.0.2", "10.0.0.3")).unwrap();
    stand.order(2, &[]);
    assert_eq!(
        listed(&stand.report().await.2),
        ["10.0.0.1:6443", "10.0.0.3:6443"]
    );
}

#[tokio::test]
async fn a_bad_file_is_told_beside_a_good_one() {
    let pki = Pki::new();
    let good = pki.file(
        "good.json",
        r#"{"ServerURL":"https://10.0.0.1:6443","ServerAddresses":[]}"#,
    );
    let torn = pki.file("torn.json", r#"{"ServerURL":"https://10."#);
    let mut stand = import(vec![torn, good], &pki);
    stand.order(1, &[]);
    let (_, _, report) = stand.report().await;
    assert_eq!(listed(&report), ["10.0.0.1:6443"]);
    assert!(report.note.contains("torn.json: cut off"), "{}", report.note);
}

#[tokio::test]
async fn torn_huge_foreign_and_missing_files_fail_with_words() {
    let pki = Pki::new();
    let missing = pki.file("missing.json", "");
    std::fs::remove_file(&missing).unwrap();
    for (path, words) in [
        (
            pki.file("torn.json", r#"{"ServerURL":"https://10."#),
            "cut off, perhaps just being written",
        ),
        (pki.file("empty.json", ""), "just being written"),
        (pki.file("rubbish.json", [0xff, 0xfe, 0]), "no balancer state"),
        (pki.file("huge.json", vec![b' '; 2 * 1024 * 1024]), "larger than"),
        (missing, "cannot be read"),
        (std::env::temp_dir(), "no regular file"),
    ] {
        let mut stand = import(vec![path], &pki);
        stand.order(1, &[]);
        let Event::SourceFailed { failure, .. } = stand.next().await else {
            panic!("it reported")
        };
        assert!(
            failure.reason.contains(words),
            "{:?} lacks {words:?}",
            failure.reason
        );
        assert!(failure.reason.contains("correct import"), "{}", failure.reason);
    }
}
