//! `jackline simulate --compare`: jackline and its rivals on the same seeds.

use jackline_sim::rivals::compare::{Size, compare as play};

use super::{Bar, STOP, interrupt, page, threads};
use crate::args::{LabOutput, SimulateArgs};
use crate::exit::Exit;
use crate::output::out;

pub(crate) fn compare(args: &SimulateArgs) -> anyhow::Result<Exit> {
    interrupt::listen();
    let bar = Bar::of("seeds");
    let comparison = play(
        args.seeds.clone(),
        Size::default(),
        threads(args),
        &STOP,
        &|progress| {
            bar.show(progress);
        },
    );
    bar.end();
    page::write(args.html.as_deref(), || {
        page::of_comparison(&comparison, args.seeds.start)
    })?;
    out(&match args.output {
        LabOutput::Json => format!("{}\n", serde_json::to_string_pretty(&comparison)?),
        LabOutput::Text => comparison.to_string(),
    })?;
    Ok(match comparison.stopped {
        true => Exit::Interrupted,
        false => Exit::Well,
    })
}
