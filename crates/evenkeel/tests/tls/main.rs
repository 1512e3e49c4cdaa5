//! TLS at the front door: to clients (curl, openssl) and to members. Certificates are made by
//! openssl; where that is missing, the tests say so and pass over themselves.

mod acme;
mod alerts;
mod bounds;
mod certificates;
mod clients;
mod early;
mod ends;
mod http;
mod layer4;
mod pebble;
mod reload;
mod sessions;

use std::path::Path;
use std::process::{Command, Stdio};

use certificates::*;
use evenkeel_testkit::*;

#[test]
fn clients_get_the_certificate_of_the_name_they_ask_for() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let first = certificates.make("first", "DNS:one.test", true);
    let second = certificates.make("second", "DNS:two.test,DNS:*.wild.test", false);
    let files = listed(&[first.clone(), second.clone()]);
    let server = Server::start(&config(&files, "", &origin));
    for (name, ca) in [("one.test", &first.0), ("two.test", &second.0), ("a.wild.test", &second.0)]
    {
        assert_eq!(curl(&server, name, ca, &[]).as_deref(), Ok("a 200 0"), "{name}");
    }
    // A name that nobody has gets the first, which is not its own.
    let stranger = curl(&server, "other.test", &first.0, &[]).expect_err("a wrong name");
    assert!(stranger.contains("match"), "{stranger}");
    let got = origin.last();
    assert_eq!(got.head.field("x-forwarded-proto"), Some("https"));
    // HTTP/2 is agreed on where the client can, and HTTP/1.1 where it cannot.
    for (argument, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        assert_eq!(http_version(&server, &first.0, argument).as_deref(), Some(version));
        assert_eq!(origin.last().head.field("x-forwarded-proto"), Some("https"));
    }
}

/// The version that curl speaks with this argument to `one.test`; `None`: it gets no answer.
fn http_version(server: &Server, ca: &Path, argument: &str) -> Option<String> {
    let port = server.addr("web").port();
    let out = Command::new("curl")
        .args(["-sS", "-o", "/dev/null", "-w", "%{http_version}", argument, "--cacert"])
        .arg(ca)
        .args(["--resolve", &format!("one.test:{port}:127.0.0.1")])
        .arg(format!("https://one.test:{port}/x"))
        .output()
        .expect("curl runs");
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

#[test]
fn a_listener_offers_the_versions_of_http_that_it_speaks() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", true);
    let cases = [
        ("1.1", [Some("1.1"), Some("1.1")]),
        ("2", [Some("2"), None]),
        ("any", [Some("2"), Some("1.1")]),
    ];
    for (versions, expected) in cases {
        let config = config(&listed(std::slice::from_ref(&site)), "", &origin)
            .replace("pool =", &format!("versions = \"{versions}\"\npool ="));
        let server = Server::start(&config);
        for (argument, version) in ["--http2", "--http1.1"].into_iter().zip(expected) {
            let spoken = http_version(&server, &site.0, argument);
            assert_eq!(spoken.as_deref(), version, "{versions} {argument}");
        }
    }
}

#[test]
fn versions_are_those_that_were_asked_for() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let files = certificates.make("site", "DNS:one.test", false);
    let listed = listed(std::slice::from_ref(&files));
    let server = Server::start(&config(&listed, "min_version = \"1.3\"", &origin));
    assert!(curl(&server, "one.test", &files.0, &["--tlsv1.3"]).is_ok());
    assert!(curl(&server, "one.test", &files.0, &["--tls-max", "1.2"]).is_err());
    let server = Server::start(&config(&listed, "", &origin));
    assert!(curl(&server, "one.test", &files.0, &["--tls-max", "1.2"]).is_ok());
    // Whoever does not speak TLS is turned away, and others are served on.
    let plain = Client::connect(server.addr("web")).get("/").expect("an answer");
    assert_eq!(plain.status, 400);
    assert!(plain.text().contains("This port speaks https only."));
    assert!(curl(&server, "one.test", &files.0, &[]).is_ok());
}

#[test]
fn who_agrees_on_nothing_but_p521_is_served() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let files = certificates.make("site", "DNS:one.test", true);
    let server = Server::start(&config(&listed(std::slice::from_ref(&files)), "", &origin));
    for highest in ["1.2", "1.3"] {
        let only = ["--curves", "secp521r1", "--tls-max", highest];
        assert_eq!(curl(&server, "one.test", &files.0, &only).as_deref(), Ok("a 200 0"));
    }
}

#[test]
fn large_bodies_pass_both_ways() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::start("a", Answer::echo());
    let files = certificates.make("site", "DNS:one.test", false);
    let server = Server::start(&config(&listed(std::slice::from_ref(&files)), "", &origin));
    let body = certificates.path("body");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&body, &bytes).expect("a file can be written");
    let got = certificates.path("got");
    let upload = format!("@{}", body.display());
    let got_text = got.display().to_string();
    curl(&server, "one.test", &files.0, &["--data-binary", &upload, "-o", &got_text])
        .expect("an answer");
    assert!(std::fs::read(&got).expect("a file") == bytes, "what came back is what was sent");
}

#[test]
fn clients_show_certificates_where_they_must() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let files = certificates.make("site", "DNS:one.test", false);
    let (cert, key) = certificates.make("client", "DNS:client.test", false);
    let more = format!("clients = {{ ca = \"{}\" }}", cert.display());
    let server = Server::start(&config(&listed(std::slice::from_ref(&files)), &more, &origin));
    assert!(curl(&server, "one.test", &files.0, &[]).is_err());
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let shown = curl(&server, "one.test", &files.0, &["--cert", &cert, "--key", &key]);
    assert_eq!(shown.as_deref(), Ok("a 200 0"));
}

#[test]
fn members_are_spoken_to_by_tls_and_must_be_who_they_are() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let files = certificates.make("site", "DNS:inner.test,IP:127.0.0.1", false);
    let inner = Server::start(&config(&listed(std::slice::from_ref(&files)), "", &origin));
    let outer = |tls: &str| {
        let check = "[pool.health]\ncheck = \"http\"\ninterval = \"100ms\"\nfall = 1\nrise = 1\n";
        Server::start(&format!(
            "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\npool = \"app\"\n\
             [[pool]]\nname = \"app\"\nmembers = [\"{}\"]\ntls = {tls}\n{check}",
            inner.addr("web")
        ))
    };
    let ca = files.0.display().to_string();
    for (tls, served) in [
        (format!("{{ ca = \"{ca}\" }}"), true),
        (format!("{{ ca = \"{ca}\", server_name = \"inner.test\" }}"), true),
        (format!("{{ ca = \"{ca}\" }}\nprotocol = \"h2\""), true),
        (format!("{{ ca = \"{ca}\", server_name = \"other.test\" }}"), false),
        ("{ verify = \"off\" }".to_owned(), true),
        ("{ verify = \"name\" }".to_owned(), true),
        ("{ verify = \"name\", server_name = \"other.test\" }".to_owned(), false),
    ] {
        let server = outer(&tls);
        let get = || Client::connect(server.addr("web")).get("/x").map(|got| got.status);
        let right = |status: u16| (status == 200) == served;
        assert!(wait_until(LONG, || get().is_ok_and(right)), "{tls}: {:?}", get());
    }
}

#[test]
fn bad_files_are_told_and_a_reload_with_them_changes_nothing() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let good = certificates.make("good", "DNS:one.test", false);
    let other = certificates.make("other", "DNS:one.test", false);
    let server = Server::start(&config(&listed(std::slice::from_ref(&good)), "", &origin));
    for (cert, key, words) in [
        (good.0.clone(), certificates.path("missing.key"), "No such file"),
        (good.0.clone(), other.1, "does not belong to the certificate"),
        (good.1.clone(), good.1.clone(), "there is no certificate in it"),
        (good.0.clone(), good.0.clone(), "there is no private key in it"),
    ] {
        let text = config(&listed(&[(cert, key)]), "", &origin);
        let file = certificates.path("bad.toml");
        std::fs::write(&file, text).expect("a file can be written");
        let out = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["check", "-c"])
            .arg(&file)
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{told}");
        assert!(told.contains(words), "{told}");
    }
    // The files of the running server go bad: it serves on by what it has.
    std::fs::write(&good.1, "nonsense").expect("a file can be written");
    server.signal(Signal::HUP);
    assert!(wait_until(LONG, || server.stderr().contains("there is no private key")));
    assert!(curl(&server, "one.test", &good.0, &[]).is_ok());
    // New ones count from the next reload on.
    let new = certificates.make("good", "DNS:new.test", false);
    server.signal(Signal::HUP);
    assert!(wait_until(LONG, || curl(&server, "new.test", &new.0, &[]).is_ok()));
}

/// Apache's words for both sides: a server with a certificate, and one before it that must believe
/// the first.
#[test]
fn apaches_words_for_tls_mean_the_same() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let (cert, key) = certificates.make("site", "DNS:one.test,IP:127.0.0.1", false);
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let start = |name: &str, text: &str| {
        let address = quiet_address();
        let file = certificates.path(name);
        std::fs::write(&file, format!("Listen {address}\n{text}")).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        let child = command.args(["run", "--apache"]).arg(&file).stdout(Stdio::null()).spawn();
        let started = wait_until(LONG, || std::net::TcpStream::connect(address).is_ok());
        assert!(started, "{name} listens");
        (address, child.expect("it starts"))
    };
    let (inner, first) = start(
        "inner.conf",
        &format!(
            "<VirtualHost *>\nSSLEngine On\nSSLCertificateFile {cert}\n\
             SSLCertificateKeyFile {key}\nProxyPass / http://{}/\n</VirtualHost>\n",
            origin.member()
        ),
    );
    let mut children = Vec::new();
    for (name, words, status) in [
        (
            "believed.conf",
            format!("SSLProxyVerify require\nSSLProxyCACertificateFile {cert}\n"),
            200,
        ),
        ("unasked.conf", String::new(), 200),
        (
            "stranger.conf",
            "SSLProxyVerify require\nSSLProxyCACertificateFile {other}\n".to_owned(),
            500,
        ),
    ] {
        let other = certificates.make("other", "DNS:other.test", false).0;
        let words = words.replace("{other}", &other.display().to_string());
        let (outer, child) = start(
            name,
            &format!(
                "SSLProxyEngine On\n{words}<Proxy balancer://c>\nBalancerMember https://{inner}\n\
                 </Proxy>\nProxyPass / balancer://c/\n"
            ),
        );
        children.push(child);
        let got = Client::connect(outer).get("/x").expect("an answer");
        assert_eq!(got.status, status, "{name}");
    }
    for mut child in children.into_iter().chain([first]) {
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[test]
fn a_proxy_header_comes_before_the_handshake() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let text = config(&listed(std::slice::from_ref(&site)), "", &origin);
    let proxied =
        text.replacen("pool = \"app\"", "pool = \"app\"\nproxy_protocol = \"require\"", 1);
    let server = Server::start(&proxied);
    let got = curl(&server, "one.test", &site.0, &["--haproxy-protocol"]);
    assert_eq!(got.as_deref(), Ok("a 200 0"));
    assert!(curl(&server, "one.test", &site.0, &[]).is_err());
}

#[test]
fn a_client_that_chose_http2_is_held_to_it() {
    let Some(certificates) = Certificates::new() else { return };
    let (cert, key) = certificates.make("own", "DNS:own.test", false);
    let origin = Origin::named("a");
    let server = Server::start(&config(&listed(&[(cert, key)]), "", &origin));
    let said = |alpn: &str| {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-ign_eof", "-alpn", alpn, "-connect"])
            .arg(server.addr("web").to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        let request = b"GET / HTTP/1.1\r\nHost: own.test\r\nConnection: close\r\n\r\n";
        let mut stdin = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, request).expect("written");
        let output = child.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(said("http/1.1").starts_with("HTTP/1.1 200"));
    let answer = said("h2");
    assert!(!answer.contains("HTTP/1.1"), "{answer:?}");
}
