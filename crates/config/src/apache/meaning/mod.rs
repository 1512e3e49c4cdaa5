//! What a tree means: listeners, routes and pools that make the same decisions.
//!
//! Whatever cannot be served yet is told by its line: as an error where passing over it would change
//! what is served or to whom, as a warning where it only costs comfort.

mod checks;
mod compile;
mod gather;
mod members;
mod pools;
mod routes;
mod sites;

use evenkeel_plan::Plan;

use super::directives::Class;
use super::{Directive, Node, Place, Read};
use crate::diagnostic::{Diagnostic, Severity};

/// What became of a directive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Honoured {
    /// Its name.
    pub directive: String,
    /// The file, as a position in [`Read::sources`], and the line.
    pub file: usize,
    /// The line, from 1.
    pub line: usize,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a directive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It does here what it does there.
    Honoured,
    /// Nothing is lost by passing over it.
    Harmless,
    /// It has no effect yet, or is refused; a diagnostic says more.
    Refused,
}

/// The plan; what cannot be served, and what is doubtful; what became of each directive. There is
/// a plan even when there are errors; it must not be used then. `strict`: traps of httpd are errors
/// or avoided.
pub fn plan(read: &Read, strict: bool) -> (Option<Plan>, Vec<Diagnostic>, Vec<Honoured>) {
    let mut told = Told { strict, ..Told::default() };
    let mut plan = compile::compile(&read.tree, &mut told);
    let rules = plan.pools.iter_mut().filter_map(|pool| pool.rules.as_mut());
    rules.for_each(|rules| rules.late_is_timeout = strict);
    for problem in evenkeel_plan::check::check(&plan) {
        let at = Place { file: 0, line: 1, span: 0..0, used_at: None };
        told.error(&at, problem.message, problem.help);
    }
    (Some(plan), told.diagnostics, told.honoured)
}

/// The plan in native terms: routes instead of httpd's rules. What it cannot say is told.
pub fn native(read: &Read) -> (Plan, Vec<Diagnostic>) {
    let mut told = Told { native: true, ..Told::default() };
    let mut gathered = gather::gather(&read.tree, &mut told);
    gathered.checks.untold = compile::untold(&read.tree);
    let mut plan = routes::plan(&gathered, &mut told);
    plan.pools.iter_mut().for_each(|pool| pool.rules = None);
    (plan, told.diagnostics)
}

/// What is told about the directives.
#[derive(Default)]
struct Told {
    diagnostics: Vec<Diagnostic>,
    honoured: Vec<Honoured>,
    /// The plan is made in native terms.
    native: bool,
    /// Traps of httpd are errors.
    strict: bool,
}

impl Told {
    fn error(&mut self, at: &Place, message: String, help: Option<String>) {
        self.tell(Severity::Error, at, message, help);
    }

    fn warning(&mut self, at: &Place, message: String, help: Option<String>) {
        self.tell(Severity::Warning, at, message, help);
    }

    /// Something that httpd reads otherwise than it looks.
    fn trap(&mut self, at: &Place, message: String, help: Option<String>) {
        let severity = if self.strict { Severity::Error } else { Severity::Warning };
        self.tell(severity, at, message, help);
    }

    /// Something that is served, but cannot be said in native terms.
    fn carried(&mut self, at: &Place, what: &str) {
        if self.native {
            self.warning(at, format!("{what}: not carried over as it is"), None);
        }
    }

    /// Something that is served by httpd and not here.
    fn not_yet(&mut self, at: &Place, what: &str) {
        let help = "take it out, or keep httpd for this part".to_owned();
        self.error(at, format!("{what} is not yet served"), Some(help));
    }

    fn tell(&mut self, severity: Severity, at: &Place, message: String, help: Option<String>) {
        let (file, span) = (at.file, at.span.clone());
        let label = String::new();
        self.diagnostics.push(Diagnostic { severity, file, span, message, label, help });
    }

    /// Takes over what another was told and this one was not.
    fn add_new(&mut self, other: Told) {
        for diagnostic in other.diagnostics {
            let same = |known: &Diagnostic| {
                let (one, two) = (known, &diagnostic);
                one.message == two.message && one.span == two.span && one.file == two.file
            };
            if !self.diagnostics.iter().any(same) {
                self.diagnostics.push(diagnostic);
            }
        }
        self.honoured.extend(other.honoured);
    }

    fn fate(&mut self, directive: &Directive, fate: Fate) {
        self.honoured.push(Honoured {
            directive: directive.name.clone(),
            file: directive.at.file,
            line: directive.at.line,
            fate,
        });
    }

    /// A directive that nothing here looks at.
    fn unused(&mut self, directive: &Directive) {
        match directive.row().map(|row| row.class) {
            Some(Class::Harmless(_)) => self.fate(directive, Fate::Harmless),
            Some(Class::Honoured) if COMFORT.contains(&&*directive.canonical) => {
                let name = &directive.name;
                self.warning(&directive.at, format!("{name} has no effect yet"), None);
                self.fate(directive, Fate::Refused);
            }
            Some(Class::Honoured) => {
                self.not_yet(&directive.at, &directive.name);
                self.fate(directive, Fate::Refused);
            }
            // The reader has told about these.
            _ => self.fate(directive, Fate::Refused),
        }
    }

    /// All of a section that nothing here looks into.
    fn unused_nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Directive(directive) => self.unused(directive),
                Node::Section(section) => self.unused_nodes(&section.nodes),
            }
        }
    }
}

/// Directives whose loss changes nothing about who is served what by whom.
const COMFORT: &[&str] = &[
    "BufferedLogs",
    "CustomLog",
    "GlobalLog",
    "LogFormat",
    "TransferLog",
    "AllowEncodedSlashes",
    "BalancerGrowth",
    "BalancerInherit",
    "BalancerPersist",
    "BrowserMatch",
    "BrowserMatchNoCase",
    "ErrorDocument",
    "ErrorLog",
    "ExtendedStatus",
    "HostnameLookups",
    "KeepAlive",
    "LogLevel",
    "MaxKeepAliveRequests",
    "MergeSlashes",
    "PassEnv",
    "Proxy100Continue",
    "ProxyBadHeader",
    "ProxyHCTPsize",
    "ProxyIOBufferSize",
    "ProxyReceiveBufferSize",
    "ProxyStatus",
    "ProxyVia",
    "ServerAdmin",
    "ServerSignature",
    "ServerTokens",
    "SetEnv",
    "SetEnvIf",
    "SetEnvIfNoCase",
    "TraceEnable",
    "UnsetEnv",
    "UseCanonicalName",
    "DocumentRoot",
    "DirectoryIndex",
    "KeepAliveTimeout",
    "Protocols",
    "LimitRequestBody",
    "LimitRequestFieldSize",
    "LimitRequestFields",
    "LimitRequestLine",
    "ProxyTimeout",
];
