//! `<Macro>` and `Use`.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::line::Line;
use super::reader::{DEPTH_MAX, Held, Input, LINE_BYTES_MAX, Open, Reader};
use super::section::Tag;
use super::{Directive, Place, words};

/// Parameters of one macro.
const PARAMETERS_MAX: usize = 100;

/// A macro.
#[derive(Debug)]
pub(super) struct Macro {
    /// In lower case: case does not count.
    name: String,
    parameters: Vec<String>,
    lines: Vec<Line>,
    at: Place,
    /// Whether its opening tag was wrong, so that it cannot be used.
    broken: bool,
}

/// A macro in use.
#[derive(Debug)]
pub(super) struct Used {
    made: Arc<Macro>,
    /// What stands for each parameter.
    args: Vec<String>,
    next: usize,
    used_at: Arc<Place>,
}

impl Used {
    /// Its next line, with its parameters replaced; its place when that is too long.
    pub(super) fn next(&mut self, longest: usize) -> Option<Result<Line, Place>> {
        let line = self.made.lines.get(self.next)?;
        self.next += 1;
        let edits: Vec<(Range<usize>, &str)> = found(&line.text, &self.made.parameters)
            .map(|(range, at)| (range, self.args.get(at).map_or("", String::as_str)))
            .collect();
        let Some(mut line) = line.edited(&edits, longest) else {
            return Some(Err(line.whole()));
        };
        line.used_at = Some(self.used_at.clone());
        Some(Ok(line))
    }
}

/// Where a text names parameters, and which. Where several fit, the longest counts.
fn found<'a>(
    text: &'a str,
    parameters: &'a [String],
) -> impl Iterator<Item = (Range<usize>, usize)> + 'a {
    let mut from = 0;
    let beginnings: HashSet<u8> = parameters.iter().filter_map(|p| p.bytes().next()).collect();
    std::iter::from_fn(move || {
        while let Some(byte) = text.as_bytes().get(from) {
            let here = text.get(from..).filter(|_| beginnings.contains(byte)).unwrap_or_default();
            let fitting = parameters.iter().enumerate().filter(|(_, p)| here.starts_with(*p));
            if let Some((at, parameter)) = fitting.max_by_key(|(_, p)| p.len()) {
                let range = from..from + parameter.len();
                from = range.end;
                return Some((range, at));
            }
            from += 1;
        }
        None
    })
}

impl Reader<'_> {
    pub(super) fn is_in_macro(&self) -> bool {
        // A macro does not reach beyond its file.
        self.open.len() > self.base()
            && matches!(self.open.last(), Some(Open { kind: Held::Macro { .. }, .. }))
    }

    /// `<Macro name $parameter …>`.
    pub(super) fn open_macro(&mut self, tag: &Tag<'_>) {
        let mut words = words::split(tag.text(), 0).into_iter().map(|(word, _)| word);
        let name = words.next().unwrap_or_default().to_ascii_lowercase();
        let parameters: Vec<String> = words.collect();
        let mut broken = true;
        if name.is_empty() {
            let help = Some("write <Macro name $parameter …>".to_owned());
            self.error(&tag.place, "a macro without a name".to_owned(), help);
        } else if parameters.len() > PARAMETERS_MAX {
            let message = format!("a macro takes at most {PARAMETERS_MAX} parameters");
            self.error(&tag.place, message, None);
        } else if let Some(twice) = twice(&parameters) {
            let message = match twice {
                "" => format!("macro '{name}' has a parameter without a name"),
                twice => {
                    format!("argument name conflict in macro '{name}': '{twice}' stands twice")
                }
            };
            self.error(&tag.place, message, None);
        } else {
            broken = false;
        }
        let at = tag.place.clone();
        let made = Macro { name, parameters, lines: Vec::new(), at: at.clone(), broken };
        let kind = Held::Macro { made, inner: 0 };
        self.open.push(Open { name: tag.name.clone(), at, kind });
    }

    /// A line between `<Macro>` and `</Macro>`.
    pub(super) fn line_of_macro(&mut self, line: Line) {
        let Some(Open { kind: Held::Macro { made, inner }, .. }) = self.open.last_mut() else {
            return;
        };
        let lower = line.text.get(..8).unwrap_or(&line.text).to_ascii_lowercase();
        if lower == "</macro>" {
            if *inner == 0 {
                if let Some(open) = self.open.pop() {
                    self.close(open);
                }
                return;
            }
            *inner -= 1;
        } else if lower.starts_with("<macro") {
            *inner += 1;
        }
        made.lines.push(line);
    }

    /// Keeps a macro that was read to its end.
    pub(super) fn made_macro(&mut self, made: Macro) {
        if made.broken {
            return;
        }
        let name = made.name.clone();
        let at = made.at.clone();
        if let Some(before) = self.macros.insert(name.clone(), Arc::new(made)) {
            let first = self.told_place(&before.at);
            let message = format!("macro '{name}' multiply defined: first at {first}");
            self.warning(&at, message, Some(format!("UndefMacro {name} above")));
        }
    }

    /// `Use name argument …`.
    pub(super) fn use_macro(&mut self, directive: &Directive, place: &Place) {
        let (name, args) = match directive.args.split_first() {
            Some((name, args)) => (name.text.to_ascii_lowercase(), args),
            None => return,
        };
        let Some(made) = self.macros.get(&name).cloned() else {
            let known = self.macros.keys().map(String::as_str);
            let help = evenkeel_plan::check::nearest(&name, known)
                .map(|near| format!("did you mean '{near}'?"));
            return self.error(place, format!("macro '{name}' undefined"), help);
        };
        let using = |input: &Input| matches!(input, Input::Macro { used, .. } if Arc::ptr_eq(&used.made, &made));
        if self.inputs.iter().any(using) {
            let message = format!("recursive use of macro '{name}' is invalid");
            return self.error(place, message, None);
        }
        if args.len() != made.parameters.len() {
            let (given, wanted) = (args.len(), made.parameters.len());
            let message = format!(
                "macro '{name}' (defined at {}) used with {given} argument{} instead of {wanted}",
                self.told_place(&made.at),
                if given == 1 { "" } else { "s" },
            );
            let names = made.parameters.join(" ");
            let help = format!("Use {name} {names}");
            return self.error(place, message, Some(help.trim_end().to_owned()));
        }
        let depth = self.depth() + 1;
        if depth > DEPTH_MAX {
            let message = format!("macros and includes: at most {DEPTH_MAX} deep");
            self.stopped = true;
            return self.error(place, message, None);
        }
        // What stands for a name with @ is put in quotes.
        let quoted = |(parameter, text): (&String, &str)| match parameter.starts_with('@') {
            true => format!("\"{}\"", text.replace('"', "\\\"")),
            false => text.to_owned(),
        };
        let texts = args.iter().map(|arg| arg.text.as_str());
        let args: Vec<String> = made.parameters.iter().zip(texts).map(quoted).collect();
        if args.iter().any(|arg| arg.len() > LINE_BYTES_MAX) {
            return;
        }
        let used_at = Arc::new(directive.at.clone());
        let used = Used { made, args, next: 0, used_at };
        let base = self.open.len();
        self.inputs.push(Input::Macro { used, depth, base });
    }

    /// `UndefMacro name`.
    pub(super) fn forget_macro(&mut self, name: &str, place: &Place) {
        let name = name.to_ascii_lowercase();
        if self.macros.remove(&name).is_none() {
            self.error(place, format!("cannot remove undefined macro '{name}'"), None);
        }
    }
}

/// The first name that is empty or stands a second time.
fn twice(parameters: &[String]) -> Option<&str> {
    let mut seen = HashSet::new();
    parameters.iter().map(String::as_str).find(|name| name.is_empty() || !seen.insert(*name))
}
