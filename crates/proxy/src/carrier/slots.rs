//! Sessions by number: a number is free again when its session is over.

/// Values by small numbers. As many as there ever were at once; the number of sessions bounds it.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    /// Gives the value a number.
    pub(super) fn insert(&mut self, value: T) -> usize {
        match self.free.pop() {
            Some(key) => {
                self.slots[key] = Some(value);
                key
            }
            None => {
                self.slots.push(Some(value));
                self.slots.len() - 1
            }
        }
    }

    pub(super) fn at(&self, key: usize) -> Option<&T> {
        self.slots.get(key)?.as_ref()
    }

    pub(super) fn at_mut(&mut self, key: usize) -> Option<&mut T> {
        self.slots.get_mut(key)?.as_mut()
    }

    /// Every value, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    /// Every value, in the order of their numbers.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().flatten()
    }

    /// The numbers of all values.
    pub(super) fn keys(&self) -> impl Iterator<Item = usize> {
        let taken = |(key, slot): (usize, &Option<T>)| slot.as_ref().map(|_| key);
        self.slots.iter().enumerate().filter_map(taken)
    }

    /// Takes the value out; its number is free.
    pub(super) fn remove(&mut self, key: usize) -> Option<T> {
        let value = self.slots.get_mut(key)?.take()?;
        self.free.push(key);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again() {
        let mut slots = Slots::default();
        let (a, b) = (slots.insert('a'), slots.insert('b'));
        assert_eq!(slots.remove(a), Some('a'));
        assert_eq!(slots.remove(a), None, "only once");
        assert_eq!(slots.insert('c'), a);
        assert_eq!(
            (slots.at(a), slots.at(b), slots.at(2)),
            (Some(&'c'), Some(&'b'), None)
        );
        assert_eq!(slots.slots.len(), 2);
    }
}
