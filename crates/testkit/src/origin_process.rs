//! An origin as a process of its own, to be killed and frozen by signals.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Signal, kill_process};

use crate::origin::lock;
use crate::server::{built, capture, pid_of};
use crate::{LONG, wait_for, wait_until};

/// An origin process: answers 200 with its name, `/slow` after 300 ms, and echoes upgrades.
#[derive(Debug)]
pub struct OriginProcess {
    name: String,
    address: SocketAddr,
    child: Child,
}

impl OriginProcess {
    /// Starts one on a free port of 127.0.0.1.
    #[track_caller]
    pub fn start(name: &str) -> OriginProcess {
        let (child, address) = launch(name, 0);
        OriginProcess { name: name.to_owned(), address, child }
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as a configuration writes it.
    pub fn member(&self) -> String {
        self.address.to_string()
    }

    /// The origin's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGSTOP: the kernel still accepts connections, nobody answers.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        // The signal takes effect when each thread meets it, not when it is sent.
        let stopped = wait_until(LONG, || all_stopped(self.child.id()));
        assert!(stopped, "{} does not stop", self.name);
    }

    /// SIGCONT.
    #[track_caller]
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts again on the port it had.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        (self.child, self.address) = launch(&self.name, self.address.port());
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process(pid_of(&self.child), signal) {
            panic!("cannot signal origin {}: {error}", self.name);
        }
    }
}

impl Drop for OriginProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

#[track_caller]
fn launch(name: &str, port: u16) -> (Child, SocketAddr) {
    let mut command = Command::new(executable());
    command.args([name, &port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("cannot start {}: {error}", executable().display()),
    };
    let (stdout, _) = capture(child.stdout.take());
    let address = wait_for(LONG, || {
        let stdout = lock(&stdout);
        stdout.lines().find_map(|line| line.strip_prefix("listening ")?.parse().ok())
    });
    match address {
        Some(address) => (child, address),
        None => panic!("origin {name} is not ready"),
    }
}

/// Where the origin's executable is. Cargo builds it for this crate's own tests only, so for
/// those of another crate it is built here, once per test process; when nothing changed that
/// takes a moment.
fn executable() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = built("testkit-origin");
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--offline", "--package", "evenkeel-testkit"]);
        command.args(["--bin", "testkit-origin", "--manifest-path"]);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let profile_folder = path.parent();
        if profile_folder.is_some_and(|folder| folder.ends_with("release")) {
            command.arg("--release");
        }
        if let Some(target) = profile_folder.and_then(|folder| folder.parent()) {
            command.arg("--target-dir").arg(target);
        }
        let built = command.status().is_ok_and(|status| status.success());
        assert!(built || path.exists(), "cargo could not build {}", path.display());
        path
    })
}

/// Whether every thread of the process is stopped (state `T` of proc_pid_stat(5)).
fn all_stopped(pid: u32) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    tasks.flatten().all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with('T'))
    })
}
