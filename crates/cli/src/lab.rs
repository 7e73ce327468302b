//! `jackline lab`: hands the command line to the lab and its outcomes to the exit status. The lab writes for itself.

use jackline_lab::{LabOptions, Output};

use crate::args::{LabArgs, LabOutput};
use crate::exit::Exit;
use crate::output::complain;

pub(crate) fn lab(args: LabArgs) -> Exit {
    let ui = args.ui;
    let options = LabOptions {
        scenarios: args.scenarios,
        output: match args.output {
            LabOutput::Text => Output::Text,
            LabOutput::Json => Output::Json,
        },
        list: args.list,
        keep: args.keep,
        ..LabOptions::default()
    };
    if let Some(address) = ui {
        return match jackline_lab::ui(address, options) {
            Ok(()) => Exit::Well,
            Err(error) => {
                complain(&format!("the lab could not be shown: {error:#}"));
                Exit::Isolated
            }
        };
    }
    match jackline_lab::run(options) {
        Ok(outcomes) if outcomes.iter().all(|outcome| outcome.passed) => Exit::Well,
        Ok(_) => Exit::Failed,
        Err(error) => {
            complain(&format!("the lab could not be played: {error:#}"));
            Exit::Isolated
        }
    }
}
