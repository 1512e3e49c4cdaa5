//! Tables by host name.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// A value per exact host and per wildcard parent.
pub(super) struct Hosts<T> {
    exact: HashMap<Box<[u8]>, T, FixedState>,
    /// `*.example.com` under `example.com`.
    below: HashMap<Box<[u8]>, T, FixedState>,
}

impl<T> Default for Hosts<T> {
    fn default() -> Hosts<T> {
        Hosts { exact: HashMap::default(), below: HashMap::default() }
    }
}

impl<T: Default> Hosts<T> {
    pub(super) fn exact(&mut self, name: &str) -> &mut T {
        self.exact.entry(name.as_bytes().into()).or_default()
    }

    pub(super) fn below(&mut self, parent: &str) -> &mut T {
        self.below.entry(parent.as_bytes().into()).or_default()
    }

    /// Every value whose host matches. A host has at most 127 labels, so this ends soon.
    pub(super) fn matching<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = &'a T> {
        let parents = memchr_dots(host).map(move |dot| &host[dot + 1..]);
        let below = parents.filter_map(|parent| self.below.get(parent));
        let wild = (!self.below.is_empty()).then_some(below).into_iter().flatten();
        self.exact.get(host).into_iter().chain(wild)
    }
}

/// Positions of dots that have a label before them.
fn memchr_dots(host: &[u8]) -> impl Iterator<Item = usize> {
    host.iter().enumerate().filter(|(i, b)| **b == b'.' && *i > 0).map(|(i, _)| i)
}
