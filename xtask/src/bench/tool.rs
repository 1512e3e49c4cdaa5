//! Loads that another program offers, because the bench's own generator speaks no TLS: which
//! program, with which arguments, and the certificate they all see.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::row::{Row, Tool};
use crate::shell::{self, Failure};

/// A command line, and how often it is started at once.
pub(super) struct Load {
    pub(super) words: Vec<String>,
    pub(super) copies: usize,
}

impl Tool {
    /// Offers that row to a proxy for about that time.
    pub(super) fn load(self, row: &Row, target: SocketAddr, time: Duration) -> Load {
        let path = format!("/b/{}", row.size);
        let streams = match self {
            Tool::Handshakes { resumed } => {
                let kind = if resumed { "-reuse" } else { "-new" };
                let seconds = time.as_secs_f64().ceil();
                let words = format!(
                    "openssl s_time -connect {target} -www {path} {kind} -time {seconds} -tls1_3"
                );
                return Load { words: split(&words), copies: row.connections };
            }
            Tool::Http1 => "--h1".to_owned(),
            Tool::Http2(streams) => format!("-m {streams}"),
        };
        // Windows of about the size that browsers have.
        let words = split(&format!(
            "h2load -c {} {streams} -w 23 -W 24 -D {}ms --connect-to={target} https://{}{path}",
            row.connections,
            time.as_millis(),
            row.setup.host(),
        ));
        Load { words, copies: 1 }
    }

    /// Makes sure that the program is there.
    pub(super) fn provide(self) -> Result<(), Failure> {
        match self {
            Tool::Handshakes { .. } => shell::provide("openssl", "openssl"),
            Tool::Http1 | Tool::Http2(_) => shell::provide("h2load", "nghttp2-client"),
        }
        .map(drop)
    }
}

fn split(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

/// Makes a certificate with an ECDSA key on P-256 in that folder: `cert.pem`, `key.pem`, and both
/// in `both.pem`.
pub(super) fn certificate(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let openssl = shell::provide("openssl", "openssl")?;
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
                 -subj /CN=bench.example -addext subjectAltName=DNS:bench.example \
                 -keyout key.pem -out cert.pem";
    let mut command = Command::new(openssl);
    command.args(split(words)).current_dir(folder);
    command.stderr(std::process::Stdio::null());
    if !shell::succeeds(&mut command)? {
        return Err("openssl makes no certificate".into());
    }
    let read = |name: &str| fs::read(folder.join(name)).map_err(|error| error.to_string());
    let both = [read("cert.pem")?, read("key.pem")?].concat();
    fs::write(folder.join("both.pem"), both).map_err(|error| error.to_string())
}
