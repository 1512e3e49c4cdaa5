//! Certificates of clients.

use super::*;

/// The certificate as RFC 9440 has it.
fn as_field(cert: &Path) -> String {
    let text = std::fs::read_to_string(cert).expect("a certificate");
    let inner = text.lines().filter(|line| !line.starts_with("-----"));
    format!(":{}:", inner.collect::<String>())
}

#[test]
fn members_learn_who_clients_are_and_are_not_lied_to() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let authority = certificates.authority("authority");
    let (cert, key) = certificates.signed("client", &authority);
    let (cert_text, key_text) = (cert.display().to_string(), key.display().to_string());
    let files = listed(std::slice::from_ref(&site));
    let clients = |more: &str| {
        format!("clients = {{ ca = \"{}\", required = false{more} }}", authority.0.display())
    };
    let server = Server::start(&config(&files, &clients(""), &origin));
    let lie = ["-H", "Client-Cert: :bGll:", "-H", "client-cert-chain: :bGll:"];
    for version in ["--http1.1", "--http2"] {
        let shown = [&lie[..], &["--cert", &cert_text, "--key", &key_text, version]].concat();
        curl(&server, "one.test", &site.0, &shown).expect("an answer");
        let head = origin.last().head;
        assert_eq!(head.field_all("client-cert"), [as_field(&cert)]);
        assert!(head.field_all("client-cert-chain").is_empty());
        // Those who show none are served, and nothing is said of them.
        curl(&server, "one.test", &site.0, &[&lie[..], &[version]].concat()).expect("an answer");
        assert!(origin.last().head.field("client-cert").is_none());
    }
    // A chain, without its last.
    let chain = certificates.path("chain.pem");
    let both = [&cert, &authority.0].map(|path| std::fs::read_to_string(path).expect("a file"));
    std::fs::write(&chain, both.concat()).expect("a file");
    let chain = chain.display().to_string();
    curl(&server, "one.test", &site.0, &["--cert", &chain, "--key", &key_text]).expect("an answer");
    let head = origin.last().head;
    assert_eq!(head.field("client-cert"), Some(&*as_field(&cert)));
    assert_eq!(head.field("client-cert-chain"), Some(&*as_field(&authority.0)));
    // Not told where that is not wanted; lies go away all the same.
    let server = Server::start(&config(&files, &clients(", forward = false"), &origin));
    let shown = [&lie[..], &["--cert", &cert_text, "--key", &key_text]].concat();
    curl(&server, "one.test", &site.0, &shown).expect("an answer");
    assert!(origin.last().head.field("client-cert").is_none());
    // A listener in clear believes those it trusts.
    for (trusted, told) in [("", false), ("forwarded = { trusted = [\"127.0.0.1\"] }\n", true)] {
        let server = Server::start(&format!(
            "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\npool = \"app\"\n{trusted}\
             [[pool]]\nname = \"app\"\nmembers = [\"{}\"]\n",
            origin.member()
        ));
        let mut client = Client::connect(server.addr("web"));
        client.send("GET / HTTP/1.1\r\nHost: a\r\nClient-Cert: :bGll:\r\n\r\n").unwrap();
        client.answer().expect("an answer");
        assert_eq!(origin.last().head.field("client-cert").is_some(), told);
    }
}

#[test]
fn revoked_certificates_are_turned_away_and_their_sessions_too() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let authority = certificates.authority("authority");
    let stranger = certificates.signed("stranger", &certificates.authority("elsewhere"));
    let (good, bad) =
        (certificates.signed("good", &authority), certificates.signed("bad", &authority));
    let list = certificates.revoked("list.crl", &authority, &[]);
    let more =
        format!("clients = {{ ca = \"{}\", crl = \"{}\" }}", authority.0.display(), list.display());
    let server = Server::start(&config(&listed(std::slice::from_ref(&site)), &more, &origin));
    let by = |(cert, key): &Files| {
        let (cert, key) = (cert.display().to_string(), key.display().to_string());
        curl(&server, "one.test", &site.0, &["--cert", &cert, "--key", &key])
    };
    assert!(by(&good).is_ok());
    assert!(by(&bad).is_ok());
    assert!(by(&stranger).is_err());
    assert!(curl(&server, "one.test", &site.0, &[]).is_err());
    let refused = |cause: &str, times: u32| {
        let labels = format!("listener=\"web\",cause=\"{cause}\"");
        wait_for_metric(&server, &format!("evenkeel_refusals_total{{{labels}}} {times}"));
    };
    refused("tls-bad-certificate", 1);
    refused("tls-no-certificate", 1);
    // A session of the one who is revoked next.
    let session = certificates.path("session").display().to_string();
    let (cert, key) = (bad.0.display().to_string(), bad.1.display().to_string());
    let shown = ["-tls1_3", "-cert", &cert, "-key", &key];
    let out = s_client(&server, "one.test", &[&shown[..], &["-sess_out", &session]].concat());
    assert!(out.contains("HTTP/1.1 200"), "{out}");
    let resuming = [&shown[..], &["-sess_in", &session]].concat();
    let out = s_client(&server, "one.test", &resuming);
    assert!(out.contains("Reused, TLSv1.3") && out.contains("HTTP/1.1 200"), "{out}");
    certificates.revoked("list.crl", &authority, &[&bad.0]);
    server.wait_for_log("authorities and revocation lists replaced", 1);
    assert!(by(&good).is_ok());
    assert!(by(&bad).is_err());
    let out = s_client(&server, "one.test", &resuming);
    assert!(!out.contains("HTTP/1.1 200"), "{out}");
}
