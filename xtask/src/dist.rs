//! The release archive: binary, manual page, completions, licences.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shell::{self, Failure};

const SHELLS: &[(&str, &str)] =
    &[("bash", "evenkeel.bash"), ("zsh", "_evenkeel"), ("fish", "evenkeel.fish")];
const TEXTS: &[&str] = &["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Builds and packs; the archive and its checksum are in `target/package-dist`.
pub(crate) fn run() -> Result<bool, Failure> {
    let root = shell::root();
    let mut build = shell::cargo();
    build.args(["build", "--profile", "dist", "--locked", "--package", "evenkeel"]);
    if !shell::succeeds(build.env("CARGO_PROFILE_DIST_STRIP", "symbols"))? {
        return Ok(false);
    }
    let binary = root.join("target/dist/evenkeel");
    let name = format!("evenkeel-{}-{}-linux", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let out = root.join("target/package-dist");
    let folder = out.join(&name);
    // A folder left by an earlier run would bring its old files along.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("completions")).map_err(|error| error.to_string())?;
    copy(&binary, &folder.join("evenkeel"))?;
    for text in TEXTS {
        copy(&root.join(text), &folder.join(text))?;
    }
    write_output(&binary, &["man"], &folder.join("evenkeel.1"))?;
    for (shell, file) in SHELLS {
        write_output(&binary, &["completions", shell], &folder.join("completions").join(file))?;
    }
    pack(&out, &name)
}

fn pack(out: &Path, name: &str) -> Result<bool, Failure> {
    let archive = format!("{name}.tar.gz");
    let mut tar = Command::new("tar");
    // The same files make the same archive, whoever packs them and when.
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]);
    tar.args(["--use-compress-program=gzip -n9", "-cf", &archive, name]).current_dir(out);
    if !shell::succeeds(&mut tar)? {
        return Ok(false);
    }
    let sum = shell::words_of(Command::new("sha256sum").arg(&archive).current_dir(out));
    let sum = sum.ok_or("sha256sum is missing: apt-get install coreutils")?;
    fs::write(out.join(format!("{archive}.sha256")), &sum).map_err(|error| error.to_string())?;
    println!("{}\n{}", out.join(&archive).display(), sum.trim());
    Ok(true)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}

fn write_output(binary: &Path, arguments: &[&str], to: &Path) -> Result<(), Failure> {
    let output = Command::new(binary).args(arguments).output();
    let output = output.map_err(|error| format!("{}: {error}", binary.display()))?;
    if !output.status.success() {
        return Err(format!("evenkeel {} failed", arguments.join(" ")));
    }
    fs::write(to, output.stdout).map_err(|error| format!("{}: {error}", to.display()))
}
