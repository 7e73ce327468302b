//! `jackline run`: from the command line to the running agent, and from its end to an exit status.

use jackline_agent::config::{Environment, load};
use jackline_agent::refuse_to_take_over;

use crate::args::RunCommand;
use crate::config::refused;
use crate::exit::Exit;
use crate::output::complain;

pub(crate) fn run(command: RunCommand) -> Exit {
    let config = match load(&command.args.into(), &Environment::of_process()) {
        Ok(config) => config,
        Err(error) => {
            // Whoever has the sessions keeps them, and tells its operator why.
            refuse_to_take_over(&error.to_string());
            return refused(&error);
        }
    };
    match jackline_agent::run(config, command.until_input_ends) {
        Ok(jackline_agent::Exit::Clean | jackline_agent::Exit::HandedOver) => Exit::Well,
        Ok(jackline_agent::Exit::Interrupted) => Exit::Interrupted,
        Err(error) => {
            complain(&format!(
                "jackline could not start: {:#}",
                anyhow::Error::from(error)
            ));
            Exit::Failed
        }
    }
}
