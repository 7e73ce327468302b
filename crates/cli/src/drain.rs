//! `jackline drain` and `jackline undrain`: on this node over the admin socket, for the whole fleet by the annotation
//! ([`crate::fleet`]).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use jackline_agent::operate::{DRAIN_MAX, Done};

use crate::args::{Ask, Output};
use crate::client::{self, ClientError};
use crate::exit::Exit;
use crate::fleet;
use crate::output::{complain, out};
use crate::status::words::{typed_span, wrapped};

pub(crate) const DRAIN_EXAMPLES: &str = "\
New sessions go to other apiservers, and open ones move at quiet moments. A
drain ends by itself. The last apiserver that is ready is not drained.

Examples:
  jackline drain 10.0.0.2 --for 30m --wait && ssh cp-2 reboot
  jackline drain 10.0.0.2 --all-nodes --for 2h

Exit status: 0 drained (with --wait: and no session is left), 1 refused or not
empty in time, 3 jackline is not running, 4 it could not be asked, 64 wrong
usage.";

pub(crate) const UNDRAIN_EXAMPLES: &str = "\
Examples:
  jackline undrain 10.0.0.2
  jackline undrain 10.0.0.2 --all-nodes

Exit status: 0 done, 1 refused, 3 jackline is not running, 4 it could not be
asked, 64 wrong usage.";

/// Between two looks whether sessions are left.
const LOOK: Duration = Duration::from_millis(500);

/// An apiserver as an operator types it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) ip: IpAddr,
    pub(crate) port: Option<u16>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                ip: address.ip(),
                port: Some(address.port()),
            });
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match bare.unwrap_or(text).parse() {
            Ok(ip) => Ok(Self { ip, port: None }),
            Err(_) => Err("give IP or IP:PORT, as `jackline status` shows it".to_owned()),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// The arguments of `jackline drain`.
#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// The apiserver: IP, or IP:PORT
    #[arg(value_name = "ADDRESS")]
    target: Target,
    /// It ends by itself after this long: 90s, 30m, 2h, 1d; 7d at most
    #[arg(long = "for", value_name = "TIME", default_value = "30m", value_parser = time)]
    lasts: Duration,
    /// Wait until no session is left
    #[arg(long, conflicts_with = "all_nodes")]
    wait: bool,
    /// On every node of the cluster, by an annotation: asks `kubectl`
    #[arg(long)]
    all_nodes: bool,
    /// Also where it is the last one that is ready
    #[arg(long)]
    force: bool,
    /// A sentence for people, or JSON as docs/commands.md describes it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    ask: Ask,
}

/// The arguments of `jackline undrain`.
#[derive(Args, Debug)]
pub(crate) struct UndrainArgs {
    /// The apiserver: IP, or IP:PORT
    #[arg(value_name = "ADDRESS")]
    target: Target,
    /// On every node of the cluster, by an annotation: asks `kubectl`
    #[arg(long)]
    all_nodes: bool,
    /// A sentence for people, or JSON as docs/commands.md describes it
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    ask: Ask,
}

pub(crate) fn drain(args: DrainArgs) -> anyhow::Result<Exit> {
    if args.all_nodes {
        return fleet::drain(args.target, args.lasts, args.force, args.output);
    }
    let socket = args.ask.place();
    let order = |endpoint| {
        format!(
            "/drain?endpoint={endpoint}&seconds={}&force={}",
            args.lasts.as_secs(),
            args.force
        )
    };
    let ordered = known(&socket, args.target).and_then(|endpoint| client::order(&socket, &order(endpoint)));
    let (text, done) = match ordered {
        Ok(ordered) => ordered,
        Err(error) => return Ok(failed(&error)),
    };
    tell(args.output, &text, &done)?;
    match (args.wait, done.endpoint) {
        (true, Some(endpoint)) => wait(&socket, endpoint, args.lasts, args.output),
        _ => Ok(Exit::Well),
    }
}

pub(crate) fn undrain(args: UndrainArgs) -> anyhow::Result<Exit> {
    if args.all_nodes {
        return fleet::undrain(args.target, args.output);
    }
    let socket = args.ask.place();
    let order = |endpoint| client::order(&socket, &format!("/undrain?endpoint={endpoint}"));
    match known(&socket, args.target).and_then(order) {
        Ok((text, done)) => {
            tell(args.output, &text, &done)?;
            Ok(Exit::Well)
        }
        Err(error) => Ok(failed(&error)),
    }
}

/// The endpoint that is meant: an IP alone is one, where the node knows one with it.
fn known(socket: &Path, target: Target) -> Result<SocketAddr, ClientError> {
    if let Some(port) = target.port {
        return Ok(SocketAddr::new(target.ip, port));
    }
    let (_, status) = client::status(socket)?;
    let besides = status.services.iter().flat_map(|service| &service.endpoints);
    let all = status.endpoints.iter().chain(besides);
    let found: Vec<SocketAddr> = all
        .map(|one| one.address)
        .filter(|one| one.ip() == target.ip)
        .collect();
    let refused = |words: String| ClientError::Refused { words, wrong: false };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(refused(format!(
            "{target} is no endpoint that this node knows; `jackline status` shows those that it does"
        ))),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(refused(format!(
                "{target} is several endpoints; say which: {}",
                names.join(" or ")
            )))
        }
    }
}

fn tell(output: Output, text: &str, done: &Done) -> anyhow::Result<()> {
    out(&match output {
        Output::Json => text.to_owned() + "\n",
        Output::Table => {
            let until = done
                .until
                .map(|until| format!(" It ends by itself at {} UTC.", until.strftime("%F %T")));
            let sessions = done.sessions.filter(|open| *open > 0);
            let sessions = sessions.map(|open| format!(" Sessions with it now: {open}."));
            let words = format!(
                "{}.{}{}",
                done.done,
                until.unwrap_or_default(),
                sessions.unwrap_or_default()
            );
            wrapped(&words, 0)
        }
    })?;
    Ok(())
}

fn failed(error: &ClientError) -> Exit {
    complain(&error.to_string());
    error.exit()
}

/// Waits until the endpoint has no session, or the drain's time is over.
fn wait(socket: &Path, endpoint: SocketAddr, within: Duration, output: Output) -> anyhow::Result<Exit> {
    let deadline = Instant::now() + within;
    loop {
        let open = match client::status(socket) {
            Ok((_, status)) => {
                let besides = status.services.iter().flat_map(|service| &service.endpoints);
                let mut all = status.endpoints.iter().chain(besides);
                all.find(|one| one.address == endpoint)
                    .map_or(0, |one| one.sessions)
            }
            Err(error) => return Ok(failed(&error)),
        };
        if open == 0 {
            if output == Output::Table {
                out("No session is left with it.\n")?;
            }
            return Ok(Exit::Well);
        }
        if Instant::now() >= deadline {
            complain(&format!(
                "jackline: the drain's time is over and {open} sessions are still with {endpoint}; see who: jackline sessions"
            ));
            return Ok(Exit::Failed);
        }
        std::thread::sleep(LOOK);
    }
}

/// How long a drain lasts, as it is typed.
fn time(text: &str) -> Result<Duration, String> {
    let seconds = typed_span(text).filter(|seconds| (1..=DRAIN_MAX.as_secs()).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "give a number and a unit, 1s to 7d: 90s, 30m, 2h, 1d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        let told = ["1s", "90s", "30m", "2h", "7d"].map(|text| time(text).map(|time| time.as_secs()));
        assert_eq!(told, [Ok(1), Ok(90), Ok(1800), Ok(7200), Ok(604_800)]);
        for bad in [
            "",
            "0s",
            "30",
            "m",
            "8d",
            "-1h",
            "1.5h",
            "99999999999999999999s",
            "3é",
        ] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_apiserver_is_named_with_or_without_a_port() {
        let told = [
            "10.0.0.2",
            "10.0.0.2:6443",
            "fd00::1",
            "[fd00::1]",
            "[fd00::1]:6443",
        ]
        .map(|text| text.parse::<Target>().map(|target| target.to_string()));
        assert_eq!(
            told,
            [
                "10.0.0.2",
                "10.0.0.2:6443",
                "fd00::1",
                "fd00::1",
                "[fd00::1]:6443"
            ]
            .map(|text| Ok(text.to_owned()))
        );
        assert!("cp-2".parse::<Target>().is_err());
    }
}
