//! UDP listeners.

use std::collections::HashSet;
use std::net::UdpSocket;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use evenkeel_testkit::*;

use crate::echo::{UdpEcho, ask, client};
use crate::{config, metrics, start, wait_for_line, wait_for_metric};

#[test]
fn a_client_stays_with_its_member_and_all_sizes_pass() {
    let (a, b) = (UdpEcho::start("a"), UdpEcho::start("b"));
    let server = start(&config("udp", "", &[a.member(), b.member()], ""));
    let mut seen = HashSet::new();
    for _ in 0..4 {
        let client = client(server.addr("l4"));
        let first = ask(&client, b"");
        seen.insert(first.clone());
        for size in [1, 100, 1472, 9000, 60_000] {
            let answer = ask(&client, &vec![b'x'; size]);
            assert!(answer.len() == size + 1 && answer.starts_with(&first));
        }
    }
    assert_eq!(seen.len(), 2, "round robin over flows");
    wait_for_metric(&server, "evenkeel_connections{listener=\"l4\"} 4");
}

#[test]
fn bursts_arrive_in_order() {
    let a = UdpEcho::start("");
    let server = start(&config("udp", "", &[a.member()], ""));
    let client = client(server.addr("l4"));
    for round in 0..50_u32 {
        let sizes = [64, 64, 64, 10, 64, 1200, 1200, 3];
        let datagrams: Vec<Vec<u8>> =
            (0_u8..).zip(sizes).map(|(n, size)| [&[n][..], &vec![7; size]].concat()).collect();
        datagrams.iter().for_each(|datagram| assert!(client.send(datagram).is_ok()));
        for datagram in &datagrams {
            let mut buffer = [0; 2000];
            let size = client.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..size], datagram, "round {round}");
        }
    }
}

#[test]
fn silence_ends_a_flow_and_responses_that_are_counted_end_it_at_once() {
    let a = UdpEcho::start("a");
    let server = start(&config("udp", "timeouts = { idle = \"300ms\" }", &[a.member()], ""));
    let one = client(server.addr("l4"));
    assert_eq!(ask(&one, b"1"), "a1");
    wait_for_line(&server, &["\"protocol\":\"UDP\"", "\"bytes_in\":1", "\"bytes_out\":2"]);
    assert_eq!(ask(&one, b"2"), "a2", "the next datagram begins a new flow");
    let server = start(&config("udp", "udp = { responses = 1 }", &[a.member()], ""));
    let two = client(server.addr("l4"));
    for _ in 0..3 {
        assert_eq!(ask(&two, b"q"), "aq");
    }
    wait_for_metric(&server, "evenkeel_connections{listener=\"l4\"} 0");
    wait_for_metric(&server, "evenkeel_connections_accepted_total{listener=\"l4\"} 3");
}

#[test]
fn a_flow_without_the_expected_answers_says_so() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let member = silent.local_addr().unwrap().to_string();
    let listener = "udp = { responses = 1 }\ntimeouts = { idle = \"300ms\" }";
    let server = start(&config("udp", listener, &[member], ""));
    client(server.addr("l4")).send(b"anybody?").unwrap();
    wait_for_line(&server, &["\"cause\":\"unanswered\""]);
}

#[test]
fn a_member_that_refuses_is_left_at_once() {
    let (a, b) = (UdpEcho::start("a"), UdpEcho::start("b"));
    let pool = "policy = \"maglev\"";
    let server = start(&config("udp", "", &[a.member(), b.member()], pool));
    let client = client(server.addr("l4"));
    let first = ask(&client, b"");
    if first == "a" {
        a.stop()
    } else {
        b.stop()
    }
    // Refusals come back by ICMP; the datagram that was refused is lost, the next one is not.
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = [0; 10];
    let mut lost = 0;
    loop {
        client.send(b"").unwrap();
        match client.recv(&mut answer) {
            Ok(size) => break assert_ne!(String::from_utf8_lossy(&answer[..size]), first),
            Err(_) => lost += 1,
        }
        assert!(lost <= 2, "still no other member");
    }
    wait_for_line(&server, &["\"cause\":\"udp-refused\""]);
}

#[test]
fn probes_find_members_that_refuse_or_do_not_answer() {
    let (a, b) = (UdpEcho::start("a"), UdpEcho::start("ba"));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let pool = "[pool.health]\ncheck = \"udp\"\nsend = { hex = \"00ff\" }\nexpect = \"a\"\n\
                interval = \"100ms\"\ntimeout = \"80ms\"\nfall = 2\nrise = 1\n";
    let mut text = config("udp", "", &[], pool).replace("members = []\n", "");
    for (tag, address) in [("a", a.member()), ("b", b.member()), ("silent", silent)] {
        text += &format!("[[pool.member]]\naddress = \"{address}\"\ntag = \"{tag}\"\n");
    }
    let server = start(&text);
    let is = |tag: &str, up: u8| {
        wait_for_metric(
            &server,
            &format!("evenkeel_member_up{{pool=\"p\",member=\"{tag}\"}} {up}"),
        );
    };
    is("silent", 0);
    is("a", 1);
    is("b", 1);
    b.stop();
    is("b", 0);
    for _ in 0..6 {
        assert_eq!(ask(&client(server.addr("l4")), b"."), "a.");
    }
}

#[test]
fn a_full_table_gives_way_and_serves_on() {
    let a = UdpEcho::start("a");
    let server = start(&config("udp", "limits = { connections = 50 }", &[a.member()], ""));
    let clients: Vec<UdpSocket> = (0..200).map(|_| client(server.addr("l4"))).collect();
    for client in &clients {
        assert_eq!(ask(client, b"x"), "ax");
    }
    wait_for_line(&server, &["\"cause\":\"flow-evicted\""]);
    let open = metrics(&server);
    let open = open.lines().find(|line| line.starts_with("evenkeel_connections{")).unwrap();
    let open: usize = open.rsplit(' ').next().unwrap().parse().unwrap();
    // The limit is shared out to the cores, rounded up.
    assert!((1..=60).contains(&open), "{open}");
    assert_eq!(ask(&clients[0], b"y"), "ay");
}

#[test]
fn reloads_keep_flows_with_their_members_and_move_those_whose_member_is_gone() {
    let (a, b) = (UdpEcho::start("a"), UdpEcho::start("b"));
    let both = config("udp", "", &[a.member(), b.member()], "policy = \"source-hash\"");
    let server = start(&both);
    let client = client(server.addr("l4"));
    let first = ask(&client, b"");
    for n in 2..12 {
        let comment = format!("# {n}\n{both}").replace("idle_", "idle_");
        server.reload_with(&comment);
        assert_eq!(ask(&client, b""), first);
    }
    let (left, other) = if first == "a" { (&b, "b") } else { (&a, "a") };
    server.reload_with(&config("udp", "", &[left.member()], ""));
    assert!(wait_until(LONG, || ask(&client, b"") == other));
}

#[test]
fn a_drain_lets_answers_through_and_ends() {
    let slow = UdpSocket::bind("127.0.0.1:0").unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut server = start(&config("udp", "", &[slow.local_addr().unwrap().to_string()], ""));
    let client = client(server.addr("l4"));
    client.send(b"question").unwrap();
    let mut buffer = [0; 100];
    let (_, from) = slow.recv_from(&mut buffer).unwrap();
    server.signal(Signal::TERM);
    server.wait_for_log("draining", 1);
    slow.send_to(b"answer", from).unwrap();
    assert_eq!(client.recv(&mut buffer).unwrap(), 6);
    assert_eq!(server.wait(Duration::from_secs(10)), Some(0));
}

/// A QUIC long header: version 1, Initial.
fn initial(dcid: &[u8], scid: &[u8]) -> Vec<u8> {
    let length = |id: &[u8]| [u8::try_from(id.len()).unwrap()];
    let mut bytes = vec![0xc0, 0, 0, 0, 1];
    bytes.extend([&length(dcid)[..], dcid, &length(scid), scid, &[0; 30]].concat());
    bytes
}

pub(crate) fn short(dcid: &[u8]) -> Vec<u8> {
    [&[0x40][..], dcid, &[9; 30]].concat()
}

/// A member that answers Initials with ids of its own, and everything with its name.
pub(crate) fn quic_member(name: &'static str, id: [u8; 8]) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((size, from)) = socket.recv_from(&mut buffer) {
            let mut answer = match buffer[0] & 0x80 {
                0 => short(b""),
                _ if size > 5 => initial(b"", &id),
                _ => continue,
            };
            answer.extend_from_slice(name.as_bytes());
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

#[test]
fn quic_clients_that_change_their_address_stay_with_their_member() {
    let ids = [*b"\x07serverA", *b"\x07serverB", *b"\x07serverC"];
    let members = [quic_member("A", ids[0]), quic_member("B", ids[1]), quic_member("C", ids[2])];
    let server = start(&config("udp", "udp = { quic = true }", &members, ""));
    for n in 0..9_u8 {
        let before = client(server.addr("l4"));
        let who = ask(&before, &initial(&[n; 8], b"client")).pop().unwrap();
        let id = ids[usize::from(who as u8 - b'A')];
        // From other addresses: by the id that the member issued.
        for _ in 0..3 {
            let after = client(server.addr("l4"));
            assert_eq!(ask(&after, &short(&id)).pop(), Some(who), "client {n}");
        }
    }
}

#[test]
fn quic_members_that_name_themselves_in_their_ids_are_found_by_ids_never_seen() {
    let members = [quic_member("A", [1; 8]), quic_member("B", [2; 8])];
    let mut text = config("udp", "udp = { quic = true }", &[], "").replace("members = []\n", "");
    for (member, id) in members.iter().zip(["aa01", "aa02"]) {
        text += &format!("[[pool.member]]\naddress = \"{member}\"\nquic_id = \"{id}\"\n");
    }
    let server = start(&text);
    for n in 0..10_u8 {
        for (last, name) in [(1, 'A'), (2, 'B')] {
            let unseen = [0x07, 0xaa, last, n, n, n, n, n];
            let client = client(server.addr("l4"));
            assert_eq!(ask(&client, &short(&unseen)).pop(), Some(name));
        }
    }
}

#[test]
fn both_ip_versions_and_wildcards_answer_from_where_they_were_asked() {
    let a = UdpEcho::start("a");
    let text = config("udp", "", &[a.member()], "").replacen(
        "\"127.0.0.1:0\"\nprotocol",
        "[\"0.0.0.0:0\", \"[::]:0\"]\nprotocol",
        1,
    );
    let server = start(&text);
    let ports: Vec<u16> = server
        .addresses("l4")
        .iter()
        .map(|address| address.rsplit(':').next().unwrap().parse().unwrap())
        .collect();
    // A connected socket takes answers from the address it sent to only.
    let v4 = client(([127, 0, 0, 3], ports[0]).into());
    assert_eq!(ask(&v4, b"4"), "a4");
    let v6 = client((std::net::Ipv6Addr::LOCALHOST, ports[1]).into());
    assert_eq!(ask(&v6, b"6"), "a6");
    assert!(a.received.load(SeqCst) >= 2);
}
