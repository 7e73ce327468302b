//! What is yet to happen, in the order of time and, at the same moment, in the order of being planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jackline_core::Timestamp;

/// A queue of what will happen. Nothing is ever taken back: who plans anew ignores the older plan when it comes.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<Planned<T>>>,
    planned: u64,
}

#[derive(Debug)]
struct Planned<T> {
    at: Timestamp,
    order: u64,
    what: T,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            planned: 0,
        }
    }

    pub(crate) fn push(&mut self, at: Timestamp, what: T) {
        self.planned += 1;
        let order = self.planned;
        self.heap.push(Reverse(Planned { at, order, what }));
    }

    /// What happens next, if it happens by `end`.
    pub(crate) fn pop(&mut self, end: Timestamp) -> Option<(Timestamp, T)> {
        if self.heap.peek()?.0.at > end {
            return None;
        }
        self.heap.pop().map(|Reverse(next)| (next.at, next.what))
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<T> Eq for Planned<T> {}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
