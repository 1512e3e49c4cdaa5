//! `LogFormat`, `CustomLog`, `TransferLog`, `GlobalLog`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_httpd::log::{COMMON, Format, SiteLog};
use evenkeel_httpd::{Sites, headers::When};

use super::Server;
use super::headers::condition;
use crate::apache::meaning::Told;
use crate::apache::{Directive, Place as At};

/// Files of access logs; each has a thread that writes it.
const FILES_MAX: usize = 100;

/// What a server says of its logs.
#[derive(Default)]
pub(super) struct Logs {
    /// `LogFormat` with a name.
    formats: Vec<(String, String)>,
    /// `LogFormat` without.
    usual: Option<String>,
    lines: Vec<Line>,
}

struct Line {
    path: String,
    /// `None`: the usual one.
    format: Option<String>,
    when: When,
    /// `GlobalLog`: hosts with logs of their own write it too.
    global: bool,
    at: At,
}

/// Reads a line; false when it is something else.
pub(super) fn log_line(directive: &Directive, server: &mut Server, told: &mut Told) -> bool {
    let args: Vec<&str> = directive.args.iter().map(|arg| &*arg.text).collect();
    let at = &directive.at;
    let logs = &mut server.logs;
    match (&*directive.canonical, &args[..]) {
        ("LogFormat", [format, name @ ..]) => {
            if let Err(why) = Format::new(format) {
                told.error(at, format!("LogFormat: {why}"), None);
            }
            match name.first() {
                Some(name) => logs.formats.push(((*name).to_owned(), (*format).to_owned())),
                None => logs.usual = Some((*format).to_owned()),
            }
        }
        ("TransferLog", [path]) => logs.lines.push(Line {
            path: (*path).to_owned(),
            format: None,
            when: When::Always,
            global: false,
            at: at.clone(),
        }),
        ("CustomLog" | "GlobalLog", [path, format, rest @ ..]) => {
            let when = match rest.first().map(|word| condition(word)) {
                None => When::Always,
                Some(Ok(Some(when))) => when,
                Some(Ok(None)) => {
                    told.error(at, "error in condition clause".to_owned(), None);
                    return true;
                }
                Some(Err(why)) => {
                    told.error(at, format!("{}: {why}", directive.name), None);
                    return true;
                }
            };
            logs.lines.push(Line {
                path: (*path).to_owned(),
                format: Some((*format).to_owned()),
                when,
                global: directive.canonical == "GlobalLog",
                at: at.clone(),
            });
        }
        // Lines are written in batches in any case.
        ("BufferedLogs", _) => {}
        _ => return false,
    }
    true
}

/// The logs of a server over those of the main one.
pub(super) fn site_logs(
    main: &Server,
    own: &Server,
    root: &Path,
    sites: &mut Sites,
    told: &mut Told,
) -> Vec<SiteLog> {
    let none = Logs::default();
    let (outer, inner) = (&main.logs, &own.logs);
    // The main server has no other above it.
    let outer = if std::ptr::eq(main, own) { &none } else { outer };
    let lines: Vec<&Line> = match inner.lines.is_empty() {
        true => outer.lines.iter().collect(),
        false => outer.lines.iter().filter(|line| line.global).chain(&inner.lines).collect(),
    };
    let mut logs = Vec::new();
    for line in lines {
        let Some(file) = file(line, root, sites, told) else { continue };
        let named = |name: &String| {
            let mut formats = inner.formats.iter().rev().chain(outer.formats.iter().rev());
            formats.find(|(known, _)| known == name).map(|(_, format)| format)
        };
        let usual = inner.usual.as_ref().or(outer.usual.as_ref());
        let text = match &line.format {
            Some(format) => named(format).unwrap_or(format),
            None => usual.map_or(COMMON, |usual| usual),
        };
        match Format::new(text) {
            Ok(format) => {
                logs.push(SiteLog { file, format: Arc::new(format), when: line.when.clone() });
            }
            Err(why) => told.error(&line.at, format!("CustomLog: {why}"), None),
        }
    }
    logs
}

/// The position of a line's file; `None` when it is none.
fn file(line: &Line, root: &Path, sites: &mut Sites, told: &mut Told) -> Option<usize> {
    if line.path.starts_with('|') || line.path.starts_with("syslog") {
        let text = format!("{}: programs and syslog are not given logs", line.path);
        let help = "write a file, and let logrotate send SIGUSR1".to_owned();
        told.warning(&line.at, text, Some(help));
        return None;
    }
    let path: PathBuf = root.join(&line.path);
    if let Some(at) = sites.logs.iter().position(|known| *known == path) {
        return Some(at);
    }
    if sites.logs.len() >= FILES_MAX {
        told.error(&line.at, format!("more than {FILES_MAX} files of access logs"), None);
        return None;
    }
    sites.logs.push(path);
    Some(sites.logs.len() - 1)
}
