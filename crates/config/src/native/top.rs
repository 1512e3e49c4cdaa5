//! The tables at the top: `[server]`, `[admin]`, `[log]`.

use std::ops::Range;

use evenkeel_plan::{AccessLog, Admin, BindAddress, Cores, Io, Log, LogFormat, LogTarget, Server};

use toml::de::DeTable;

use super::listener::peek_text;
use super::row::{Kind, Places, Row, keys, place, read};
use super::value::{Reader, Value};

/// What stands at the top of a file.
pub(crate) const TABLES: [(&str, &str); 8] = [
    ("include", "Files to read beside this one: paths or `*` patterns, relative to it."),
    ("server", "The process."),
    ("admin", "The admin API, metrics and dashboard; off when absent."),
    ("log", "Where logs go."),
    ("acme", "Authorities that certificates are ordered from; one table each."),
    ("listener", "What accepts traffic; one table each."),
    ("route", "Which requests go where; the first match in file order wins."),
    ("pool", "The sets of members."),
];

pub(crate) const SERVER: &[Row<Server>] = &[
    Row {
        name: "cores",
        kind: Kind::Any("\"auto\", or a number from 1 to 1024"),
        default: "auto",
        doc: "Event loops. Fixed at start.",
        set: |server, value, reader| {
            if value.is_integer() {
                if let Some(count) = value.integer(reader, 1..=1024) {
                    server.cores = Cores::Count(count as u16);
                }
            } else if value.is_string() && !value.is_auto() {
                let what = "\"auto\" or a number from 1 to 1024";
                let Some(text) = value.string(reader) else { return };
                match text.parse() {
                    Ok(count @ 1..=1024) => server.cores = Cores::Count(count),
                    _ => drop(
                        value.wrong::<()>(reader, format!("expected {what}, found \"{text}\"")),
                    ),
                }
            } else if !value.is_auto() {
                value.expected::<()>(reader, "\"auto\" or a number from 1 to 1024");
            }
        },
    },
    Row {
        name: "io",
        kind: Kind::Word(&["auto", "epoll"]),
        default: "auto",
        doc: "How the kernel is asked.",
        set: |server, value, reader| {
            if peek_text(value).is_some_and(|text| text == "uring") {
                let message = "io \"uring\" is not available in this version";
                let help = "write \"auto\": a ring was measured and was slower than epoll, see \
                            docs/performance-notes.md";
                reader.error_help(value.span(), message, "expected \"auto\" or \"epoll\"", help);
            } else if let Some(io) =
                value.one_of(reader, &[("auto", Io::Auto), ("epoll", Io::Epoll)])
            {
                server.io = io;
            }
        },
    },
    Row {
        name: "drain_timeout",
        kind: Kind::Duration,
        default: "30s",
        doc: "How long requests may go on after a drain began.",
        set: |server, value, reader| {
            server.drain_timeout = value.duration(reader).unwrap_or(server.drain_timeout)
        },
    },
];

/// The admin API while it is read.
#[derive(Default)]
pub(crate) struct AdminDraft {
    bind: Option<BindAddress>,
    token: Option<String>,
}

pub(crate) const ADMIN: &[Row<AdminDraft>] = &[
    Row {
        name: "bind",
        kind: Kind::Text,
        default: "",
        doc: "Where it listens. Required.",
        set: |admin, value, reader| admin.bind = value.address(reader, super::listener::bind_slip),
    },
    Row {
        name: "token",
        kind: Kind::Text,
        default: "",
        doc: "The bearer token; without one, changes are accepted from loopback only.",
        set: |admin, value, reader| {
            let token = value.string(reader);
            if token
                .as_ref()
                .is_some_and(|t| t.is_empty() || !t.bytes().all(|b| b.is_ascii_graphic()))
            {
                value.wrong::<()>(reader, "a token is printable ASCII without blanks");
            }
            admin.token = token;
        },
    },
];

pub(crate) const LOG: &[Row<Log>] = &[Row {
    name: "access",
    kind: Kind::Or("a path, stdout, stderr, off", || keys(ACCESS)),
    default: "off",
    doc: "The access log.",
    set: |log, value, reader| {
        if value.is_false() || peek_text(value).is_some_and(|text| text == "off") {
            log.access = None;
            return;
        }
        let mut access = AccessLog { target: LogTarget::Stdout, format: LogFormat::Json };
        match value.as_table() {
            Some(table) => {
                let before = reader.diagnostics.len();
                let places = read(ACCESS, &[], "log.access", table, &mut access, reader);
                if place(&places, "path").is_none() && !reader.suggested("path", before) {
                    let help = "add path = \"stdout\", or the path of a file";
                    reader.error_help(value.span(), "the access log needs a `path`", "", help);
                }
            }
            None => match target(value, reader) {
                Some(target) => access.target = target,
                None => return,
            },
        }
        log.access = Some(access);
    },
}];

pub(crate) const ACCESS: &[Row<AccessLog>] = &[
    Row {
        name: "path",
        kind: Kind::Text,
        default: "",
        doc: "A file, `stdout` or `stderr`.",
        set: |access, value, reader| {
            if let Some(target) = target(value, reader) {
                access.target = target;
            }
        },
    },
    Row {
        name: "format",
        kind: Kind::Any("json, combined, or a template with {field} places"),
        default: "json",
        doc: "What a line looks like; docs/access-log.md lists the fields.",
        set: |access, value, reader| {
            let Some(text) = value.string(reader) else { return };
            access.format = match text.as_str() {
                "json" => LogFormat::Json,
                "combined" => LogFormat::Combined,
                template if super::template::check(template, value, reader) => {
                    LogFormat::Template(text)
                }
                _ => return,
            };
        },
    },
];

fn target(value: Value<'_>, reader: &mut Reader<'_>) -> Option<LogTarget> {
    let text = value.string(reader)?;
    match text.as_str() {
        "" => value.wrong(reader, "expected a path, stdout or stderr"),
        "stdout" => Some(LogTarget::Stdout),
        "stderr" => Some(LogTarget::Stderr),
        path => Some(LogTarget::File(path.into())),
    }
}

/// Reads `[admin]`.
pub(crate) fn admin(
    table: &DeTable<'_>,
    header: Range<usize>,
    reader: &mut Reader<'_>,
) -> (Option<Admin>, Places) {
    let mut draft = AdminDraft::default();
    let before = reader.diagnostics.len();
    let places = read(ADMIN, &[], "[admin]", table, &mut draft, reader);
    if place(&places, "bind").is_none() && !reader.suggested("bind", before) {
        let help = "add bind = \"127.0.0.1:9900\"";
        reader.error_help(header, "[admin] needs a `bind`: where it listens", "", help);
    }
    let token = draft.token;
    (draft.bind.map(|bind| Admin { bind, token }), places)
}

/// Keys of the tables, for the reference.
pub(crate) fn reference() -> Vec<(&'static str, Vec<super::row::Key>)> {
    vec![("server", keys(SERVER)), ("admin", keys(ADMIN)), ("log", keys(LOG))]
}
