//! `jackline status`: asks the running jackline, shows its answer, and exits with the node's state.

mod table;
mod words;

use std::path::PathBuf;

use jackline_agent::config::{Environment, Flags, load};

use crate::args::{Output, StatusArgs};
use crate::client;
use crate::exit::Exit;
use crate::output::{complain, out};

/// Where the socket is when nobody says otherwise.
const SOCKET: &str = "/run/jackline/jackline.sock";

pub(crate) fn status(args: StatusArgs) -> anyhow::Result<Exit> {
    let socket = socket(args.socket);
    match client::status(&socket) {
        Ok((text, status)) => {
            out(&match args.output {
                Output::Table => table::render(&status),
                // As it came: with fields that this version does not know, if a later one answers.
                Output::Json => text,
            })?;
            Ok(status.state.into())
        }
        Err(error) => {
            complain(&error.to_string());
            Ok(error.exit())
        }
    }
}

/// Where `jackline run` would open it. A configuration that cannot be read (it may be root's) is passed over here.
fn socket(flag: Option<PathBuf>) -> PathBuf {
    // `run` may get its servers by flags; whom it balances over does not matter here, only that it has somebody.
    let somebody = vec!["https://127.0.0.1".to_owned()];
    let flags = Flags {
        socket: flag.clone(),
        servers: somebody,
        ..Flags::default()
    };
    let configured = load(&flags, &Environment::of_process()).map(|config| config.socket);
    configured.unwrap_or_else(|_| flag.unwrap_or_else(|| PathBuf::from(SOCKET)))
}
