//! The tools against each other: a client that misreads an answer would hide a fault.

use std::time::Duration;

use evenkeel_testkit::{
    Answer, Client, ClientError, LONG, Load, Origin, OriginProcess, Outcome, Program, Tunnel,
    wait_until,
};

fn ask(answer: Answer) -> Result<evenkeel_testkit::Response, ClientError> {
    let origin = Origin::start("o", answer);
    Client::connect(origin.address()).with_timeout(Duration::from_secs(2)).get("/x")
}

#[test]
fn an_answer_comes_and_the_request_is_recorded() {
    let origin = Origin::named("a");
    let mut client = Client::connect(origin.address());
    for _ in 0..3 {
        let response = client.get("/path?q=1").unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "a"));
    }
    assert_eq!((origin.requests(), origin.connections()), (3, 1));
    assert_eq!(origin.last().head.target(), "/path?q=1");
    assert_eq!(origin.last().head.field("host"), Some("test"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::scripted("a", |head| Answer::text(head.target()));
    let requests: Vec<Vec<u8>> =
        (0..5).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()).collect();
    let answers = Client::connect(origin.address()).pipeline(&requests).unwrap();
    let bodies: Vec<String> = answers.iter().map(|answer| answer.text()).collect();
    assert_eq!(bodies, ["/0", "/1", "/2", "/3", "/4"]);
}

#[test]
fn every_framing_is_read_to_its_end() {
    let chunked = ask(Answer::chunked(&["ab", "-", "cde"], &[("X-T", "1")]));
    let chunked = chunked.unwrap();
    assert_eq!(chunked.text(), "ab-cde");
    assert_eq!(chunked.trailers, [("X-T".to_owned(), "1".to_owned())]);
    assert_eq!(ask(Answer::until_close("to the end")).unwrap().text(), "to the end");
    assert_eq!(ask(Answer::big(3_000_000)).unwrap().body.len(), 3_000_000);
    assert_eq!(ask(Answer::closing("c")).unwrap().field("connection"), Some("close"));
    let trickled = ask(Answer::text("slow").trickled(Duration::from_micros(10)));
    assert_eq!(trickled.unwrap().text(), "slow");
}

#[test]
fn interim_answers_come_before_the_final_one() {
    let response = ask(Answer::text("x").after_interim(103, &[("Link", "</a>")])).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.interim.len(), 1);
    assert_eq!(response.interim[0].field("link"), Some("</a>"));
}

#[test]
fn bodies_come_back() {
    let origin = Origin::start("e", Answer::echo());
    let mut client = Client::connect(origin.address());
    assert_eq!(client.request("POST", "/", &[], b"hello").unwrap().text(), "hello");
    origin.set(Answer::echo_stream());
    let fields = [("Transfer-Encoding", "chunked")];
    let body = b"3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n";
    assert_eq!(client.request("POST", "/", &fields, body).unwrap().text(), "abcde");
    assert_eq!(origin.requests(), 2);
    origin.set(Answer::text("k"));
    client.request("POST", "/", &fields, body).unwrap();
    let last = origin.last();
    assert_eq!((last.body.as_slice(), last.body_length), (b"abcde".as_slice(), 5));
    assert_eq!(last.trailers, [("X".to_owned(), "y".to_owned())]);
}

#[test]
fn a_head_request_gets_no_body() {
    let origin = Origin::named("long name");
    let mut client = Client::connect(origin.address());
    for _ in 0..2 {
        let response = client.request("HEAD", "/", &[], b"").unwrap();
        assert_eq!((response.field("content-length"), response.body.len()), (Some("9"), 0));
    }
}

#[test]
fn an_early_answer_does_not_wait_for_the_body() {
    let early = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    let origin = Origin::start("e", Answer::early(early).then_close());
    let mut client = Client::connect(origin.address());
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx").unwrap();
    assert_eq!(client.answer().unwrap().status, 413);
}

#[test]
fn each_way_to_fail_has_its_error() {
    assert!(matches!(ask(Answer::close()), Err(ClientError::Closed)));
    assert!(matches!(ask(Answer::reset()), Err(ClientError::Reset)));
    assert!(matches!(ask(Answer::raw("nonsense\r\n\r\n")), Err(ClientError::Malformed(_))));
    let short = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").then_close();
    assert!(matches!(ask(short), Err(ClientError::Cut { .. })));
}

#[test]
fn silence_ends_in_a_timeout_and_the_origin_sees_the_client_go() {
    let origin = Origin::start("n", Answer::never());
    let client = Client::connect(origin.address());
    let mut client = client.with_timeout(Duration::from_millis(50));
    assert!(matches!(client.get("/"), Err(ClientError::Timeout)));
    assert_eq!(origin.open_connections(), 1);
    drop(client);
    assert!(wait_until(LONG, || origin.open_connections() == 0));
}

#[test]
fn a_killed_origin_refuses_and_comes_back_on_its_port() {
    let mut origin = Origin::named("k");
    let address = origin.address();
    let idle = Client::connect(address);
    assert!(wait_until(LONG, || origin.open_connections() == 1));
    assert!(!idle.is_closed());
    origin.kill();
    assert!(wait_until(LONG, || idle.is_closed()));
    assert!(Client::try_connect(address).is_err());
    origin.restart();
    assert_eq!(Client::connect(address).get("/").unwrap().text(), "k");
}

#[test]
fn a_unix_socket_serves_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let origin = Origin::unix("u", &path, Answer::text("over unix"));
    assert_eq!(origin.member(), format!("unix:{}", path.display()));
    assert_eq!(Client::connect_unix(&path).get("/").unwrap().text(), "over unix");
}

#[test]
fn a_tunnel_echoes_until_its_end() {
    let origin = Origin::start("t", Answer::upgrade());
    let mut tunnel = Tunnel::open(origin.address(), "/ws").unwrap();
    tunnel.echo(b"\x81\x05hello").unwrap();
    tunnel.client().shutdown_write().unwrap();
    assert!(tunnel.client().read_to_close().unwrap().is_empty());
    origin.set(Answer::text("no"));
    assert!(Tunnel::open(origin.address(), "/ws").is_err());
}

#[test]
fn a_load_counts_what_became_of_each_request() {
    let origin = Origin::named("l");
    let load = Load::on(origin.address()).rate(400.0).lasting(Duration::from_millis(500));
    let report = load.clone().run();
    assert_eq!((report.total(), report.failures()), (200, 0));
    assert_eq!(report.bodies["l"], 200);
    assert!(report.latency(0.5) <= report.latency(0.99));
    assert!(origin.connections() <= 16);
    origin.set(Answer::status(503, ""));
    let report = load.clone().new_connections().run();
    assert_eq!(report.outcomes[&Outcome::Status(503)], 200);
    origin.set(Answer::reset());
    let report = load.run();
    assert_eq!(report.failures(), 200);
}

#[test]
fn an_origin_process_can_be_frozen_killed_and_restarted() {
    let mut origin = OriginProcess::start("p");
    let mut client = Client::connect(origin.address());
    assert_eq!(client.get("/").unwrap().text(), "p");
    origin.freeze();
    client = client.with_timeout(Duration::from_millis(100));
    assert!(matches!(client.get("/"), Err(ClientError::Timeout)));
    origin.thaw();
    assert_eq!(client.with_timeout(LONG).answer().unwrap().text(), "p");
    origin.kill();
    assert!(Client::try_connect(origin.address()).is_err());
    origin.restart();
    assert_eq!(Client::connect(origin.address()).get("/").unwrap().text(), "p");
}

/// A stand-in for the server: prints what a server prints and obeys a signal.
const STAND_IN: &str = r#"#!/bin/bash
if [ "$1" = check ]; then grep -q good "$3" && exit 0; echo "bad line 1" >&2; exit 2; fi
trap 'echo reloaded >&2' HUP
trap 'exit 0' TERM
if grep -q bad "$3"; then echo "no good" >&2; exit 2; fi
echo "listening http web 127.0.0.1:1234"
echo "listening admin admin 127.0.0.1:1235"
while :; do sleep 0.05 & wait $!; done
"#;

fn stand_in(folder: &tempfile::TempDir) -> Program {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.path().join("stand-in");
    std::fs::write(&path, STAND_IN).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Program::at(path)
}

#[test]
fn a_server_is_started_reloaded_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = stand_in(&folder).start("good");
    assert_eq!(server.addr("web").port(), 1234);
    assert_eq!(server.addr("admin").port(), 1235);
    server.reload_with("other");
    server.wait_for_log("reloaded", 1);
    assert_eq!(std::fs::read_to_string(server.config_file()).unwrap(), "other");
    assert!(server.is_running());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn check_reports_code_and_words() {
    let folder = tempfile::tempdir().unwrap();
    let program = stand_in(&folder);
    assert_eq!(program.check("good").code, Some(0));
    let refused = program.check("else");
    assert_eq!((refused.code, refused.stderr.trim()), (Some(2), "bad line 1"));
}

#[test]
#[should_panic(expected = "no good")]
fn a_server_that_does_not_start_shows_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let _server = stand_in(&folder).start("bad");
}
