//! A watch: asked for, read until it ends, asked for again. It retries nothing either; it just always wants one.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::time::{sleep, timeout};

use super::transport::{chain, dial_http1, get};
use super::{REQUEST_TIMEOUT, Setting};

/// Between the end of a watch and the next.
const PAUSE: Duration = Duration::from_millis(50);

const PATH: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices\
    ?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes&watch=true&allowWatchBookmarks=true";

/// Never ends; drop it.
pub(super) async fn run(setting: &Setting) {
    while let Some(id) = setting.ledger.begin(setting.node, setting.kind) {
        watch(setting, id).await;
        sleep(PAUSE).await;
    }
}

/// The request ends with the head of the answer; the connection when the watch does.
async fn watch(setting: &Setting, id: usize) {
    let opening = async {
        let mut held = dial_http1(setting).await?;
        setting.ledger.written(id, held.id());
        let request = get(setting, &format!("{PATH}&id={id}"))?;
        match held.sender().send_request(request).await {
            Ok(response) if response.status().is_success() => Ok((held, response)),
            Ok(response) => Err(format!("answered {}", response.status())),
            Err(error) => {
                held.lost();
                Err(chain(&error))
            }
        }
    };
    let opened = timeout(REQUEST_TIMEOUT, opening)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs())));
    let ready_since = setting.plane.ready_since();
    match opened {
        Err(why) => setting.ledger.end(id, Some(why), ready_since),
        Ok((mut held, response)) => {
            setting.ledger.end(id, None, ready_since);
            let mut body = response.into_body();
            while let Some(Ok(_)) = body.frame().await {}
            held.lost();
        }
    }
}
