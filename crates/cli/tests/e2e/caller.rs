//! A client behind jackline: HTTPS with the cluster's CA, through the node's listener.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::apiserver::Cluster;

/// So much comes in that the client has not read: little, so that what it leaves unread stays with jackline.
pub(crate) const WINDOW: u32 = 64 << 10;

/// One connection through jackline.
pub(crate) struct Caller {
    sender: http1::SendRequest<Empty<Bytes>>,
}

impl Caller {
    /// Connects to `listener` and expects a server of `cluster` behind it.
    pub(crate) async fn connect(cluster: &Cluster, listener: SocketAddr) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(cluster.ca_der()).expect("a CA");
        let tls =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring speaks TLS 1.2 and 1.3")
                .with_root_certificates(roots)
                .with_no_client_auth();
        let socket = match listener {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_recv_buffer_size(WINDOW)?;
        let stream = socket.connect(listener).await?;
        let name = ServerName::try_from("kubernetes").expect("a name");
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Asks for `path`; the answer's body is still to come.
    pub(crate) async fn ask(&mut self, path: &str) -> hyper::Result<Response<Incoming>> {
        let request = Request::get(path)
            .header("host", "kubernetes")
            .body(Empty::new())
            .expect("a request");
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Asks for `path` and reads all of the answer.
    pub(crate) async fn read(&mut self, path: &str) -> hyper::Result<Bytes> {
        Ok(self.ask(path).await?.into_body().collect().await?.to_bytes())
    }
}

/// The canary: what the other tests ask through jackline is there without it, too.
#[tokio::test]
async fn a_caller_and_an_apiserver_understand_each_other() {
    use crate::apiserver::DOWNLOAD;

    let cluster = Cluster::new();
    let server = cluster.server().await;
    cluster.tell(&[server.address]);
    let mut caller = Caller::connect(&cluster, server.address)
        .await
        .expect("a connection");
    assert_eq!(caller.read("/readyz").await.expect("an answer"), "ok");
    let slices = caller
        .read("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")
        .await
        .expect("an answer");
    let slices: serde_json::Value = serde_json::from_slice(&slices).expect("JSON");
    assert_eq!(slices["items"][0]["ports"][0]["port"], server.address.port());
    assert!(caller.read("/download").await.expect("an answer") == *DOWNLOAD);
    let stranger = Cluster::new();
    assert!(
        Caller::connect(&stranger, server.address).await.is_err(),
        "another cluster's CA"
    );
}
