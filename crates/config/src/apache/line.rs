//! Lines as httpd reads them: joined at backslashes, trimmed, variables replaced; and where in the
//! file each byte of them stands.

use std::ops::Range;
use std::sync::Arc;

use super::Place;

/// A line of text with its place in a file.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) file: usize,
    /// The line of the file on which it begins, from 1.
    pub(super) number: usize,
    /// What the text is made of, in order and without gaps.
    pieces: Vec<Piece>,
    /// The `Use` that brought it here.
    pub(super) used_at: Option<Arc<Place>>,
}

/// A part of a line.
#[derive(Clone, Debug)]
struct Piece {
    /// Where it stands in the line.
    at: Range<usize>,
    /// Where it comes from in the file.
    source: Range<usize>,
    /// Whether it is the very text of the file, and not put in its stead.
    same: bool,
}

/// Reads the lines of a file.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) file: usize,
    at: usize,
    number: usize,
}

impl Lines {
    pub(super) fn new(file: usize) -> Lines {
        Lines { file, at: 0, number: 0 }
    }

    /// The next line of the file's text, trimmed. A backslash as the last character joins the next
    /// line to it, comment or not.
    pub(super) fn next(&mut self, text: &str) -> Option<Line> {
        let rest = text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let mut line = Line {
            text: String::new(),
            file: self.file,
            number: self.number + 1,
            pieces: Vec::new(),
            used_at: None,
        };
        let mut taken = 0;
        for physical in rest.split_inclusive('\n') {
            self.number += 1;
            let start = self.at + taken;
            taken += physical.len();
            let ended = physical.strip_suffix('\n').map(|it| it.strip_suffix('\r').unwrap_or(it));
            match ended.and_then(|ended| ended.strip_suffix('\\')) {
                Some(part) => line.push(part, start),
                None => {
                    line.push(ended.unwrap_or(physical), start);
                    break;
                }
            }
        }
        self.at += taken;
        let start = line.text.len() - line.text.trim_start_matches(is_space).len();
        let end = line.text.trim_end_matches(is_space).len().max(start);
        Some(line.part(start..end))
    }
}

impl Line {
    /// The place of a part of the line.
    pub(super) fn place(&self, range: Range<usize>) -> Place {
        let span = self.span(range);
        Place { file: self.file, line: self.number, span, used_at: self.used_at.clone() }
    }

    /// The place of all of it.
    pub(super) fn whole(&self) -> Place {
        self.place(0..self.text.len())
    }

    /// Where in the file a part of the line stands.
    fn span(&self, range: Range<usize>) -> Range<usize> {
        let end_of_line = self.pieces.last().map_or(0, |piece| piece.source.end);
        let start = self.pieces.get(self.first(range.start)).map_or(end_of_line, |piece| {
            let offset = if piece.same { range.start.saturating_sub(piece.at.start) } else { 0 };
            piece.source.start + offset
        });
        let last = self.pieces.get(self.first(range.end.saturating_sub(1)));
        let end = last.map_or(end_of_line, |piece| match piece.same {
            true => piece.source.start + range.end.saturating_sub(piece.at.start),
            false => piece.source.end,
        });
        start..end.max(start)
    }

    /// The first piece that reaches beyond a byte of the text.
    fn first(&self, byte: usize) -> usize {
        self.pieces.partition_point(|piece| piece.at.end <= byte)
    }

    /// The line with other text in places; the edits are in order and apart. `None` when it would
    /// become longer than `longest`.
    pub(super) fn edited(&self, edits: &[(Range<usize>, &str)], longest: usize) -> Option<Line> {
        let mut out = self.part(0..0);
        let mut done = 0;
        for (range, text) in edits {
            out.append(self.part(done..range.start));
            let at = out.text.len()..out.text.len() + text.len();
            out.text.push_str(text);
            if out.text.len() > longest {
                return None;
            }
            if !text.is_empty() {
                out.pieces.push(Piece { at, source: self.span(range.clone()), same: false });
            }
            done = range.end;
        }
        out.append(self.part(done..self.text.len()));
        (out.text.len() <= longest).then_some(out)
    }

    fn push(&mut self, text: &str, source: usize) {
        if text.is_empty() {
            return;
        }
        let at = self.text.len()..self.text.len() + text.len();
        self.text.push_str(text);
        self.pieces.push(Piece { at, source: source..source + text.len(), same: true });
    }

    fn append(&mut self, other: Line) {
        let by = self.text.len();
        self.text.push_str(&other.text);
        self.pieces.extend(
            other
                .pieces
                .into_iter()
                .map(|piece| Piece { at: piece.at.start + by..piece.at.end + by, ..piece }),
        );
    }

    fn part(&self, range: Range<usize>) -> Line {
        let crop = |piece: &Piece| {
            let from = piece.at.start.max(range.start);
            let to = piece.at.end.min(range.end);
            let source = match piece.same {
                true => {
                    let start = piece.source.start + (from - piece.at.start);
                    start..start + (to - from)
                }
                false => piece.source.clone(),
            };
            let at = from - range.start..to - range.start;
            Piece { at, source, same: piece.same }
        };
        let pieces = self.pieces.iter().skip(self.first(range.start));
        let pieces = pieces.take_while(|piece| piece.at.start < range.end).map(crop);
        Line {
            text: self.text.get(range.clone()).unwrap_or_default().to_owned(),
            file: self.file,
            number: self.number,
            pieces: pieces.collect(),
            used_at: self.used_at.clone(),
        }
    }
}

/// What C calls a space.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// The `${NAME}` of a text: where each stands, and the name.
pub(super) fn variables(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.find("${")?;
        let name = text.get(start + 2..)?;
        let name = name.get(..name.find('}')?)?;
        from = start + 2 + name.len() + 1;
        Some((start..from, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String)> {
        let mut lines = Lines::new(0);
        std::iter::from_fn(|| lines.next(text)).map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn a_backslash_at_the_very_end_joins_lines() {
        let one = |text: &str| lines(text).remove(0).1;
        assert_eq!(one("Error a\\\nb\n"), "Error ab");
        assert_eq!(one("Error a\\\r\n   b  \r\n"), "Error a   b");
        assert_eq!(one("Error a\\\\\nb"), "Error a\\b");
        assert_eq!(one("Error a\\ \nb"), "Error a\\");
        assert_eq!(one("Error a\\"), "Error a\\");
        assert_eq!(one("Error a\\\n"), "Error a");
        let text = "# comment \\\nError x\nError y";
        assert_eq!(lines(text), [(1, "# comment Error x".into()), (3, "Error y".into())]);
    }

    #[test]
    fn places_lead_back_to_the_file() {
        let text = "\n  Define é \\\n   ${B} c\n";
        let mut lines = Lines::new(3);
        lines.next(text);
        let line = lines.next(text).unwrap();
        let (range, name) = variables(&line.text).next().unwrap();
        assert_eq!(name, "B");
        assert_eq!(&text[line.place(range.clone()).span], "${B}");
        let line = line.edited(&[(range, "much longer")], 100).unwrap();
        let of = |part: &str| {
            let at = line.text.find(part).unwrap();
            let place = line.place(at..at + part.len());
            assert_eq!((place.file, place.line), (3, 2));
            &text[place.span]
        };
        assert_eq!(of("Define"), "Define");
        assert_eq!(of("é"), "é");
        assert_eq!(of("longer"), "${B}");
        assert_eq!(of(" c"), " c");
        assert_eq!(of("longer c"), "${B} c");
    }

    #[test]
    fn variables_are_found_as_httpd_finds_them() {
        let names = |text: &'static str| variables(text).map(|(_, n)| n).collect::<Vec<_>>();
        assert_eq!(names("[${B} \\${C} $${D} ${} ${E]"), ["B", "C", "D", ""]);
        assert_eq!(names("${a:${b}}"), ["a:${b"]);
        assert_eq!(names("${"), [""; 0]);
    }
}
