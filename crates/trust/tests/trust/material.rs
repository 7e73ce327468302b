//! Loading, reloading and keeping: what is in force after files appear, change, break and vanish.

use std::fs;

use crate::common::{Authority, Folder};
use jackline_trust::{Trust, TrustConfig, TrustError};

#[test]
fn nothing_configured_is_told_loudly_and_still_loads() {
    let trust = Trust::load(TrustConfig::default());
    assert!(!trust.has_ca() && trust.credential().is_none() && trust.fingerprints().is_empty());
    assert!(matches!(trust.tls(false), Err(TrustError::NoAuthority)));
    assert!(matches!(trust.tls(true), Err(TrustError::NoAuthority)));
    assert!(trust.unverified_tls().is_ok());
    let problems = trust.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("NOT VERIFIED") && problems[0].contains("cluster.ca-file"),
        "{problems:?}"
    );
}

#[test]
fn a_ca_bundle_is_taken_whole_and_its_keys_have_fingerprints() {
    let folder = Folder::new();
    let (one, two) = (Authority::new("kubernetes"), Authority::new("kubernetes"));
    let bundle = format!("# a remark\n{}\n{}{}", one.pem(), two.pem(), one.pem());
    let trust = Trust::load(TrustConfig {
        ca_file: Some(folder.write("ca.crt", &bundle)),
        ..TrustConfig::default()
    });
    assert_eq!(trust.problems(), Vec::<String>::new());
    assert_eq!(trust.fingerprints(), [one.fingerprint(), two.fingerprint()]);
    assert!(trust.tls(false).is_ok() && trust.tls(true).is_ok());
}

#[test]
fn a_reload_tells_whether_anything_is_different_now() {
    let folder = Folder::new();
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    let path = folder.write("ca.crt", &one.pem());
    let trust = Trust::load(TrustConfig {
        ca_file: Some(path),
        ..TrustConfig::default()
    });
    let generation = trust.generation();
    assert!(!trust.reload(), "nothing changed");
    folder.write("ca.crt", &format!("# the same, written anew\n{}", one.pem()));
    assert!(trust.changed_on_disk());
    assert!(!trust.reload(), "other bytes, the same certificate");
    assert_eq!(trust.generation(), generation);
    folder.write("ca.crt", &two.pem());
    assert!(trust.reload());
    assert_ne!(trust.generation(), generation);
    assert_eq!(trust.fingerprints(), [two.fingerprint()]);
}

#[test]
fn a_damaged_new_ca_file_keeps_the_old_one_and_tells() {
    let folder = Folder::new();
    let authority = Authority::new("one");
    let whole = authority.pem();
    let path = folder.write("ca.crt", &whole);
    let trust = Trust::load(TrustConfig {
        ca_file: Some(path.clone()),
        ..TrustConfig::default()
    });
    let generation = trust.generation();
    let half = &whole[..whole.len() / 2];
    for damage in [
        half,
        "",
        "rubbish",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    ] {
        folder.write("ca.crt", damage);
        assert!(!trust.reload(), "{damage:?}");
        assert_eq!(trust.fingerprints(), [authority.fingerprint()], "{damage:?}");
        let problems = trust.problems();
        assert!(
            problems.len() == 1 && problems[0].contains("ca.crt"),
            "{damage:?}: {problems:?}"
        );
    }
    fs::remove_file(&path).unwrap();
    assert!(trust.changed_on_disk());
    assert!(!trust.reload());
    assert!(
        trust.has_ca() && trust.problems()[0].contains("cannot be read"),
        "{:?}",
        trust.problems()
    );
    fs::write(&path, vec![b'\n'; 2 * 1024 * 1024]).unwrap();
    assert!(!trust.reload());
    assert!(
        trust.has_ca() && trust.problems()[0].contains("larger"),
        "{:?}",
        trust.problems()
    );
    folder.write("ca.crt", &whole);
    assert!(!trust.reload(), "the same as ever");
    assert_eq!((trust.problems(), trust.generation()), (Vec::new(), generation));
}

#[test]
fn one_odd_certificate_does_not_spoil_the_bundle() {
    let folder = Folder::new();
    let authority = Authority::new("one");
    let odd = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
    let path = folder.write("ca.crt", &format!("{odd}{}", authority.pem()));
    let trust = Trust::load(TrustConfig {
        ca_file: Some(path),
        ..TrustConfig::default()
    });
    assert_eq!(trust.fingerprints(), [authority.fingerprint()]);
    assert!(
        trust.problems()[0].contains("certificate 1 cannot be used"),
        "{:?}",
        trust.problems()
    );
    let path = folder.write("odd.crt", odd);
    let trust = Trust::load(TrustConfig {
        ca_file: Some(path),
        ..TrustConfig::default()
    });
    assert!(!trust.has_ca());
    assert_eq!(trust.problems().len(), 2, "{:?}", trust.problems());
}

#[test]
fn a_bundle_of_hundreds_is_refused() {
    let folder = Folder::new();
    let path = folder.write("ca.crt", &Authority::new("one").pem().repeat(300));
    let trust = Trust::load(TrustConfig {
        ca_file: Some(path),
        ..TrustConfig::default()
    });
    assert!(!trust.has_ca());
    assert!(
        trust.problems()[0].contains("more than 256"),
        "{:?}",
        trust.problems()
    );
}

#[test]
fn a_ca_out_of_its_time_is_told_with_both_times() {
    let folder = Folder::new();
    let expired = Authority::valid("old", (2001, 2002));
    let trust = Trust::load(TrustConfig {
        ca_file: Some(folder.write("ca.crt", &expired.pem())),
        ..TrustConfig::default()
    });
    assert!(trust.has_ca());
    let problems = trust.problems();
    assert!(
        problems[0].contains("expired at 2002-01-01T00:00:00Z") && problems[0].contains("our clock says 20"),
        "{problems:?}"
    );
    // While a CA is rotated the old one may be out of date beside the new one.
    let both = format!("{}{}", expired.pem(), Authority::new("new").pem());
    folder.write("ca.crt", &both);
    assert!(trust.reload());
    assert_eq!(trust.problems(), Vec::<String>::new());
}

#[test]
fn a_client_certificate_comes_with_keys_of_every_form() {
    let folder = Folder::new();
    let authority = Authority::new("ca");
    let ca_file = Some(folder.write("ca.crt", &authority.pem()));
    for (form, (certificate, key)) in authority.clients_of_every_form() {
        let trust = Trust::load(TrustConfig {
            ca_file: ca_file.clone(),
            client_certificate: Some(folder.write("client.crt", &certificate)),
            client_key: Some(folder.write("client.key", &key)),
            ..TrustConfig::default()
        });
        assert_eq!(trust.problems(), Vec::<String>::new(), "{form}");
        assert!(
            trust.credential().is_some_and(|shown| shown.has_certificate()),
            "{form}"
        );
        let shown = format!("{trust:?} {:?}", trust.credential());
        let secret = key.lines().nth(1).unwrap();
        assert!(!shown.contains(secret), "{form}");
    }
}

#[test]
fn a_pair_of_which_only_one_was_renewed_keeps_the_old_pair() {
    let folder = Folder::new();
    let authority = Authority::new("ca");
    let ((old_certificate, old_key), (new_certificate, new_key)) =
        (authority.client("a"), authority.client("a"));
    let trust = Trust::load(TrustConfig {
        ca_file: Some(folder.write("ca.crt", &authority.pem())),
        client_certificate: Some(folder.write("client.crt", &old_certificate)),
        client_key: Some(folder.write("client.key", &old_key)),
        ..TrustConfig::default()
    });
    assert_eq!(trust.problems(), Vec::<String>::new());
    folder.write("client.crt", &new_certificate);
    assert!(!trust.reload());
    assert!(trust.credential().is_some(), "the old pair");
    assert!(
        trust.problems()[0].contains("only one of them was renewed"),
        "{:?}",
        trust.problems()
    );
    folder.write("client.key", &new_key);
    assert!(trust.reload());
    assert_eq!(trust.problems(), Vec::<String>::new());
}

#[test]
fn half_an_identity_and_broken_keys_are_told() {
    let folder = Folder::new();
    let (certificate, key) = Authority::new("ca").client("a");
    let certificate = Some(folder.write("client.crt", &certificate));
    let load = |client_key| {
        Trust::load(TrustConfig {
            client_certificate: certificate.clone(),
            client_key,
            ..TrustConfig::default()
        })
    };
    let told = |trust: &Trust| trust.problems()[0].clone();
    assert!(told(&load(None)).contains("the key is not set"));
    for (text, expected) in [
        ("", "no private key"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "encrypted",
        ),
        (&key[..key.len() / 2], "cut off"),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "cannot be used together",
        ),
    ] {
        let trust = load(Some(folder.write("client.key", text)));
        assert!(
            told(&trust).contains(expected),
            "{text:?}: {:?}",
            trust.problems()
        );
        assert!(trust.credential().is_none());
    }
}

#[test]
fn a_token_file_is_trimmed_and_read_again() {
    let folder = Folder::new();
    let path = folder.write("token", " first\n");
    let trust = Trust::load(TrustConfig {
        token_file: Some(path),
        ..TrustConfig::default()
    });
    assert_eq!(trust.credential().unwrap().authorization(), Some("Bearer first"));
    folder.write("token", "second\n\n");
    assert!(trust.reload());
    assert_eq!(trust.credential().unwrap().authorization(), Some("Bearer second"));
    for bad in ["", "two words", "third\nline"] {
        folder.write("token", bad);
        assert!(!trust.reload());
        assert_eq!(
            trust.credential().unwrap().authorization(),
            Some("Bearer second"),
            "{bad:?}"
        );
        assert!(trust.problems()[0].contains("token"), "{:?}", trust.problems());
        assert!(!trust.problems()[0].contains("third"));
    }
    let shown = format!("{trust:?}");
    assert!(!shown.contains("second"), "{shown}");
}

#[test]
fn a_kubeconfig_and_the_files_that_it_names_are_read_again() {
    let folder = Folder::new();
    let authority = Authority::new("ca");
    let (certificate, key) = authority.client("a");
    folder.write("ca.crt", &authority.pem());
    folder.write("both.pem", &format!("{certificate}{key}"));
    folder.write("token", "one");
    let config = |token: &str| {
        format!(
            "kind: Config\nclusters: [{{name: c, cluster: {{certificate-authority: ca.crt}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n\
             users: [{{name: u, user: {{client-certificate: both.pem, client-key: both.pem, {token}}}}}]\n"
        )
    };
    let path = folder.write("kubeconfig", &config("tokenFile: token"));
    let trust = Trust::load(TrustConfig {
        kubeconfig: Some(path),
        ..TrustConfig::default()
    });
    assert_eq!(trust.problems(), Vec::<String>::new());
    let credential = trust.credential().unwrap();
    assert!(credential.has_certificate());
    assert_eq!(credential.authorization(), Some("Bearer one"));
    folder.write("token", "two");
    assert!(trust.changed_on_disk() && trust.reload());
    assert_eq!(trust.credential().unwrap().authorization(), Some("Bearer two"));
    folder.write("kubeconfig", "rubbish");
    assert!(!trust.reload());
    assert!(trust.has_ca() && trust.credential().unwrap().has_certificate());
    assert_eq!(trust.problems().len(), 1, "{:?}", trust.problems());
    folder.write("kubeconfig", &config("username: node, password: secret"));
    assert!(trust.reload());
    assert_eq!(
        trust.credential().unwrap().authorization(),
        Some("Basic bm9kZTpzZWNyZXQ=")
    );
    // What the configuration itself names goes before.
    let other = Authority::new("other");
    let trust = Trust::load(TrustConfig {
        ca_file: Some(folder.write("other.crt", &other.pem())),
        kubeconfig: Some(folder.path("kubeconfig")),
        token_file: Some(folder.path("token")),
        ..TrustConfig::default()
    });
    assert_eq!(trust.fingerprints(), [other.fingerprint()]);
    assert_eq!(trust.credential().unwrap().authorization(), Some("Bearer two"));
}

#[test]
fn files_that_rest_are_not_read_again() {
    let folder = Folder::new();
    let path = folder.write("ca.crt", &Authority::new("ca").pem());
    folder.age("ca.crt");
    let trust = Trust::load(TrustConfig {
        ca_file: Some(path),
        ..TrustConfig::default()
    });
    assert!(!trust.changed_on_disk());
    folder.write("ca.crt", &Authority::new("ca").pem());
    assert!(trust.changed_on_disk());
}

#[test]
fn a_server_name_that_is_none_is_told() {
    let trust = Trust::load(TrustConfig {
        server_name: "not a name".to_owned(),
        ..TrustConfig::default()
    });
    assert_eq!(trust.server_name(), "kubernetes");
    assert!(
        trust.problems()[0].contains("not a name"),
        "{:?}",
        trust.problems()
    );
    let trust = Trust::load(TrustConfig {
        server_name: "api.example.net".to_owned(),
        ..TrustConfig::default()
    });
    assert_eq!(trust.server_name(), "api.example.net");
}
