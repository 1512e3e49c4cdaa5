//! The balancers under test: how each is found, configured and started.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::pin;
use crate::bench::row::Mode;
use crate::shell::{self, Failure};

/// One kind of balancer.
pub(super) struct Peer {
    pub(super) name: &'static str,
    program: &'static str,
    /// Its Debian package; none for what this project builds.
    package: Option<&'static str>,
    /// A file it needs, and the package that has it.
    module: Option<(&'static str, &'static str)>,
    /// What it can do.
    modes: &'static [Mode],
    version: &'static [&'static str],
    /// Its configuration, from the root of the repository.
    pub(super) config: &'static str,
    /// Its arguments, with the same placeholders as the configuration, and `{{config}}`.
    arguments: &'static [&'static str],
}

/// This project's own name among the peers.
pub(super) const OURS: &str = "evenkeel";

pub(super) const PEERS: &[Peer] = &[
    Peer {
        name: "haproxy",
        program: "haproxy",
        package: Some("haproxy"),
        module: None,
        modes: &[Mode::Http, Mode::Tcp],
        version: &["-v"],
        config: "benches/peers/haproxy.cfg",
        arguments: &["-db", "-f", "{{config}}"],
    },
    Peer {
        name: "nginx",
        program: "nginx",
        package: Some("nginx-light"),
        module: Some(("/usr/lib/nginx/modules/ngx_stream_module.so", "libnginx-mod-stream")),
        modes: &[Mode::Http, Mode::Tcp, Mode::Udp, Mode::Dns],
        version: &["-v"],
        config: "benches/peers/nginx.conf",
        arguments: &["-p", "{{folder}}", "-c", "{{config}}"],
    },
    Peer {
        name: OURS,
        program: OURS,
        package: None,
        module: None,
        modes: &[Mode::Http, Mode::Tcp, Mode::Udp, Mode::Dns],
        version: &["--version"],
        config: "benches/peers/evenkeel.toml",
        arguments: &["run", "-c", "{{config}}"],
    },
];

/// A balancer that runs.
pub(super) struct RunningPeer {
    pub(super) peer: &'static Peer,
    pub(super) version: String,
    /// For HTTP, TCP, UDP and UDP with one answer.
    addresses: [SocketAddr; 4],
    child: Child,
}

impl Peer {
    /// Starts it on the proxy's core in front of these two origins and waits until it answers.
    pub(super) fn start(
        &'static self,
        ours: &Path,
        origins: [u16; 4],
        out: &Path,
    ) -> Result<RunningPeer, Failure> {
        let program = self.find(ours)?;
        let version = shell::words_of(Command::new(&program).args(self.version));
        let version = version.unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        let addresses = [free_address()?, free_address()?, free_address()?, free_address()?];
        let folder = out.join(self.name);
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let config = folder.join(Path::new(self.config).file_name().unwrap_or_default());
        let fill = |template: &str| {
            let origin = |index: usize| format!("127.0.0.1:{}", origins[index]);
            template
                .replace("{{listen}}", &addresses[0].to_string())
                .replace("{{listen_tcp}}", &addresses[1].to_string())
                .replace("{{listen_udp}}", &addresses[2].to_string())
                .replace("{{listen_dns}}", &addresses[3].to_string())
                .replace("{{udp_origin_a}}", &origin(2))
                .replace("{{udp_origin_b}}", &origin(3))
                .replace("{{origin_a}}", &origin(0))
                .replace("{{origin_b}}", &origin(1))
                .replace("{{folder}}", &folder.display().to_string())
                .replace("{{config}}", &config.display().to_string())
        };
        let template = shell::root().join(self.config);
        let text = fs::read_to_string(&template)
            .map_err(|error| format!("{}: {error}", template.display()))?;
        fs::write(&config, fill(&text)).map_err(|e| format!("{}: {e}", config.display()))?;
        let log = fs::File::create(folder.join("output")).map_err(|error| error.to_string())?;
        let mut command = Command::new(&program);
        command.args(self.arguments.iter().map(|argument| fill(argument)));
        command.current_dir(&folder).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(|error| error.to_string())?).stderr(log);
        pin::to_core(pin::PROXY_CORE)?;
        let child = command.spawn().map_err(|error| shell::cannot_start(&command, &error));
        pin::to_core(pin::DRIVER_CORE)?;
        let mut running = RunningPeer { peer: self, version, addresses, child: child? };
        running.wait_ready(&folder)?;
        Ok(running)
    }

    /// Whether it can carry that.
    pub(super) fn can(&self, mode: Mode) -> bool {
        self.modes.contains(&mode)
    }

    fn find(&self, ours: &Path) -> Result<PathBuf, Failure> {
        if let Some((file, package)) = self.module {
            shell::provide_file(Path::new(file), package)?;
        }
        match self.package {
            Some(package) => shell::provide(self.program, package),
            None if ours.is_file() => Ok(ours.to_owned()),
            None => Err(format!("{} is not built", ours.display())),
        }
    }
}

impl RunningPeer {
    /// Where it takes that kind of load.
    pub(super) fn address(&self, mode: Mode) -> SocketAddr {
        match mode {
            Mode::Http => self.addresses[0],
            Mode::Tcp => self.addresses[1],
            Mode::Udp => self.addresses[2],
            Mode::Dns => self.addresses[3],
        }
    }

    /// The process and everything it started.
    pub(super) fn pids(&self) -> Vec<u32> {
        let mut found = vec![self.child.id()];
        let mut at = 0;
        while let Some(pid) = found.get(at) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children = children.unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            at += 1;
        }
        found
    }

    fn wait_ready(&mut self, folder: &Path) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            if TcpStream::connect(self.addresses[0]).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let words = fs::read_to_string(folder.join("output")).unwrap_or_default();
        Err(format!("{} does not listen on {}\n{words}", self.peer.name, self.addresses[0]))
    }
}

impl Drop for RunningPeer {
    fn drop(&mut self) {
        // nginx's master takes its worker along on TERM, but not on KILL.
        let terminated = shell::terminate(self.child.id());
        let deadline = Instant::now() + Duration::from_secs(3);
        while terminated && Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        // Gone already, in the usual case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago: the peers cannot say which one they took.
fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener.and_then(|listener| listener.local_addr()).map_err(|error| error.to_string())
}
