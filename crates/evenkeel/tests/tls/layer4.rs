//! TLS that ends at a TCP listener.

use super::*;

fn start(certificates: &str, more: &str, routes: &str, pools: &[(&str, &Origin)]) -> Server {
    let pools: String = pools
        .iter()
        .map(|(name, origin)| {
            format!("[[pool]]\nname = \"{name}\"\nmembers = [\"{}\"]\n", origin.member())
        })
        .collect();
    Server::start(&format!(
        "[admin]\nbind = \"127.0.0.1:0\"\n[log]\naccess = \"stdout\"\n\
         [[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\nprotocol = \"tcp\"\n{more}\
         [listener.tls]\ncertificates = [{certificates}]\n{routes}{pools}"
    ))
}

#[test]
fn tcp_listeners_end_tls_and_relay_what_was_in_it() {
    let Some(certificates) = Certificates::new() else { return };
    let origin = Origin::start("a", Answer::echo());
    let site = certificates.make("site", "DNS:one.test", false);
    let files = listed(std::slice::from_ref(&site));
    let server = start(&files, "pool = \"app\"\n", "", &[("app", &origin)]);
    let body = certificates.path("body");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&body, &bytes).expect("a file can be written");
    let got = certificates.path("got");
    let (upload, to) = (format!("@{}", body.display()), got.display().to_string());
    curl(&server, "one.test", &site.0, &["--data-binary", &upload, "-o", &to]).expect("an answer");
    assert!(std::fs::read(&got).expect("a file") == bytes, "what came back is what was sent");
    let line = || server.stdout().lines().find(|line| line.starts_with('{')).map(str::to_owned);
    let line = wait_for(LONG, line).expect("a line");
    for part in [
        "\"protocol\":\"TCP\"",
        "\"tls_version\":\"TLSv1.3\"",
        "\"sni\":\"one.test\"",
        "\"host\":\"one.test\"",
    ] {
        assert!(line.contains(part), "{line}");
    }
    // No TLS, no service.
    assert!(Client::connect(server.addr("web")).get("/").is_err());
    wait_for_metric(&server, "evenkeel_refusals_total{listener=\"web\",cause=\"tls-no-record\"} 1");
}

#[test]
fn routes_by_name_count_also_where_tls_ends() {
    let Some(certificates) = Certificates::new() else { return };
    let (one, two) = (Origin::named("one"), Origin::named("two"));
    let site = certificates.make("site", "DNS:one.test,DNS:two.test", false);
    let route = |name: &str, pool: &str| {
        format!("[[route]]\nlisteners = [\"web\"]\nsni = \"{name}\"\npool = \"{pool}\"\n")
    };
    let routes = route("one.test", "one") + &route("two.test", "two");
    let files = listed(std::slice::from_ref(&site));
    let server = start(&files, "", &routes, &[("one", &one), ("two", &two)]);
    for name in ["one", "two"] {
        let got = curl(&server, &format!("{name}.test"), &site.0, &[]);
        assert_eq!(got, Ok(format!("{name} 200 0")));
    }
    assert!(curl(&server, "three.test", &site.0, &["-k"]).is_err());
    wait_for_metric(&server, "evenkeel_refusals_total{listener=\"web\",cause=\"no-route-tcp\"} 1");
}
