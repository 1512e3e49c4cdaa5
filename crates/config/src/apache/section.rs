//! Opening and closing tags.

use std::borrow::Cow;
use std::ops::Range;

use super::directives;
use super::line::{Line, is_space};
use super::reader::{Held, NESTING_MAX, Open, Reader, args};
use super::{Place, words};

/// An opening tag.
pub(super) struct Tag<'l> {
    pub(super) line: &'l Line,
    /// As written, without brackets.
    pub(super) name: String,
    /// What stands between the name and the closing bracket.
    pub(super) inner: Range<usize>,
    pub(super) place: Place,
}

impl Tag<'_> {
    /// The text between the name and the closing bracket.
    pub(super) fn text(&self) -> &str {
        self.line.text.get(self.inner.clone()).unwrap_or_default()
    }
}

impl Reader<'_> {
    /// `</Name>`.
    pub(super) fn closing(&mut self, line: &Line, name: &str, at: Range<usize>) {
        let place = line.place(at.clone());
        let inner = name.strip_suffix('>');
        if inner.is_none() {
            self.error(
                &place,
                format!("{name}> directive missing closing '>'"),
                Some(format!("write {name}>")),
            );
        } else if at.end < line.text.len() {
            let message = format!("text after {name} is ignored");
            self.warning(&line.place(at.end..line.text.len()), message, None);
        }
        let name = inner.unwrap_or(name).get(2..).unwrap_or_default();
        self.close_named(name, &place);
    }

    /// `<Name args>`.
    pub(super) fn opening(&mut self, line: &Line, tag: &str, at: Range<usize>) {
        let bare = tag.strip_suffix('>');
        let name = bare.unwrap_or(tag).get(1..).unwrap_or_default().to_owned();
        let place = line.place(at.clone());
        if name.is_empty() {
            let message = "a section without a name".to_owned();
            return self.error(&place, message, Some("write <Name …>, without a space".to_owned()));
        }
        let rest = line.text.get(at.end..).unwrap_or_default();
        let (end, closed) = match (bare, rest.rfind('>')) {
            (Some(_), _) => (at.end, true),
            (None, Some(bracket)) => (at.end + bracket, true),
            (None, None) => (line.text.len(), false),
        };
        if !closed {
            let message = format!("<{name}> directive missing closing '>'");
            self.error(&line.whole(), message, Some("end the line with >".to_owned()));
        }
        let after = if bare.is_some() { at.end } else { end + 1 };
        if closed && !line.text.get(after..).unwrap_or_default().trim_matches(is_space).is_empty() {
            let message = format!("text after the opening tag of <{name}> is ignored");
            self.warning(&line.place(after..line.text.len()), message, None);
        }
        if self.too_deep(&place) {
            return;
        }
        let raw = line.text.get(at.end..end).unwrap_or_default();
        let row = directives::find(&format!("<{name}"));
        let raw_args = raw.trim_matches(is_space).to_owned();
        let tag = Tag { line, name, inner: at.end..end, place };
        match tag.name.to_ascii_lowercase().as_str() {
            "macro" => self.open_macro(&tag),
            key if key.starts_with("if") && self.opened_condition(key, &tag) => {}
            key => {
                let args = args(line, at.end..end, false);
                self.check(row, &format!("<{}", tag.name), &args, &raw_args, &tag.place);
                let canonical = match row {
                    Some(row) => Cow::Borrowed(row.name.get(1..).unwrap_or_default()),
                    None => Cow::Owned(key.to_owned()),
                };
                let kind = Held::Section { canonical, args, raw_args, nodes: Vec::new() };
                self.open.push(Open { name: tag.name, at: tag.place, kind });
            }
        }
    }

    /// Closes the section of this name.
    fn close_named(&mut self, name: &str, at: &Place) {
        let base = self.base();
        let same = |open: &Open| open.name.eq_ignore_ascii_case(name);
        let within = self.open.get(base..).unwrap_or_default();
        if !within.iter().any(same) {
            let Some(inner) = within.last() else {
                let message = format!("</{name}> without matching <{name}> section");
                return self.error(at, message, None);
            };
            // Not one that is open, so it is a slip for the innermost, or too much.
            let slip = evenkeel_plan::check::nearest(name, [inner.name.as_str()].into_iter());
            let is_slip = slip.is_some();
            let message = format!("Expected </{}> but saw </{name}>", inner.name);
            let help = format!("<{}> was opened at {}", inner.name, self.told_place(&inner.at));
            self.error(at, message, Some(help));
            if is_slip && let Some(open) = self.open.pop() {
                self.close(open);
            }
            return;
        }
        while self.open.len() > base {
            let Some(open) = self.open.pop() else { return };
            let found = same(&open);
            if !found {
                let message = format!("Expected </{}> but saw </{name}>", open.name);
                let opened = self.told_place(&open.at);
                let help = format!("<{}> was opened at {opened}: close it first", open.name);
                self.error(at, message, Some(help));
            }
            self.close(open);
            if found {
                return;
            }
        }
    }

    /// A line below a condition that does not hold: only what opens and closes counts.
    pub(super) fn skipped_line(&mut self, line: &Line) {
        let Some((word, at)) = words::first(&line.text, 0) else { return };
        if let Some(name) = word.strip_prefix("</") {
            let place = line.place(at);
            self.close_named(name.strip_suffix('>').unwrap_or(name), &place);
        } else if let Some(name) = word.strip_prefix('<') {
            if self.too_deep(&line.whole()) {
                return;
            }
            let name = name.strip_suffix('>').unwrap_or(name).to_owned();
            self.open.push(Open { name, at: line.place(at), kind: Held::Skipped });
        }
    }

    fn too_deep(&mut self, at: &Place) -> bool {
        if self.open.len() < NESTING_MAX {
            return false;
        }
        self.stopped = true;
        let message = format!("sections within sections: at most {NESTING_MAX} deep");
        self.error(at, message, None);
        true
    }
}
