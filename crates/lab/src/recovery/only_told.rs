//! An address that no file on the node knows, and that one source alone tells, while all that is known is dead.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::etcd::scribe;
use crate::node::Status;
use crate::scenario::{Cast, Joins, RealEtcd, Scenario, Stage};
use crate::verdict::{Recovery, counted, millis, seconds};
use crate::{Plan, Role};

pub(crate) const BY_ETCD: Scenario = Scenario {
    name: "only-etcd-tells",
    story: "The only control plane dies, again and again, and a new machine with an address that no node ever knew takes its \
            place. Only real etcd tells it, to nodes that have nothing but etcd. They must be attached soon after it is told.",
    cast: || Cast {
        agents: 0,
        etcd_nodes: 2,
        joins: Joins::Nothing,
        supervisor: false,
        etcd: RealEtcd::Needed,
        ..one_control_plane()
    },
    play: |stage| Box::pin(play(stage, Teller::Etcd)),
};

pub(crate) const BY_DNS: Scenario = Scenario {
    name: "only-dns-tells",
    story: "The only control plane dies, again and again, and a new machine with an address that no node ever knew takes its \
            place. Only the registration name tells it. The nodes must be attached soon after it is told.",
    cast: || Cast {
        joins: Joins::Name(NAME),
        supervisor: false,
        ..one_control_plane()
    },
    play: |stage| Box::pin(play(stage, Teller::Dns)),
};

pub(crate) const BY_SUPERVISOR: Scenario = Scenario {
    name: "only-a-supervisor-tells",
    story: "The only control plane dies, again and again, and a new machine with an address that no node ever knew takes its \
            place. Only the supervisor of the etcd-only registration server tells it. The nodes must be attached soon after it \
            is told.",
    cast: one_control_plane,
    play: |stage| Box::pin(play(stage, Teller::Supervisor)),
};

/// Who tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Teller {
    Etcd,
    Dns,
    Supervisor,
}

impl Teller {
    fn word(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Dns => "DNS",
            Self::Supervisor => "a supervisor",
        }
    }

    /// From the telling to attached.
    fn within(self) -> Duration {
        match self {
            Self::Etcd | Self::Dns => Duration::from_millis(2_500),
            Self::Supervisor => Duration::from_secs(6),
        }
    }
}

const NAME: &str = "registration.lab.test";

const CONTROL_PLANE: &str = "cp-a";

/// New machines, each of which every node must find.
const ROUNDS: u32 = 10;

/// The telling comes at another moment of the nodes' own pauses in each round.
const LATER_EACH_ROUND: Duration = Duration::from_millis(370);

/// Between two rounds: what was learnt is asked again, and watches are open.
const REST: Duration = Duration::from_secs(2);

/// How long a node may take to see that everything is down; the outage itself is not measured.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

fn one_control_plane() -> Cast {
    Cast {
        clients: Vec::new(),
        ..Cast::of(
            Plan::default()
                .with("etcd-1", Role::EtcdOnly)
                .with(CONTROL_PLANE, Role::ControlPlaneOnly),
        )
    }
}

async fn play(stage: &mut Stage, teller: Teller) -> anyhow::Result<()> {
    stage.raise().await?;
    let first = stage.server(CONTROL_PLANE)?.address();
    tell_names(stage, first);
    let (mut unnoticed, mut early) = (0, Vec::new());
    for round in 0..ROUNDS {
        stage.say(format!("round {} of {ROUNDS}", round + 1));
        withhold(stage, teller, true)?;
        let gone = stage.kill(CONTROL_PLANE)?;
        unnoticed += u32::from(!stage.wait_not_attached(gone, NOTICED_WITHIN).await);
        let address = stage.plane.free_address()?;
        stage.say(format!("a new machine at {address} takes its place"));
        stage.server(CONTROL_PLANE)?.replace_at(address)?;
        let told = tell(stage, teller, round, &mut early).await?;
        stage.say(format!("{} tells it", teller.word()));
        withhold(stage, teller, false)?;
        stage.recovered(told, "after the new address was told").await;
        if stage.stuck() > 0 {
            break;
        }
        stage.pass(REST).await;
    }
    check(stage, teller, unnoticed);
    stage.check(
        "nobody knows a new address before it is told",
        early.is_empty(),
        match early.as_slice() {
            [] => format!("nobody did in {ROUNDS} rounds"),
            early => early.join(", "),
        },
    );
    Ok(())
}

/// Whether apiservers may write to real etcd.
fn withhold(stage: &mut Stage, teller: Teller, withheld: bool) -> anyhow::Result<()> {
    if teller == Teller::Etcd {
        stage.etcd()?.access().withhold(withheld);
    }
    Ok(())
}

/// The registration name leads to this one alone.
fn tell_names(stage: &Stage, server: SocketAddr) {
    if let Some(names) = &stage.names {
        names.set(NAME, &[server.ip()]);
    }
}

/// The new one is ready, and now it is told. Says when: at the latest moment before anybody could have heard. `early`: who knew it
/// before.
async fn tell(
    stage: &mut Stage,
    teller: Teller,
    round: u32,
    early: &mut Vec<String>,
) -> anyhow::Result<Instant> {
    let server = stage.server(CONTROL_PLANE)?;
    let ready = stage.wait_ready(CONTROL_PLANE).await?;
    if teller == Teller::Supervisor {
        // The registration server's supervisor knows it from the moment at which it is in the list, which is when it is ready.
        return Ok(ready);
    }
    stage.pass(LATER_EACH_ROUND * round).await;
    let address = server.address();
    let know = stage
        .nodes
        .iter()
        .filter(|node| node.status().is_some_and(|status| knows(&status, address)));
    early.extend(know.map(|node| node.name().to_owned()));
    let told = Instant::now();
    match teller {
        Teller::Dns => tell_names(stage, address),
        _ => {
            let (gateway, member) = (stage.etcd()?.gateway(0), stage.etcd()?.client(0));
            let list = scribe::list(&[address]);
            gateway.put(member, scribe::LIST, list.as_bytes()).await?;
        }
    }
    Ok(told)
}

fn knows(status: &Status, address: SocketAddr) -> bool {
    status.endpoint(address).is_some()
}

fn check(stage: &mut Stage, teller: Teller, unnoticed: u32) {
    let recovery = Recovery::of(stage.recoveries());
    let (count, stuck) = (stage.recoveries().len(), stage.stuck());
    let expected = stage.nodes.len() * ROUNDS as usize;
    let got = match (recovery.median, recovery.worst) {
        (Some(median), Some(worst)) => format!(
            "median {}, worst {} of {}, {stuck} stuck",
            seconds(median),
            seconds(worst),
            counted(count as u64, "time", "times")
        ),
        _ => format!("no node was attached again, {stuck} stuck"),
    };
    let within = teller.within();
    let met = stuck == 0 && count == expected && recovery.worst.is_some_and(|worst| worst <= millis(within));
    stage.figure(
        &format!(
            "an address that no file on the node knows and only {} tells: to attached after it is told",
            teller.word()
        ),
        &format!("worst ≤ {}", seconds(millis(within))),
        met,
        got,
    );
    stage.check(
        "every node sees that it has lost the only control plane",
        unnoticed == 0,
        format!("in {} of {ROUNDS} rounds", ROUNDS - unnoticed),
    );
}
