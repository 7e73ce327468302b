//! `docs/status-schema.json` describes what is told, all of it and no more.

use std::collections::BTreeSet;
use std::sync::Arc;

use jackline_admin::project;
use jackline_admin::status::{StateFileStatus, TrustState};
use jackline_core::{
    Administration, Capability, Class, Depth, Drainer, Health, Mode, NodeState, Service, SourceKind,
    SourceState, Standing, Timestamp, Trust,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::described::{faults, schema};
use crate::fixture;

#[test]
fn what_is_told_is_what_the_schema_says() {
    let mut lost = fixture::reading();
    let snapshot = Arc::make_mut(&mut lost.snapshot);
    snapshot.trust = Trust::Lost {
        since: Timestamp::ZERO,
        reason: "another CA".into(),
    };
    for reading in [fixture::reading(), fixture::with_etcd(), lost] {
        let told = serde_json::to_value(project::status(&reading)).expect("status is JSON");
        assert_eq!(faults(&told), Vec::<String>::new());
    }
}

/// The canary: a check that finds nothing wrong with wrong answers checks nothing.
#[test]
fn what_the_schema_does_not_say_is_found() {
    let told = serde_json::to_value(project::status(&fixture::reading())).expect("status is JSON");
    let wrong: [(&str, Value); 6] = [
        ("/state", json!("well")),
        ("/since", json!("yesterday")),
        ("/endpoints/0/sessions", json!(-1)),
        ("/endpoints/0/suspected", json!("no")),
        ("/sources/0/endpoints/0", json!(6443)),
        (
            "/state_file",
            json!({ "path": "/x", "saved": null, "status": "saved", "note": null, "more": 1 }),
        ),
    ];
    for (pointer, value) in wrong {
        let mut told = told.clone();
        *told.pointer_mut(pointer).expect("the field is there") = value;
        assert_eq!(faults(&told).len(), 1, "{pointer}");
    }
    let mut told = told;
    told.as_object_mut().expect("an object").remove("node");
    assert_eq!(faults(&told), ["status: node is missing"]);
}

/// The words of an enumeration, from serde's own complaint about a word that is none of them.
fn words<T: DeserializeOwned>() -> BTreeSet<String> {
    let complaint = serde_json::from_value::<T>(json!("?"))
        .err()
        .expect("? is no word")
        .to_string();
    complaint
        .split('`')
        .skip(3)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn words_of_schema(pointer: &str) -> BTreeSet<String> {
    let schema = schema();
    let words = schema
        .pointer(pointer)
        .and_then(Value::as_array)
        .unwrap_or_else(|| panic!("no {pointer}"));
    words
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_schema_has_every_word_of_every_enumeration() {
    let endpoint = |field: &str| words_of_schema(&format!("/$defs/endpoint/properties/{field}/enum"));
    let source = |field: &str| words_of_schema(&format!("/$defs/source/properties/{field}/enum"));
    assert_eq!(words::<NodeState>(), words_of_schema("/properties/state/enum"));
    assert_eq!(
        words::<NodeState>().len(),
        3,
        "the words are read from the complaint"
    );
    assert_eq!(
        words::<TrustState>(),
        words_of_schema("/properties/trust/properties/state/enum")
    );
    assert_eq!(
        words::<StateFileStatus>(),
        words_of_schema("/properties/state_file/properties/status/enum")
    );
    assert_eq!(words::<Capability>(), words_of_schema("/$defs/capability/enum"));
    assert_eq!(words::<Standing>(), endpoint("standing"));
    assert_eq!(words::<Health>(), endpoint("health"));
    assert_eq!(words::<Administration>(), endpoint("administration"));
    assert_eq!(words::<Drainer>(), endpoint("drained_by/items"));
    assert_eq!(words::<Class>(), endpoint("class"));
    assert_eq!(words::<Depth>(), endpoint("depth"));
    let mut services = words_of_schema("/$defs/service/properties/name/enum");
    services.insert(Service::Api.name().to_owned());
    assert_eq!(words::<Service>(), services, "the API's is the status itself");
    assert_eq!(words::<SourceKind>(), source("kind"));
    assert_eq!(words::<SourceState>(), source("state"));
    assert_eq!(words::<Mode>(), source("mode"));
}
