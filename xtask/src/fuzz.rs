//! The fuzz targets, for a while each.

use std::fs;

use crate::shell::{self, Failure};

/// Options of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// One target; all of them without it.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Runs the targets one after the other; false when one found something.
pub(crate) fn run(options: &Options) -> Result<bool, Failure> {
    let known = targets()?;
    let chosen = match &options.target {
        None => known,
        Some(target) if known.contains(target) => vec![target.clone()],
        Some(target) => return Err(format!("no target {target}; there are: {}", known.join(", "))),
    };
    if !shell::quietly(shell::rustup_cargo("nightly").arg("--version")) {
        return Err("a nightly compiler is needed: rustup toolchain install nightly".into());
    }
    if !shell::quietly(shell::rustup_cargo("nightly").args(["fuzz", "--version"])) {
        return Err("cargo-fuzz is needed: cargo install cargo-fuzz --locked".into());
    }
    let mut clean = true;
    for target in &chosen {
        println!("\n=== fuzz {target}, {} s", options.seconds);
        let mut command = shell::rustup_cargo("nightly");
        command.args(["fuzz", "run", target, "--"]);
        command.arg(format!("-max_total_time={}", options.seconds));
        clean &= shell::succeeds(&mut command)?;
    }
    Ok(clean)
}

/// The targets, as fuzz/Cargo.toml names them, sorted.
fn targets() -> Result<Vec<String>, Failure> {
    let manifest = shell::root().join("fuzz/Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
    Ok(binaries(&text))
}

fn binaries(manifest: &str) -> Vec<String> {
    let sections = manifest.split("[[bin]]").skip(1);
    let names = sections.filter_map(|section| {
        let line = section.lines().find_map(|line| line.trim().strip_prefix("name"))?;
        Some(line.trim_start_matches([' ', '=']).trim().trim_matches('"').to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_binaries_of_the_manifest() {
        let manifest = "[package]\nname = \"fuzz\"\n[[bin]]\nname = \"b\"\npath = \"x.rs\"\n\n\
                        [[bin]]\npath = \"y.rs\"\nname = \"a\"\n";
        assert_eq!(binaries(manifest), ["a", "b"]);
    }
}
