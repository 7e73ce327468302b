//! The node's own limits harm nobody but those that come above them, and only for as long as they last.

use std::process::Command;
use std::time::Duration;

use jackline_core::{DialFailure, Event, LocalFault};
use jackline_proxy::ProxyConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Rig, Upstream, config, echo, ends_by_fin, soon};

const CHILD: &str = "JACKLINE_TEST_WITHOUT_DESCRIPTORS";

#[tokio::test]
async fn clients_above_the_limit_are_reset_and_the_others_stay() {
    let upstream = Upstream::echo().await;
    let rig = Rig::with(
        ProxyConfig {
            allow_loopback: true,
            sessions_max: Some(2),
            ..config()
        },
        &[upstream.address],
    );
    let mut one = rig.echoed_client().await;
    let mut two = rig.echoed_client().await;
    // The reset may come as soon as the connect.
    if let Ok(mut three) = soon(TcpStream::connect(rig.address)).await {
        assert!(!ends_by_fin(&mut three).await);
    }
    let sessions = rig.plane.sessions();
    assert_eq!(
        (sessions.open, sessions.refused_total, sessions.over_limit_total),
        (2, 1, 1)
    );
    echo(&mut one, b"x").await;
    drop(one);
    rig.events.wait(1, crate::support::is_closed).await;
    soon(async {
        // The seat is given back right after the close is told.
        loop {
            let Ok(mut four) = TcpStream::connect(rig.address).await else {
                continue;
            };
            if four.write_all(b"x").await.is_ok() && four.read_u8().await.is_ok() {
                break;
            }
        }
    })
    .await;
    echo(&mut two, b"x").await;
}

#[tokio::test]
async fn the_limit_on_descriptors_is_raised() {
    drop(jackline_proxy::bind(&config()).unwrap());
    let limit = getrlimit(Resource::Nofile);
    assert_eq!(limit.current, limit.maximum);
}

/// In a process of its own, for the limit is the whole process's.
#[test]
fn without_descriptors_clients_wait_and_are_served_when_there_are_some() {
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(without_descriptors());
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "limits::without_descriptors_clients_wait_and_are_served_when_there_are_some",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(said.contains("all were served"), "{said}");
}

async fn without_descriptors() {
    const CLIENTS: usize = 20;
    let upstream = Upstream::echo().await;
    let hold = Duration::from_secs(600);
    let rig = Rig::with(
        ProxyConfig {
            allow_loopback: true,
            hold,
            ..config()
        },
        &[upstream.address],
    );
    let sockets: Vec<TcpSocket> = (0..CLIENTS).map(|_| TcpSocket::new_v4().unwrap()).collect();

    // Room for ten more: three sessions, each of two descriptors here and one more of the upstream's, which lives here too.
    let next = std::os::fd::AsRawFd::as_raw_fd(&std::fs::File::open("/dev/null").unwrap());
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(u64::try_from(next).unwrap() + 10),
            maximum,
        },
    )
    .unwrap();

    let mut clients = Vec::new();
    for socket in sockets {
        let mut client = soon(socket.connect(rig.address)).await.unwrap();
        client.write_all(b"x").await.unwrap();
        clients.push(client);
    }
    let fault = Event::LocalFaultSeen {
        fault: LocalFault::Descriptors,
    };
    rig.events.wait(2, |event| *event == fault).await;
    assert!(rig.plane.sessions().open < u64::try_from(CLIENTS).unwrap());

    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    for client in &mut clients {
        assert_eq!(
            soon(client.read_u8()).await.unwrap(),
            b'x',
            "no client had to come anew"
        );
    }
    let slander = |event: &Event| matches!(event, Event::DialFailed { failure, .. } if *failure != DialFailure::Local(LocalFault::Descriptors));
    assert_eq!(
        rig.events.count(slander),
        0,
        "no endpoint is blamed: {:#?}",
        rig.events.all()
    );
    #[expect(
        clippy::print_stdout,
        reason = "the parent looks for it: a child that ran nothing must not pass"
    )]
    {
        println!("all were served");
    }
}
