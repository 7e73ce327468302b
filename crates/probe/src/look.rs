//! A look at what a server presents, whoever it is: its certificate and its clock. For reports to people, never for a judgement of
//! the core: nothing is verified, nothing is shown, and the words of the answer's head are all that is read.

use std::net::SocketAddr;

use jackline_core::ProbeLimits;
use jackline_trust::Trust;
use jackline_trust::inspect::{Description, of_der};
use jackline_way::Ways;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::link::open_tls;

/// Bytes of the answer's head that are read at the most.
const HEAD_MAX: usize = 16 * 1024;
/// The question: any answer to it has a date.
const QUESTION: &str = "GET /readyz HTTP/1.1\r\nHost: kubernetes\r\nConnection: close\r\n\r\n";

/// What a server presents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Its own certificate; `None`: it presented none that can be read.
    pub certificate: Option<Description>,
    /// The `Date` of its answer, as it is written; `None`: it told none.
    pub date: Option<String>,
}

/// Looks at the server; `None`: no TLS came about within the limits.
pub async fn look(
    endpoint: SocketAddr,
    limits: &ProbeLimits,
    (trust, ways): (&Trust, &Ways),
) -> Option<Look> {
    let config = trust.unverified_tls();
    let (mut stream, _) = open_tls(endpoint, limits, (trust, ways), config).await.ok()?;
    let presented = stream.get_ref().1.peer_certificates();
    let certificate = presented.and_then(|chain| chain.first()).and_then(of_der);
    let exchange = async {
        stream.write_all(QUESTION.as_bytes()).await.ok()?;
        let mut head = Vec::new();
        // A server that ends TLS without a goodbye has told its head all the same.
        let _ = (&mut stream).take(HEAD_MAX as u64).read_to_end(&mut head).await;
        date(&head)
    };
    let date = timeout(limits.http, exchange).await.ok().flatten();
    Some(Look { certificate, date })
}

/// The value of the `Date` line.
fn date(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let lines = text.lines().take_while(|line| !line.is_empty());
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("date"))?;
    Some(value.trim().to_owned()).filter(|value| value.len() <= 64 && value.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn the_date_is_that_of_the_head_and_not_of_the_body() {
        let head = b"HTTP/1.1 401 Unauthorized\r\nDATE: Tue, 24 Nov 2026 14:00:00 GMT\r\n\r\nDate: never";
        assert_eq!(date(head).as_deref(), Some("Tue, 24 Nov 2026 14:00:00 GMT"));
        assert_eq!(date(b"HTTP/1.1 200 OK\r\n\r\nDate: never"), None);
        assert_eq!(date(b"\xff\xfe"), None);
    }
}
