//! Files that change while they are served.

use super::*;

/// A renewed certificate is shown without anybody asking; a bad one is told, and the one before
/// stays.
#[test]
fn renewed_certificates_are_taken_and_bad_ones_told() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let server = Server::start(&config(&listed(std::slice::from_ref(&site)), "", &origin));
    assert_eq!(curl(&server, "one.test", &site.0, &[]).as_deref(), Ok("a 200 0"));
    wait_for_metric(&server, "evenkeel_certificate_expiry_seconds{listener=\"web\",certificate=");
    let kept = certificates.path("kept.pem");
    std::fs::copy(&site.0, &kept).expect("a copy");

    // Bad ones: each is told once, and the good one is shown all the while.
    let ended = certificates.ended("ended", "DNS:one.test");
    for (cert, key, words) in [
        (None, None, "No such file"),
        (Some(&kept), Some(&ended.1), "does not belong to the certificate"),
        (Some(&ended.0), Some(&ended.1), "ended on 2021-01-01"),
    ] {
        for (to, from) in [(&site.0, cert), (&site.1, key)] {
            match from {
                Some(from) => drop(std::fs::copy(from, to).expect("a copy")),
                None => std::fs::remove_file(to).expect("it goes"),
            }
        }
        server.wait_for_log("changed file refused, the one before stays in use", 1);
        assert!(wait_until(LONG, || server.stderr().contains(words)), "{}", server.stderr());
        assert_eq!(curl(&server, "one.test", &kept, &[]).as_deref(), Ok("a 200 0"), "{words}");
    }

    // A pipe that nobody writes to must not keep anybody waiting.
    std::fs::remove_file(&site.0).expect("it goes");
    assert!(Command::new("mkfifo").arg(&site.0).status().is_ok_and(|status| status.success()));
    assert!(wait_until(LONG, || server.stderr().contains("this is no regular file")));
    assert_eq!(curl(&server, "one.test", &kept, &[]).as_deref(), Ok("a 200 0"));

    // A good one again, with another name.
    let _ = (std::fs::remove_file(&site.0), std::fs::remove_file(&site.1));
    let site = certificates.make("site", "DNS:two.test", false);
    assert!(
        wait_until(LONG, || curl(&server, "two.test", &site.0, &[]).is_ok()),
        "{}",
        server.stderr()
    );
    server.wait_for_log("replaced: two.test, until", 1);
    // No change of plan: the generation is the first.
    assert!(metrics(&server).contains("evenkeel_config_generation 1\n"));
}

#[test]
fn certificates_that_ended_are_served_with_a_warning_at_start() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let ended = certificates.ended("ended", "DNS:one.test");
    std::fs::set_permissions(&ended.1, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("a mode");
    let text = config(&listed(std::slice::from_ref(&ended)), "", &origin);
    let checked = Program::evenkeel().check(&text);
    let told = checked.stderr;
    assert_eq!(checked.code, Some(0), "{told}");
    assert!(told.contains("warning: ") && told.contains("ended on 2021-01-01"), "{told}");
    assert!(told.contains("others than its owner can use this key (mode 0644)"), "{told}");
    assert!(told.contains("help: chmod 600"), "{told}");
    let server = Server::start(&text);
    server.wait_for_log("ended on 2021-01-01", 1);
    let got = curl(&server, "one.test", &ended.0, &["-k"]).expect("an answer");
    assert!(got.starts_with("a 200"), "{got}");
    wait_for_metric(&server, "evenkeel_certificate_expiry_seconds");
    let line = metrics(&server);
    let line = line.lines().find(|line| line.starts_with("evenkeel_certificate_expiry_seconds{"));
    assert!(line.is_some_and(|line| line.contains("} -")), "{line:?}");
}

#[test]
fn one_name_may_have_a_certificate_of_each_kind() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let rsa = certificates.make("rsa", "DNS:one.test", true);
    let ec = certificates.make("ec", "DNS:one.test", false);
    let server = Server::start(&config(&listed(&[rsa.clone(), ec.clone()]), "", &origin));
    // Whoever can takes the curve, also without a name; who cannot takes RSA.
    assert_eq!(curl(&server, "one.test", &ec.0, &[]).as_deref(), Ok("a 200 0"));
    let only_rsa = ["--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"];
    assert_eq!(curl(&server, "one.test", &rsa.0, &only_rsa).as_deref(), Ok("a 200 0"));
    let unnamed = s_client(&server, "other.test", &["-showcerts"]);
    assert!(unnamed.contains("CN = ec") || unnamed.contains("CN=ec"), "{unnamed}");
}

#[test]
fn an_ocsp_answer_is_stapled() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::named("a");
    let site = certificates.make("site", "DNS:one.test", false);
    let answer = certificates.path("site.ocsp");
    // The shortest answer there is: responseStatus tryLater.
    std::fs::write(&answer, [0x30, 0x03, 0x0a, 0x01, 0x03]).expect("a file");
    let files = listed(std::slice::from_ref(&site));
    let files = files.replace(" }", &format!(", ocsp = \"{}\" }}", answer.display()));
    let server = Server::start(&config(&files, "", &origin));
    let told = s_client(&server, "one.test", &["-status"]);
    assert!(told.contains("OCSP Response Status: trylater"), "{told}");
    std::fs::write(&answer, "no answer").expect("a file");
    server.wait_for_log("this is no OCSP answer in DER", 1);
    let told = s_client(&server, "one.test", &["-status"]);
    assert!(told.contains("OCSP Response Status: trylater"), "{told}");
}

/// Whoever adds a member did not ask for a certificate: what was good serves on.
#[test]
fn orders_go_through_while_files_are_bad() {
    let Some(certificates) = Certificates::new() else { return };
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let site = certificates.make("site", "DNS:one.test", false);
    let keys = certificates.path("tickets.key");
    std::fs::write(&keys, "5a".repeat(32)).expect("a file");
    let more = format!(
        "ticket_keys = \"{}\"\nclients = {{ ca = \"{}\", required = false }}",
        keys.display(),
        site.0.display()
    );
    let server = Server::start(&config(&listed(std::slice::from_ref(&site)), &more, &a));
    let kept = certificates.path("kept.pem");
    std::fs::copy(&site.0, &kept).expect("a copy");
    for path in [&site.0, &site.1, &keys] {
        std::fs::write(path, "nonsense").expect("a file");
    }
    let json = [("Content-Type", "application/json"), ("Host", "127.0.0.1")];
    let body = format!("{{\"address\":\"{}\",\"tag\":\"new\"}}", b.member());
    let mut admin = Client::connect(server.addr("admin"));
    let added = admin.request("POST", "/api/v1/pools/app/members", &json, body.as_bytes());
    let added = added.expect("an answer");
    assert_eq!(added.status, 201, "{}", added.text());
    let get = || curl(&server, "one.test", &kept, &[]);
    assert!(wait_until(LONG, || get().as_deref() == Ok("b 200 0")), "{:?}", get());
    // A reload asks for all of it, and is refused.
    server.signal(Signal::HUP);
    server.wait_for_log("there is no certificate in it", 1);
    assert!(get().is_ok());
}
