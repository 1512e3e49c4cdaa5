//! Header changes of a route, compiled once per plan.

use evenkeel_plan::HeaderEdits;

use super::template::{Place, Template};

/// Changes to headers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// Lower-case names whose lines from the message are left out: those removed and those set.
    hidden: Box<[Box<str>]>,
    /// Lines written after the message's own.
    written: Box<[(Box<str>, Template)]>,
}

impl Edits {
    /// Compiles.
    pub fn compile(plan: &HeaderEdits) -> Edits {
        let hidden = plan.remove.iter().chain(plan.set.iter().map(|(name, _)| name));
        let written = plan.set.iter().chain(&plan.add);
        Edits {
            hidden: hidden.map(|name| name.as_str().into()).collect(),
            written: written
                .map(|(name, value)| (name.as_str().into(), Template::compile(value)))
                .collect(),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.hidden.is_empty() && self.written.is_empty()
    }

    /// Whether a line of the message is left out.
    pub fn hides(&self, name: &[u8]) -> bool {
        self.hidden.iter().any(|hidden| hidden.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Writes the lines that were set or added. Bytes that may not stand in a value (they could
    /// only come from a place) are left out.
    pub fn write(&self, out: &mut Vec<u8>, fill: &dyn Fn(Place, &mut Vec<u8>)) {
        for (name, value) in &self.written {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            let start = out.len();
            value.write(out, fill);
            keep_from(out, start, |b| b >= 0x20 && b != 0x7f);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn keep_from(out: &mut Vec<u8>, start: usize, keep: impl Fn(u8) -> bool) {
    if out[start..].iter().all(|b| keep(*b)) {
        return;
    }
    let tail: Vec<u8> = out.drain(start..).filter(|b| keep(*b)).collect();
    out.extend_from_slice(&tail);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_hides_and_writes_and_control_bytes_cannot_enter() {
        let plan = HeaderEdits {
            remove: vec!["x-internal".into()],
            set: vec![("x-tier".into(), "web".into())],
            add: vec![("x-path".into(), "{path}".into())],
        };
        let edits = Edits::compile(&plan);
        assert!(edits.hides(b"X-Internal") && edits.hides(b"x-tier") && !edits.hides(b"x-path"));
        let mut out = Vec::new();
        edits.write(&mut out, &|_, out| out.extend_from_slice(b"/a\r\nx: y"));
        assert_eq!(out, b"x-tier: web\r\nx-path: /ax: y\r\n");
    }
}
