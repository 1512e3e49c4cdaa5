//! Reads configurations of Apache httpd 2.4 into a tree: the syntax, not yet what it means.
//!
//! [`read`] follows `Include`, replaces `${NAME}`, settles `<IfModule>` and its like, unrolls
//! macros, and holds every directive against [the table](directives): name, place, number of
//! arguments. What is left in the [`Tree`] are the directives and sections that speak of serving.
//! Where httpd stops at the first error, all are found here.
//!
//! Every quirk was tried on httpd 2.4.71. What differs on purpose:
//! - `LoadModule` loads nothing; which modules count as loaded, see [`Modules`].
//! - Whether the folder of `ServerRoot` exists is not looked at.
//! - `<IfModule>` and its like without an end get a warning; httpd says nothing.
//! - Bytes that are not UTF-8 are an error outside of comments.
//!
//! Limits: 1000 files of 16 MiB, 64 MiB together, included 50 deep; lines of 64 KiB (as joined and
//! expanded); 1 million lines (each use of a macro counts its own) and 64 MiB of them; sections 100
//! deep; 100 arguments of a macro; 1000 diagnostics.

mod check;
mod condition;
pub mod directives;
mod include;
mod line;
mod loader;
mod macros;
mod meaning;
mod reader;
mod section;
mod words;

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use loader::{Disk, Kind, Loader, Memory};
pub use meaning::{Fate, Honoured, native, plan};

use crate::diagnostic::{Diagnostic, Sources};

/// A configuration: what stands outside of all sections, in order, includes in their place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tree {
    /// Its lines.
    pub nodes: Vec<Node>,
}

/// A line, or what stands between two.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    /// `Name args`.
    Directive(Directive),
    /// `<Name args>` to `</Name>`.
    Section(Section),
}

/// A directive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directive {
    /// As written.
    pub name: String,
    /// As in [the table](directives); an unknown name in lower case.
    pub canonical: Cow<'static, str>,
    /// Its arguments, without quotes.
    pub args: Vec<Arg>,
    /// The same as one text, with quotes, variables replaced, trimmed.
    pub raw_args: String,
    /// Where it stands.
    pub at: Place,
}

/// A section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// As written, without brackets.
    pub name: String,
    /// As in [the table](directives), without its bracket; an unknown name in lower case.
    pub canonical: Cow<'static, str>,
    /// The arguments of its opening tag, without quotes.
    pub args: Vec<Arg>,
    /// The same as one text, with quotes, variables replaced, trimmed.
    pub raw_args: String,
    /// What stands in it.
    pub nodes: Vec<Node>,
    /// Where its opening tag stands.
    pub at: Place,
}

/// An argument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arg {
    /// What it says.
    pub text: String,
    /// Where it stands, in the file of its directive.
    pub span: Range<usize>,
}

/// Where something stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file, as a position in [`Read::sources`].
    pub file: usize,
    /// The line, from 1; where it begins, when lines are joined.
    pub line: usize,
    /// Bytes of the file.
    pub span: Range<usize>,
    /// The `Use` that brought it here, when it stands in a macro.
    pub used_at: Option<Arc<Place>>,
}

/// Which modules count as loaded for `<IfModule>`. Directives are known whether or not their module
/// is loaded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Modules {
    /// Those of `LoadModule` lines above and those built into httpd. Without any such line above:
    /// all that are [known](directives::modules).
    #[default]
    AsLoaded,
    /// Just these, by either name: `mod_proxy.c` or `proxy_module`.
    Only(Vec<String>),
}

/// How to read.
pub struct Options<'o> {
    /// Names for `<IfDefine NAME>`, as from `-D NAME`; with a text, `${NAME}` stands for it too.
    pub defines: Vec<(String, Option<String>)>,
    /// Whether unknown and refused directives are warnings instead of errors.
    pub lenient: bool,
    /// Which modules count as loaded.
    pub modules: Modules,
    /// The version that `<IfVersion>` compares with.
    pub version: (u32, u32, u32),
    /// The folder of relative paths, until a `ServerRoot` says otherwise.
    pub server_root: PathBuf,
    /// The environment: `${NAME}` looks there when nothing defines the name.
    pub env: &'o dyn Fn(&str) -> Option<String>,
    /// Where files come from.
    pub loader: &'o dyn Loader,
}

impl<'o> Options<'o> {
    /// Strict, as version 2.4.71, no defines, no environment.
    pub fn new(loader: &'o dyn Loader, server_root: &Path) -> Options<'o> {
        Options {
            defines: Vec::new(),
            lenient: false,
            modules: Modules::AsLoaded,
            version: (2, 4, 71),
            server_root: server_root.to_owned(),
            env: &|_| None,
            loader,
        }
    }
}

/// What came of reading.
#[derive(Debug)]
pub struct Read {
    /// The tree; what was wrong is left out or stands as well as it could be read.
    pub tree: Tree,
    /// What is wrong, errors before warnings, each in the order of reading.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read.
    pub sources: Sources,
    /// Their paths.
    pub files: Vec<PathBuf>,
}

/// Reads a configuration and all it includes. Never fails: what is wrong is told.
pub fn read(entry: &Path, options: &Options<'_>) -> Read {
    reader::Reader::new(options).read(entry)
}

impl Directive {
    /// Its row in the table; `None` when it is unknown.
    pub fn row(&self) -> Option<&'static directives::Row> {
        directives::find(&self.name)
    }
}

impl Section {
    /// Its row in the table; `None` when it is unknown.
    pub fn row(&self) -> Option<&'static directives::Row> {
        directives::find(&format!("<{}", self.name))
    }
}
