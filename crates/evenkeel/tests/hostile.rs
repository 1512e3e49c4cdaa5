//! Odd and malicious messages through the front door: what must be refused is refused with its
//! status and cause, the connection ends, and no member hears of it. The corpus is the one that
//! the codec is held to.

#[path = "../../wire/tests/corpus_file/mod.rs"]
mod corpus_file;

use std::time::Duration;

use corpus_file::{Record, records};
use evenkeel_testkit::*;

const REQUESTS: &str = include_str!("../../wire/tests/corpus/requests.txt");
const ANSWERS: &str = include_str!("../../wire/tests/corpus/responses.txt");

/// Faults that come to light after the head.
const IN_BODY: [&str; 5] = ["bad-chunk", "long-chunk", "bad-trailer", "long-trailers", "early-eof"];

fn config(member: &str) -> String {
    format!(
        "[[listener]]\nname = \"web\"\nbind = \"127.0.0.1:0\"\npool = \"app\"\n\
         limits = {{ header_bytes = \"2000B\", uri_bytes = \"256B\", headers = 20 }}\n\
         [[pool]]\nname = \"app\"\nmembers = [\"{member}\"]\nretry = {{ attempts = 0 }}\n\
         limits = {{ header_bytes = \"2000B\", headers = 20 }}\nhealth = {{ passive = false }}\n"
    )
}

fn server(config: &str) -> Server {
    Program::at(env!("CARGO_BIN_EXE_evenkeel")).start(config)
}

fn connect(server: &Server) -> Client {
    Client::connect(server.addr("web")).with_timeout(Duration::from_secs(5))
}

#[test]
fn every_bad_request_is_refused_and_reaches_no_member() {
    let origin = Origin::start("origin", Answer::text("reached"));
    let server = server(&config(&origin.member()));
    let mut wrong = Vec::new();
    let mut refused = 0;
    for record in records(REQUESTS) {
        let Some((status, cause)) = refusal(&record) else { continue };
        if record.name == "target too long" {
            // The codec's corpus has a limit there that is below the least one may configure.
            continue;
        }
        if record.name == "HTTP/2 preface" {
            // The codec refuses it; a listener then speaks HTTP/2.
            continue;
        }
        refused += 1;
        let before = origin.requests();
        let mut client = connect(&server);
        let _ = client.send(&record.bytes);
        match client.answer() {
            Ok(answer) => {
                let text = answer.text();
                // Bodies are read after heads were accepted; all else must name its cause.
                if answer.status != status || !text.contains(&cause) {
                    wrong.push(format!(
                        "{}: {} instead of {status} {cause}: {text}",
                        record.name, answer.status
                    ));
                }
                if !client.closes_within(Duration::from_secs(5)) {
                    wrong.push(format!("{}: the connection stays open", record.name));
                }
            }
            Err(error) => wrong.push(format!("{}: no answer: {error}", record.name)),
        }
        if origin.requests() != before {
            wrong.push(format!("{}: a member was asked", record.name));
        }
    }
    assert!(refused > 250, "{refused}");
    assert!(wrong.is_empty(), "{} of {refused}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn odd_but_good_requests_are_served() {
    let origin = Origin::start("origin", Answer::text("reached"));
    let server = server(&config(&origin.member()));
    let mut wrong = Vec::new();
    for record in records(REQUESTS) {
        let good = record.verdict.starts_with("ok");
        let unserved = record.verdict.contains("lookalike") || record.bytes.starts_with(b"TRACE");
        // Upgrades become tunnels, expectations wait: both have tests of their own.
        if !good || record.verdict.contains("upgrade=") || record.verdict.contains("continue") {
            continue;
        }
        let mut client = connect(&server);
        client.send(&record.bytes).unwrap();
        let method = String::from_utf8_lossy(&record.bytes)
            .trim_start()
            .split(' ')
            .next()
            .unwrap_or("")
            .to_owned();
        match client.answer_to(&method) {
            Ok(answer) if (answer.status == 200) != unserved => {}
            Ok(answer) => {
                wrong.push(format!("{}: {} {}", record.name, answer.status, answer.text()))
            }
            Err(error) => wrong.push(format!("{}: {error}", record.name)),
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_bad_answer_becomes_a_502_or_is_cut_short() {
    let origin = Origin::named("origin");
    let server = server(&config(&origin.member()));
    let mut wrong = Vec::new();
    for record in records(ANSWERS) {
        let Some((status, cause)) = refusal(&record) else { continue };
        let head = record.verdict.contains(" head");
        origin.set(Answer::raw(record.bytes.clone()).then_close());
        let mut client = connect(&server);
        let method = if head { "HEAD" } else { "GET" };
        match client.request(method, "/", &[], b"") {
            // A body that breaks after a good head can only be cut.
            Err(_) if IN_BODY.contains(&cause.as_str()) => {}
            Err(error) => wrong.push(format!("{}: no answer: {error}", record.name)),
            Ok(answer) if answer.status == status && (head || answer.text().contains(&cause)) => {}
            Ok(answer) => wrong.push(format!(
                "{}: {} instead of {status} {cause}: {}",
                record.name,
                answer.status,
                answer.text()
            )),
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn one_connection_carries_no_second_request_after_a_refusal() {
    let origin = Origin::start("origin", Answer::text("reached"));
    let server = server(&config(&origin.member()));
    let mut client = connect(&server);
    // The classic: a length and a coding, with another request where one of them says the body is.
    let smuggled = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(smuggled).unwrap();
    let all = String::from_utf8_lossy(&client.read_to_close().unwrap()).into_owned();
    assert!(all.starts_with("HTTP/1.1 400 "), "{all}");
    assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
    assert_eq!(origin.requests(), 0);
}

/// The status and cause of a verdict that refuses.
fn refusal(record: &Record) -> Option<(u16, String)> {
    let mut words = record.verdict.split(' ');
    let status: u16 = words.next()?.parse().ok()?;
    Some((status, words.next()?.to_owned()))
}
