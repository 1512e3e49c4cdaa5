//! Which crate may depend on which, who may touch which engine, and the laws at the top.

use super::scan::has_word;
use super::{File, Finding, Tree};

/// One crate: the crates of this project it may use, and the others.
struct Row {
    name: &'static str,
    internal: &'static [&'static str],
    external: &'static [&'static str],
}

/// The arrows of ARCHITECTURE.md. A new dependency is a word in this table and a reason there.
const ROWS: &[Row] = &[
    Row { name: "httpd", internal: &[], external: &["fancy-regex", "regex"] },
    Row { name: "plan", internal: &["httpd"], external: &[] },
    Row { name: "balance", internal: &["plan"], external: &["arc-swap", "blake3", "foldhash"] },
    Row { name: "wire", internal: &[], external: &["memchr"] },
    Row {
        name: "config",
        internal: &["httpd", "plan"],
        external: &["annotate-snippets", "regex", "serde", "serde_json", "toml"],
    },
    Row { name: "httpd-pages", internal: &[], external: &[] },
    Row { name: "observe", internal: &["plan"], external: &["foldhash"] },
    Row { name: "net", internal: &[], external: &["libc", "rustix", "rustls", "socket2", "tokio"] },
    Row {
        name: "tls",
        internal: &["plan"],
        external: &["arc-swap", "aws-lc-rs", "rustls", "rustls-native-certs"],
    },
    Row {
        name: "acme",
        internal: &["net", "plan", "tls"],
        external: &[
            "bytes",
            "http",
            "http-body-util",
            "hyper-rustls",
            "hyper-util",
            "instant-acme",
            "rcgen",
            "serde_json",
            "tokio",
        ],
    },
    Row { name: "http2", internal: &["net", "wire"], external: &["bytes", "h2", "http", "tokio"] },
    Row {
        name: "proxy",
        internal: &["balance", "http2", "httpd", "net", "observe", "plan", "tls", "wire"],
        external: &["arc-swap", "foldhash", "httpdate", "memchr", "regex", "tokio"],
    },
    Row {
        name: "control",
        internal: &[
            "acme",
            "balance",
            "config",
            "http2",
            "httpd",
            "httpd-pages",
            "net",
            "observe",
            "plan",
            "proxy",
            "tls",
            "wire",
        ],
        external: &["arc-swap", "hickory-resolver", "tokio", "tracing"],
    },
    Row {
        name: "admin",
        internal: &["observe", "plan"],
        external: &["axum", "futures-util", "hyper", "hyper-util", "serde", "serde_json", "tokio"],
    },
    Row {
        name: "evenkeel",
        internal: &[
            "acme", "admin", "balance", "config", "control", "net", "observe", "plan", "proxy",
            "tls", "wire",
        ],
        external: &[
            "clap",
            "clap_complete",
            "clap_mangen",
            "mimalloc",
            "serde_json",
            "tokio",
            "tracing",
            "tracing-subscriber",
        ],
    },
    Row { name: "testkit", internal: &[], external: &["rustix", "socket2", "tempfile"] },
];

/// Each engine has one door: its name in code, and where that name may stand.
const DOORS: &[(&str, &[&str])] = &[
    ("annotate_snippets", &["crates/config/"]),
    ("aws_lc_rs", &["crates/tls/"]),
    ("axum", &["crates/admin/"]),
    ("clap", &["crates/evenkeel/", "xtask/"]),
    ("clap_complete", &["crates/evenkeel/"]),
    ("clap_mangen", &["crates/evenkeel/"]),
    ("h2", &["crates/http2/", "crates/proxy/tests/"]),
    ("hyper", &["crates/admin/"]),
    ("hyper_rustls", &["crates/acme/"]),
    ("hyper_util", &["crates/acme/", "crates/admin/"]),
    ("instant_acme", &["crates/acme/"]),
    ("hickory_resolver", &["crates/control/"]),
    ("mimalloc", &["crates/evenkeel/"]),
    ("rcgen", &["crates/acme/"]),
    ("rustix", &["crates/net/", "crates/testkit/", "xtask/"]),
    ("socket2", &["crates/net/", "crates/testkit/", "xtask/"]),
    ("toml", &["crates/config/"]),
    ("tracing_subscriber", &["crates/evenkeel/"]),
];

/// Every crate has a row, and depends on nothing else.
pub(super) fn boundaries(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, manifest) in manifests(tree) {
        let path = manifest.path.as_str();
        let Some(row) = ROWS.iter().find(|row| row.name == name) else {
            let what = format!("crate {name} has no row in xtask/src/tidy/crates.rs");
            found.push(Finding::new(path, 0, what));
            continue;
        };
        for (line, dependency) in dependencies(&manifest.text) {
            let allowed = match dependency.strip_prefix("evenkeel-") {
                Some(internal) => row.internal.contains(&internal),
                None => row.external.contains(&dependency.as_str()),
            };
            if !allowed {
                let what = format!(
                    "{name} must not depend on {dependency}: the arrows are rows in \
                     xtask/src/tidy/crates.rs"
                );
                found.push(Finding::new(path, line, what));
            }
        }
    }
    found
}

/// An engine is named only behind its door.
pub(super) fn doors(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.sources {
        for (engine, places) in DOORS {
            if places.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            let path = format!("{engine}::");
            for line in source.lines_with(&path) {
                let what = format!("{engine} may be named only in {}", places.join(", "));
                found.push(Finding::new(&source.path, line, what));
            }
        }
    }
    found
}

/// Every crate takes the workspace's lints and forbids unsafe code, or says where it is.
pub(super) fn lints(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, manifest) in manifests(tree) {
        if !manifest.text.contains("[lints]\nworkspace = true") {
            found.push(Finding::new(&manifest.path, 0, "no [lints] workspace = true"));
        }
        for root in roots(tree, name) {
            let forbids = root.text.contains("#![forbid(unsafe_code)]");
            if !forbids && !UNSAFE_CRATES.contains(&name) {
                found.push(Finding::new(&root.path, 0, "no #![forbid(unsafe_code)]"));
            }
        }
    }
    found
}

/// The crates that may have unsafe code at all; where in them is `rust::UNSAFE_PLACES`.
const UNSAFE_CRATES: &[&str] = &["net", "packet"];

/// Every crate opens with its law.
pub(super) fn laws(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, _) in manifests(tree) {
        for root in roots(tree, name) {
            if !root.text.starts_with("//! ") {
                found.push(Finding::new(&root.path, 1, "a crate opens with its law, //!"));
            }
        }
    }
    found
}

/// The crates by folder name, with their manifests.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, &File)> {
    tree.files.iter().filter_map(|file| {
        let name = file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        (!name.contains('/')).then_some((name, file))
    })
}

fn roots<'a>(tree: &'a Tree, name: &str) -> impl Iterator<Item = &'a File> {
    let paths = ["lib.rs", "main.rs"].map(|file| format!("crates/{name}/src/{file}"));
    paths.into_iter().filter_map(|path| tree.file(&path))
}

/// What a manifest depends on outside tests, with line numbers.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (number, line) in manifest.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let counts = |word: &str| has_word(section, word) && !section.contains("dev-");
            inside = section.ends_with("dependencies") && counts("dependencies");
            let single = section.rsplit_once("dependencies.").filter(|_| counts("dependencies"));
            if let Some((_, name)) = single {
                found.push((number + 1, name.to_owned()));
            }
        } else if inside && let Some((key, _)) = line.split_once('=') {
            let name = key.trim().split('.').next().unwrap_or_default();
            found.push((number + 1, name.trim_matches('"').to_owned()));
        }
    }
    found
}
