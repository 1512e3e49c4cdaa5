//! Line by line from files, macros and conditions to the tree.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Error;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directives::{self, Arity};
use super::line::{Line, Lines, is_space, variables};
use super::macros::{Macro, Used};
use super::{Arg, Directive, Node, Options, Place, Read, Section, Tree, words};
use crate::diagnostic::{Diagnostic, Severity, Sources};

pub(super) const FILES_MAX: usize = 1000;
pub(super) const DEPTH_MAX: usize = 50;
/// Sections, conditions and macros within each other.
pub(super) const NESTING_MAX: usize = 100;
/// httpd itself reads lines of up to 16 MiB.
pub(super) const LINE_BYTES_MAX: usize = 64 << 10;
const LINES_MAX: usize = 1_000_000;
/// Bytes of all files, and of all lines as they are read.
const BYTES_MAX: usize = 64 << 20;
const DIAGNOSTICS_MAX: usize = 1000;

pub(super) struct Reader<'o> {
    pub(super) options: &'o Options<'o>,
    pub(super) sources: Sources,
    pub(super) files: Vec<PathBuf>,
    diagnostics: Vec<Diagnostic>,
    /// Where lines come from: the last one first, then the one that included it.
    pub(super) inputs: Vec<Input>,
    /// What is open: sections, conditions, macros.
    pub(super) open: Vec<Open>,
    root: Vec<Node>,
    /// What is defined; with a text when `${NAME}` stands for it.
    pub(super) defines: HashMap<String, Option<String>>,
    pub(super) macros: HashMap<String, Arc<Macro>>,
    /// The modules of `LoadModule`, by their structures' names; `None` before the first.
    pub(super) loaded: Option<HashSet<&'static str>>,
    pub(super) server_root: PathBuf,
    /// Files with bytes that are not UTF-8.
    garbled: HashSet<usize>,
    lines: usize,
    file_bytes: usize,
    line_bytes: usize,
    /// Whether a limit was reached, so that the rest is not read.
    pub(super) stopped: bool,
}

/// Where lines come from.
pub(super) enum Input {
    /// A file that is to be opened when it is its turn.
    Waiting { path: PathBuf, optional: bool, depth: usize, at: Option<Place> },
    /// A file.
    File { lines: Lines, path: PathBuf, depth: usize, base: usize },
    /// A macro in use.
    Macro { used: Used, depth: usize, base: usize },
}

/// What is open.
pub(super) struct Open {
    /// As written, without brackets.
    pub(super) name: String,
    pub(super) at: Place,
    pub(super) kind: Held,
}

/// What becomes of the lines within.
pub(super) enum Held {
    Section {
        canonical: Cow<'static, str>,
        args: Vec<Arg>,
        raw_args: String,
        nodes: Vec<Node>,
    },
    /// A condition that holds: they belong to what is around.
    Taken,
    /// A condition that does not, or a section within it.
    Skipped,
    /// They are kept for later; with the depth of macros within.
    Macro {
        made: Macro,
        inner: usize,
    },
}

impl<'o> Reader<'o> {
    pub(super) fn new(options: &'o Options<'o>) -> Reader<'o> {
        Reader {
            options,
            sources: Sources::default(),
            files: Vec::new(),
            diagnostics: Vec::new(),
            inputs: Vec::new(),
            open: Vec::new(),
            root: Vec::new(),
            defines: options.defines.iter().cloned().collect(),
            macros: HashMap::new(),
            loaded: None,
            server_root: options.server_root.clone(),
            garbled: HashSet::new(),
            lines: 0,
            file_bytes: 0,
            line_bytes: 0,
            stopped: false,
        }
    }

    pub(super) fn read(mut self, entry: &Path) -> Read {
        let path = entry.to_owned();
        self.inputs.push(Input::Waiting { path, optional: false, depth: 0, at: None });
        while !self.stopped {
            let Some(input) = self.inputs.last_mut() else { break };
            let line = match input {
                Input::Waiting { .. } => {
                    self.open_file();
                    continue;
                }
                Input::File { lines, .. } => {
                    let text = self.sources.text(lines.file);
                    lines.next(text).map(Ok)
                }
                Input::Macro { used, .. } => used.next(LINE_BYTES_MAX),
            };
            match line {
                Some(Ok(line)) => self.line(line),
                Some(Err(at)) => self.too_long(&at),
                None => self.end_of_input(),
            }
        }
        while let Some(open) = self.open.pop() {
            self.close(open);
        }
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.severity != Severity::Error);
        Read {
            tree: Tree { nodes: self.root },
            diagnostics: self.diagnostics,
            sources: self.sources,
            files: self.files,
        }
    }

    /// Opens the file whose turn it is.
    fn open_file(&mut self) {
        let Some(Input::Waiting { path, optional, depth, at }) = self.inputs.pop() else { return };
        let is_open =
            |input: &Input| matches!(input, Input::File { path: open, .. } if *open == path);
        if self.inputs.iter().any(is_open) {
            let message = format!("{} includes itself", path.display());
            return self.tell_at(at.as_ref(), Severity::Error, message, None);
        }
        if self.files.len() >= FILES_MAX || depth > DEPTH_MAX {
            let message =
                format!("too many includes: at most {DEPTH_MAX} deep and {FILES_MAX} files");
            self.stopped = true;
            return self.tell_at(at.as_ref(), Severity::Error, message, None);
        }
        match self.options.loader.read(&path) {
            Ok(bytes) => {
                self.file_bytes = self.file_bytes.saturating_add(bytes.len());
                if self.file_bytes > BYTES_MAX {
                    let message = format!("more than {} MiB of files", BYTES_MAX >> 20);
                    self.stopped = true;
                    return self.tell_at(at.as_ref(), Severity::Error, message, None);
                }
                let text = String::from_utf8_lossy(&bytes);
                let is_garbled = matches!(text, Cow::Owned(_));
                let file = self.sources.add(path.display().to_string(), text.into_owned());
                if is_garbled {
                    self.garbled.insert(file);
                }
                self.files.push(path.clone());
                let base = self.open.len();
                self.inputs.push(Input::File { lines: Lines::new(file), path, depth, base });
            }
            Err(_) if optional => {}
            Err(error) => {
                let message = format!(
                    "Could not open configuration file {}: {}",
                    path.display(),
                    reason(&error)
                );
                self.tell_at(at.as_ref(), Severity::Error, message, None);
            }
        }
    }

    /// The end of a file or macro: what it opened, it must have closed.
    fn end_of_input(&mut self) {
        let base = self.base();
        self.inputs.pop();
        while self.open.len() > base {
            let Some(open) = self.open.pop() else { break };
            let name = &open.name;
            match open.kind {
                Held::Section { .. } => {
                    let message = format!("<{name}> was not closed");
                    self.error(&open.at, message, Some(format!("write </{name}> where it ends")));
                }
                Held::Taken => {
                    let message = format!("<{name}> was not closed: it ends with the file");
                    self.warning(&open.at, message, Some(format!("write </{name}>")));
                }
                Held::Skipped => {
                    let message = format!("Expected </{name}> before end of configuration");
                    self.error(&open.at, message, Some(format!("write </{name}> where it ends")));
                }
                Held::Macro { .. } => {
                    let message = format!("<{name}> was not closed: expected </{name}>");
                    self.error(&open.at, message, None);
                }
            }
            self.close(open);
        }
    }

    fn line(&mut self, line: Line) {
        self.lines += 1;
        self.line_bytes = self.line_bytes.saturating_add(line.text.len());
        if self.lines > LINES_MAX || self.line_bytes > BYTES_MAX {
            let message = match self.lines > LINES_MAX {
                true => format!("more than {LINES_MAX} lines"),
                false => format!("more than {} MiB of lines", BYTES_MAX >> 20),
            };
            self.stopped = true;
            return self.error(&line.whole(), message, None);
        }
        if line.text.is_empty() {
            return;
        }
        if line.text.len() > LINE_BYTES_MAX {
            return self.too_long(&line.whole());
        }
        if self.is_in_macro() {
            return self.line_of_macro(line);
        }
        if line.text.starts_with('#') {
            return;
        }
        if matches!(self.open.last(), Some(Open { kind: Held::Skipped, .. })) {
            return self.skipped_line(&line);
        }
        if let Some(at) = line.text.find('\0') {
            let message = "a NUL byte in a configuration".to_owned();
            return self.error(&line.place(at..at + 1), message, None);
        }
        if self.garbled.contains(&line.file)
            && let Some(at) = line.text.find(char::REPLACEMENT_CHARACTER)
        {
            let message = "this is not UTF-8 text".to_owned();
            return self.error(&line.place(at..at + 3), message, None);
        }
        let Some(line) = self.expanded(line) else { return };
        let Some((name, at)) = words::first(&line.text, 0) else { return };
        if name.starts_with("</") {
            self.closing(&line, &name, at);
        } else if name.starts_with('<') {
            self.opening(&line, &name, at);
        } else {
            self.directive(&line, &name, at);
        }
    }

    /// The line with its variables replaced.
    fn expanded(&mut self, line: Line) -> Option<Line> {
        if !line.text.contains("${") {
            return Some(line);
        }
        let mut edits = Vec::new();
        for (range, name) in variables(&line.text) {
            let text = match self.defines.get(name) {
                Some(Some(text)) => Some(text.clone()),
                _ => (self.options.env)(name),
            };
            // For httpd, what is empty is not defined.
            match text.filter(|text| !text.is_empty()) {
                Some(text) => edits.push((range, text)),
                // `${map:key}` belongs to the rewrite engine.
                None if name.contains(':') => {}
                None => {
                    let message = format!("Config variable ${{{name}}} is not defined");
                    let help = format!("define it above: Define {name} value");
                    let help = (!name.is_empty()).then_some(help);
                    let at = line.place(range);
                    self.warning(&at, message, help);
                }
            }
        }
        let edits: Vec<(Range<usize>, &str)> =
            edits.iter().map(|(range, text)| (range.clone(), text.as_str())).collect();
        let expanded = line.edited(&edits, LINE_BYTES_MAX);
        if expanded.is_none() {
            self.too_long(&line.whole());
        }
        expanded
    }

    fn directive(&mut self, line: &Line, name: &str, at: Range<usize>) {
        let row = directives::find(name);
        let raw_args = line.text.get(at.end..).unwrap_or_default().trim_matches(is_space);
        let braced = row.is_some_and(|row| row.arity == Arity::Braced);
        let args = args(line, at.end..line.text.len(), braced);
        let place = line.place(at);
        if !self.check(row, name, &args, raw_args, &place) {
            return;
        }
        let directive = Directive {
            name: name.to_owned(),
            canonical: match row {
                Some(row) => Cow::Borrowed(row.name),
                None => Cow::Owned(name.to_ascii_lowercase()),
            },
            args,
            raw_args: raw_args.to_owned(),
            at: line.whole(),
        };
        if !self.executed(&directive, &place) {
            self.push(Node::Directive(directive));
        }
    }

    /// Adds to the innermost section.
    pub(super) fn push(&mut self, node: Node) {
        let section = self.open.iter_mut().rev().find_map(|open| match &mut open.kind {
            Held::Section { nodes, .. } => Some(nodes),
            _ => None,
        });
        section.unwrap_or(&mut self.root).push(node);
    }

    /// What was open is done with.
    pub(super) fn close(&mut self, open: Open) {
        match open.kind {
            Held::Section { canonical, args, raw_args, nodes } => {
                self.push(Node::Section(Section {
                    name: open.name,
                    canonical,
                    args,
                    raw_args,
                    nodes,
                    at: open.at,
                }))
            }
            Held::Macro { made, .. } => self.made_macro(made),
            Held::Taken | Held::Skipped => {}
        }
    }

    /// How much was open when the file or macro began that is being read.
    pub(super) fn base(&self) -> usize {
        match self.inputs.last() {
            Some(Input::File { base, .. } | Input::Macro { base, .. }) => *base,
            Some(Input::Waiting { .. }) | None => 0,
        }
    }

    /// How deep the includes and uses are.
    pub(super) fn depth(&self) -> usize {
        match self.inputs.last() {
            Some(
                Input::File { depth, .. }
                | Input::Macro { depth, .. }
                | Input::Waiting { depth, .. },
            ) => *depth,
            None => 0,
        }
    }

    /// `FILE:LINE`, for messages.
    pub(super) fn told_place(&self, at: &Place) -> String {
        format!("{}:{}", self.sources.name(at.file), at.line)
    }

    fn too_long(&mut self, at: &Place) {
        let message = format!("a line of more than {} KiB", LINE_BYTES_MAX >> 10);
        self.error(at, message, None);
    }

    pub(super) fn error(&mut self, at: &Place, message: String, help: Option<String>) {
        self.tell_at(Some(at), Severity::Error, message, help);
    }

    pub(super) fn warning(&mut self, at: &Place, message: String, help: Option<String>) {
        self.tell_at(Some(at), Severity::Warning, message, help);
    }

    /// An error; a warning when lenient.
    pub(super) fn objection(&mut self, at: &Place, message: String, help: Option<String>) {
        let severity = if self.options.lenient { Severity::Warning } else { Severity::Error };
        self.tell_at(Some(at), severity, message, help);
    }

    pub(super) fn tell_at(
        &mut self,
        at: Option<&Place>,
        severity: Severity,
        message: String,
        help: Option<String>,
    ) {
        if self.diagnostics.len() >= DIAGNOSTICS_MAX {
            // One error is enough to say that not all is told.
            self.stopped = true;
            return;
        }
        let (file, span) = match at {
            Some(at) => (at.file, at.span.clone()),
            None => (self.sources.add(String::new(), String::new()), 0..0),
        };
        let label = match at.and_then(|at| at.used_at.as_deref()) {
            Some(used) => format!("used at {}", self.told_place(used)),
            None => String::new(),
        };
        let (message, severity) = match self.diagnostics.len() + 1 == DIAGNOSTICS_MAX {
            true => (format!("{message} (more is not told)"), Severity::Error),
            false => (message, severity),
        };
        self.diagnostics.push(Diagnostic { severity, file, span, message, label, help });
    }
}

/// The arguments in a part of a line.
pub(super) fn args(line: &Line, range: Range<usize>, braced: bool) -> Vec<Arg> {
    let text = line.text.get(..range.end).unwrap_or_default();
    let words = match braced {
        true => words::split_braced(text, range.start),
        false => words::split(text, range.start),
    };
    words.into_iter().map(|(text, at)| Arg { text, span: line.place(at).span }).collect()
}

/// Why a file could not be read, without the number of the error.
fn reason(error: &Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
