//! Who is connected to whom, for how long, with how many bytes.

use crate::support::{Rig, Upstream, echo, is_closed, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_sessions_are_told_with_both_ends_and_their_bytes() {
    let upstream = Upstream::echo().await;
    let rig = Rig::start(&[upstream.address]);
    let mut clients = Vec::new();
    for length in [3, 500, 70_000] {
        let mut client = rig.client().await;
        soon(echo(&mut client, &vec![7; length])).await;
        clients.push((client, u64::try_from(length).unwrap()));
    }
    let told = soon(rig.plane.list(10)).await;
    assert_eq!(told.len(), 3);
    for (client, length) in &clients {
        let address = client.local_addr().unwrap();
        let one = told.iter().find(|one| one.client == address).expect("it is told");
        assert_eq!(one.endpoint, upstream.address);
        assert_eq!(
            (one.bytes_from_client, one.bytes_from_upstream),
            (*length, *length)
        );
    }
    assert!(
        soon(rig.plane.list(1)).await.len() <= 2,
        "one of each thread at most"
    );
    drop(clients);
    soon(rig.events.wait(3, is_closed)).await;
    assert_eq!(soon(rig.plane.list(10)).await, []);
}
