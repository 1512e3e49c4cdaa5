//! Pebble, the certificate authority for tests, and its DNS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use evenkeel_testkit::*;

use super::certificates::{Certificates, Files};

/// An authority, killed when dropped.
pub(crate) struct Pebble {
    certificates: Certificates,
    children: Vec<Child>,
    own: Files,
    ca: PathBuf,
    api: SocketAddr,
    management: SocketAddr,
    dns: SocketAddr,
    records: SocketAddr,
    /// Where it looks for proofs.
    pub(crate) http: SocketAddr,
    pub(crate) tls: SocketAddr,
}

impl Pebble {
    /// Certificates are good for so many seconds; `more` stands in its configuration.
    pub(crate) fn start(seconds: u64, more: &str) -> Option<Pebble> {
        let certificates = Certificates::new()?;
        let has = |program: &str| {
            Command::new(program).arg("-help").stderr(Stdio::null()).status().is_ok()
        };
        if !has("pebble") || !has("pebble-challtestsrv") {
            eprintln!("skipped: pebble is not installed");
            return None;
        }
        let authority = certificates.authority("house");
        let own = certificates.signed_for("pebble", "DNS:localhost,IP:127.0.0.1", &authority);
        let mut pebble = Pebble {
            children: Vec::new(),
            own,
            ca: authority.0,
            certificates,
            api: quiet_address(),
            management: quiet_address(),
            dns: quiet_address(),
            records: quiet_address(),
            http: quiet_address(),
            tls: quiet_address(),
        };
        pebble.configure(seconds, more);
        let (dns, records) = (pebble.dns.to_string(), pebble.records.to_string());
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        pebble.child(command.args(["-dns01", &dns, "-management", &records]), pebble.records);
        pebble.run();
        Some(pebble)
    }

    fn configure(&self, seconds: u64, more: &str) {
        let Pebble { api, management, own: (cert, key), .. } = self;
        let (cert, key) = (cert.display(), key.display());
        let (http, tls) = (self.http.port(), self.tls.port());
        let text = format!(
            "{{\"pebble\": {{\"listenAddress\": \"{api}\", \"managementListenAddress\": \
             \"{management}\", \"certificate\": \"{cert}\", \"privateKey\": \"{key}\", \
             \"httpPort\": {http}, \"tlsPort\": {tls}, \"ocspResponderURL\": \"\", \
             \"certificateValidityPeriod\": {seconds}{more}}}}}"
        );
        std::fs::write(self.certificates.path("pebble.json"), text).expect("a file");
    }

    fn run(&mut self) {
        let mut command = Command::new("pebble");
        command.arg("-config").arg(self.certificates.path("pebble.json"));
        command.args(["-dnsserver", &self.dns.to_string()]).env("PEBBLE_VA_NOSLEEP", "1");
        // So that each order has something to prove.
        command.env("PEBBLE_AUTHZREUSE", "0");
        self.child(&mut command, self.api);
    }

    fn child(&mut self, command: &mut Command, address: SocketAddr) {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.children.push(command.spawn().expect("it starts"));
        assert!(wait_until(LONG, || std::net::TcpStream::connect(address).is_ok()));
    }

    /// Ends, and forgets everything.
    pub(crate) fn stop(&mut self) {
        let mut child = self.children.pop().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }

    /// Begins anew, with no memory of anybody.
    pub(crate) fn start_again(&mut self) {
        self.stop();
        self.run();
    }

    /// `[[acme]]` for it; `more` are further keys. What is kept goes below `folder`.
    pub(crate) fn table(&self, more: &str) -> String {
        format!(
            "[[acme]]\ndirectory = \"https://localhost:{}/dir\"\nca = \"{}\"\nfolder = \"{}\"\n{more}\n",
            self.api.port(),
            self.ca.display(),
            self.folder().display()
        )
    }

    pub(crate) fn api_port(&self) -> u16 {
        self.api.port()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.certificates.path("kept")
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.certificates.path(file)
    }

    /// Who signs what it gives out.
    pub(crate) fn root(&self) -> PathBuf {
        let path = self.path("root.pem");
        let mut command = Command::new("curl");
        command.args(["-sS", "-o"]).arg(&path).arg("--cacert").arg(&self.ca);
        let url = format!("https://localhost:{}/roots/0", self.management.port());
        let got = command.arg(url).status().expect("curl runs");
        assert!(got.success());
        path
    }

    /// What its directory says.
    pub(crate) fn directory(&self) -> String {
        let mut command = Command::new("curl");
        command.args(["-sS", "--cacert"]).arg(&self.ca);
        let url = format!("https://localhost:{}/dir", self.api.port());
        let got = command.arg(url).output().expect("curl runs");
        String::from_utf8(got.stdout).expect("JSON")
    }

    /// Its own certificate, for whoever is to stand in front of it.
    pub(crate) fn own(&self) -> &Files {
        &self.own
    }

    /// A program that puts records into its DNS, and writes down what it is asked for.
    pub(crate) fn hook(&self) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path("hook");
        let text = format!(
            "#!/bin/sh\nset -e\necho \"$1 $2 $EVENKEEL_ACME_DOMAIN\" >> {}\n\
             case \"$1\" in present) to=set-txt ;; cleanup) to=clear-txt ;; esac\n\
             exec curl -sS -f -d \"{{\\\"host\\\":\\\"$2\\\",\\\"value\\\":\\\"$3\\\"}}\" http://{}/$to\n",
            self.path("hook.log").display(),
            self.records
        );
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("it is ours");
        path
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
