//! `jackline status`: asks the running jackline, shows its answer, and exits with the node's state.

mod table;
mod words;

use jackline_agent::config::{self, Environment, Flags};

use crate::args::{Output, StatusArgs};
use crate::client;
use crate::exit::Exit;
use crate::output::{complain, out};

pub(crate) fn status(args: StatusArgs) -> anyhow::Result<Exit> {
    let flags = Flags {
        socket: args.socket,
        ..Flags::default()
    };
    let socket = config::socket(&flags, &Environment::of_process());
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
