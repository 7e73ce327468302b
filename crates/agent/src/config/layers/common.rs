//! Variables that other programs know too (`HTTPS_PROXY`, `NO_PROXY`): they come after everything that is ours.

use super::{Layers, Origin, Shown, Value};

impl Layers<'_> {
    /// The value of `key`, or, where nobody gives one, what `read` makes of the first of the variables `names` that is set.
    /// A variable that makes no sense is told, and no reason to refuse ours: it was written for others as well.
    pub(crate) fn common<V: Value + Default>(
        &mut self,
        key: &'static str,
        names: [&'static str; 2],
        read: impl FnOnce(&str) -> Result<V, String>,
    ) -> V {
        let set = names
            .into_iter()
            .find_map(|name| Some((name, self.environment.word(name)?.to_owned())));
        let Some((name, word)) = set.filter(|_| !self.is_by_hand(key)) else {
            return self
                .derived(key, "as HTTPS_PROXY and NO_PROXY say", || Some(V::default()))
                .unwrap_or_default();
        };
        let value = read(&word).unwrap_or_else(|words| {
            self.warnings
                .push(format!("{name} is not taken for {key}: {words}"));
            V::default()
        });
        self.shown.push(Shown {
            key,
            value: Some(value.show()),
            origin: Origin::Environment(name.to_owned()),
        });
        value
    }
}
