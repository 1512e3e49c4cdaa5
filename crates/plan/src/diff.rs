//! What changes from one plan to the next. Start-up is the difference from the empty plan.

use std::collections::HashMap;

use crate::{Listener, Name, Plan, Pool};

/// The difference between two plans, by name.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Diff {
    /// Listeners that appear.
    pub listeners_added: Vec<Name>,
    /// Listeners that go.
    pub listeners_removed: Vec<Name>,
    /// Listeners that stay with other settings (their addresses may differ too).
    pub listeners_changed: Vec<Name>,
    /// Pools that appear.
    pub pools_added: Vec<Name>,
    /// Pools that go.
    pub pools_removed: Vec<Name>,
    /// Pools that stay with other settings or members.
    pub pools_changed: Vec<Name>,
    /// Whether any route differs, or their order.
    pub routes: bool,
    /// Whether the admin API, the log, the authorities of certificates or the process settings
    /// differ.
    pub process: bool,
}

impl Diff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Diff::default()
    }

    /// The change from `old` to `new`.
    pub fn between(old: &Plan, new: &Plan) -> Diff {
        let listeners = named(&old.listeners, &new.listeners, |l: &Listener| &l.name);
        let pools = named(&old.pools, &new.pools, |p: &Pool| &p.name);
        Diff {
            listeners_added: listeners.added,
            listeners_removed: listeners.removed,
            listeners_changed: listeners.changed,
            pools_added: pools.added,
            pools_removed: pools.removed,
            pools_changed: pools.changed,
            routes: old.routes != new.routes,
            process: old.server != new.server
                || old.admin != new.admin
                || old.log != new.log
                || old.acme != new.acme,
        }
    }
}

#[derive(Default)]
struct Named {
    added: Vec<Name>,
    removed: Vec<Name>,
    changed: Vec<Name>,
}

fn named<T: PartialEq>(old: &[T], new: &[T], name: impl Fn(&T) -> &Name) -> Named {
    let before: HashMap<&Name, &T> = old.iter().map(|item| (name(item), item)).collect();
    let mut out = Named::default();
    for item in new {
        match before.get(name(item)) {
            None => out.added.push(name(item).clone()),
            Some(was) if *was != item => out.changed.push(name(item).clone()),
            Some(_) => {}
        }
    }
    let after: HashMap<&Name, &T> = new.iter().map(|item| (name(item), item)).collect();
    out.removed = old.iter().map(&name).filter(|n| !after.contains_key(n)).cloned().collect();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_up_is_the_difference_from_empty_and_no_change_is_none() {
        let mut plan = Plan::default();
        plan.pools.push(Pool::new(Name::new("a").unwrap()));
        let diff = Diff::between(&Plan::default(), &plan);
        assert_eq!(diff.pools_added, [Name::new("a").unwrap()]);
        assert!(Diff::between(&plan, &plan).is_empty());
        assert_eq!(Diff::between(&plan, &Plan::default()).pools_removed.len(), 1);
    }
}
