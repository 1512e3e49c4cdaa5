//! Sizes, unsafe code, banned calls, names.

use super::scan::Source;
use super::{Finding, Tree};

const FILE_WARNED: usize = 600;
const FILE_REFUSED: usize = 1000;

/// Files that are one long table.
const TABLES: &[&str] = &["crates/config/src/apache/directives.rs"];

const FUNCTION_MAX: usize = 70;
const PATH_FUNCTION_MAX: usize = 100;

/// The functions that show a whole path on one screen, by file and name.
const PATH_FUNCTIONS: &[(&str, &str)] = &[("crates/proxy/src/http/exchange.rs", "exchange")];

/// Where unsafe code may stand.
const UNSAFE_PLACES: &[&str] =
    &["crates/net/src/sys", "crates/packet/src/abi", "crates/packet/src/maps"];

/// A call that is not made in some places.
struct Ban {
    calls: &'static [&'static str],
    within: &'static [&'static str],
    except: &'static [&'static str],
    why: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        calls: &["Instant::now", "SystemTime::now"],
        within: &["crates/plan/", "crates/balance/", "crates/wire/", "crates/config/"],
        except: &[],
        why: "a pure core takes the time as an argument",
    },
    Ban {
        calls: &["TcpStream", "TcpListener", "UdpSocket", "std::fs", "thread::spawn"],
        within: &["crates/plan/", "crates/balance/", "crates/wire/"],
        except: &[],
        why: "a pure core does no I/O",
    },
    Ban {
        calls: &["std::fs", "File::open", "thread::sleep", "Mutex", "RwLock", "block_on"],
        within: &["crates/proxy/"],
        // A QUIC client that moves may arrive at another core: what ids tell is shared, and the
        // lock is held for one look into a table.
        except: &["crates/proxy/src/udp/quic.rs"],
        why: "nothing blocks on the data path",
    },
    Ban {
        calls: &["todo!", "dbg!", "unimplemented!"],
        within: &["crates/", "xtask/", "fuzz/"],
        except: &[],
        why: "not in what is handed over",
    },
    Ban {
        calls: &["println!", "print!", "eprintln!", "eprint!"],
        within: &["crates/"],
        except: &["crates/evenkeel/"],
        why: "only the command line prints",
    },
    Ban {
        calls: &["process::exit"],
        within: &["crates/"],
        except: &["crates/evenkeel/"],
        why: "only main ends the process",
    },
];

/// Words that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "common", "misc", "manager", "handler", "handlers",
    "stuff", "base",
];

/// Apache's own word for its page.
const NAMES_ALLOWED: &[&str] = &["crates/admin/src/manager"];

pub(super) fn file_sizes(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.sources {
        let lines = source.text.lines().count();
        let exempt = TABLES.contains(&source.path.as_str()) || source.is_test(1);
        if exempt || lines <= FILE_WARNED {
            continue;
        }
        let what = format!("{lines} lines; warned at {FILE_WARNED}, refused at {FILE_REFUSED}");
        let mut finding = Finding::new(&source.path, 0, what);
        finding.warning = lines <= FILE_REFUSED;
        found.push(finding);
    }
    found
}

pub(super) fn function_lengths(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.sources {
        for function in source.functions() {
            let listed = PATH_FUNCTIONS.contains(&(source.path.as_str(), function.name.as_str()));
            let most = if listed { PATH_FUNCTION_MAX } else { FUNCTION_MAX };
            if function.lines > most && !source.is_test(function.line) {
                let what = format!("{} has {} lines of {most}", function.name, function.lines);
                found.push(Finding::new(&source.path, function.line, what));
            }
        }
    }
    found
}

pub(super) fn unsafe_places(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.sources {
        let allowed = UNSAFE_PLACES.iter().any(|place| source.path.starts_with(place));
        for line in source.lines_with("unsafe") {
            if !allowed {
                let what = format!("unsafe code stands only in {}", UNSAFE_PLACES.join(", "));
                found.push(Finding::new(&source.path, line, what));
            } else if !explained(source, line, "SAFETY:") {
                found.push(Finding::new(&source.path, line, "no // SAFETY: comment before it"));
            }
        }
    }
    found
}

pub(super) fn banned_calls(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.sources {
        let within = |places: &[&str]| places.iter().any(|place| source.path.starts_with(place));
        for ban in BANS.iter().filter(|ban| within(ban.within) && !within(ban.except)) {
            for call in ban.calls {
                for line in source.lines_with(call).into_iter().filter(|l| !source.is_test(*l)) {
                    found.push(Finding::new(&source.path, line, format!("{call}: {}", ban.why)));
                }
            }
        }
    }
    found
}

/// An `unwrap` outside tests has a comment that proves it; `expect` carries its own.
pub(super) fn unwraps(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.sources {
        for line in source.lines_with(".unwrap()") {
            if !source.is_test(line) && !explained(source, line, "//") {
                let what = "unwrap without a comment that proves it cannot fail";
                found.push(Finding::new(&source.path, line, what));
            }
        }
    }
    found
}

pub(super) fn file_names(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.sources {
        let stem = source.path.trim_end_matches(".rs");
        let allowed = NAMES_ALLOWED.iter().any(|place| source.path.starts_with(place));
        let empty = stem.split('/').find(|part| EMPTY_NAMES.contains(part));
        if let Some(name) = empty.filter(|_| !allowed) {
            let what = format!("{name} says nothing: name the file for what it holds");
            found.push(Finding::new(&source.path, 0, what));
        }
    }
    found
}

/// Whether the line, or the comment right before its statement, has that word in a comment.
fn explained(source: &Source, line: usize, word: &str) -> bool {
    let texts: Vec<&str> = source.text.lines().collect();
    let codes: Vec<&str> = source.code.lines().collect();
    let comment = |at: usize| texts[at].contains("//") && texts[at].contains(word);
    let Some(index) = line.checked_sub(1).filter(|index| *index < texts.len()) else {
        return false;
    };
    if comment(index) {
        return true;
    }
    let mut code_lines = 0;
    for above in (0..index).rev() {
        let code = codes.get(above).copied().unwrap_or_default().trim();
        let is_comment = texts[above].trim_start().starts_with("//");
        if comment(above) && is_comment {
            return true;
        }
        // The statement may have begun up to three lines before.
        let ended = code.ends_with([';', '{', '}']) || (code.is_empty() && !is_comment);
        if ended || (!is_comment && !code.starts_with("#[") && code_lines == 3) {
            return false;
        }
        code_lines += usize::from(!is_comment);
    }
    false
}
