//! Ciphers, key exchange, and sessions that are resumed.

use super::*;

#[test]
fn modern_is_tls_1_3_alone_and_intermediate_has_no_weak_ciphers() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let files = listed(std::slice::from_ref(&site));
    let server = Server::start(&config(&files, "ciphers = \"modern\"", &origin));
    assert!(curl(&server, "one.test", &site.0, &[]).is_ok());
    assert!(curl(&server, "one.test", &site.0, &["--tls-max", "1.2"]).is_err());
    wait_for_metric(&server, "evenkeel_refusals_total{listener=\"web\",cause=\"tls-unshared\"} 1");
    let server = Server::start(&config(&files, "ciphers = \"intermediate\"", &origin));
    let with = |cipher: &str| {
        curl(&server, "one.test", &site.0, &["--tls-max", "1.2", "--ciphers", cipher])
    };
    assert!(with("ECDHE-ECDSA-AES128-GCM-SHA256").is_ok());
    assert!(with("ECDHE-ECDSA-CHACHA20-POLY1305").is_ok());
    assert!(with("ECDHE-ECDSA-AES128-SHA").is_err());
    assert!(with("ALL:eNULL:!ECDHE").is_err());
}

/// Connects twice with the tickets of the first time; whether the second resumed the first.
fn resumes(first: &Server, second: &Server, session: &Path, version: &str) -> bool {
    let file = session.display().to_string();
    let out = s_client(first, "one.test", &[version, "-sess_out", &file]);
    assert!(out.contains("HTTP/1.1 200"), "{out}");
    let out = s_client(second, "one.test", &[version, "-sess_in", &file]);
    assert!(out.contains("HTTP/1.1 200"), "{out}");
    out.contains("Reused, TLSv1")
}

#[test]
fn sessions_are_resumed_over_reloads_and_by_shared_keys_over_processes() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let files = listed(std::slice::from_ref(&site));
    let session = certificates.path("session");
    let own = Server::start(&config(&files, "", &origin));
    for version in ["-tls1_3", "-tls1_2"] {
        assert!(resumes(&own, &own, &session, version), "{version}");
    }
    wait_for_metric(
        &own,
        "evenkeel_tls_handshakes_total{listener=\"web\",version=\"TLSv1.3\",resumed=\"yes\"} 1",
    );
    // Another process has other keys,
    let other = Server::start(&config(&files, "", &origin));
    assert!(!resumes(&own, &other, &session, "-tls1_3"));
    // but for those that share a file.
    let keys = certificates.path("tickets.key");
    std::fs::write(&keys, format!("{}\n", "5a".repeat(32))).expect("a file");
    let more = format!("ticket_keys = \"{}\"", keys.display());
    let one = Server::start(&config(&files, &more, &origin));
    let two = Server::start(&config(&files, &more, &origin));
    for version in ["-tls1_3", "-tls1_2"] {
        assert!(resumes(&one, &two, &session, version), "{version}");
    }
    // A reload with another certificate keeps them.
    let out = s_client(&one, "one.test", &["-tls1_3", "-sess_out", &session.display().to_string()]);
    assert!(out.contains("HTTP/1.1 200"), "{out}");
    // A new key first: old tickets still count. Without the old one they do not.
    let (old, new) = ("5a".repeat(32), "c3".repeat(48));
    for (text, resumed) in [(format!("{new}\n{old}\n"), true), (format!("{new}\n"), false)] {
        std::fs::write(&keys, text).expect("a file");
        let before = two.stderr().matches("keys for tickets replaced").count();
        two.wait_for_log("keys for tickets replaced", before + 1);
        let file = session.display().to_string();
        let out = s_client(&two, "one.test", &["-tls1_3", "-sess_in", &file]);
        assert_eq!(out.contains("Reused, TLSv1"), resumed, "{out}");
    }
    std::fs::write(&keys, "nonsense").expect("a file");
    two.wait_for_log("line 1 is no key of 32 to 80 bytes", 1);
    assert!(resumes(&two, &two, &session, "-tls1_3"));
}

#[test]
fn handshakes_with_members_are_resumed() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:inner.test,IP:127.0.0.1", false);
    let inner = Server::start(&config(&listed(std::slice::from_ref(&site)), "", &origin));
    let outer = Server::start(&format!(
        "[server]\ncores = 1\n[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\n\
         pool = \"app\"\n[[pool]]\nname = \"app\"\nmembers = [\"{}\"]\n\
         tls = {{ ca = \"{}\" }}\nlimits = {{ idle_connections = 0 }}\n",
        inner.addr("web"),
        site.0.display()
    ));
    for _ in 0..3 {
        assert_eq!(Client::connect(outer.addr("web")).get("/").unwrap().status, 200);
    }
    wait_for_metric(
        &inner,
        "evenkeel_tls_handshakes_total{listener=\"web\",version=\"TLSv1.3\",resumed=\"yes\"} 2",
    );
    // Authorities of members are read again when their file changes.
    let (cert, new) = (site.0.clone(), certificates.make("new", "IP:127.0.0.1", false));
    std::fs::copy(&new.0, &cert).expect("a copy");
    std::fs::copy(&new.1, &site.1).expect("a copy");
    outer.wait_for_log("what members are believed by replaced", 1);
    inner.wait_for_log("replaced: 127.0.0.1", 1);
    assert_eq!(Client::connect(outer.addr("web")).get("/").unwrap().status, 200);
}

#[test]
fn secrets_are_written_only_by_order() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let (text, log) =
        (config(&listed(std::slice::from_ref(&site)), "", &origin), certificates.path("keys.log"));
    let named = Program::evenkeel().with_env("SSLKEYLOGFILE", &log.display().to_string());
    let server = named.start(&text);
    assert!(curl(&server, "one.test", &site.0, &[]).is_ok());
    assert!(!log.exists()); // With the switch they are: one line for each secret, in the form that others read.
    let (file, address) = (certificates.path("logged.toml"), quiet_address());
    let text =
        text.replacen("bind = \"127.0.0.1:0\"\npool", &format!("bind = \"{address}\"\npool"), 1);
    std::fs::write(&file, text).expect("a file");
    let mut child = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["run", "--tls-key-log", "-c"])
        .arg(&file)
        .env("SSLKEYLOGFILE", &log)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let connects = || std::net::TcpStream::connect(address).is_ok();
    assert!(wait_until(LONG, connects));
    let url = format!("https://{address}/");
    let got = Command::new("curl").args(["-sk", &url]).output().expect("curl runs");
    assert_eq!(String::from_utf8_lossy(&got.stdout), "a");
    let written = std::fs::read_to_string(&log).expect("secrets");
    assert!(written.contains("CLIENT_TRAFFIC_SECRET_0 "), "{written}");
    let _ = child.kill();
    let _ = child.wait();
}
