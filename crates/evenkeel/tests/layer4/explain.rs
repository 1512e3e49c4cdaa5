//! `evenkeel explain` for connections and flows: what it says is what happens.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use evenkeel_testkit::*;

use crate::echo::{Echo, UdpEcho, ask, connect, read};
use crate::server_names::{hello, setup};
use crate::udp::{quic_member, short};
use crate::{config, start, wait_for_line};

/// What it says; it must know.
#[track_caller]
fn explain(server: &Server, words: &[&str]) -> String {
    let done = server.command(&[&["explain", "-c", "evenkeel.toml"], words].concat());
    assert_eq!(done.code, Some(0), "{words:?}: {}", done.stderr);
    done.stdout
}

/// The same by what the running server knows.
fn explain_live(server: &Server, words: &[&str]) -> String {
    let admin = server.addr("admin").to_string();
    explain(server, &[words, &["--live", "--admin", &admin]].concat())
}

/// The one member that it names.
#[track_caller]
fn member(told: &str) -> String {
    let line = told.lines().find_map(|line| line.strip_prefix("member    "));
    let address = line.and_then(|line| line.split(' ').nth(1));
    address.unwrap_or_else(|| panic!("no member in\n{told}")).to_owned()
}

/// Clients of addresses of their own.
fn clients() -> impl Iterator<Item = IpAddr> {
    (2..18).map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 0, n)))
}

#[test]
fn names_and_protocols_lead_where_connections_go() {
    let setup = setup(true);
    for (name, alpn, at, route) in [
        ("a.test", &["h2", "http/1.1"][..], 0, "route     route-1: the first in file order"),
        ("A.TEST", &["http/1.1"], 1, "not       route-1: asks for alpn h2"),
        ("x.b.test", &["h2"], 2, "not       route-2: asks for a.test"),
        ("b.test", &[], 3, "route     none matches; the listener's own pool takes the rest"),
    ] {
        let protocols = alpn.join(",");
        let mut words = vec!["tcp://l4", "--sni", name];
        if !alpn.is_empty() {
            words.extend(["--alpn", &protocols]);
        }
        let told = explain(&setup.server, &words);
        assert!(told.contains(route), "{told}");
        assert_eq!(member(&told), setup.members[at].address.to_string());
        setup.comes_to(at, &hello(Some(name), alpn, 16_384));
    }
    let told = explain(&setup.server, &["tcp://l4"]);
    assert!(told.contains("without server name and alpn"), "{told}");
    assert_eq!(member(&told), setup.members[3].address.to_string());
    setup.comes_to(3, &hello(None, &[], 16_384));
}

#[test]
fn a_connection_that_no_route_takes_ends_as_it_says() {
    let setup = setup(false);
    let told = explain(&setup.server, &["tcp://l4", "--sni", "other.test"]);
    assert_eq!(told.lines().filter(|line| line.starts_with("not ")).count(), 3, "{told}");
    assert!(told.contains("reset, no-route-tcp") && told.contains("tls-no-record"), "{told}");
    let mut client = connect(setup.server.addr("l4"));
    client.write_all(&hello(Some("other.test"), &[], 16_384)).unwrap();
    wait_for_line(&setup.server, &["\"cause\":\"no-route-tcp\""]);
}

#[test]
fn a_client_comes_to_the_member_that_its_address_leads_to() {
    let members = ["a", "b", "c"].map(Echo::start);
    let listed = [0, 1, 2].map(|n: usize| members[n].member());
    for (pool, why) in [
        ("policy = \"source-hash\"", "by the hash of the client's address"),
        ("affinity = { client = \"source\" }", "by the client's address: affinity"),
    ] {
        let server = start(&config("tcp", "", &listed, pool));
        let mut seen = std::collections::HashSet::new();
        for ip in clients() {
            let mut client = Client::connect_from(ip, server.addr("l4"));
            let name = client.read_exact(1).unwrap();
            let real = &listed[usize::from(name[0] - b'a')];
            let told = explain(&server, &["tcp://l4", "--client", &format!("{ip}:5555")]);
            assert_eq!(&member(&told), real, "{told}");
            assert!(told.contains(why), "{told}");
            seen.insert(name);
        }
        assert!(seen.len() > 1, "clients are spread");
    }
}

#[test]
fn a_flow_comes_to_the_member_that_its_client_leads_to() {
    let members = ["a", "b", "c"].map(UdpEcho::start);
    let listed = [0, 1, 2].map(|n: usize| members[n].member());
    let server = start(&config("udp", "", &listed, "policy = \"maglev\""));
    for ip in clients() {
        let client = UdpSocket::bind((ip, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.connect(server.addr("l4")).unwrap();
        let name = ask(&client, b"");
        let told = explain(&server, &["udp://l4", "--client", &ip.to_string()]);
        assert_eq!(member(&told), listed[usize::from(name.as_bytes()[0] - b'a')], "{told}");
    }
}

#[test]
fn a_quic_client_comes_to_the_member_that_its_connection_id_names() {
    let members = [quic_member("A", [1; 8]), quic_member("B", [2; 8])];
    let mut text = config("udp", "udp = { quic = true }", &[], "").replace("members = []\n", "");
    for (member, id) in members.iter().zip(["aa01", "aa02"]) {
        text += &format!("[[pool.member]]\naddress = \"{member}\"\nquic_id = \"{id}\"\n");
    }
    let server = start(&text);
    for (id, hex, name) in [([7, 0xaa, 1, 5], "07aa0105", 'A'), ([7, 0xaa, 2, 9], "07aa0209", 'B')]
    {
        let told = explain(&server, &["udp://l4", "--connection-id", hex]);
        assert!(told.contains("(by its connection id)"), "{told}");
        let client = crate::echo::client(server.addr("l4"));
        assert_eq!(ask(&client, &short(&id)).pop(), Some(name));
        assert_eq!(member(&told), members[usize::from(name as u8 - b'A')]);
    }
}

#[test]
fn the_running_server_tells_who_is_out_and_who_is_full() {
    let members = ["a", "b", "c"].map(Echo::start);
    let listed = [0, 1].map(|n: usize| members[n].member());
    let more = format!(
        "policy = \"least-requests\"\nhealth = {{ check = \"tcp\", interval = \"100ms\", fall = 1 }}\n\
         timeouts = {{ queue = \"1s\" }}\n[[pool.member]]\naddress = \"{}\"\nmax_requests = 1\n",
        members[2].member()
    );
    // Members of both forms are not listed together: the first two get tables as well.
    let tables: String =
        listed.iter().map(|member| format!("[[pool.member]]\naddress = \"{member}\"\n")).collect();
    let text = config("tcp", "", &[], &(more + &tables)).replace("members = []\n", "");
    let server = start(&text);
    let cold = explain(&server, &["tcp://l4"]);
    assert_eq!(cold.matches("\ncandidate ").count(), 3, "{cold}");
    assert!(cold.contains("--live asks the running server"), "{cold}");
    for member in &listed {
        let admin = server.addr("admin").to_string();
        let done = server.command(&["member", "--admin", &admin, "p", member, "disable"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }
    let told = explain_live(&server, &["tcp://l4"]);
    for member in &listed {
        assert!(told.contains(&format!("{member}: disabled")), "{told}");
    }
    assert_eq!(member(&told), members[2].member(), "the only one that is left");
    let mut client = connect(server.addr("l4"));
    assert_eq!(read(&mut client, 1), "c");
    let full =
        || explain_live(&server, &["tcp://l4"]).contains("at its max_requests: the client waits");
    assert!(wait_until(LONG, full), "{}", explain_live(&server, &["tcp://l4"]));
}

#[test]
fn what_is_asked_wrongly_is_told() {
    let text = "[[listener]]\nname = \"sql\"\nbind = \"127.0.0.1:5432\"\nprotocol = \"tcp\"\npool = \"p\"\n\
                [[listener]]\nname = \"dns\"\nbind = \"0.0.0.0:53\"\nprotocol = \"udp\"\npool = \"p\"\n\
                [[listener]]\nname = \"web\"\nbind = \"[::]:80\"\npool = \"p\"\n\
                [[pool]]\nname = \"p\"\nmembers = [\"10.0.0.1:1\"]\n";
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("evenkeel.toml"), text).unwrap();
    let program = Program::at(env!("CARGO_BIN_EXE_evenkeel"));
    let run = |words: &str| {
        let words: Vec<&str> = ["explain"].into_iter().chain(words.split_whitespace()).collect();
        program.run_in(folder.path(), &words)
    };
    for (words, code, told) in [
        ("tcp://nobody", 1, "there are: tcp sql (127.0.0.1:5432), udp dns (0.0.0.0:53), http web"),
        ("tcp://127.0.0.1:1", 1, "no TCP listener at 127.0.0.1:1; there are: tcp sql"),
        (
            "udp://127.0.0.1:5432",
            1,
            "the listener sql, which speaks TCP: evenkeel explain tcp://sql",
        ),
        ("tcp://web", 1, "which speaks HTTP: evenkeel explain METHOD http://HOST/PATH"),
        ("GET http://x:5432/", 1, "the listener sql, which speaks TCP: evenkeel explain tcp://sql"),
        ("udp://dns --sni a", 1, "a UDP listener reads no ClientHello"),
        ("tcp://sql --connection-id 01", 1, "a TCP listener knows no QUIC"),
        ("udp://dns --connection-id 01", 1, "udp = { quic = true }"),
        ("GET tcp://sql", 1, "leave out GET"),
        ("tcp://sql -H X:1", 1, "--header is for requests"),
        ("GET http://x/ --sni a", 1, "a request has its host in the URL"),
        ("http://x/", 2, "evenkeel explain GET http://x/"),
        ("tcp://sql --client x", 2, "192.0.2.7:5555"),
        ("udp://dns --connection-id 012", 2, "pairs of hexadecimal digits"),
        ("", 2, "Usage: evenkeel explain"),
    ] {
        let done = run(words);
        assert_eq!(done.code, Some(code), "{words}: {}", done.stderr);
        assert!(done.stderr.contains(told), "{words}: {}", done.stderr);
        assert_eq!(done.stdout, "", "{words}");
    }
    // An address may be that of any listener on all, and a machine's name stands for its port.
    for (words, told) in [
        ("udp://192.0.2.1:53", "listener  dns"),
        ("tcp://localhost:5432 --client 192.0.2.1", "client    192.0.2.1\n"),
        ("tcp://sql --sni a", "--sni and --alpn change nothing"),
        ("GET http://x/", "listener  web"),
        ("GET http://x:53/", "listener  web"),
    ] {
        let done = run(words);
        assert!(done.stdout.contains(told) && done.code == Some(0), "{words}: {done:?}");
    }
}

#[test]
fn proxy_headers_are_told_on_both_sides() {
    let a = Echo::start("a");
    let listener = "proxy_protocol = \"require\"";
    let pool = "proxy_protocol = \"v2\"";
    let server = start(&config("tcp", listener, &[a.member()], pool));
    let told = explain(&server, &["tcp://l4", "--client", "203.0.113.7:5555"]);
    for part in [
        "proxy-untrusted, proxy-no-header, proxy-timeout",
        "sends     a PROXY header v2 first: 203.0.113.7:5555 to 127.0.0.1:0",
        "connect-refused",
    ] {
        assert!(told.contains(part), "{told}");
    }
}
