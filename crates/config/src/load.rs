//! From files to a plan: read, follow includes, put together, check.

mod between;
mod syntax;
mod warnings;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use evenkeel_plan::Plan;
use evenkeel_plan::check::Place;
use toml::de::DeTable;

use crate::apache::{self, Honoured};
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
    /// What is wrong, errors before warnings, each in file order.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read.
    pub sources: Sources,
    /// Their paths.
    pub files: Vec<PathBuf>,
}

/// How an Apache configuration is read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ApacheOptions {
    /// Names for `<IfDefine>`, as httpd's `-D`.
    pub defines: Vec<(String, Option<String>)>,
    /// Whether unknown and refused directives are warnings instead of errors.
    pub lenient: bool,
    /// Whether traps of httpd are avoided: members that are late give 504, and numbers that httpd
    /// would read in part are errors.
    pub strict: bool,
}

/// Reads an Apache configuration and all it includes. Paths are relative to its folder, until a
/// `ServerRoot` says otherwise.
pub fn load_apache(
    path: &Path,
    options: &ApacheOptions,
    env: &dyn Fn(&str) -> Option<String>,
) -> (Loaded, Vec<Honoured>) {
    let mut read = read_apache(path, options, env);
    let (plan, meaning, honoured) = apache::plan(&read, options.strict);
    read.diagnostics.extend(meaning);
    (loaded(read, plan), honoured)
}

/// The same in native terms, with routes instead of httpd's rules: for those who move on. What
/// cannot be said so is told.
pub fn convert_apache(
    path: &Path,
    options: &ApacheOptions,
    env: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    let mut read = read_apache(path, options, env);
    let (plan, mut meaning) = apache::native(&read);
    // What httpd's own rules can do and native ones cannot is no error of the file.
    meaning.iter_mut().for_each(|told| told.severity = Severity::Warning);
    read.diagnostics.extend(meaning);
    loaded(read, Some(plan))
}

fn read_apache(
    path: &Path,
    options: &ApacheOptions,
    env: &dyn Fn(&str) -> Option<String>,
) -> apache::Read {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut reading = apache::Options::new(&apache::Disk, folder);
    reading.defines.clone_from(&options.defines);
    reading.lenient = options.lenient;
    reading.env = env;
    apache::read(path, &reading)
}

fn loaded(mut read: apache::Read, plan: Option<Plan>) -> Loaded {
    let broken = read.diagnostics.iter().any(|d| d.severity == Severity::Error);
    let plan = plan.filter(|_| !broken);
    read.diagnostics.sort_by_key(|d| d.severity != Severity::Error);
    let apache::Read { diagnostics, sources, files, .. } = read;
    Loaded { plan, diagnostics, sources, files }
}

/// Reads a configuration and all it includes.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut loading = Loading::new(env);
    loading.file(path, None, 0);
    loading.finish()
}

/// Reads a configuration from text. Its includes are relative to the folder of `name`.
pub fn load_str(name: &str, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut loading = Loading::new(env);
    loading.text(Path::new(name), text.to_owned(), 0);
    loading.finish()
}

/// A file, as a position in the sources, and bytes in it.
type At = (usize, Range<usize>);

struct Loading<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    plan: Plan,
    diagnostics: Vec<Diagnostic>,
    sources: Sources,
    files: Vec<PathBuf>,
    /// The files that are being read, each included by the one before.
    open: Vec<PathBuf>,
    /// All files that were read.
    seen: HashSet<PathBuf>,
    /// Tables that may stand once: where they stood.
    once: HashMap<&'static str, At>,
    /// Where each part of the plan stood, and each of its keys.
    places: HashMap<Place, (At, row::Places)>,
    /// Parts whose name is missing or wrong.
    nameless: HashSet<Place>,
    /// Whether something was not read at all, so that it is not known what is missing.
    incomplete: bool,
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
            seen: HashSet::new(),
            once: HashMap::new(),
            places: HashMap::new(),
            nameless: HashSet::new(),
            incomplete: false,
        }
    }

    /// Something was not read.
    fn missing(&mut self, at: Option<At>, message: String, help: Option<String>) {
        self.incomplete = true;
        let (file, span) =
            at.unwrap_or_else(|| (self.sources.add(String::new(), String::new()), 0..0));
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            file,
            span,
            message,
            label: String::new(),
            help,
        });
    }

    fn file(&mut self, path: &Path, from: Option<At>, depth: usize) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.open.contains(&real) {
            return self.missing(from, format!("{} includes itself", path.display()), None);
        }
        if self.seen.contains(&real) {
            let message = format!("{} is included twice", path.display());
            return self.missing(from, message, None);
        }
        if depth > DEPTH_MAX || self.files.len() >= FILES_MAX {
            let message =
                format!("too many includes: at most {DEPTH_MAX} deep and {FILES_MAX} files");
            return self.missing(from, message, None);
        }
        match read_text(path) {
            Err(reason) => {
                let help = from.is_none().then(|| "name the configuration with -c FILE".to_owned());
                self.missing(from, format!("{} cannot be read: {reason}", path.display()), help);
            }
            Ok(text) => {
                self.seen.insert(real.clone());
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
        for (span, message, help) in syntax::told(&errors, &text) {
            self.missing(Some((file, span)), message, help);
        }
        let mut reader = Reader { diagnostics: Vec::new(), env: self.env, file };
        let mut includes = Vec::new();
        for (key, node) in row::in_file_order(root.get_ref()) {
            let value = Value { node };
            let name: &str = key.get_ref();
            if name == "include" {
                let read = |value: Value<'_>, reader: &mut Reader<'_>| {
                    value.string(reader).map(|text| (text, value.span()))
                };
                includes.extend(value.one_or_more(&mut reader, read).unwrap_or_default());
                continue;
            }
            let known = top::TABLES.iter().map(|(name, _)| *name);
            if known.clone().any(|known| known == name) {
                self.section(name, key.span(), value, &mut reader);
            } else if let Some(near) = row::unknown_table(known, name, key.span(), &mut reader) {
                // Read as what was meant, so that its errors are told in the same go.
                self.section(near, key.span(), value, &mut reader);
            }
        }
        // What was read around a slip of syntax says little about what was meant.
        if errors.is_empty() {
            self.diagnostics.append(&mut reader.diagnostics);
        }
        for (pattern, span) in includes {
            self.include(path, &pattern, (file, span), depth);
        }
    }

    /// Reads what stands under a name at the top.
    fn section(
        &mut self,
        name: &str,
        key: Range<usize>,
        value: Value<'_>,
        reader: &mut Reader<'_>,
    ) {
        match name {
            "server" => {
                if let Some(table) = self.once("server", key, value, reader) {
                    row::read(top::SERVER, &[], "[server]", table, &mut self.plan.server, reader);
                }
            }
            "admin" => {
                if let Some(table) = self.once("admin", key, value, reader) {
                    let (admin, places) = top::admin(table, header(value), reader);
                    self.plan.admin = admin;
                    self.places.insert(Place::Plan, ((reader.file, header(value)), places));
                }
            }
            "log" => {
                if let Some(table) = self.once("log", key, value, reader) {
                    row::read(top::LOG, &[], "[log]", table, &mut self.plan.log, reader);
                }
            }
            "acme" => self.each("acme", value, reader, Loading::acme),
            "listener" => self.each("listener", value, reader, Loading::listener),
            "route" => self.each("route", value, reader, Loading::route),
            "pool" => self.each("pool", value, reader, Loading::pool),
            _ => {}
        }
    }

    /// The table of a name that may stand once; `None`, with a complaint, the second time.
    fn once<'a>(
        &mut self,
        name: &'static str,
        key: Range<usize>,
        value: Value<'a>,
        reader: &mut Reader<'_>,
    ) -> Option<&'a DeTable<'a>> {
        if let Some(other) = self.once.get(name) {
            let message = format!("[{name}] may stand only once");
            reader.error_help(key, message, "", format!("it stands at {}", self.line(other)));
            return None;
        }
        self.once.insert(name, (reader.file, key));
        if let Some(first) = value.items().and_then(|mut items| items.next())
            && let Some(table) = first.as_table()
        {
            let message = format!("[{name}] may stand only once");
            let help = format!("write it with single brackets: [{name}]");
            reader.error_help(header(first), message, "", help);
            return Some(table);
        }
        value.table(reader, &format!("[{name}]"))
    }

    /// Reads each table of an array of tables.
    fn each(
        &mut self,
        name: &str,
        value: Value<'_>,
        reader: &mut Reader<'_>,
        read: fn(&mut Self, Value<'_>, &DeTable<'_>, &mut Reader<'_>),
    ) {
        let example = format!("[[{name}]]");
        if let Some(items) = value.items() {
            for item in items {
                match item.table(reader, &example) {
                    Some(table) => read(self, item, table, reader),
                    None => self.incomplete = true,
                }
            }
            return;
        }
        let Some(table) = value.as_table() else {
            self.incomplete = true;
            let message = format!("expected tables like {example}, found {}", value.found());
            let help = match name {
                "pool" => "a `pool` belongs below a [[listener]] or [[route]]".to_owned(),
                _ => format!("write {example} on a line of its own, and its keys below"),
            };
            return reader.error_help(value.span(), message, "", help);
        };
        let span = header(value);
        let line = self.sources.text(reader.file).get(span.start..).unwrap_or_default();
        if !line.starts_with('[') {
            // Made by the header of an inner table, or by a dotted key.
            self.incomplete = true;
            let message = format!("this belongs to a {example}, but none stands above it");
            return reader.error_help(span, message, "", format!("write {example} above"));
        }
        reader.error_help(
            span,
            format!("[{name}] needs double brackets: there may be several"),
            "",
            format!("write {example}"),
        );
        read(self, value, table, reader);
    }

    /// The folder of a file that was read.
    fn folder(&self, file: usize) -> PathBuf {
        let path = self.files.get(file).and_then(|path| path.parent());
        path.map(Path::to_owned).unwrap_or_default()
    }

    fn acme(&mut self, value: Value<'_>, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        let mut acme = native::acme::blank();
        let places = row::read(native::acme::ROWS, &[], "[[acme]]", table, &mut acme, reader);
        native::acme::rebase(&mut acme, &self.folder(reader.file));
        let place = Place::Acme(self.plan.acme.len());
        self.places.insert(place, ((reader.file, header(value)), places));
        self.plan.acme.push(acme);
    }

    fn listener(&mut self, value: Value<'_>, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        let mut draft = native::listener::Draft::blank();
        let before = reader.diagnostics.len();
        let rows = native::listener::ROWS;
        let later = native::listener::LATER;
        let mut places = row::read(rows, later, "[[listener]]", table, &mut draft, reader);
        if row::place(&places, "bind").is_none() && !reader.suggested("bind", before) {
            reader.error_help(
                header(value),
                "a listener needs a `bind`: where it accepts",
                "",
                "add bind = \"0.0.0.0:8080\"",
            );
        }
        let place = Place::Listener(self.plan.listeners.len());
        if !draft.named {
            match native::listener::default_name(&draft.plan) {
                Some(name) if row::place(&places, "name").is_none() => draft.plan.name = name,
                _ => drop(self.nameless.insert(place)),
            }
        }
        let (mut listener, inner) = draft.finish();
        if let Some(tls) = &mut listener.tls {
            native::tls::rebase_listener(tls, &self.folder(reader.file));
        }
        places.extend(inner);
        self.places.insert(place, ((reader.file, header(value)), places));
        self.plan.listeners.push(listener);
    }

    fn route(&mut self, value: Value<'_>, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        let mut draft = native::route::blank(self.plan.routes.len() + 1);
        let before = reader.diagnostics.len();
        let rows = native::route::ROWS;
        let places = row::read(rows, native::route::LATER, "[[route]]", table, &mut draft, reader);
        let words = ["pool", "split", "redirect", "respond"];
        let meant = words.iter().any(|word| reader.suggested(word, before));
        if draft.actions == 0 && !meant {
            reader.error_help(
                header(value),
                "a route needs one of `pool`, `split`, `redirect`, `respond`",
                "",
                "add pool = \"NAME\"",
            );
        } else if draft.actions > 1 {
            let mut spans: Vec<_> =
                words.iter().filter_map(|word| row::place(&places, word)).collect();
            spans.sort_by_key(|span| span.start);
            if let Some(second) = spans.get(1) {
                let message = "a route has only one of `pool`, `split`, `redirect`, `respond`";
                reader.error(second.clone(), message, "");
            }
        }
        draft.stick(&places, reader);
        let place = Place::Route(self.plan.routes.len());
        self.places.insert(place, ((reader.file, header(value)), places));
        self.plan.routes.push(draft.plan);
    }

    fn pool(&mut self, value: Value<'_>, table: &DeTable<'_>, reader: &mut Reader<'_>) {
        let mut draft = native::pool::Draft::blank();
        let before = reader.diagnostics.len();
        let rows = native::pool::ROWS;
        let places = row::read(rows, native::pool::LATER, "[[pool]]", table, &mut draft, reader);
        if row::place(&places, "name").is_none() && !reader.suggested("name", before) {
            reader.error_help(header(value), "a pool needs a `name`", "", "add name = \"NAME\"");
        }
        let at = self.plan.pools.len();
        if !draft.named {
            self.nameless.insert(Place::Pool(at));
        }
        let (mut pool, members) = draft.finish();
        if let Some(tls) = &mut pool.tls {
            native::tls::rebase_pool(tls, &self.folder(reader.file));
        }
        for (n, (span, places)) in members.into_iter().enumerate() {
            self.places.insert(Place::Member(at, n), ((reader.file, span), places));
        }
        self.places.insert(Place::Pool(at), ((reader.file, header(value)), places));
        self.plan.pools.push(pool);
    }

    fn include(&mut self, from: &Path, pattern: &str, at: At, depth: usize) {
        let whole = from.parent().unwrap_or(Path::new("")).join(pattern);
        let (Some(folder), Some(last)) =
            (whole.parent(), whole.file_name().and_then(|name| name.to_str()))
        else {
            return self.missing(Some(at), format!("\"{pattern}\" is not a file's path"), None);
        };
        if folder.to_string_lossy().contains(['*', '?']) {
            let message = "`*` and `?` may stand only in the last part of a path".to_owned();
            return self.missing(Some(at), message, None);
        }
        if !last.contains(['*', '?']) {
            return self.file(&whole, Some(at), depth + 1);
        }
        let real = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = match std::fs::read_dir(real) {
            Ok(entries) => entries,
            Err(error) => {
                let message = format!("{} cannot be read: {error}", real.display());
                return self.missing(Some(at), message, None);
            }
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        // As in a shell: hidden files, as editors leave behind, only when asked for.
        names.retain(|name| !name.starts_with('.') || last.starts_with('.'));
        names.retain(|name| matches(last.as_bytes(), name.as_bytes()));
        names.sort_unstable();
        for name in names {
            self.file(&folder.join(name), Some(at.clone()), depth + 1);
        }
    }

    /// `FILE:LINE`, for a help.
    fn line(&self, (file, span): &At) -> String {
        let (name, line, _) = self.sources.position(*file, span.start);
        format!("{name}:{line}")
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err("larger than 16 MiB".to_owned());
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|b| **b == b'\n').count() + 1;
        format!("line {line} is not UTF-8 text")
    })
}

/// Where a table begins: its header line, or all of an inline table.
fn header(value: Value<'_>) -> Range<usize> {
    value.span()
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
