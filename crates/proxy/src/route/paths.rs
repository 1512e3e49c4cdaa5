//! Tables by path: exact paths by hash, prefixes by a tree of segments, regular expressions in
//! order.

use std::collections::HashMap;

use evenkeel_plan::PathMatch;
use foldhash::fast::FixedState;
use regex::bytes::{Regex, RegexBuilder};

/// Compiled size of one expression; the configuration door checks the same bound.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Route numbers by path. Each list is in file order.
#[derive(Default)]
pub(super) struct Paths {
    exact: HashMap<Box<[u8]>, Vec<u32>, FixedState>,
    /// The tree of prefixes; node 0 is the root: routes for every path.
    nodes: Vec<Node>,
    patterns: Vec<(u32, Regex)>,
}

#[derive(Default)]
struct Node {
    routes: Vec<u32>,
    below: HashMap<Box<[u8]>, usize, FixedState>,
}

impl Paths {
    /// Adds a route under its paths; none: every path.
    pub(super) fn add(&mut self, number: u32, paths: &[PathMatch]) -> Result<(), String> {
        if paths.is_empty() {
            self.add_prefix(number, "");
        }
        for path in paths {
            match path {
                PathMatch::Exact(path) => {
                    self.exact.entry(path.as_bytes().into()).or_default().push(number);
                }
                PathMatch::Prefix(prefix) => self.add_prefix(number, prefix),
                PathMatch::Regex(pattern) => {
                    let mut builder = RegexBuilder::new(pattern);
                    let regex = builder.size_limit(PATTERN_BYTES_MAX).build();
                    self.patterns.push((number, regex.map_err(|e| e.to_string())?));
                }
            }
        }
        Ok(())
    }

    fn add_prefix(&mut self, number: u32, prefix: &str) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for segment in segments(prefix.as_bytes()) {
            at = match self.nodes[at].below.get(segment) {
                Some(next) => *next,
                None => {
                    let next = self.nodes.len();
                    self.nodes[at].below.insert(segment.into(), next);
                    self.nodes.push(Node::default());
                    next
                }
            };
        }
        self.nodes[at].routes.push(number);
    }

    /// Lowers `best` to the first route that takes the path and that `allows` lets through.
    pub(super) fn find(&self, path: &[u8], best: &mut u32, allows: &dyn Fn(u32) -> bool) {
        let mut offer = |routes: &[u32]| {
            let first = routes.iter().find(|number| **number >= *best || allows(**number));
            *best = first.map_or(*best, |number| (*number).min(*best));
        };
        if let Some(routes) = self.exact.get(path) {
            offer(routes);
        }
        if let Some(root) = self.nodes.first() {
            offer(&root.routes);
            let mut at = root;
            for segment in segments(path) {
                let Some(next) = at.below.get(segment).and_then(|n| self.nodes.get(*n)) else {
                    break;
                };
                offer(&next.routes);
                at = next;
            }
        }
        for (number, regex) in &self.patterns {
            if *number >= *best {
                break;
            }
            if allows(*number) && regex.is_match(path) {
                *best = *number;
            }
        }
    }
}

/// The parts between slashes; the empty text has none.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let rest = path.strip_prefix(b"/");
    rest.into_iter().flat_map(|rest| rest.split(|b| *b == b'/'))
}
