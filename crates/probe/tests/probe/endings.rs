//! Exactly one event for each start, however it ends.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use jackline_core::{Event, ProbeFailure, ProbeId, ProbeLimits, Service, StartProbe};
use jackline_probe::{ProbeConfig, Prober};
use jackline_trust::{Trust, TrustConfig};

use crate::bench::{Bench, DEADLINE};

fn aborted(event: &Event) -> ProbeId {
    match event {
        Event::ProbeFailed {
            probe,
            failure: ProbeFailure::Aborted,
            ..
        } => *probe,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn stopping_aborts_what_runs_and_what_is_started_later() {
    let mut bench = Bench::anonymous();
    let frozen = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = frozen.local_addr().unwrap();
    let (first, second) = (bench.start(address), bench.start(address));
    bench.prober.start(first.clone());
    // Under way: the server's kernel has its connection.
    let _connection = tokio::task::spawn_blocking(move || frozen.accept().unwrap())
        .await
        .unwrap();
    bench.prober.stop();
    assert_eq!(aborted(&bench.event().await), first.probe);
    bench.prober.start(second.clone());
    assert_eq!(aborted(&bench.event().await), second.probe);
    bench.no_more_events().await;
}

#[tokio::test]
async fn too_many_at_once_are_aborted_and_none_is_lost() {
    let bench = Bench::anonymous();
    let frozen = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bench = bench;
    let started: Vec<StartProbe> = (0..1030)
        .map(|_| bench.start(frozen.local_addr().unwrap()))
        .collect();
    // This test's runtime has one thread: none of them runs before the stop.
    for start in &started {
        bench.prober.start(start.clone());
    }
    bench.prober.stop();
    let mut ended = Vec::new();
    for _ in &started {
        ended.push(aborted(&bench.event().await));
    }
    let beyond: Vec<ProbeId> = started[1024..].iter().map(|start| start.probe).collect();
    assert_eq!(ended[..6], beyond, "those beyond the bound are told at once");
    ended.sort_unstable();
    ended.dedup();
    assert_eq!(ended.len(), started.len());
    bench.no_more_events().await;
}

#[test]
fn a_runtime_that_goes_down_aborts_what_runs() {
    let frozen = TcpListener::bind("127.0.0.1:0").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let prober = Prober::new(
        ProbeConfig {
            runtime: runtime.handle().clone(),
            ways: Arc::default(),
            service: Service::Api,
        },
        Arc::new(Trust::load(TrustConfig::default())),
        Arc::new(move |event| heard.lock().unwrap().push(event)),
    );
    let start = StartProbe {
        endpoint: frozen.local_addr().unwrap(),
        probe: ProbeId(1),
        fresh: true,
        keep: false,
        limits: ProbeLimits {
            connect: DEADLINE,
            tls: DEADLINE,
            http: DEADLINE,
        },
    };
    prober.start(start.clone());
    let _connection = frozen.accept().unwrap();
    drop(runtime);
    prober.start(StartProbe {
        probe: ProbeId(2),
        ..start
    });
    let told = told.lock().unwrap();
    assert_eq!(
        told.iter().map(aborted).collect::<Vec<_>>(),
        [ProbeId(1), ProbeId(2)]
    );
}
