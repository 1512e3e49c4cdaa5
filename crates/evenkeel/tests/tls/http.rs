//! What TLS means for HTTP: redirects to it, HSTS, misdirected requests, the access log.

use super::*;

#[test]
fn plain_requests_are_sent_to_https_but_for_proofs_of_names() {
    let origin = Origin::named("a");
    for (redirect, port) in [("true", ""), ("8443", ":8443")] {
        let server = Server::start(&format!(
            "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\nredirect_https = {redirect}\n\
             pool = \"app\"\n[[pool]]\nname = \"app\"\nmembers = [\"{}\"]\n",
            origin.member()
        ));
        let mut client = Client::connect(server.addr("web"));
        let mut get = |target: &str| {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: One.test:80\r\n\r\n")).unwrap();
            client.answer().expect("an answer")
        };
        let got = get("/a%20b?c=d");
        assert_eq!(got.status, 308);
        let to = format!("https://one.test{port}/a%20b?c=d");
        assert_eq!(got.field("location"), Some(&*to));
        assert_eq!(get("/.well-known/acme-challenge/x").text(), "a");
    }
    // A listener that does nothing else needs neither pool nor route.
    let server = Server::start(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\nredirect_https = true\n",
    );
    assert_eq!(Client::connect(server.addr("web")).get("/").unwrap().status, 308);
    assert_eq!(
        Client::connect(server.addr("web")).get("/.well-known/acme-challenge/").unwrap().status,
        404
    );
}

#[test]
fn answers_by_tls_say_to_come_back_by_it() {
    let Some(certificates) = Certificates::new() else { return };
    let theirs = "Strict-Transport-Security: max-age=1\r\nX-Theirs: 1";
    let origin = Origin::scripted("a", move |_| {
        Answer::raw(format!("HTTP/1.1 200 OK\r\n{theirs}\r\nContent-Length: 0\r\n\r\n"))
    });
    let site = certificates.make("site", "DNS:one.test", false);
    for (hsts, says) in [
        ("hsts = \"180d\"", "max-age=15552000"),
        (
            "hsts = { max_age = \"1d\", subdomains = true, preload = true }",
            "max-age=86400; includeSubDomains; preload",
        ),
        ("", "max-age=1"),
    ] {
        let server = Server::start(&config(&listed(std::slice::from_ref(&site)), hsts, &origin));
        for version in ["--http2", "--http1.1"] {
            let got = curl(&server, "one.test", &site.0, &["-i", version]).expect("an answer");
            let got = got.to_ascii_lowercase();
            let lines: Vec<&str> =
                got.lines().filter(|line| line.starts_with("strict-transport")).collect();
            let says = format!("strict-transport-security: {says}").to_ascii_lowercase();
            assert_eq!(lines, [says], "{got}");
            assert!(got.contains("x-theirs: 1"));
        }
    }
}

#[test]
fn requests_for_a_host_of_another_certificate_are_misdirected() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let first = certificates.make("first", "DNS:one.test,DNS:*.one.test", false);
    let second = certificates.make("second", "DNS:two.test", false);
    let files = listed(&[first.clone(), second]);
    let server = Server::start(&config(&files, "", &origin));
    let status = |server: &Server, name: &str, host: &str, version: &str| {
        let host = format!("Host: {host}");
        let got = curl(server, name, &first.0, &["-k", version, "-H", &host]).expect("an answer");
        got.split(' ').rev().nth(1).expect("a status").to_owned()
    };
    for version in ["--http1.1", "--http2"] {
        for (name, host, expected) in [
            ("one.test", "one.test", "200"),
            // The same certificate is for both.
            ("one.test", "a.one.test", "200"),
            ("a.one.test", "One.Test:99", "200"),
            // No certificate is for it: none would be better.
            ("one.test", "other.test", "200"),
            ("one.test", "two.test", "421"),
            ("two.test", "one.test", "421"),
            ("two.test", "b.one.test.", "421"),
            // The first certificate stands in for unknown names.
            ("other.test", "one.test", "200"),
            ("other.test", "two.test", "421"),
        ] {
            let got = status(&server, name, host, version);
            assert_eq!(got, expected, "{name} {host} {version}");
        }
    }
    wait_for_metric(&server, "evenkeel_refusals_total{listener=\"web\",cause=\"misdirected\"}");
    // Without a name in the handshake nothing is known, and nothing refused.
    let unnamed = s_client(&server, "", &[]);
    assert!(unnamed.contains("HTTP/1.1 200"), "{unnamed}");
    let server = Server::start(&config(&files, "misdirected = \"serve\"", &origin));
    assert_eq!(status(&server, "one.test", "two.test", "--http1.1"), "200");
}

#[test]
fn the_access_log_says_what_was_agreed_on() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let text = config(&listed(std::slice::from_ref(&site)), "", &origin);
    let server = Server::start(&format!("{text}\n[log]\naccess = \"stdout\"\n"));
    for version in ["--http2", "--http1.1"] {
        curl(&server, "one.test", &site.0, &[version]).expect("an answer");
    }
    curl(&server, "one.test", &site.0, &["--tls-max", "1.2"]).expect("an answer");
    let lines = || {
        let lines = server.stdout();
        lines.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(wait_until(LONG, || lines().len() == 3), "{:?}", lines());
    let with = |version: &str| {
        let part = format!("\"tls_version\":\"{version}\"");
        lines().iter().filter(|line| line.contains(&part)).count()
    };
    assert_eq!((with("TLSv1.3"), with("TLSv1.2")), (2, 1));
    for line in lines() {
        assert!(line.contains("\"tls_cipher\":\"TLS"), "{line}");
        assert!(line.contains("\"sni\":\"one.test\",\"tls_resumed\":\"no\""), "{line}");
    }
    let count = |version: &str, count: u32| {
        let labels = format!("listener=\"web\",version=\"{version}\",resumed=\"no\"");
        wait_for_metric(&server, &format!("evenkeel_tls_handshakes_total{{{labels}}} {count}"));
    };
    count("TLSv1.3", 2);
    count("TLSv1.2", 1);
}

#[test]
fn the_end_of_a_whole_answer_is_told_and_that_of_a_cut_one_is_not() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let server = Server::start(&config(&listed(std::slice::from_ref(&site)), "", &origin));
    let told = || s_client(&server, "one.test", &["-msg"]).contains("close_notify");
    for whole in [
        Answer::text("hello"),
        Answer::chunked(&["one", "two"], &[]),
        Answer::until_close("to the end"),
        Answer::big(3_000_000),
    ] {
        origin.set(whole);
        assert!(told());
    }
    origin.set(Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").then_close());
    assert!(!told());
}
