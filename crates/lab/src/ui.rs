//! `jackline lab --ui`: the control plane and two nodes, and a page with which anybody can break it and watch.
//!
//! The page is the nodes' own: this server fetches its files from the first node and passes on what every node's page tells,
//! so there is one template and one style, and nothing shown here is known in any other way than a node's own visitor would know
//! it. What it adds are the servers and what can be done to them: `desk` does it, `board` is what is told, `front` answers
//! browsers and turns away who has no business here, `relay` listens to the nodes.

mod board;
mod desk;
mod front;
mod relay;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::node::{Engine, Node};
use crate::options::LabOptions;
use crate::runner::{engine, told_to_stop};
use crate::scenario::{Cast, Scenario, Stage};
use crate::timeline::{Screen, Timeline};
use board::Board;
use desk::Desk;

/// Requests a second of one client: enough for sessions to be seen, and little enough for the clients' books to last ten hours.
const RATE: u32 = 2;

/// How often the servers are looked at.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// The cast of k3s#11349, and nothing that happens by itself.
static PLAYGROUND: Scenario = Scenario {
    name: "ui",
    story: "An etcd-only server that two nodes were joined to, and two control planes.",
    cast: || Cast {
        pages: true,
        ..Cast::split()
    },
    play: |_| Box::pin(async { Ok(()) }),
};

/// Serves the page on `address` (port 0: any free one) until Ctrl-C or SIGTERM. Blocks. Nothing is left behind.
///
/// # Errors
/// When the address is not on loopback or is taken, or the lab itself could not be built.
pub fn ui(address: SocketAddr, options: LabOptions) -> anyhow::Result<()> {
    anyhow::ensure!(
        address.ip().is_loopback(),
        "{address} can be reached from other machines, and whoever reaches the page may break the lab; give an address of \
         loopback, and from elsewhere use ssh -L"
    );
    let engine = engine(&options)?;
    let options = LabOptions {
        rate: RATE,
        ..options
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the lab")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("the page cannot be served at {address}; give another address, or none")
        })?;
        serve(listener, &options, &engine).await
    })
}

async fn serve(listener: TcpListener, options: &LabOptions, engine: &Engine) -> anyhow::Result<()> {
    let address = listener.local_addr().context("finding the page's address")?;
    let screen = Arc::new(Screen::new(options.output, false));
    let timeline = Timeline::new(PLAYGROUND.name, Arc::clone(&screen));
    timeline.say(PLAYGROUND.story);
    let mut stage =
        Stage::set(&PLAYGROUND, options, engine, timeline.clone()).context("setting up the lab")?;
    let played = tokio::select! {
        played = play(&mut stage, listener, address, &screen) => played,
        () = told_to_stop() => Ok(()),
    };
    screen.text("\nThe lab ends its nodes and goes.\n");
    stage.rest_clients().await;
    join_all(stage.nodes.iter_mut().map(Node::terminate)).await;
    played
}

/// Where to look.
fn invitation(address: SocketAddr, pages: &[(String, SocketAddr)]) -> String {
    let nodes: String = pages
        .iter()
        .map(|(name, page)| format!("  {name}: http://{page}/\n"))
        .collect();
    format!(
        "\nOpen http://{address}/ and try to break it. Ctrl-C ends it all.\nThe nodes' own pages, without buttons:\n{nodes}\n"
    )
}

/// Never returns but by an error.
async fn play(
    stage: &mut Stage,
    listener: TcpListener,
    address: SocketAddr,
    screen: &Screen,
) -> anyhow::Result<()> {
    stage.open().await?;
    let pages: Vec<(String, SocketAddr)> = stage
        .nodes
        .iter()
        .filter_map(|node| Some((node.name().to_owned(), node.config.page?)))
        .collect();
    let first = pages.first().context("a lab without nodes")?.1;
    let files = relay::files(first).await.context("reading a node's page")?;
    let board = Board::default();
    let desk = Arc::new(Desk::new(
        stage.plane.servers(),
        board.clone(),
        stage.timeline.clone(),
    ));
    let _relays: Vec<_> = pages
        .iter()
        .map(|(name, page)| {
            let listen = relay::listen(name.clone(), *page, board.clone());
            AbortOnDropHandle::new(tokio::spawn(listen))
        })
        .collect();
    let looking = async {
        let mut ticks = interval(LOOK_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            board.servers(desk.servers());
        }
    };
    screen.text(&invitation(address, &pages));
    tokio::select! {
        () = looking => {}
        () = front::serve(listener, address, files, Arc::clone(&desk), board.clone()) => {}
    }
    anyhow::bail!("the page's server has ended")
}
