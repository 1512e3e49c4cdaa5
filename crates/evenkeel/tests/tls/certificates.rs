//! Certificates made by openssl, and clients that look at them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evenkeel_testkit::*;
use tempfile::TempDir;

/// A folder of certificates.
pub(crate) struct Certificates {
    pub(crate) folder: TempDir,
}

/// Certificate and key.
pub(crate) type Files = (PathBuf, PathBuf);

impl Certificates {
    pub(crate) fn new() -> Option<Certificates> {
        let usable = |program: &str| {
            Command::new(program).arg("version").stdout(Stdio::null()).status().is_ok()
        };
        if !usable("openssl") || Command::new("curl").arg("-V").output().is_err() {
            eprintln!("skipped: openssl or curl is not installed");
            return None;
        }
        Some(Certificates { folder: TempDir::new().expect("a folder") })
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// `NAME.pem` and `NAME.key`, by an elliptic curve or RSA; signs itself.
    pub(crate) fn make(&self, file: &str, names: &str, rsa: bool) -> Files {
        let kind: &[&str] = match rsa {
            true => &["-newkey", "rsa:2048"],
            false => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        };
        let names = format!("subjectAltName={names}");
        self.request(file, &[kind, &["-days", "90", "-addext", &names]].concat())
    }

    /// An authority.
    pub(crate) fn authority(&self, file: &str) -> Files {
        let kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "90"];
        let extensions = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
        self.request(file, &[&kind[..], &extensions].concat())
    }

    fn request(&self, file: &str, more: &[&str]) -> Files {
        let files = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        let is_authority = more.iter().any(|word| word.contains("keyCertSign"));
        let basic =
            format!("basicConstraints=critical,CA:{}", if is_authority { "TRUE" } else { "FALSE" });
        // Written aside and moved, as programs that renew certificates do.
        let aside = [files.0.with_extension("new"), files.1.with_extension("newkey")];
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-nodes", "-subj", &format!("/CN={file}")]).args(more);
        command.args(["-addext", &basic]).arg("-keyout").arg(&aside[1]).arg("-out").arg(&aside[0]);
        run(&mut command);
        std::fs::rename(&aside[1], &files.1).expect("it moves");
        std::fs::rename(&aside[0], &files.0).expect("it moves");
        files
    }

    /// A certificate signed by an authority.
    pub(crate) fn signed(&self, file: &str, authority: &Files) -> Files {
        let (ca, key) = (authority.0.display().to_string(), authority.1.display().to_string());
        let kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "90"];
        self.request(file, &[&kind[..], &["-CA", &ca, "-CAkey", &key]].concat())
    }

    /// The same for these names.
    pub(crate) fn signed_for(&self, file: &str, names: &str, authority: &Files) -> Files {
        let (ca, key) = (authority.0.display().to_string(), authority.1.display().to_string());
        let names = format!("subjectAltName={names}");
        let kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "90"];
        let signed = ["-addext", &names, "-CA", &ca, "-CAkey", &key];
        self.request(file, &[&kind[..], &signed].concat())
    }

    /// A certificate that ended yesterday, by an authority of its own folder.
    pub(crate) fn ended(&self, file: &str, names: &str) -> Files {
        let authority = self.authority(&format!("{file}-authority"));
        let (cert, key) = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        let request = self.path(&format!("{file}.csr"));
        let mut command = Command::new("openssl");
        command.args(["req", "-nodes", "-newkey", "ec", "-pkeyopt"]);
        command.args(["ec_paramgen_curve:prime256v1", "-subj", &format!("/CN={file}")]);
        command.args(["-addext", &format!("subjectAltName={names}")]);
        run(command.arg("-keyout").arg(&key).arg("-out").arg(&request));
        let config = self.registry("copy_extensions = copy\n");
        let mut command = Command::new("openssl");
        command.args(["ca", "-batch", "-notext", "-startdate", "20200101000000Z"]);
        command.args(["-enddate", "20210101000000Z", "-config"]).arg(config);
        command.arg("-cert").arg(&authority.0).arg("-keyfile").arg(&authority.1);
        run(command.arg("-in").arg(&request).arg("-out").arg(&cert));
        (cert, key)
    }

    /// The list of what an authority revoked.
    pub(crate) fn revoked(&self, file: &str, authority: &Files, certificates: &[&Path]) -> PathBuf {
        let list = self.path(file);
        let config = self.registry("");
        let ca = |command: &mut Command| {
            command.arg("ca").arg("-config").arg(&config);
            command.arg("-cert").arg(&authority.0).arg("-keyfile").arg(&authority.1);
        };
        for certificate in certificates {
            let mut command = Command::new("openssl");
            ca(&mut command);
            run(command.arg("-revoke").arg(certificate));
        }
        let mut command = Command::new("openssl");
        ca(&mut command);
        run(command.args(["-gencrl", "-crldays", "30"]).arg("-out").arg(&list));
        list
    }

    /// What `openssl ca` keeps its books in.
    fn registry(&self, more: &str) -> PathBuf {
        let (folder, config) = (self.folder.path().display(), self.path("ca.cnf"));
        let text = format!(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = {folder}/index\nserial = {folder}/serial\n\
             new_certs_dir = {folder}\ndefault_md = sha256\ncrlnumber = {folder}/crlnumber\n\
             policy = any\nunique_subject = no\n{more}[any]\ncommonName = supplied\n"
        );
        std::fs::write(&config, text).expect("a file");
        for (name, text) in [("index", ""), ("serial", "1000\n"), ("crlnumber", "1000\n")] {
            if !self.path(name).exists() {
                std::fs::write(self.path(name), text).expect("a file");
            }
        }
        config
    }
}

fn run(command: &mut Command) {
    let made = command.output().expect("openssl runs");
    assert!(made.status.success(), "{command:?}: {}", String::from_utf8_lossy(&made.stderr));
}

/// Certificates as the configuration has them.
pub(crate) fn listed(files: &[Files]) -> String {
    let one = |(cert, key): &Files| {
        format!("{{ cert = \"{}\", key = \"{}\" }}", cert.display(), key.display())
    };
    files.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A listener `web` with TLS, before one origin; `more` stands in its `tls`.
pub(crate) fn config(certificates: &str, more: &str, origin: &Origin) -> String {
    format!(
        "[admin]\nbind = \"127.0.0.1:0\"\n\
         [[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\npool = \"app\"\n\
         [listener.tls]\ncertificates = [{certificates}]\n{more}\n\
         [[pool]]\nname = \"app\"\nmembers = [\"{}\"]\n",
        origin.member()
    )
}

/// What curl gets: status and body; the error otherwise.
pub(crate) fn curl(
    server: &Server,
    name: &str,
    ca: &Path,
    arguments: &[&str],
) -> Result<String, String> {
    let port = server.addr("web").port();
    let out = Command::new("curl")
        .args(["-sS", "--max-time", "10", "-w", " %{http_code} %{ssl_verify_result}"])
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
        .arg("--cacert")
        .arg(ca)
        .args(arguments)
        .arg(format!("https://{name}:{port}/x"))
        .output()
        .expect("curl runs");
    match out.status.success() {
        true => Ok(String::from_utf8_lossy(&out.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
    }
}

/// What `openssl s_client` says of a connection on which one request is made. No name: it asks for
/// none.
pub(crate) fn s_client(server: &Server, name: &str, arguments: &[&str]) -> String {
    use std::io::Write;
    let address = server.addr("web").to_string();
    let mut child = Command::new("openssl")
        .args(["s_client", "-ign_eof", "-connect", &address])
        .args(if name.is_empty() { vec!["-noservername"] } else { vec!["-servername", name] })
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    let host = if name.is_empty() { "two.test" } else { name };
    let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut input = child.stdin.take().expect("its input");
    // A handshake that fails ends it before it reads.
    let _ = input.write_all(request.as_bytes());
    let out = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

pub(crate) fn metrics(server: &Server) -> String {
    Client::connect(server.addr("admin")).get("/metrics").expect("metrics").text()
}

/// Waits until the metrics have a line that begins so.
#[track_caller]
pub(crate) fn wait_for_metric(server: &Server, line: &str) {
    let found = wait_until(LONG, || metrics(server).lines().any(|have| have.starts_with(line)));
    assert!(found, "no line {line:?} in\n{}", metrics(server));
}
