//! **The table**: every directive of httpd 2.4.71 and its modules, with what it takes, where it may
//! stand, and what becomes of it here.
//!
//! The rows stand below their modules in `directives/*`; sections are rows whose name begins with
//! `<`. Arity and places are those of the real server.

mod access;
mod content;
mod core;
mod http;
mod proxy;
mod tls;

use std::collections::HashMap;
use std::sync::LazyLock;

/// A module of httpd and its directives.
#[derive(Debug)]
pub struct Module {
    /// The name of its source, as `<IfModule mod_proxy.c>` asks for it.
    pub file: &'static str,
    /// The name of its structure, as `LoadModule proxy_module …` and `<IfModule proxy_module>` do.
    pub id: &'static str,
    /// Its directives.
    pub rows: &'static [Row],
}

/// A directive, or a section.
#[derive(Debug)]
pub struct Row {
    /// As it is usually written; a section's begins with `<`.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arity: Arity,
    /// Where it may stand: a sum of [`places`].
    pub places: u16,
    /// What becomes of it.
    pub class: Class,
    /// Its arguments, as a person would write them down; empty when it goes without saying.
    pub takes: &'static str,
}

/// How many arguments a directive takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arity {
    /// None.
    Nothing,
    /// Just one.
    One,
    /// Two.
    Two,
    /// Three.
    Three,
    /// One or two.
    OneOrTwo,
    /// One or three.
    OneOrThree,
    /// Two or three.
    TwoOrThree,
    /// One, two or three.
    OneToThree,
    /// One or more; each might as well stand in a line of its own.
    OneOrMore,
    /// Two or more.
    TwoOrMore,
    /// On or Off.
    Flag,
    /// Whatever its own reading makes of the text.
    Raw,
    /// The same, but words may also stand in braces.
    Braced,
    /// A section that needs text in its opening tag.
    Enclosed,
}

/// What becomes of a directive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// It does here what it does there.
    Honoured,
    /// It is passed over, and nothing is lost by it; why.
    Harmless(&'static str),
    /// It is passed over with a warning; why.
    NotYet(&'static str),
    /// It is an error (a warning when lenient): passing over it would change what is served; why.
    Refused(&'static str),
}

/// Where a directive may stand. There is no place for `.htaccess`: such files are never read.
pub mod places {
    /// Outside of all sections.
    pub const SERVER: u16 = 1;
    /// In `<VirtualHost>`.
    pub const VHOST: u16 = 1 << 1;
    /// In `<Directory>`, `<DirectoryMatch>`.
    pub const DIRECTORY: u16 = 1 << 2;
    /// In `<Location>`, `<LocationMatch>`.
    pub const LOCATION: u16 = 1 << 3;
    /// In `<Files>`, `<FilesMatch>`.
    pub const FILES: u16 = 1 << 4;
    /// In `<Proxy>`, `<ProxyMatch>`.
    pub const PROXY: u16 = 1 << 5;
    /// In `<If>`, `<ElseIf>`, `<Else>`.
    pub const IF: u16 = 1 << 6;
    /// In `<Limit>`, `<LimitExcept>`.
    pub const LIMIT: u16 = 1 << 7;
    /// For the whole server or a virtual host.
    pub const HOSTS: u16 = SERVER | VHOST;
    /// In a section that selects some requests.
    pub const WITHIN: u16 = DIRECTORY | LOCATION | FILES | PROXY | IF | LIMIT;
    /// Everywhere.
    pub const ANYWHERE: u16 = HOSTS | WITHIN;
}

/// Why directives are not honoured.
mod why {
    use super::Class::{self, Harmless, NotYet, Refused};

    pub(super) const ACME: Class = NotYet("certificates are not fetched over ACME yet");
    pub(super) const ALIASES: Class = NotYet("files are not served, requests only passed on");
    pub(super) const CACHE: Class = NotYet("responses are not cached yet");
    pub(super) const COMPRESS: Class = NotYet("responses are not filtered or compressed yet");
    pub(super) const DEBUG: Class = Harmless("it is for finding faults in httpd itself");
    pub(super) const EXPIRES: Class =
        NotYet("Expires is not set yet; use Header set Cache-Control");
    pub(super) const EXPRESS: Class = NotYet("members are not looked up in DBM files yet");
    pub(super) const FILES_ONLY: Class = Harmless("it is about files, and none are served");
    pub(super) const FORWARD: Class = Refused("forward proxying is not done");
    pub(super) const FORWARD_SETTING: Class = Harmless("it is about forward proxying");
    pub(super) const GONE: Class = Refused("httpd 2.4 does not support it any more");
    pub(super) const HTML: Class = Refused("bodies are passed on as they are");
    pub(super) const HTML_SETTING: Class = Harmless("it is nothing without ProxyHTMLEnable");
    pub(super) const HTTP2: Class = NotYet("HTTP/2 is not served yet");
    pub(super) const LOGIN: Class =
        Refused("users are not asked to log in: what it protects would stand open");
    pub(super) const LOGS: Class = Harmless("diagnostics are logged in a way of their own");
    pub(super) const METHODS: Class =
        Refused("methods are not limited: what it forbids would pass");
    pub(super) const BUILT: Class = Harmless("everything is built in");
    pub(super) const MONITOR: Class =
        NotYet("heartbeats are not exchanged yet; HeartbeatStorage is read");
    pub(super) const MPM: Class = Harmless("there are no worker processes: each core runs a loop");
    pub(super) const OBSOLETE: Class = Harmless("it has no effect in httpd 2.4 either");
    pub(super) const OS: Class = Harmless("it is left to what starts the server");
    pub(super) const SCGI: Class = NotYet("members that speak SCGI are not supported yet");
    pub(super) const SCRIPTS: Class = Refused("programs, scripts and files are not served");
    pub(super) const SESSIONS: Class = Refused("httpd's own sessions are not kept");
    pub(super) const PORTS: Class = NotYet("links of the server's own name host and port as asked");
    pub(super) const STRICT: Class = Harmless("messages are always read strictly");
    pub(super) const TLS: Class = NotYet("TLS has its own defaults here");
    pub(super) const TRACKING: Class = NotYet("visitors are not given cookies yet");
    pub(super) const TUNING: Class = Harmless("buffers grow and shrink by need");
}

/// Modules that are part of httpd itself: they count as loaded without `LoadModule`.
pub const BUILT_IN: [&str; 8] = [
    "core_module",
    "http_module",
    "so_module",
    "unixd_module",
    "version_module",
    "watchdog_module",
    "log_config_module",
    "logio_module",
];

/// All modules.
pub fn modules() -> impl Iterator<Item = &'static Module> {
    [core::MODULES, proxy::MODULES, tls::MODULES, http::MODULES, access::MODULES, content::MODULES]
        .into_iter()
        .flatten()
}

/// The module of this name, in either of its two forms. As in httpd, case counts.
pub fn find_module(name: &str) -> Option<&'static Module> {
    modules().find(|module| module.file == name || module.id == name)
}

/// The module whose directive a row is, if it is none of httpd's own.
pub fn module_of(row: &Row) -> Option<&'static Module> {
    static MODULES: LazyLock<HashMap<&'static str, &'static Module>> = LazyLock::new(|| {
        let core = core::MODULES.len();
        let others = modules().skip(core);
        others.flat_map(|module| module.rows.iter().map(move |row| (row.name, module))).collect()
    });
    MODULES.get(row.name).copied()
}

/// All directives and sections.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    modules().flat_map(|module| module.rows)
}

/// The directive of this name, in whatever case; a section when the name begins with `<`.
pub fn find(name: &str) -> Option<&'static Row> {
    static ROWS: LazyLock<HashMap<String, &'static Row>> =
        LazyLock::new(|| rows().map(|row| (row.name.to_ascii_lowercase(), row)).collect());
    ROWS.get(&name.to_ascii_lowercase()).copied()
}

const fn module(file: &'static str, id: &'static str, rows: &'static [Row]) -> Module {
    Module { file, id, rows }
}

const fn row(name: &'static str, arity: Arity, places: u16, class: Class) -> Row {
    Row { name, arity, places, class, takes: "" }
}

impl Row {
    const fn takes(self, takes: &'static str) -> Row {
        Row { takes, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_stands_twice() {
        let mut seen = HashSet::new();
        for row in rows() {
            assert!(seen.insert(row.name.to_ascii_lowercase()), "{}", row.name);
            assert_ne!(row.places, 0, "{}", row.name);
        }
        let mut seen = HashSet::new();
        for module in modules() {
            assert!(seen.insert(module.file) && seen.insert(module.id), "{}", module.file);
        }
        assert!(BUILT_IN.iter().all(|id| find_module(id).is_some()));
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(find("proxypass").unwrap().name, "ProxyPass");
        assert_eq!(find("<VIRTUALHOST").unwrap().name, "<VirtualHost");
        assert!(find("VirtualHost").is_none());
        assert_eq!(find_module("mod_proxy.c").unwrap().id, "proxy_module");
        assert_eq!(find_module("proxy_module").unwrap().file, "mod_proxy.c");
        assert!(find_module("MOD_PROXY.c").is_none());
    }
}
