//! The command line, as `--help` shows it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use evenkeel_config::ApacheOptions;

/// Spreads traffic over many servers so that none is overwhelmed and none is missed when it dies.
#[derive(Parser, Debug)]
#[command(name = "evenkeel", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// What is logged on standard error: error, warn, info, debug, or a tracing filter.
    #[arg(long, global = true, env = "EVENKEEL_LOG", value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Serve.
    Run(RunArgs),
    /// Check a configuration as `run` would, and print what it means.
    Check(SourceArgs),
    /// Print an Apache configuration as native TOML.
    Convert(SourceArgs),
    /// Say which listener, route, pool and member would serve a request, and why. Sends nothing.
    Explain(Question),
    /// Show pools and members of the running server.
    Status(At),
    /// The same, refreshed every second.
    Top(At),
    /// Change a member of the running server.
    Member(MemberArgs),
    /// Ask the running server to read its configuration again.
    Reload(At),
    /// Ask the running server to finish what is under way and end.
    Drain(At),
    /// A balancer, three servers behind it and a dashboard, all in this process.
    Demo(DemoArgs),
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// What to serve by.
#[derive(Args, Debug, Clone)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// For debugging: write the secrets of TLS sessions to the file that the environment variable
    /// SSLKEYLOGFILE names. Whoever reads it can read the traffic.
    #[arg(long)]
    pub(crate) tls_key_log: bool,
}

/// Which configuration.
#[derive(Args, Debug, Clone)]
pub(crate) struct SourceArgs {
    /// The configuration file; `evenkeel.toml`, else `/etc/evenkeel/evenkeel.toml`.
    #[arg(short, long, value_name = "FILE", conflicts_with = "apache")]
    pub(crate) config: Option<PathBuf>,
    /// An Apache httpd configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) apache: Option<PathBuf>,
    /// With an Apache configuration: warn about unknown and refused directives, and go on.
    #[arg(long)]
    pub(crate) lenient: bool,
    /// With an Apache configuration: avoid traps of httpd. Members that are late give 504, and
    /// numbers that httpd would read in part are errors.
    #[arg(long, conflicts_with = "lenient")]
    pub(crate) strict: bool,
    /// With an Apache configuration: define a name for `<IfDefine>`.
    #[arg(short = 'D', long = "define", value_name = "NAME[=VALUE]")]
    pub(crate) defines: Vec<String>,
}

impl SourceArgs {
    /// A file of our own format.
    pub(crate) fn of(config: Option<PathBuf>) -> SourceArgs {
        SourceArgs { config, apache: None, lenient: false, strict: false, defines: Vec::new() }
    }

    /// The file that was meant.
    pub(crate) fn path(&self) -> PathBuf {
        if let Some(path) = self.apache.as_ref().or(self.config.as_ref()) {
            return path.clone();
        }
        let here = Path::new("evenkeel.toml");
        if here.exists() { here.to_owned() } else { PathBuf::from("/etc/evenkeel/evenkeel.toml") }
    }

    /// How it is read, if it is an Apache configuration.
    pub(crate) fn apache_options(&self) -> ApacheOptions {
        let define = |text: &String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.clone(), None),
        };
        ApacheOptions {
            defines: self.defines.iter().map(define).collect(),
            lenient: self.lenient,
            strict: self.strict,
        }
    }

    /// Whether it is an Apache configuration.
    pub(crate) fn is_apache(&self) -> bool {
        self.apache.is_some() || self.path().extension().is_some_and(|ext| ext == "conf")
    }
}

/// A request, a connection or a flow to explain.
#[derive(Args, Debug)]
#[command(override_usage = "evenkeel explain [OPTIONS] METHOD URL\n       \
                            evenkeel explain [OPTIONS] tcp://ADDRESS|udp://ADDRESS")]
pub(crate) struct Question {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The method of a request, and the URL, as `http://shop.example.com/api/x`; or where a
    /// connection or flow comes to, as `tcp://192.0.2.1:5432`, `udp://192.0.2.1:53`, or by the
    /// listener's name, as `tcp://postgres`.
    #[arg(value_names = ["METHOD", "URL"], num_args = 1..=2, required = true)]
    pub(crate) what: Vec<String>,
    /// A header of the request; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "'NAME: VALUE'")]
    pub(crate) headers: Vec<String>,
    /// The client's address; behind a PROXY header, the one that the header names.
    #[arg(long, value_name = "IP[:PORT]", default_value = "127.0.0.1", value_parser = client)]
    pub(crate) client: SocketAddr,
    /// With tcp://: the server name in the client's ClientHello.
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,
    /// With tcp://: the protocols in the client's ClientHello, as `h2,http/1.1`.
    #[arg(long, value_name = "PROTOCOLS", value_delimiter = ',')]
    pub(crate) alpn: Vec<String>,
    /// With udp:// and QUIC: the connection id of the client's packets, in hexadecimal.
    #[arg(long, value_name = "HEX", value_parser = connection_id)]
    pub(crate) connection_id: Option<ConnectionId>,
    /// By what the running server knows of its members: health, load, what was ordered. Otherwise
    /// every member counts as just started.
    #[arg(long)]
    pub(crate) live: bool,
    /// With --live: the admin address; by default the configuration's `[admin]`.
    #[arg(long, value_name = "ADDRESS", env = "EVENKEEL_ADMIN")]
    pub(crate) admin: Option<String>,
    /// With --live: the admin token.
    #[arg(long, value_name = "TOKEN", env = "EVENKEEL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

/// The bytes of a QUIC connection id.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionId(pub(crate) Vec<u8>);

/// An address with or without a port; 0 stands for one that is not known.
fn client(text: &str) -> Result<SocketAddr, String> {
    let alone = text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 0));
    let words =
        "an IP address, with a port if you like: 192.0.2.7, 192.0.2.7:5555, [2001:db8::7]:5555";
    alone.or_else(|_| text.parse()).map_err(|_| words.to_owned())
}

fn connection_id(text: &str) -> Result<ConnectionId, String> {
    let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit()) && text.len().is_multiple_of(2);
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    match bytes.filter(|bytes| digits && (1..=20).contains(&bytes.len())) {
        Some(bytes) => Ok(ConnectionId(bytes)),
        None => Err("a connection id is 1 to 20 bytes, as pairs of hexadecimal digits".to_owned()),
    }
}

/// Where the running server is.
#[derive(Args, Debug, Clone)]
pub(crate) struct At {
    /// The configuration file of the running server; its `[admin]` says where to ask.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The admin address, as `127.0.0.1:9900` or `unix:/run/evenkeel.sock`.
    #[arg(long, value_name = "ADDRESS", env = "EVENKEEL_ADMIN")]
    pub(crate) admin: Option<String>,
    /// The admin token.
    #[arg(long, value_name = "TOKEN", env = "EVENKEEL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Print the API's JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A change of a member.
#[derive(Args, Debug)]
pub(crate) struct MemberArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// The pool.
    pub(crate) pool: String,
    /// The member's tag or address.
    pub(crate) member: String,
    /// What is ordered.
    pub(crate) order: Order,
    /// With `weight`: the share, 0.01 to 1000.
    #[arg(required_if_eq("order", "weight"))]
    pub(crate) weight: Option<f64>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Order {
    /// No new clients; those bound to it stay.
    Drain,
    /// No requests at all.
    Disable,
    /// Requests as usual.
    Enable,
    /// Another share.
    Weight,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where the balancer listens on 127.0.0.1; 8080, or another when that is taken.
    #[arg(long)]
    pub(crate) port: Option<u16>,
}
