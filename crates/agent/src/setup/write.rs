//! Carrying a plan out, and taking it back. The record goes first, so that a node that loses power in between is only ever half
//! way to something that is known.

use std::io;

use serde::Serialize;

use super::disk;
use super::ledger::{Entry, Ledger, Now};
use super::plan::{Plan, plan};
use super::scene::Scene;
use super::{Request, SetupError};
use crate::config::DEFAULT_PATH;
use crate::hand_over::HANDED_OVER;
use crate::profile::host::Host;

/// What was done. Its fields are a promise: `jackline setup --output json`.
#[derive(Debug, Default, Serialize)]
pub struct Done {
    /// What was changed, a line each; empty: nothing, for all was as it should be.
    pub changed: Vec<String>,
    /// What was left alone, and why.
    pub left: Vec<String>,
    /// What is to be done now, a line each.
    pub afterwards: Vec<String>,
}

/// Points this node's programs at jackline.
///
/// # Errors
/// Something is in the way, and nothing was changed; or a file could not be written, and what was done before is recorded.
pub fn write(request: &Request) -> Result<Done, SetupError> {
    let scene = Scene::open(request)?;
    let plan = plan(&scene);
    if !plan.blocked.is_empty() {
        return Err(SetupError::Blocked(plan.blocked));
    }
    let mut done = Done::default();
    let ledger = next_ledger(&scene, &plan)?;
    // What the plan before this one changed, and this one does not.
    if let Some(old) = &scene.ledger {
        let obsolete = old
            .entries
            .iter()
            .filter(|entry| ledger.entry(&entry.path).is_none());
        for entry in obsolete {
            put_back(&scene.disk, entry, &mut done)?;
        }
    }
    if ledger.entries.is_empty() {
        // Nothing of this plan is a file: there is nothing to record.
        if let Some(old) = &scene.ledger {
            old.remove(&scene.disk)?;
        }
        done.afterwards = plan.afterwards();
        return Ok(done);
    }
    let same = scene.ledger.as_ref().is_some_and(|old| {
        (&old.entries, old.mode, &old.folders, &old.afterwards)
            == (&ledger.entries, ledger.mode, &ledger.folders, &ledger.afterwards)
    });
    if !same {
        ledger.write(&scene.disk)?;
    }
    for folder in &ledger.folders {
        disk::make_folder(&scene.disk, folder)?;
    }
    for entry in &ledger.entries {
        if entry.now(&scene.disk) == Now::After {
            continue;
        }
        let stamp = entry.before.as_ref().map(|(_, stamp)| *stamp);
        disk::put(&scene.disk, &entry.path, &entry.after, stamp)?;
        done.changed.push(format!("wrote {}", entry.path));
    }
    done.afterwards = plan.afterwards();
    Ok(done)
}

/// The record that will hold when the plan is carried out.
fn next_ledger(scene: &Scene, plan: &Plan) -> Result<Ledger, SetupError> {
    let mut folders: Vec<String> = scene
        .ledger
        .as_ref()
        .map(|old| old.folders.clone())
        .unwrap_or_default();
    let mut entries = Vec::new();
    let own = format!("{}/ledger.json", super::ledger::FOLDER);
    let paths = plan.changes.iter().map(|change| change.path.as_str());
    for path in paths.chain([own.as_str()]) {
        for folder in disk::missing_folders(&scene.disk, path) {
            if !folders.contains(&folder) && folder != super::ledger::FOLDER {
                folders.push(folder);
            }
        }
    }
    for change in &plan.changes {
        let known = scene
            .ledger
            .as_ref()
            .and_then(|old| old.entry(&change.path))
            .filter(|entry| entry.now(&scene.disk) != Now::Changed);
        let before = match known {
            Some(entry) => entry.before.clone(),
            None => disk::read(&scene.disk, &change.path)?,
        };
        entries.push(Entry {
            path: change.path.clone(),
            before,
            after: change.after.clone(),
        });
    }
    Ok(Ledger {
        generation: scene.ledger.as_ref().map_or(1, |old| old.generation + 1),
        mode: plan.mode,
        afterwards: plan.restarted_by(),
        entries,
        folders,
    })
}

/// Takes back everything that setup changed on this node, and what root handed over to jackline's user.
///
/// # Errors
/// Somebody else changed a file since, and nothing was put back; or a file could not be written, and undoing may be repeated.
pub fn undo(request: &Request) -> Result<Done, SetupError> {
    let disk = Host::new(&request.root);
    let mut done = Done::default();
    if let Some(ledger) = Ledger::read(&disk)? {
        put_all_back(&disk, &ledger, &mut done)?;
    }
    take_credentials_back(&disk, &mut done)?;
    Ok(done)
}

fn put_all_back(disk: &Host, ledger: &Ledger, done: &mut Done) -> Result<(), SetupError> {
    let foreign: Vec<String> = ledger
        .entries
        .iter()
        .filter(|entry| !is_operators(entry) && entry.now(disk) == Now::Changed)
        .map(|entry| match ledger.backup_of(&entry.path) {
            Some(backup) => format!("{}; as it was: {backup}", entry.path),
            None => format!("{}; it was not there before", entry.path),
        })
        .collect();
    if !foreign.is_empty() {
        return Err(SetupError::Changed(foreign));
    }
    done.afterwards.extend(ledger.afterwards.clone());
    for entry in ledger.entries.iter().rev() {
        put_back(disk, entry, done)?;
    }
    ledger.remove(disk)
}

/// Removes what lies in [`HANDED_OVER`]; the folder belongs to the package.
fn take_credentials_back(disk: &Host, done: &mut Done) -> Result<(), SetupError> {
    let names = disk
        .names(HANDED_OVER)
        .map_err(|words| disk::failed(HANDED_OVER, "read", io::Error::other(words)))?;
    for name in &names {
        let path = format!("{HANDED_OVER}/{name}");
        disk::remove(disk, &path)?;
        done.changed.push(format!("removed {path}"));
    }
    if !names.is_empty() {
        done.afterwards.push(
            "systemctl disable --now jackline-credentials.path, or what was handed over is so again when it changes; \
             each start of jackline.service does it, too"
                .to_owned(),
        );
    }
    Ok(())
}

/// jackline's own file is the operator's to go on with.
fn is_operators(entry: &Entry) -> bool {
    entry.path == DEFAULT_PATH
}

fn put_back(disk: &Host, entry: &Entry, done: &mut Done) -> Result<(), SetupError> {
    match (entry.now(disk), &entry.before) {
        (Now::Before, _) => {}
        (Now::Changed, _) => done.left.push(format!(
            "{} is left as it is: somebody changed it since",
            entry.path
        )),
        (Now::After, Some((bytes, stamp))) => {
            disk::put(disk, &entry.path, bytes, Some(*stamp))?;
            done.changed.push(format!("put back {}", entry.path));
        }
        (Now::After, None) => {
            disk::remove(disk, &entry.path)?;
            done.changed.push(format!("removed {}", entry.path));
        }
    }
    Ok(())
}
