//! The binary under test as a process.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::origin::{lock, spawn};
use crate::{Finished, LONG, wait_for, wait_until};

/// An executable to test, with the environment it is to get.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    variables: Vec<(String, String)>,
}

/// A running server. Killed with everything it started when the value is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    program: Program,
    folder: TempDir,
    stdout: Text,
    stderr: Text,
}

/// What a process has written so far, filled by a thread.
type Text = Arc<Mutex<String>>;

impl Program {
    /// The `evenkeel` binary of this build: `$EVENKEEL_BIN`, or the one beside the running test.
    #[track_caller]
    pub fn evenkeel() -> Program {
        let path =
            std::env::var_os("EVENKEEL_BIN").map_or_else(|| built("evenkeel"), PathBuf::from);
        assert!(path.exists(), "{} is not built: run cargo build -p evenkeel", path.display());
        Program::at(&path)
    }

    /// That executable, for instance `env!("CARGO_BIN_EXE_evenkeel")`.
    pub fn at(path: impl AsRef<Path>) -> Program {
        Program { path: path.as_ref().to_owned(), variables: Vec::new() }
    }

    /// With one more environment variable.
    pub fn with_env(mut self, name: &str, value: &str) -> Program {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs with these arguments to the end, 30 s at most.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Finished {
        self.run_in(Path::new("."), arguments)
    }

    /// The same in that folder.
    #[track_caller]
    pub fn run_in<S: AsRef<OsStr>>(&self, folder: &Path, arguments: &[S]) -> Finished {
        let mut child = self.spawn(folder, arguments);
        let (stdout, out) = capture(child.stdout.take());
        let (stderr, err) = capture(child.stderr.take());
        let status = wait_exit(&mut child, Duration::from_secs(30));
        if status.is_none() {
            let _ = child.kill();
        }
        let _ = (out.join(), err.join());
        let (stdout, stderr) = (lock(&stdout).clone(), lock(&stderr).clone());
        match status {
            Some(status) => Finished { code: status.code(), stdout, stderr },
            None => panic!("did not end in 30 s\nstdout: {stdout}\nstderr: {stderr}"),
        }
    }

    /// Writes the configuration to a file and runs `check -c FILE` on it.
    #[track_caller]
    pub fn check(&self, config: &str) -> Finished {
        let folder = TempDir::new().expect("a temporary folder can be made");
        write(&folder.path().join("evenkeel.toml"), config);
        self.run_in(folder.path(), &["check", "-c", "evenkeel.toml"])
    }

    /// Writes the configuration to a file in a folder of its own and starts `run -c FILE` there;
    /// returns when the first listener is ready.
    #[track_caller]
    pub fn start(&self, config: &str) -> Server {
        let folder = TempDir::new().expect("a temporary folder can be made");
        self.start_in(folder, config)
    }

    /// The same in a folder that may hold other files.
    #[track_caller]
    pub fn start_in(&self, folder: TempDir, config: &str) -> Server {
        let file = folder.path().join("evenkeel.toml");
        write(&file, config);
        let mut child =
            self.spawn(folder.path(), &[OsStr::new("run"), "-c".as_ref(), file.as_ref()]);
        let (stdout, _) = capture(child.stdout.take());
        let (stderr, _) = capture(child.stderr.take());
        let mut server = Server { child, program: self.clone(), folder, stdout, stderr };
        server.wait_ready();
        server
    }

    #[track_caller]
    fn spawn<S: AsRef<OsStr>>(&self, folder: &Path, arguments: &[S]) -> Child {
        use std::os::unix::process::CommandExt;
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let mut command = Command::new(path);
        command.args(arguments).current_dir(folder).process_group(0);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {}: {error}", self.path.display()),
        }
    }
}

impl Server {
    /// Starts this build's `evenkeel` with that configuration and waits for its first listener.
    #[track_caller]
    pub fn start(config: &str) -> Server {
        Program::evenkeel().start(config)
    }

    /// The first address of the listener of that name (`admin`: the admin API), as the server
    /// printed it. Waits for it up to 10 s.
    #[track_caller]
    pub fn addr(&self, listener: &str) -> SocketAddr {
        let found = wait_for(LONG, || self.addresses(listener).into_iter().next());
        let Some(text) = found else {
            panic!("no listener {listener} is ready\n{}", self.everything())
        };
        let parsed = text.parse();
        parsed.unwrap_or_else(|_| panic!("{text} of listener {listener} is not a TCP address"))
    }

    /// Every address printed for that listener so far, as text, in order.
    pub fn addresses(&self, listener: &str) -> Vec<String> {
        let stdout = lock(&self.stdout);
        let lines = stdout.lines().filter_map(|line| {
            let mut words = line.trim().strip_prefix("listening ")?.split(' ');
            let (_protocol, name, address) = (words.next()?, words.next()?, words.next()?);
            (name == listener).then(|| address.to_owned())
        });
        lines.collect()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder it runs in; the configuration is `evenkeel.toml` there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("evenkeel.toml")
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process(pid_of(&self.child), signal) {
            panic!("cannot signal the server: {error}\n{}", self.everything());
        }
    }

    /// Replaces the configuration file in one step and sends SIGHUP. Returns at once: wait for
    /// what the new configuration changes.
    #[track_caller]
    pub fn reload_with(&self, config: &str) {
        let fresh = self.folder.path().join("evenkeel.toml.new");
        write(&fresh, config);
        fs::rename(&fresh, self.config_file()).expect("a file can be renamed in its folder");
        self.signal(Signal::HUP);
    }

    /// Waits until stderr has that text that many times, 10 s at most.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str, times: usize) {
        let found = wait_until(LONG, || lock(&self.stderr).matches(text).count() >= times);
        assert!(found, "{text:?} was not logged {times} times\n{}", self.everything());
    }

    /// All it has written to stderr so far.
    pub fn stderr(&self) -> String {
        lock(&self.stderr).clone()
    }

    /// All it has written to stdout so far.
    pub fn stdout(&self) -> String {
        lock(&self.stdout).clone()
    }

    /// Runs another command of the same program in the server's folder, to the end.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> Finished {
        self.program.run_in(self.folder.path(), arguments)
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the process to end by itself; its exit code, `None` when a signal ended it.
    /// Panics after `timeout`.
    #[track_caller]
    pub fn wait(&mut self, timeout: Duration) -> Option<i32> {
        match wait_exit(&mut self.child, timeout) {
            Some(status) => status.code(),
            None => panic!("did not end within {timeout:?}\n{}", self.everything()),
        }
    }

    /// SIGTERM, then waits for the end (40 s: the default drain time and more); the exit code.
    #[track_caller]
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait(Duration::from_secs(40))
    }

    #[track_caller]
    fn wait_ready(&mut self) {
        let ready = wait_until(LONG, || {
            lock(&self.stdout).contains("listening ") || !matches!(self.child.try_wait(), Ok(None))
        });
        if !ready || !lock(&self.stdout).contains("listening ") {
            // Let the last words arrive before they are shown.
            wait_until(Duration::from_millis(200), || !lock(&self.stderr).is_empty());
            panic!("the server is not ready\n{}", self.everything());
        }
    }

    fn everything(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", lock(&self.stdout), lock(&self.stderr))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The group holds what an upgrade started, too.
        let _ = kill_process_group(pid_of(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// An executable of this build: tests run from `target/PROFILE/deps`.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the running test has a path");
    let folder = test.parent().expect("an executable is in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    folder.join(name)
}

pub(crate) fn pid_of(child: &Child) -> Pid {
    let raw = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    raw.expect("the kernel's process ids are positive and fit")
}

/// Collects what a process writes.
pub(crate) fn capture(
    pipe: Option<impl Read + Send + 'static>,
) -> (Text, std::thread::JoinHandle<()>) {
    let text = Text::default();
    let sink = Arc::clone(&text);
    let thread = spawn("capture", move || {
        let Some(pipe) = pipe else { return };
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(count) if count > 0) {
            lock(&sink).push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    (text, thread)
}

fn wait_exit(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    wait_for(timeout, || child.try_wait().ok().flatten())
}

#[track_caller]
fn write(path: &Path, text: &str) {
    if let Err(error) = fs::write(path, text) {
        panic!("cannot write {}: {error}", path.display());
    }
}
