//! A real receiver of the PROXY protocol: HAProxy, which tells on what it has understood. Without it the test says that it was
//! not run.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use jackline_borrowed::{BRING_HAPROXY, Haproxy, not_run};
use jackline_way::{Opening, WayConfig, Ways};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::DEADLINE;
use super::receiver::{Header, receive};

/// HAProxy in front of `behind`: takes a header and tells its own of what the header said. It listens on a socket that is
/// open already, so that nobody else can take its port.
fn relay(haproxy: &Haproxy, folder: &std::path::Path, bind: &str, behind: SocketAddr) -> (SocketAddr, Child) {
    let listener = std::net::TcpListener::bind(bind).unwrap();
    let address = listener.local_addr().unwrap();
    let config = folder.join("haproxy.cfg");
    let text = format!(
        "defaults\n  mode tcp\n  timeout connect 20s\n  timeout client 60s\n  timeout server 60s\n\
         listen headed\n  bind fd@3 accept-proxy\n  server behind {behind} send-proxy-v2\n"
    );
    std::fs::write(&config, text).unwrap();
    // Its standard input is its own affair: the socket becomes descriptor 3.
    let called = haproxy.command();
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "exec \"$0\" -db -q -f \"$1\" 3<&0 </dev/null"])
        .args([called.get_program(), config.as_os_str()])
        .envs(called.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let process = Command::from(shell)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .kill_on_drop(true)
        .spawn()
        .expect("HAProxy starts");
    (address, process)
}

#[tokio::test]
async fn a_real_haproxy_understands_the_header() {
    let haproxy = match jackline_borrowed::haproxy() {
        Ok(haproxy) => haproxy,
        Err(why) => return not_run("a_real_haproxy_understands_the_header", &why, BRING_HAPROXY),
    };
    let folder = tempfile::tempdir().unwrap();
    for (bind, client, listener) in [
        ("127.0.0.1:0", "192.0.2.7:40000", "192.0.2.8:6440"),
        ("[::1]:0", "[2001:db8::7]:40000", "[2001:db8::8]:6440"),
    ] {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, _process) = relay(&haproxy, folder.path(), bind, behind.local_addr().unwrap());
        let ways = Ways::new(WayConfig {
            proxy_protocol: vec!["*".parse().unwrap()],
            ..WayConfig::default()
        });
        let (client, listener): (SocketAddr, SocketAddr) =
            (client.parse().unwrap(), listener.parse().unwrap());
        for opening in [Opening::Relayed { client, listener }, Opening::Ours] {
            let mut stream = ways.connect(address, opening, DEADLINE).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            let told = async {
                let (mut received, _) = behind.accept().await.unwrap();
                let header = receive(&mut received).await.unwrap();
                let mut hello = [0; 5];
                received.read_exact(&mut hello).await.unwrap();
                assert_eq!(&hello, b"hello");
                header
            };
            let told = timeout(DEADLINE, told).await.expect("HAProxy passes it on");
            let expected = match opening {
                Opening::Relayed { client, listener } => Header::Relayed { client, listener },
                // LOCAL: the addresses are those of the connection itself.
                Opening::Ours => Header::Relayed {
                    client: stream.local_addr().unwrap(),
                    listener: address,
                },
            };
            assert_eq!(told, expected);
        }
    }
}
