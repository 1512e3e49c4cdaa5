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

/// The targets by file name, sorted.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = shell::root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    let rust = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let names = rust.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}
