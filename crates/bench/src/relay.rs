//! The plain way, as a rival: what one writes with tokio in an afternoon.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

/// Relays for ever.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) async fn run(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let Ok((mut client, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(async move {
            let mut upstream = TcpStream::connect(to).await?;
            client.set_nodelay(true)?;
            upstream.set_nodelay(true)?;
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await
        });
    }
}
