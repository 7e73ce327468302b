//! The least of a failing story that still breaks the same rule: fewer nodes, then fewer faults (Zeller's delta debugging).

use std::rc::Rc;

use crate::policy::Kind;
use crate::swarm::story::{Failure, Story};

/// Stories played at the most to shrink one.
const TRIES_MAX: usize = 400;

/// Parts of a story, by their places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) nodes: Vec<usize>,
    pub(crate) faults: Vec<usize>,
}

/// Shrinks a story that failed so.
pub(crate) fn shrink(story: &Story, kind: &Rc<dyn Kind>, failed: &Failure) -> Parts {
    let mut shrinking = Shrinking {
        story,
        kind,
        rule: failed.rule().to_owned(),
        tries: 0,
    };
    let faults: Vec<usize> = (0..story.faults.len()).collect();
    let all = (0..story.world.nodes.len()).collect();
    let mut parts = Parts { nodes: all, faults };
    let guilty = story.world.nodes.iter().position(|node| node.name == failed.node);
    let alone = (0..story.world.nodes.len()).filter(|node| guilty.is_none_or(|guilty| guilty == *node));
    for node in alone {
        let smaller = Parts {
            nodes: vec![node],
            faults: parts.faults.clone(),
        };
        if shrinking.fails(&smaller) {
            parts = smaller;
            break;
        }
    }
    let mut size = parts.faults.len().div_ceil(2);
    while size > 0 {
        if !shrinking.drop_chunks(&mut parts, size) || size > parts.faults.len() {
            size /= 2;
        }
    }
    parts
}

struct Shrinking<'a> {
    story: &'a Story,
    kind: &'a Rc<dyn Kind>,
    rule: String,
    tries: usize,
}

impl Shrinking<'_> {
    fn fails(&mut self, parts: &Parts) -> bool {
        self.tries += 1;
        if self.tries > TRIES_MAX {
            return false;
        }
        let outcome = self.story.only(&parts.nodes, &parts.faults).play(self.kind);
        outcome.failure.is_some_and(|failure| failure.rule() == self.rule)
    }

    /// Leaves out each run of `size` faults that is not needed; whether any was not.
    fn drop_chunks(&mut self, parts: &mut Parts, size: usize) -> bool {
        let mut start = 0;
        let mut dropped = false;
        while start < parts.faults.len() {
            let end = (start + size).min(parts.faults.len());
            let mut smaller = parts.clone();
            smaller.faults.drain(start..end);
            if self.fails(&smaller) {
                *parts = smaller;
                dropped = true;
            } else {
                start = end;
            }
        }
        dropped
    }
}
