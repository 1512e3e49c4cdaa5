//! Requests that clients send before their handshake is over (0-RTT, RFC 8470), by openssl.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;

/// Stands before the server. What a client sends after the server's first word waits here.
struct Relay {
    address: SocketAddr,
    open: Arc<AtomicBool>,
    /// What came before.
    flight: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    fn start(server: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one");
        let (open, flight) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let relay = Relay { address, open: open.clone(), flight: flight.clone() };
        thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            let mut member = TcpStream::connect(server).expect("the server listens");
            let answered = Arc::new(AtomicBool::new(false));
            let mut back = (member.try_clone().expect("a copy"), client.try_clone().expect("one"));
            let heard = answered.clone();
            thread::spawn(move || {
                let mut bytes = [0; 16 * 1024];
                while let Ok(n @ 1..) = back.0.read(&mut bytes) {
                    heard.store(true, SeqCst);
                    if back.1.write_all(&bytes[..n]).is_err() {
                        break;
                    }
                }
                let _ = back.1.shutdown(Shutdown::Write);
            });
            let mut bytes = [0; 16 * 1024];
            while let Ok(n @ 1..) = client.read(&mut bytes) {
                match answered.load(SeqCst) {
                    true => assert!(wait_until(LONG, || open.load(SeqCst)), "it was never opened"),
                    false => flight.lock().expect("nobody panics").extend(&bytes[..n]),
                }
                if member.write_all(&bytes[..n]).is_err() {
                    break;
                }
            }
        });
        relay
    }

    fn open(&self) {
        self.open.store(true, SeqCst);
    }
}

/// The scene: a server that hears data ahead, a client that has been there.
struct Scene {
    certificates: Certificates,
    origin: Origin,
    server: Server,
    alpn: &'static str,
}

impl Scene {
    fn new(more: &str, alpn: &'static str) -> Option<Scene> {
        let certificates = Certificates::new()?;
        let origin = Origin::named("a");
        let site = certificates.make("site", "DNS:one.test", false);
        let server = Server::start(&config(&listed(std::slice::from_ref(&site)), more, &origin));
        Some(Scene { certificates, origin, server, alpn })
    }

    /// Gets a session.
    fn visit(&self) {
        let file = self.certificates.path("session").display().to_string();
        let out = s_client(&self.server, "one.test", &["-sess_out", &file, "-alpn", self.alpn]);
        assert!(self.certificates.path("session").exists(), "{out}");
        self.origin.forget();
    }

    /// Comes again and sends this ahead.
    fn come_again(&self, address: SocketAddr, ahead: &[u8]) -> Child {
        let file = self.certificates.path("ahead");
        std::fs::write(&file, ahead).expect("a file");
        Command::new("openssl")
            .args(["s_client", "-ign_eof", "-servername", "one.test", "-alpn", self.alpn])
            .args(["-connect", &address.to_string(), "-sess_in"])
            .arg(self.certificates.path("session"))
            .arg("-early_data")
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs")
    }
}

fn said(child: Child) -> String {
    let out = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n";
const POST: &[u8] =
    b"POST /x HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn what_is_harmless_goes_on_before_the_handshake_is_over_and_says_so() {
    let Some(scene) = Scene::new("early_data = true", "http/1.1") else { return };
    scene.visit();
    let relay = Relay::start(scene.server.addr("web"));
    let client = scene.come_again(relay.address, GET);
    // The member has it, and the answer is on its way, while the handshake is held up.
    assert!(wait_until(LONG, || scene.origin.requests() == 1));
    assert_eq!(scene.origin.last().head.field("early-data"), Some("1"));
    relay.open();
    let out = said(client);
    assert!(out.contains("Early data was accepted") && out.contains("HTTP/1.1 200"), "{out}");
    assert_eq!(scene.origin.requests(), 1);
    // Whoever took the first flight down and sends it again gets nowhere.
    let flight = relay.flight.lock().expect("nobody panics").clone();
    let mut again = TcpStream::connect(scene.server.addr("web")).expect("it listens");
    again.write_all(&flight).expect("it takes it");
    again.shutdown(Shutdown::Write).expect("it can be shut");
    let _ = again.read_to_end(&mut Vec::new());
    assert_eq!(scene.origin.requests(), 1);
    // An ordinary request says nothing of it.
    let out = s_client(&scene.server, "one.test", &["-alpn", "http/1.1"]);
    assert!(out.contains("HTTP/1.1 200"), "{out}");
    assert_eq!(scene.origin.last().head.field("early-data"), None);
    // A member that will not have it says so to the client, which asks again later.
    scene.visit();
    scene.origin.set(Answer::status(425, "later"));
    let out = said(scene.come_again(scene.server.addr("web"), GET));
    assert!(out.contains("HTTP/1.1 425 "), "{out}");
    assert_eq!(scene.origin.requests(), 1);
}

#[test]
fn what_may_do_harm_waits_for_the_end_of_the_handshake() {
    let Some(scene) = Scene::new("early_data = true", "http/1.1") else { return };
    for ahead in [
        POST,
        b"GET /x HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        scene.visit();
        let relay = Relay::start(scene.server.addr("web"));
        let client = scene.come_again(relay.address, ahead);
        assert!(wait_until(LONG, || !relay.flight.lock().expect("nobody panics").is_empty()));
        thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(scene.origin.requests(), 0);
        relay.open();
        let out = said(client);
        assert!(out.contains("Early data was accepted") && out.contains("HTTP/1.1 200"), "{out}");
        let got = scene.origin.last();
        assert_eq!(got.head.field("early-data"), None);
        assert_eq!(got.body, b"hi");
    }
}

#[test]
fn streams_of_http2_are_held_to_the_same() {
    let Some(scene) = Scene::new("early_data = true", "h2") else { return };
    let ahead = |head: Frame| {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(Frame::new(4, 0, 0, []).bytes());
        bytes.extend(head.bytes());
        bytes
    };
    let mut post = Frame::get(1, "/x", &[]);
    // POST in the place of GET, of another length.
    post.payload.splice(9..13, b"\x04POST".iter().copied());
    let get = Frame::get(1, "/x", &[]);
    for (frame, early) in [(get, Some("1")), (post, None)] {
        scene.visit();
        let relay = Relay::start(scene.server.addr("web"));
        let mut client = scene.come_again(relay.address, &ahead(frame));
        if early.is_some() {
            assert!(wait_until(LONG, || scene.origin.requests() == 1));
        } else {
            thread::sleep(std::time::Duration::from_millis(300));
            assert_eq!(scene.origin.requests(), 0);
        }
        relay.open();
        assert!(wait_until(LONG, || scene.origin.requests() == 1));
        assert_eq!(scene.origin.last().head.field("early-data"), early);
        client.kill().expect("it can be killed");
        client.wait().expect("it ends");
    }
}

#[test]
fn nothing_is_heard_ahead_unless_it_is_asked_for() {
    let Some(scene) = Scene::new("", "http/1.1") else { return };
    scene.visit();
    let client = scene.come_again(scene.server.addr("web"), GET);
    thread::sleep(std::time::Duration::from_millis(100));
    let mut input = client.stdin.as_ref().expect("its input");
    input.write_all(GET).expect("it takes it");
    let out = said(client);
    assert!(!out.contains("Early data was accepted") && out.contains("HTTP/1.1 200"), "{out}");
    // And it is not for sessions that others know.
    let told = Program::evenkeel().check(
        "[[listener]]\nbind = \"127.0.0.1:0\"\npool = \"app\"\n\
         tls = { certificates = [{ cert = \"a\", key = \"a\" }], early_data = true, ticket_keys = \"b\" }\n\
         [[pool]]\nname = \"app\"\nmembers = [\"127.0.0.1:9\"]\n",
    );
    assert!(told.stderr.contains("early_data and ticket_keys"), "{}", told.stderr);
}
