//! Starting other programs.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What stopped a task, in words.
pub(crate) type Failure = String;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Cargo as rustup's `+toolchain` understands it: by name, without what this run pinned.
pub(crate) fn rustup_cargo(toolchain: &str) -> Command {
    let mut command = Command::new("cargo");
    command.arg(format!("+{toolchain}")).current_dir(root());
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    command
}

/// Whether a program of that name is on the path, or where Debian keeps servers.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let folders = env::split_paths(&path).chain(usual);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether this runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs it, output passing through; false when it failed.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool, Failure> {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    Ok(status.success())
}

/// Runs it in silence; whether it succeeded, false when it could not even start.
pub(crate) fn quietly(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What it writes to stdout and stderr, if it could start.
pub(crate) fn words_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

pub(crate) fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    let arguments = command.get_args().collect::<Vec<_>>().join(OsStr::new(" "));
    format!("cannot start {:?} {:?}: {error}", command.get_program(), arguments)
}

/// Makes sure that a program is there: finds it, or installs its Debian package when root.
/// Otherwise the answer says what to install.
pub(crate) fn provide(program: &str, package: &str) -> Result<PathBuf, Failure> {
    provided(program, package, || find(program))
}

/// The same for a file.
pub(crate) fn provide_file(file: &Path, package: &str) -> Result<PathBuf, Failure> {
    let there = || file.is_file().then(|| file.to_owned());
    provided(&file.display().to_string(), package, there)
}

fn provided(
    what: &str,
    package: &str,
    there: impl Fn() -> Option<PathBuf>,
) -> Result<PathBuf, Failure> {
    if let Some(path) = there() {
        return Ok(path);
    }
    let missing = format!("{what} is missing: apt-get install {package}");
    if !is_root() || find("apt-get").is_none() {
        return Err(missing);
    }
    println!("installing {package} for {what}");
    let install = || {
        let mut command = Command::new("apt-get");
        command.args(["install", "-y", "--no-install-recommends", package]);
        command.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        succeeds(&mut command)
    };
    // The lists of a fresh machine are empty: only then are they worth a minute.
    if !install()? {
        succeeds(Command::new("apt-get").args(["-qq", "update"]))?;
        install()?;
    }
    there().ok_or(missing)
}

/// Lets this task and what it starts open that many descriptors, as far as the system allows.
pub(crate) fn raise_descriptors(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let most = limit.maximum.unwrap_or(u64::MAX);
    // Only root may go beyond the hard limit; everybody may go up to it.
    let steps = [(wanted, wanted.max(most)), (wanted.min(most), most)];
    for (soft, hard) in steps.into_iter().filter(|(soft, _)| *soft > current) {
        let both = Rlimit { current: Some(soft), maximum: limit.maximum.map(|_| hard) };
        if setrlimit(Resource::Nofile, both).is_ok() {
            return soft;
        }
    }
    current
}

/// Asks a process that this task started to end; false when there is none.
pub(crate) fn terminate(pid: u32) -> bool {
    signal(pid, rustix::process::Signal::TERM)
}

/// Interrupts a process that this task started, as ctrl-C would.
pub(crate) fn interrupt(pid: u32) -> bool {
    signal(pid, rustix::process::Signal::INT)
}

/// Sends a signal to a process that this task started; false when there is none.
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}
