//! Apache httpd and our own binary, each with the same configuration.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use evenkeel_testkit::*;
use tempfile::TempDir;

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";

/// A balancer that serves on an address. Ends with the value.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Balancer {
    /// Apache httpd; `None` when it is not installed. The error is what it said.
    pub(crate) fn apache(config: &str) -> Option<Result<Balancer, String>> {
        if !Path::new(APACHE).exists() || !Path::new(MODULES).exists() {
            return None;
        }
        Some(Balancer::start(config, |file| {
            let mut command = Command::new(APACHE);
            command.arg("-X").arg("-f").arg(file);
            command
        }))
    }

    /// Ours. The error is what it said.
    pub(crate) fn ours(config: &str) -> Result<Balancer, String> {
        Balancer::start(config, |file| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
            command.arg("run").arg("--apache").arg(file);
            command
        })
    }

    /// Ours, with the configuration in native terms. `None` when something could not be carried
    /// over.
    pub(crate) fn converted(config: &str) -> Option<Result<Balancer, String>> {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let text = config.replace("{folder}", &folder.path().display().to_string());
        let text = with_files(&text, folder.path());
        let file = folder.path().join("httpd.conf");
        // A port that stands for itself until the process is started.
        fs::write(&file, text.replace("{port}", "64999")).expect("a file can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        let output = command.arg("convert").arg("--apache").arg(&file).output().ok()?;
        if !output.status.success() || !output.stderr.is_empty() {
            return None;
        }
        let toml = String::from_utf8_lossy(&output.stdout).replace("64999", "{port}");
        Some(Balancer::start(&toml, |file| {
            let native = file.with_extension("toml");
            let copied = fs::copy(file, &native);
            let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
            command.arg("run").arg("-c").arg(copied.map_or(file, |_| &native));
            command
        }))
    }

    /// What it has said.
    pub(crate) fn words(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    /// A file in its folder.
    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn start(config: &str, command: impl Fn(&Path) -> Command) -> Result<Balancer, String> {
        Balancer::start_once(config, &command).or_else(|words| match words.contains("in use") {
            true => Balancer::start_once(config, &command),
            false => Err(words),
        })
    }

    fn start_once(config: &str, command: &dyn Fn(&Path) -> Command) -> Result<Balancer, String> {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let address = quiet_address();
        let path = folder.path();
        let filled = config
            .replace("{port}", &address.port().to_string())
            .replace("{folder}", &path.display().to_string());
        let file = path.join("httpd.conf");
        let filled = with_files(&filled, path);
        fs::write(&file, filled).expect("a file can be written");
        let log = fs::File::create(path.join("output")).expect("a file can be made");
        let mut command = command(&file);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let ready = wait_until(LONG, || {
            TcpStream::connect(address).is_ok() || !matches!(child.try_wait(), Ok(None))
        });
        if ready && matches!(child.try_wait(), Ok(None)) {
            return Ok(Balancer { address, child, folder });
        }
        let _ = child.kill();
        let _ = child.wait();
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        Err(read("output") + &read("error.log"))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the files of a configuration: the lines between `%%% NAME` and `%%%`.
fn with_files(config: &str, folder: &Path) -> String {
    let mut parts = config.split("%%%");
    let mut text = parts.next().unwrap_or_default().to_owned();
    while let (Some(file), after) = (parts.next(), parts.next()) {
        let (name, content) = file.split_once('\n').expect("a file has a name");
        let path = folder.join(name.trim());
        fs::create_dir_all(path.parent().unwrap_or(folder)).expect("a folder can be made");
        fs::write(path, content).expect("a file can be written");
        text += after.unwrap_or_default().trim_start_matches('\n');
    }
    text
}
