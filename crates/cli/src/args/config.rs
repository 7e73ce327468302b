//! What `jackline config` takes.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Output, RunArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  jackline config check ./jackline.yaml
  jackline config show --defaults

Exit status: 0 good, 78 refused, 64 wrong usage.";

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Tell what is wrong with a configuration file: where, what, and what to do.
    #[command(after_help = "Example:\n  jackline config check /etc/jackline/config.yaml")]
    Check {
        /// The file [default: JACKLINE_CONFIG, else /etc/jackline/config.yaml]
        file: Option<PathBuf>,
        /// Whose files to look for on this node [default: the file's, else auto]
        #[arg(long, value_name = "PROFILE")]
        profile: Option<String>,
        /// Words for people, or JSON as docs/commands.md describes it
        #[arg(long, short, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Show what the profile found, and each value with where it came from; secrets never.
    #[command(
        after_help = "Examples:\n  jackline config show\n  jackline config show --defaults\n  \
                            jackline config show --config ./jackline.yaml --server https://10.0.0.1:6443"
    )]
    Show {
        /// Show every key, also those that nobody gave a value
        #[arg(long)]
        defaults: bool,
        /// Look for the node's files under this folder instead of /, as in an image
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
        /// Words for people, or JSON as docs/commands.md describes it
        #[arg(long, short, value_enum, default_value_t = Output::Table)]
        output: Output,
        #[command(flatten)]
        run: RunArgs,
    },
}
