//! TCP listeners.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use evenkeel_testkit::*;

use crate::echo::{Echo, connect, read};
use crate::{config, metrics, start, wait_for_line, wait_for_metric};

#[test]
fn bytes_pass_both_ways_and_ends_stay_apart() {
    let echo = Echo::start("a");
    let server = start(&config("tcp", "", &[echo.member()], ""));
    let mut client = connect(server.addr("l4"));
    assert_eq!(read(&mut client, 1), "a");
    client.write_all(b"hello").unwrap();
    assert_eq!(read(&mut client, 5), "hello");
    // While it lasts, it is seen.
    wait_for_metric(&server, "evenkeel_connections{listener=\"l4\"} 1");
    wait_for_metric(&server, "evenkeel_bytes_total{listener=\"l4\",pool=\"p\",direction=\"in\"} 5");
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "bye");
    wait_for_line(
        &server,
        &["\"protocol\":\"TCP\"", "\"bytes_in\":5", "\"bytes_out\":9", "\"listener\":\"l4\""],
    );
    let log = std::fs::read_to_string(server.folder().join("access.log")).unwrap();
    assert!(!log.contains("cause"), "{log}");
}

#[test]
fn bulk_arrives_whole_in_both_directions() {
    let echo = Echo::start("a");
    let server = start(&config("tcp", "", &[echo.member()], ""));
    let mut client = connect(server.addr("l4"));
    read(&mut client, 1);
    let sent: Vec<u8> = (0..30_000_000_u32).map(|n| (n * 31 % 251) as u8).collect();
    let (mut writer, copy) = (client.try_clone().unwrap(), sent.clone());
    let writing = std::thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    writing.join().unwrap();
    assert!(got.len() == sent.len() + 3 && got.starts_with(&sent));
}

#[test]
fn a_reset_is_passed_on_as_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = start(&config("tcp", "", &[listener.local_addr().unwrap().to_string()], ""));
    // The member resets.
    let mut client = connect(server.addr("l4"));
    let (mut member, _) = listener.accept().unwrap();
    // Before its first byte, a reset may still count as a failed connect, which is tried again.
    member.write_all(b"x").unwrap();
    assert_eq!(read(&mut client, 1), "x");
    reset(member);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    wait_for_line(&server, &["\"cause\":\"member-broke\""]);
    // The client resets.
    let client = connect(server.addr("l4"));
    let (mut member, _) = listener.accept().unwrap();
    reset(client);
    member.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(member.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    wait_for_line(&server, &["\"cause\":\"client-reset\""]);
}

#[test]
fn a_dead_member_is_passed_over_and_without_any_the_client_is_reset() {
    let echo = Echo::start("a");
    let dead = "unix:/nonexistent/evenkeel-dead.sock".to_owned();
    let server = start(&config("tcp", "", &[dead.clone(), echo.member()], ""));
    for _ in 0..20 {
        assert_eq!(read(&mut connect(server.addr("l4")), 1), "a");
    }
    wait_for_line(&server, &["\"attempts\":2"]);
    let server = start(&config("tcp", "", &[dead], ""));
    let error = connect(server.addr("l4")).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    wait_for_line(&server, &["\"cause\":\"connect-failed\""]);
    assert!(
        metrics(&server)
            .contains("evenkeel_refusals_total{listener=\"l4\",cause=\"connect-failed\"} 1")
    );
}

#[test]
fn one_client_address_keeps_its_member() {
    let (a, b, c) = (Echo::start("a"), Echo::start("b"), Echo::start("c"));
    let members = [a.member(), b.member(), c.member()];
    for pool in
        ["affinity = { client = \"source\" }", "policy = \"source-hash\"", "policy = \"maglev\""]
    {
        let server = start(&config("tcp", "", &members, pool));
        let mut seen = std::collections::HashSet::new();
        for last in 1..=12_u8 {
            let names: Vec<String> = (0..4).map(|_| name_from(last, &server)).collect();
            assert!(names.iter().all(|name| *name == names[0]), "{pool}: {names:?}");
            seen.insert(names[0].clone());
        }
        assert!(seen.len() > 1, "{pool}: twelve clients, one member");
    }
}

/// Who serves a client at 127.0.0.`last`.
fn name_from(last: u8, server: &Server) -> String {
    read(&mut connect_from([127, 0, 0, last].into(), server.addr("l4")), 1)
}

#[test]
fn silence_ends_a_connection_after_the_idle_time() {
    let echo = Echo::start("a");
    let server = start(&config("tcp", "timeouts = { idle = \"300ms\" }", &[echo.member()], ""));
    let mut client = connect(server.addr("l4"));
    read(&mut client, 1);
    let begin = Instant::now();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(begin.elapsed() >= Duration::from_millis(250), "{:?}", begin.elapsed());
    wait_for_line(&server, &["\"cause\":\"idle-timeout\""]);
}

#[test]
fn limits_of_members_and_listeners_hold() {
    let echo = Echo::start("a");
    let pool = "timeouts = { queue = \"200ms\" }\n";
    let text = config("tcp", "", &[], pool).replace("members = []\n", "")
        + &format!("[[pool.member]]\naddress = \"{}\"\nmax_requests = 2\n", echo.member());
    let server = start(&text);
    let held: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut client = connect(server.addr("l4"));
            read(&mut client, 1);
            client
        })
        .collect();
    let error = connect(server.addr("l4")).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    wait_for_line(&server, &["\"cause\":\"queue-timeout\""]);
    drop(held);
    assert!(wait_until(LONG, || {
        let mut client = connect(server.addr("l4"));
        client.read(&mut [0]).is_ok()
    }));
}

#[test]
fn reloads_and_drains_leave_connections_alone() {
    let (a, b) = (Echo::start("a"), Echo::start("b"));
    let mut server = start(&config("tcp", "", &[a.member()], ""));
    let mut old = connect(server.addr("l4"));
    assert_eq!(read(&mut old, 1), "a");
    server.reload_with(&config("tcp", "", &[b.member()], ""));
    server.wait_for_log("generation 2", 1);
    assert_eq!(read(&mut connect(server.addr("l4")), 1), "b");
    old.write_all(b"still").unwrap();
    assert_eq!(read(&mut old, 5), "still");
    server.signal(Signal::TERM);
    server.wait_for_log("draining", 1);
    old.write_all(b"even now").unwrap();
    assert_eq!(read(&mut old, 8), "even now");
    drop(old);
    assert_eq!(server.wait(Duration::from_secs(20)), Some(0));
}

#[test]
fn a_killed_member_costs_only_its_own_connections() {
    raise_fd_limit(8192);
    let (a, b) = (Echo::start("a"), Echo::start("b"));
    let origin = OriginTcp::start();
    let members = [a.member(), origin.address.clone(), b.member()];
    let server = start(&config("tcp", "", &members, ""));
    let address = server.addr("l4");
    let mut held: Vec<(TcpStream, String)> = (0..501)
        .map(|_| {
            let mut client = connect(address);
            let name = read(&mut client, 1);
            (client, name)
        })
        .collect();
    let lost = held.iter().filter(|(_, name)| name == "x").count();
    assert!((160..=175).contains(&lost), "{lost}");
    let begin = Instant::now();
    origin.kill();
    for (client, name) in &mut held {
        if name == "x" {
            let error = client.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    // New ones and those of the others go on.
    for _ in 0..200 {
        assert_ne!(read(&mut connect(address), 1), "x");
    }
    for (client, name) in held.iter_mut().filter(|(_, name)| name != "x") {
        client.write_all(name.as_bytes()).unwrap();
        assert_eq!(read(client, 1), *name);
    }
    let refused = metrics(&server);
    let line = format!("evenkeel_refusals_total{{listener=\"l4\",cause=\"member-broke\"}} {lost}");
    assert!(refused.contains(&line), "{line}\n{refused}");
}

/// A member named `x` that can die: all its connections are reset, its port refuses.
struct OriginTcp {
    address: String,
    child: std::process::Child,
}

impl OriginTcp {
    fn start() -> OriginTcp {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = format!(
            "import socket,time\ns=socket.create_server(('127.0.0.1',{port}),backlog=600)\nk=[]\n\
             while 1:\n c,_=s.accept()\n c.sendall(b'x')\n k.append(c)\n \
             import struct\n c.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack('ii',1,0))\n"
        );
        let child = std::process::Command::new("python3").args(["-c", &script]).spawn().unwrap();
        let address = format!("127.0.0.1:{port}");
        assert!(wait_until(LONG, || TcpStream::connect(&address).is_ok()));
        OriginTcp { address, child }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn on_down_close_ends_connections_of_a_disabled_member() {
    let (a, b) = (Echo::start("a"), Echo::start("b"));
    let pool = "on_down = \"close\"\n";
    let server = start(&config("tcp", "", &[a.member(), b.member()], pool));
    let (mut one, mut two) = (connect(server.addr("l4")), connect(server.addr("l4")));
    // Cores take turns of their own accord: which of the two comes first is not promised.
    if read(&mut one, 1) == "b" {
        std::mem::swap(&mut one, &mut two);
        assert_eq!(read(&mut one, 1), "a");
    } else {
        assert_eq!(read(&mut two, 1), "b");
    }
    let path = format!("/api/v1/pools/p/members/{}", a.member());
    let fields = [("Content-Type", "application/json"), ("Host", "127.0.0.1")];
    let body = br#"{"state":"disabled"}"#;
    let done = Client::connect(server.addr("admin")).request("PATCH", &path, &fields, body);
    assert_eq!(done.unwrap().status, 200);
    assert_eq!(one.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    wait_for_line(&server, &["\"cause\":\"member-out\""]);
    two.write_all(b"on").unwrap();
    assert_eq!(read(&mut two, 2), "on");
}

#[test]
fn a_range_of_ports_leads_to_the_same_ports() {
    // Two neighbours that are free on both loopback addresses.
    let (low, high) = (1..40)
        .find_map(|_| {
            let low = TcpListener::bind("127.0.0.2:0").ok()?;
            let port = low.local_addr().ok()?.port();
            let next = port.checked_add(1)?;
            let high = TcpListener::bind(("127.0.0.2", next)).ok()?;
            TcpListener::bind(("127.0.0.1", port)).ok()?;
            TcpListener::bind(("127.0.0.1", next)).ok()?;
            Some((low, high))
        })
        .unwrap();
    let port = low.local_addr().unwrap().port();
    let bind = format!("bind = \"127.0.0.1:{port}-{}\"", port + 1);
    let text = config("tcp", "", &["127.0.0.2:9".to_owned()], "port = \"listener\"").replacen(
        "bind = \"127.0.0.1:0\"\nprotocol",
        &format!("{bind}\nprotocol"),
        1,
    );
    let server = start(&text);
    assert_eq!(server.addresses("l4").len(), 2);
    for (offset, listener) in [(0, &low), (1, &high)] {
        let mut client = connect(([127, 0, 0, 1], port + offset).into());
        let (mut member, _) = listener.accept().unwrap();
        member.write_all(b"here").unwrap();
        assert_eq!(read(&mut client, 4), "here");
    }
}

#[test]
fn connections_leave_from_the_address_that_was_chosen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let members = [listener.local_addr().unwrap().to_string()];
    let pool = "source = \"127.0.0.77\"\ntcp = { keep_alive = \"30s\", user_timeout = \"20s\" }";
    let server = start(&config("tcp", "", &members, pool));
    let _client = connect(server.addr("l4"));
    let (_, from) = listener.accept().unwrap();
    assert_eq!(from.ip().to_string(), "127.0.0.77");
}

#[test]
fn silent_connections_do_not_drive_new_ones_to_one_member() {
    let (a, b) = (Echo::start("a"), Echo::start("b"));
    let server = start(&config("tcp", "", &[a.member(), b.member()], ""));
    let _idle: Vec<TcpStream> = (0..10)
        .map(|_| {
            let mut client = connect(server.addr("l4"));
            read(&mut client, 1);
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..20 {
        let mut client = connect(server.addr("l4"));
        read(&mut client, 1);
        client.write_all(b"x").unwrap();
        read(&mut client, 1);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((a.accepted.load(SeqCst), b.accepted.load(SeqCst)), (15, 15));
}
