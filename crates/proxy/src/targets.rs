//! Where members are reached right now. The list of a member with a name changes when the name
//! resolves anew; all its addresses are used in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use arc_swap::ArcSwap;
use evenkeel_net::Target;
use evenkeel_plan::Address;

/// The addresses of one member, shared by all cores and kept over reloads.
pub struct Targets {
    key: u64,
    list: ArcSwap<Vec<Target>>,
    turn: AtomicUsize,
}

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

impl Targets {
    /// The addresses of a member; none yet for one with a name.
    pub fn new(address: &Address) -> Arc<Targets> {
        let list = match address {
            Address::Socket(socket) => vec![Target::Tcp(*socket)],
            Address::Unix(path) => vec![Target::unix(path.clone())],
            Address::Name(..) => Vec::new(),
        };
        Arc::new(Targets {
            key: NEXT_KEY.fetch_add(1, Relaxed),
            list: ArcSwap::from_pointee(list),
            turn: AtomicUsize::new(0),
        })
    }

    /// A number that no other member of this process has or had.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Replaces the addresses; at most 256 are kept.
    pub fn set(&self, mut list: Vec<Target>) {
        list.truncate(256);
        self.list.store(Arc::new(list));
    }

    /// The addresses as they are.
    pub fn list(&self) -> Arc<Vec<Target>> {
        self.list.load_full()
    }

    /// The next address to try: they take turns. `None` when the name has not resolved.
    pub fn next(&self) -> Option<Target> {
        let list = self.list.load();
        match list.len() {
            0 => None,
            1 => list.first().cloned(),
            n => list.get(self.turn.fetch_add(1, Relaxed) % n).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns() {
        let targets = Targets::new(&"app.internal:80".parse().unwrap());
        assert_eq!(targets.next(), None);
        let list: Vec<Target> = ["10.0.0.1:80", "10.0.0.2:80"]
            .iter()
            .map(|a| Target::Tcp(a.parse().unwrap()))
            .collect();
        targets.set(list.clone());
        let got: Vec<Target> = (0..4).filter_map(|_| targets.next()).collect();
        assert_eq!(got, [list.clone(), list].concat());
    }
}
