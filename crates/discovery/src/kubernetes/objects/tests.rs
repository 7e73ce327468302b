//! What API servers write, well and badly.

use super::*;

const SLICE: &str = r#"{"metadata":{"name":"kubernetes","resourceVersion":"7"},"addressType":"IPv4","unknown":{},
    "endpoints":[{"addresses":["10.0.0.2"],"conditions":{"ready":true},"zone":"a"},{"addresses":["10.0.0.1"],"conditions":{"ready":false}}],
    "ports":[{"name":"https","port":6443,"protocol":"TCP"},{"name":"metrics","port":9090}]}"#;

fn list(items: &str) -> Result<Membership, String> {
    let body =
        format!(r#"{{"kind":"EndpointSliceList","metadata":{{"resourceVersion":"42"}},"items":[{items}]}}"#);
    Membership::from_slices(body.as_bytes())
}

fn told(membership: &Membership) -> Vec<String> {
    let of = |listing: Listing| {
        format!(
            "{}:{}{}",
            listing.ip,
            listing.port.unwrap_or(0),
            listing.zone.map(|zone| format!("@{zone}")).unwrap_or_default()
        )
    };
    membership.listings().into_iter().map(of).collect()
}

#[test]
fn every_address_counts_ready_or_not_with_the_https_port() {
    let membership = list(SLICE).expect("a list");
    assert_eq!(told(&membership), ["10.0.0.1:6443", "10.0.0.2:6443@a"]);
    assert_eq!(membership.version(), "42");
    assert_eq!(membership.remark(), None);
}

#[test]
fn slices_of_both_families_make_one_set() {
    let v6 = r#"{"metadata":{"name":"kubernetes-v6"},"addressType":"IPv6","endpoints":[{"addresses":["fd00::1"]}],"ports":[{"name":"https","port":6443}]}"#;
    let again = SLICE.replace("\"name\":\"kubernetes\"", "\"name\":\"other\"");
    let membership = list(&format!("{SLICE},{v6},{again}")).expect("a list");
    assert_eq!(
        told(&membership),
        ["10.0.0.1:6443", "10.0.0.2:6443@a", "fd00::1:6443"]
    );
}

#[test]
fn an_entry_that_cannot_be_understood_spoils_the_answer() {
    assert!(
        list(&SLICE.replace("10.0.0.2", "10.0.0.999"))
            .expect_err("no address")
            .contains("no IPv4 address")
    );
    assert!(list(&SLICE.replace("\"IPv4\"", "\"IPv6\"")).is_err());
    assert!(list(&SLICE.replace("\"IPv4\"", "\"Other\"")).is_err());
    assert!(list(&SLICE.replace("6443", "-1")).is_err());
    assert!(list(&SLICE.replace("\"name\":\"kubernetes\",", "")).is_err());
    assert!(Membership::from_slices(b"{\"kind\":\"NodeList\",\"metadata\":{},\"items\":[]}").is_err());
    assert!(Membership::from_slices(b"not json").is_err());
}

#[test]
fn a_resource_version_that_is_no_number_is_not_sent_back() {
    let body = br#"{"kind":"EndpointSliceList","metadata":{"resourceVersion":"1&x=y"},"items":[]}"#;
    assert!(Membership::from_slices(body).is_err());
}

#[test]
fn a_port_of_another_name_is_told_and_left_out() {
    let membership = list(&SLICE.replace("\"https\"", "\"http\"")).expect("a list");
    assert!(membership.is_empty());
    assert!(
        membership
            .remark()
            .expect("a remark")
            .contains("no port named https")
    );
}

#[test]
fn the_older_object_tells_the_same() {
    let body = br#"{"kind":"Endpoints","metadata":{"name":"kubernetes","resourceVersion":"9"},"subsets":[
        {"addresses":[{"ip":"10.0.0.1"}],"notReadyAddresses":[{"ip":"10.0.0.2"}],"ports":[{"name":"https","port":6443}]}]}"#;
    let read = |body: &[u8]| {
        let (object, version) = single(body).expect("an object");
        Membership::from_endpoints(object.as_ref(), version).expect("endpoints")
    };
    assert_eq!(told(&read(body)), ["10.0.0.1:6443", "10.0.0.2:6443"]);
    let empty =
        br#"{"kind":"Endpoints","metadata":{"name":"kubernetes","resourceVersion":"9"},"subsets":null}"#;
    assert!(read(empty).is_empty());
    let text = String::from_utf8_lossy(empty);
    assert!(single(text.replace("\"kubernetes\"", "\"other\"").as_bytes()).is_err());
    assert!(single(text.replace("Endpoints", "Pod").as_bytes()).is_err());
}

#[test]
fn a_list_of_one_is_the_object_and_no_other() {
    let list = |items: &str| {
        let body =
            format!(r#"{{"kind":"EndpointsList","metadata":{{"resourceVersion":"12"}},"items":[{items}]}}"#);
        one_of_list(body.as_bytes()).map(|(object, version)| (object.is_some(), version))
    };
    let one = r#"{"metadata":{"name":"kubernetes"}}"#;
    assert_eq!(list(one), Ok((true, "12".to_owned())));
    assert_eq!(list(""), Ok((false, "12".to_owned())));
    assert!(list(&format!("{one},{one}")).is_err());
    assert!(list(&one.replace("kubernetes", "other")).is_err());
}

#[test]
fn ten_thousand_entries_fit_and_far_more_do_not() {
    let slice = |name: usize, count: usize| {
        let entries: Vec<String> = (0..count)
            .map(|i| {
                format!(
                    r#"{{"addresses":["10.{}.{}.{}"],"conditions":{{"ready":true}}}}"#,
                    name % 200,
                    i / 250,
                    1 + i % 250
                )
            })
            .collect();
        format!(
            r#"{{"metadata":{{"name":"kubernetes-{name}"}},"addressType":"IPv4","endpoints":[{}],"ports":[{{"name":"https","port":6443}}]}}"#,
            entries.join(",")
        )
    };
    let slices = |count: usize| {
        (0..count)
            .map(|name| slice(name, 1_000))
            .collect::<Vec<_>>()
            .join(",")
    };
    let ten = slices(10);
    assert!(ten.len() < 4 * 1024 * 1024);
    assert_eq!(list(&ten).expect("a list").listings().len(), 10_000);
    assert!(list(&slices(21)).expect_err("too many").contains("more than"));
}
