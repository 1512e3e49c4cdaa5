//! The house rules that a machine can check. What is said twice in review becomes a row here.

mod crates;
mod metrics;
mod rust;
mod scan;
#[cfg(test)]
mod tests;
mod texts;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shell::{self, Failure};
use scan::Source;

/// The files of the project.
#[derive(Debug, Default)]
struct Tree {
    files: Vec<File>,
    /// The Rust files among them, taken apart.
    sources: Vec<Source>,
}

#[derive(Debug)]
struct File {
    /// From the root, with `/`.
    path: String,
    /// Empty when the file is not text.
    text: String,
    size: u64,
}

/// Something a rule has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1; 0 when it is about the whole file.
    line: usize,
    what: String,
    warning: bool,
}

type Rule = fn(&Tree) -> Vec<Finding>;

/// Every rule, and what it holds up.
const RULES: &[(&str, Rule)] = &[
    ("boundaries", crates::boundaries),
    ("doors", crates::doors),
    ("lints", crates::lints),
    ("law", crates::laws),
    ("size", rust::file_sizes),
    ("function", rust::function_lengths),
    ("unsafe", rust::unsafe_places),
    ("banned", rust::banned_calls),
    ("unwrap", rust::unwraps),
    ("names", rust::file_names),
    ("links", texts::links),
    ("readme", texts::readme),
    ("changelog", texts::changelog),
    ("weight", texts::weights),
    ("machine", texts::machine_words),
    ("lock", texts::lock_sources),
    ("metrics", metrics::names),
];

/// Applies every rule to the project; false when one was broken.
pub(crate) fn run() -> Result<bool, Failure> {
    let tree = Tree::read(&shell::root())?;
    let (mut errors, mut warnings) = (0, 0);
    for (name, rule) in RULES {
        for finding in rule(&tree) {
            let Finding { path, line, what, warning } = finding;
            let kind = if warning { "warning" } else { "error" };
            let place = if line == 0 { path } else { format!("{path}:{line}") };
            println!("{place}: {kind}: {what} [{name}]");
            if warning { warnings += 1 } else { errors += 1 }
        }
    }
    let (rules, files) = (RULES.len(), tree.files.len());
    println!("tidy: {rules} rules, {files} files, {errors} errors, {warnings} warnings");
    Ok(errors == 0)
}

impl Tree {
    fn read(root: &Path) -> Result<Tree, Failure> {
        let mut tree = Tree::default();
        for path in listed(root) {
            let full = root.join(&path);
            // Listed but gone, or a link to nowhere: no file.
            let Ok(bytes) = fs::read(&full) else { continue };
            let size = bytes.len() as u64;
            tree.add(&path, &String::from_utf8(bytes).unwrap_or_default(), size);
        }
        if tree.files.is_empty() {
            return Err(format!("no files in {}", root.display()));
        }
        Ok(tree)
    }

    fn add(&mut self, path: &str, text: &str, size: u64) {
        if path.ends_with(".rs") {
            self.sources.push(Source::new(path, text));
        }
        self.files.push(File { path: path.to_owned(), text: text.to_owned(), size });
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file or a folder of that path.
    fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        path.is_empty()
            || self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, what: what.into(), warning: false }
    }
}

/// The files that git knows or would add; all of them when this is no git checkout.
fn listed(root: &Path) -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).current_dir(root);
    let output = git.output().ok().filter(|output| output.status.success());
    let mut paths = match output {
        Some(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect()
        }
        None => {
            let mut found = Vec::new();
            walk(root, "", &mut found);
            found
        }
    };
    paths.sort();
    paths.dedup();
    paths
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    const LEFT_OUT: &[&str] = &["target", ".git", "artifacts", "coverage"];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !LEFT_OUT.contains(&name.as_str()) => {
                walk(&entry.path(), &format!("{path}/"), found);
            }
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}
