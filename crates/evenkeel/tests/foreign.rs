//! Members that speak AJP and FastCGI, behind an Apache configuration. The servers here know just
//! enough of the protocols; nothing is shared with the code under test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use evenkeel_testkit::*;
use tempfile::TempDir;

/// A server of connections, each in a thread of its own, until the test ends.
fn serve(connection: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || connection(stream));
        }
    });
    address
}

/// The binary with an Apache configuration; `{port}` is where it listens.
struct Running {
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Running {
    fn start(config: &str) -> Running {
        let address = quiet_address();
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("httpd.conf");
        std::fs::write(&file, format!("Listen {address}\nServerName f.example\n{config}"))
            .expect("a file can be written");
        let child = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["run", "--apache"])
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        assert!(wait_until(LONG, || TcpStream::connect(address).is_ok()), "it listens");
        Running { address, child, _folder: folder }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).ok()?;
    assert_eq!(head[..2], [0x12, 0x34], "the magic of the balancer's side");
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

fn answer(stream: &mut TcpStream, payload: &[u8]) {
    let length = (payload.len() as u16).to_be_bytes();
    let _ = stream.write_all(&[&b"AB"[..], &length, payload].concat());
}

fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text, &[0]].concat()
}

/// A container that tells the strings it got, and asks for bodies piece by piece.
fn container(mut stream: TcpStream) {
    while let Some(request) = packet(&mut stream) {
        if request == [10] {
            answer(&mut stream, &[9]);
            continue;
        }
        assert_eq!(request[0], 2, "a request");
        let text: String = request
            .iter()
            .map(|b| if b.is_ascii_graphic() { char::from(*b) } else { ' ' })
            .collect();
        let mut body = Vec::new();
        let posted = request[1] == 4;
        if posted {
            // The first piece comes unasked.
            let first = packet(&mut stream).expect("a body");
            body.extend_from_slice(&first[2..]);
            while body.len() < 20_000 {
                answer(&mut stream, &[6, 0x1f, 0x00]);
                let more = packet(&mut stream).expect("more of the body");
                body.extend_from_slice(&more[2..]);
            }
        }
        let head =
            [&[4, 0, 200][..], &string(b"OK"), &[0, 1], &string(b"X-Container"), &string(b"t")];
        answer(&mut stream, &head.concat());
        let said = if posted { body.len().to_string() } else { text };
        let chunk = [&[3][..], &(said.len() as u16).to_be_bytes(), said.as_bytes(), &[0]].concat();
        answer(&mut stream, &chunk);
        answer(&mut stream, &[5, 1]);
    }
}

#[test]
fn a_container_is_spoken_to_in_ajp() {
    let member = serve(container);
    let running = Running::start(&format!(
        "<Proxy balancer://c>\nBalancerMember ajp://{member} route=jvm1 secret=s3cret ping=500ms\n</Proxy>\n\
         ProxyPass /app balancer://c/app stickysession=JSESSIONID\n\
         Header set X-Note \"%{{BALANCER_WORKER_NAME}}e\"\n"
    ));
    let mut client = Client::connect(running.address);
    for path in ["/app/one?q=1", "/app/two"] {
        let fields = [("Host", "shop.example:81"), ("X-Evenkeel-Facts", "forged")];
        let got = client.request("GET", path, &fields, b"").expect("an answer");
        assert_eq!(got.status, 200);
        assert_eq!(got.head.field("x-container"), Some("t"));
        let text = got.text();
        let words = path.split('?').collect::<Vec<_>>();
        for word in words.iter().chain(&["shop.example", "127.0.0.1", "s3cret", "HTTP/1.1"]) {
            assert!(text.contains(word), "{word} in {text}");
        }
        assert!(!text.contains("forged"), "{text}");
        let name = got.head.field("x-note").unwrap_or_default().to_owned();
        assert_eq!(name, format!("ajp://{member}"));
    }
    let body = vec![b'x'; 20_000];
    let got = client.request("POST", "/app/up", &[], &body).expect("an answer");
    assert_eq!((got.status, &*got.text()), (200, "20000"));
}

#[test]
fn a_dead_container_gives_way_to_the_next() {
    let dead = serve(drop);
    let member = serve(container);
    let running = Running::start(&format!(
        "<Proxy balancer://c>\nBalancerMember ajp://{dead}\nBalancerMember ajp://{member}\n</Proxy>\n\
         ProxyPass / balancer://c/\n"
    ));
    for _ in 0..3 {
        let got = Client::connect(running.address).get("/x").expect("an answer");
        assert_eq!(got.status, 200);
    }
}

/// A responder that tells the variables it got and the length of its input.
fn responder(mut stream: TcpStream) {
    let (mut params, mut input) = (Vec::new(), 0);
    loop {
        let mut head = [0; 8];
        if stream.read_exact(&mut head).is_err() {
            return;
        }
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut content = vec![0; length + usize::from(head[6])];
        if stream.read_exact(&mut content).is_err() {
            return;
        }
        match (head[1], length) {
            (4, _) => params.extend_from_slice(&content[..length]),
            (5, 0) => break,
            (5, _) => input += length,
            _ => {}
        }
    }
    let text: String =
        params.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '|' }).collect();
    let out = format!("Status: 201 Made\r\nContent-Type: text/plain\r\n\r\n{input} {text}");
    let record = |kind: u8, data: &[u8]| {
        let length = (data.len() as u16).to_be_bytes();
        [&[1, kind, 0, 1, length[0], length[1], 0, 0][..], data].concat()
    };
    let _ = stream.write_all(&record(6, out.as_bytes()));
    let _ = stream.write_all(&record(6, b""));
    let _ = stream.write_all(&record(3, &[0; 8]));
}

#[test]
fn a_responder_is_spoken_to_in_fastcgi() {
    let member = serve(responder);
    let running = Running::start(&format!(
        "ProxyPassMatch ^/direct/(.*\\.php)$ fcgi://{member}/srv/www/$1\n"
    ));
    let mut client = Client::connect(running.address);
    let got = client.request("GET", "/direct/a/x.php?q=1", &[("X-One", "1")], b"").expect("answer");
    assert_eq!(got.status, 201);
    let text = got.text();
    for word in [
        "SCRIPT_FILENAME/srv/www/a/x.php",
        "QUERY_STRINGq=1",
        "REQUEST_URI/direct/a/x.php?q=1",
        "HTTP_X_ONE1",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let got = client.request("POST", "/direct/y.php", &[], &vec![b'x'; 100_000]).expect("answer");
    assert!(got.text().starts_with("100000 "), "{}", got.text());
    assert!(got.text().contains("CONTENT_LENGTH100000"));
}
