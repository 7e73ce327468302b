//! `jackline config check` and `config show`: what the agent's configuration says of itself, and an exit status.

mod json;

use std::path::{Path, PathBuf};

use jackline_agent::config::{
    Config, ConfigError, DEFAULT_PATH, Environment, Flags, Origin, load, load_to_show,
};

use crate::args::{ConfigCommand, Output, RunArgs};
use crate::doctor::json as pretty;
use crate::exit::Exit;
use crate::output::{complain, out};

pub(crate) fn config(command: ConfigCommand) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Check {
            file,
            profile,
            output,
        } => check(file, profile, output),
        ConfigCommand::Show {
            defaults,
            root,
            output,
            run,
        } => {
            let flags = Flags { root, ..run.into() };
            match load_to_show(&flags, &Environment::of_process()) {
                Ok(config) => {
                    out(&match output {
                        Output::Table => shown(&config, defaults),
                        Output::Json => pretty(&json::Shown::of(&config, defaults))?,
                    })?;
                    Ok(Exit::Well)
                }
                Err(error) => Ok(refused(&error)),
            }
        }
    }
}

/// A file that is named is checked by itself; without one, all that `jackline run` would read is.
fn check(file: Option<PathBuf>, profile: Option<String>, output: Output) -> anyhow::Result<Exit> {
    let (flags, environment, what) = match file {
        Some(file) => {
            let what = format!("{} is good", file.display());
            (
                Flags {
                    config: Some(file),
                    profile,
                    ..Flags::default()
                },
                Environment::default(),
                what,
            )
        }
        None => (
            Flags {
                profile,
                ..Flags::default()
            },
            Environment::of_process(),
            good_without_a_name(),
        ),
    };
    let loaded = load(&flags, &environment);
    if output == Output::Json {
        out(&pretty(&json::Checked::of(loaded.as_ref()))?)?;
        return Ok(loaded.map_or_else(|error| blamed(&error), |_| Exit::Well));
    }
    match loaded {
        Ok(config) => {
            for warning in &config.warnings {
                complain(&format!("warning: {warning}"));
            }
            out(&format!("{what}\n"))?;
            Ok(Exit::Well)
        }
        Err(error) => Ok(refused(&error)),
    }
}

fn good_without_a_name() -> String {
    match std::env::var_os("JACKLINE_CONFIG") {
        Some(path) if !path.is_empty() => format!("{} is good", Path::new(&path).display()),
        _ if Path::new(DEFAULT_PATH).exists() => format!("{DEFAULT_PATH} is good"),
        _ => format!(
            "there is no {DEFAULT_PATH}; flags, JACKLINE_* variables and defaults are good without it"
        ),
    }
}

fn shown(config: &Config, defaults: bool) -> String {
    let (found, text) = (config.show_profile(), config.show(defaults));
    if text.is_empty() {
        return found + "# nothing is configured; `jackline config show --defaults` shows what holds\n";
    }
    found + &text
}

/// Tells what is wrong, and whether it is the command line or the configuration.
pub(crate) fn refused(error: &ConfigError) -> Exit {
    complain(&error.to_string());
    blamed(error)
}

fn blamed(error: &ConfigError) -> Exit {
    let typed = |origin: &Origin| matches!(origin, Origin::Flag(_));
    if error.problems.iter().all(|problem| typed(&problem.origin)) {
        Exit::Usage
    } else {
        Exit::Config
    }
}

impl From<RunArgs> for Flags {
    fn from(args: RunArgs) -> Self {
        Self {
            config: args.config,
            servers: args.servers,
            listen: args.listen,
            state_dir: args.state_dir,
            socket: args.socket,
            status_listen: args.status_listen,
            log_level: args.log_level,
            log_format: args.log_format,
            profile: args.profile,
            root: None,
        }
    }
}
