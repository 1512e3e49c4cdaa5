//! From files to a plan: read, follow includes, put together, check.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use evenkeel_plan::check::{self, Place, Problem};
use evenkeel_plan::{Listener, Name, Plan, Policy};
use toml::de::DeTable;

use crate::diagnostic::{Diagnostic, Severity, Sources};
use crate::native::value::{Reader, Value};
use crate::native::{self, row, top};

/// Files of one configuration.
const FILES_MAX: usize = 1000;
/// Includes within includes.
const DEPTH_MAX: usize = 8;
/// Bytes of one file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What came of a configuration.
pub struct Loaded {
    /// The plan; only when there is no error.
    pub plan: Option<Plan>,
    /// What is wrong, in file order.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read.
    pub sources: Sources,
    /// Their paths.
    pub files: Vec<PathBuf>,
}

/// Reads a configuration and all it includes.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut loading = Loading::new(env);
    loading.file(path, None, 0);
    loading.finish()
}

/// Reads a configuration from text. Its includes are relative to the working directory.
pub fn load_str(name: &str, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut loading = Loading::new(env);
    loading.text(Path::new(name), text.to_owned(), 0);
    loading.finish()
}

struct Loading<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    plan: Plan,
    diagnostics: Vec<Diagnostic>,
    sources: Sources,
    files: Vec<PathBuf>,
    open: Vec<PathBuf>,
    /// Tables that may stand once: where they stood.
    once: HashMap<&'static str, (usize, Range<usize>)>,
    /// Where each part of the plan stood, and each of its keys.
    places: HashMap<Place, (usize, Range<usize>, row::Places)>,
}

impl<'e> Loading<'e> {
    fn new(env: &'e dyn Fn(&str) -> Option<String>) -> Loading<'e> {
        Loading {
            env,
            plan: Plan::default(),
            diagnostics: Vec::new(),
            sources: Sources::default(),
            files: Vec::new(),
            open: Vec::new(),
            once: HashMap::new(),
            places: HashMap::new(),
        }
    }

    fn complain(
        &mut self,
        at: Option<(usize, Range<usize>)>,
        message: String,
        help: Option<String>,
    ) {
        let (file, span) =
            at.unwrap_or_else(|| (self.sources.add(String::new(), String::new()), 0..0));
        let label = String::new();
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            file,
            span,
            message,
            label,
            help,
        });
    }

    fn file(&mut self, path: &Path, from: Option<(usize, Range<usize>)>, depth: usize) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.open.contains(&real) {
            return self.complain(from, format!("{} includes itself", path.display()), None);
        }
        if depth > DEPTH_MAX || self.files.len() >= FILES_MAX {
            let message =
                format!("too many includes: at most {DEPTH_MAX} deep and {FILES_MAX} files");
            return self.complain(from, message, None);
        }
        let size = std::fs::metadata(path).map(|meta| meta.len());
        let text = match size {
            Ok(size) if size > FILE_BYTES_MAX => Err("larger than 16 MiB".to_owned()),
            Ok(_) => std::fs::read(path).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let text = text
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned()));
        match text {
            Err(reason) => {
                let help = match depth {
                    0 => Some("name the configuration with -c FILE".to_owned()),
                    _ => None,
                };
                self.complain(from, format!("{} cannot be read: {reason}", path.display()), help);
            }
            Ok(text) => {
                self.open.push(real);
                self.text(path, text, depth);
                self.open.pop();
            }
        }
    }

    fn text(&mut self, path: &Path, text: String, depth: usize) {
        let file = self.sources.add(path.display().to_string(), text.clone());
        self.files.push(path.to_owned());
        let (root, errors) = DeTable::parse_recoverable(&text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            self.complain(Some((file, span)), format!("not valid TOML: {}", error.message()), None);
        }
        let mut reader = Reader { diagnostics: Vec::new(), env: self.env, file };
        let mut includes = Vec::new();
        for (key, node) in root.get_ref().iter() {
            let value = Value { node };
            match key.get_ref().as_ref() {
                "include" => {
                    let texts = value
                        .one_or_more(&mut reader, |v, r| v.string(r).map(|text| (text, v.span())));
                    includes.extend(texts.unwrap_or_default());
                }
                "server" if self.first("server", &mut reader, file, key.span()) => {
                    if let Some(table) = value.table(&mut reader) {
                        row::read(
                            top::SERVER,
                            &[],
                            "[server]",
                            table,
                            &mut self.plan.server,
                            &mut reader,
                        );
                    }
                }
                "admin" if self.first("admin", &mut reader, file, key.span()) => {
                    self.plan.admin = top::admin(value, &mut reader);
                }
                "log" if self.first("log", &mut reader, file, key.span()) => {
                    if let Some(table) = value.table(&mut reader) {
                        row::read(top::LOG, &[], "[log]", table, &mut self.plan.log, &mut reader);
                    }
                }
                "server" | "admin" | "log" => {}
                "listener" => self.each(value, &mut reader, Loading::listener),
                "route" => self.each(value, &mut reader, Loading::route),
                "pool" => self.each(value, &mut reader, Loading::pool),
                other => {
                    let known = top::TABLES.iter().map(|(name, _)| *name);
                    row::unknown(known, "the configuration", other, key.span(), &mut reader);
                }
            }
        }
        self.diagnostics.append(&mut reader.diagnostics);
        for (pattern, span) in includes {
            self.include(path, &pattern, (file, span), depth);
        }
    }

    /// Whether this is the first table of that name.
    fn first(
        &mut self,
        name: &'static str,
        reader: &mut Reader<'_>,
        file: usize,
        span: Range<usize>,
    ) -> bool {
        match self.once.get(name) {
            None => {
                self.once.insert(name, (file, span));
                true
            }
            Some((other, _)) => {
                let there = self.sources.name(*other).to_owned();
                reader.error(
                    span,
                    format!("[{name}] may stand in one file only; it stands in {there} too"),
                    "again",
                );
                false
            }
        }
    }

    /// Reads each table of an array of tables.
    fn each(
        &mut self,
        value: Value<'_>,
        reader: &mut Reader<'_>,
        read: fn(&mut Self, Value<'_>, &DeTable<'_>, &mut Reader<'_>),
    ) {
        let Some(items) = value.items() else {
            reader.error_help(
                value.span(),
                "one table where several may stand",
                "expected an array of tables",
                "write it with double brackets: [[listener]], [[route]], [[pool]]",
            );
            return;
        };
        for item in items {
            if let Some(table) = item.table(reader) {
                read(self, item, table, reader);
            }
        }
    }

    fn listener(&mut self, value: Value<'_>, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        let name = Name::new("unnamed").expect("letters are a valid name");
        let mut draft =
            native::listener::Draft { plan: Listener::new(name, Vec::new()), named: false };
        let places = row::read(
            native::listener::ROWS,
            native::listener::LATER,
            "[[listener]]",
            table,
            &mut draft,
            reader,
        );
        if !places.iter().any(|(name, _)| name == "bind") {
            reader.error_help(
                header(value),
                "a listener needs a `bind`",
                "where does it listen?",
                "add bind = \"0.0.0.0:8080\"",
            );
        }
        if !draft.named
            && let Some(name) = native::listener::default_name(&draft.plan)
        {
            draft.plan.name = name;
        }
        let place = Place::Listener(self.plan.listeners.len());
        self.places.insert(place, (reader.file, header(value), places));
        self.plan.listeners.push(draft.plan);
    }

    fn route(&mut self, value: Value<'_>, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        let mut draft = native::route::blank(self.plan.routes.len() + 1);
        let places = row::read(
            native::route::ROWS,
            native::route::LATER,
            "[[route]]",
            table,
            &mut draft,
            reader,
        );
        let later = places.iter().any(|(name, _)| name == "split");
        if draft.actions != 1 && !later {
            let label = if draft.actions == 0 { "none is given" } else { "several are given" };
            reader.error(
                header(value),
                "a route needs one of `pool`, `redirect`, `respond`",
                label,
            );
        }
        let place = Place::Route(self.plan.routes.len());
        self.places.insert(place, (reader.file, header(value), places));
        self.plan.routes.push(draft.plan);
    }

    fn pool(&mut self, value: Value<'_>, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        let mut draft = native::pool::Draft::blank();
        let places = row::read(
            native::pool::ROWS,
            native::pool::LATER,
            "[[pool]]",
            table,
            &mut draft,
            reader,
        );
        if !draft.named {
            reader.error(header(value), "a pool needs a `name`", "add name = \"NAME\"");
        }
        let (pool, members) = draft.finish();
        let at = self.plan.pools.len();
        for (n, span) in members.into_iter().enumerate() {
            self.places.insert(Place::Member(at, n), (reader.file, span, Vec::new()));
        }
        self.places.insert(Place::Pool(at), (reader.file, header(value), places));
        self.plan.pools.push(pool);
    }

    fn include(&mut self, from: &Path, pattern: &str, at: (usize, Range<usize>), depth: usize) {
        let base = from.parent().unwrap_or(Path::new(""));
        let whole = base.join(pattern);
        let (Some(folder), Some(last)) =
            (whole.parent(), whole.file_name().and_then(|name| name.to_str()))
        else {
            return self.complain(Some(at), "not a path".to_owned(), None);
        };
        if !last.contains(['*', '?']) {
            return self.file(&whole, Some(at), depth + 1);
        }
        let entries = match std::fs::read_dir(if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        }) {
            Ok(entries) => entries,
            Err(error) => {
                return self.complain(
                    Some(at),
                    format!("{} cannot be read: {error}", folder.display()),
                    None,
                );
            }
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.retain(|name| matches(last.as_bytes(), name.as_bytes()));
        names.sort_unstable();
        for name in names {
            self.file(&folder.join(name), Some(at.clone()), depth + 1);
        }
    }

    fn finish(mut self) -> Loaded {
        let failed =
            |diagnostics: &[Diagnostic]| diagnostics.iter().any(|d| d.severity == Severity::Error);
        // Problems between parts are told beside those within them, unless a part is missing for
        // that reason alone.
        let broken = failed(&self.diagnostics);
        for problem in check::check(&self.plan) {
            let place_broken = self.is_broken(&problem);
            if !(broken && place_broken) {
                let diagnostic = self.problem(problem);
                self.diagnostics.push(diagnostic);
            }
        }
        if !failed(&self.diagnostics) {
            self.warn();
        }
        self.diagnostics.sort_by_key(|d| (d.severity == Severity::Warning, d.file, d.span.start));
        let plan = (!failed(&self.diagnostics)).then_some(self.plan);
        Loaded { plan, diagnostics: self.diagnostics, sources: self.sources, files: self.files }
    }

    /// Whether the problem may only come from an error that was told already.
    fn is_broken(&self, problem: &Problem) -> bool {
        let Some((file, span, _)) = self.places.get(&problem.place) else { return true };
        self.diagnostics
            .iter()
            .any(|d| d.file == *file && d.span.start >= span.start && problem.field != "pool")
    }

    fn problem(&self, problem: Problem) -> Diagnostic {
        let (file, span) = match self.places.get(&problem.place) {
            Some((file, header, keys)) => {
                let key = keys
                    .iter()
                    .find(|(name, _)| name == problem.field)
                    .map(|(_, span)| span.clone());
                (*file, key.unwrap_or_else(|| header.clone()))
            }
            None => (0, 0..0),
        };
        Diagnostic {
            severity: Severity::Error,
            file,
            span,
            message: problem.message,
            label: String::new(),
            help: problem.help,
        }
    }

    /// What can be served, but is probably not meant.
    fn warn(&mut self) {
        let used: HashSet<&Name> = self
            .plan
            .listeners
            .iter()
            .filter_map(|listener| listener.pool.as_ref())
            .chain(self.plan.routes.iter().filter_map(|route| match &route.action {
                evenkeel_plan::Action::Pool(pool) => Some(pool),
                _ => None,
            }))
            .collect();
        let mut warnings = Vec::new();
        for (at, pool) in self.plan.pools.iter().enumerate() {
            let mut warn = |field: &str, message: String| {
                warnings.push((Place::Pool(at), field.to_owned(), message))
            };
            if !used.contains(&pool.name) {
                warn("name", format!("no listener and no route uses pool \"{}\"", pool.name));
            }
            let hashes = matches!(pool.policy, Policy::RingHash | Policy::Maglev);
            if pool.hash_key != evenkeel_plan::HashKey::Client && !hashes {
                warn(
                    "hash_key",
                    format!("hash_key has no effect with policy {}", pool.policy.name()),
                );
            }
            if pool.members.is_empty() {
                warn("members", format!("pool \"{}\" has no members: it answers 503", pool.name));
            }
        }
        for at in 1..self.plan.routes.len() {
            let (route, earlier) = (&self.plan.routes[at], &self.plan.routes[..at]);
            let same = |e: &&evenkeel_plan::Route| {
                (e.listeners.is_empty() || e.listeners == route.listeners)
                    && (e.hosts.is_empty() || e.hosts == route.hosts)
                    && (e.paths.is_empty() || e.paths == route.paths)
                    && (e.methods.is_empty() || e.methods == route.methods)
            };
            if let Some(earlier) = earlier.iter().find(same) {
                let message = format!(
                    "route \"{}\" never matches: \"{}\" before it takes all its requests",
                    route.name, earlier.name
                );
                warnings.push((Place::Route(at), "name".to_owned(), message));
            }
        }
        for (place, field, message) in warnings {
            let field: &'static str =
                ["name", "hash_key", "members"].into_iter().find(|f| *f == field).unwrap_or("name");
            let diagnostic = self.problem(Problem { place, field, message, help: None });
            self.diagnostics.push(Diagnostic { severity: Severity::Warning, ..diagnostic });
        }
    }
}

/// The beginning of a table: its header line is what one looks for.
fn header(value: Value<'_>) -> Range<usize> {
    let span = value.span();
    span.start..span.end.min(span.start + 1).max(span.start)
}

/// Whether a name fits a pattern of `*` and `?`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, name)
                || name.split_first().is_some_and(|(_, tail)| matches(pattern, tail))
        }
        (Some((b'?', rest)), Some((_, tail))) => matches(rest, tail),
        (Some((a, rest)), Some((b, tail))) if a == b => matches(rest, tail),
        _ => false,
    }
}
