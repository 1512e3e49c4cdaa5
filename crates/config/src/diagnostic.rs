use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The configuration cannot be served.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

/// Something wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as a position in [`Sources`].
    pub file: usize,
    /// The bytes it is about; empty at 0 when it is about the whole file.
    pub span: Range<usize>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What is to be seen there; may be empty.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

/// The files that were read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<(String, String)>,
}

impl Sources {
    pub(crate) fn add(&mut self, name: String, text: String) -> usize {
        self.files.push((name, text));
        self.files.len() - 1
    }

    /// The name of a file as it was asked for.
    pub fn name(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |(name, _)| name)
    }

    /// Its text.
    pub fn text(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |(_, text)| text)
    }

    /// Name, line and column (both from 1) of a byte of a file.
    pub(crate) fn position(&self, file: usize, byte: usize) -> (&str, usize, usize) {
        let text = self.text(file);
        let before = text.get(..byte.min(text.len())).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (self.name(file), line, column)
    }
}

impl Diagnostic {
    /// File, line and column (both from 1) of the beginning.
    pub fn position<'a>(&self, sources: &'a Sources) -> (&'a str, usize, usize) {
        sources.position(self.file, self.span.start)
    }
}

/// The diagnostics as text for people: message, file, line, excerpt, help. Empty when there are
/// none.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let text = sources.text(diagnostic.file);
        let title = level.primary_title(diagnostic.message.clone());
        let name = sources.name(diagnostic.file);
        let group = if name.is_empty() {
            Group::with_title(title)
        } else if text.is_empty() || diagnostic.span == (0..0) {
            title.element(Origin::path(name))
        } else {
            let span = diagnostic.span.start.min(text.len())..diagnostic.span.end.min(text.len());
            let mark = AnnotationKind::Primary.span(span);
            let mark = match diagnostic.label.as_str() {
                "" => mark,
                label => mark.label(label.to_owned()),
            };
            title.element(Snippet::source(text).path(name).annotation(mark))
        };
        let group = match &diagnostic.help {
            Some(help) => group.element(Level::HELP.message(help.clone())),
            None => group,
        };
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out.truncate(out.trim_end().len());
    if !out.is_empty() {
        out.push('\n');
    }
    out
}
