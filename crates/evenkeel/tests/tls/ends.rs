//! How relayed connections with TLS end: whoever gets our end without a close_notify must take what
//! came before for cut (RFC 8446 section 6.1).

use super::*;

/// A client that goes through an upgrade, says its own end first, and then waits for ours: a close
/// without it is an error.
const CLIENT: &str = r#"
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
if sys.argv[2] == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
client = context.wrap_socket(plain, server_hostname="one.test", suppress_ragged_eofs=False)
client.sendall(b"GET / HTTP/1.1\r\nHost: one.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
got = b""
while b"\r\n\r\n" not in got:
    got += client.recv(4096)
if sys.argv[3] == "first":
    client.unwrap()
else:
    client.sendall(b"bye")
    while got.count(b"bye") == 0:
        got += client.recv(4096)
    assert client.recv(4096) == b""
"#;

fn ends_in_order(server: &Server, version: &str, who: &str) -> Result<(), String> {
    let port = server.addr("web").port().to_string();
    let out = Command::new("python3")
        .args(["-c", CLIENT, &port, version, who])
        .output()
        .expect("python3 runs");
    match out.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
    }
}

#[test]
fn a_tunnel_ends_with_our_own_word_whoever_ends_it() {
    let Some(certificates) = Certificates::new() else { return };
    let site = certificates.make("site", "DNS:one.test", false);
    let files = listed(std::slice::from_ref(&site));
    let origin = Origin::start("a", Answer::upgrade());
    let http = config(&files, "", &origin);
    let tcp = http.replacen("pool = \"app\"", "protocol = \"tcp\"\npool = \"app\"", 1);
    for text in [&http, &tcp] {
        let server = Server::start(text);
        for version in ["1.3", "1.2"] {
            assert_eq!(ends_in_order(&server, version, "first"), Ok(()), "{version} {text}");
        }
    }
}

#[test]
fn a_member_that_ends_first_is_passed_on_as_an_end() {
    let Some(certificates) = Certificates::new() else { return };
    let site = certificates.make("site", "DNS:one.test", false);
    let files = listed(std::slice::from_ref(&site));
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let origin = Origin::start("a", Answer::raw(format!("{head}bye")).then_close());
    let http = config(&files, "", &origin);
    let tcp = http.replacen("pool = \"app\"", "protocol = \"tcp\"\npool = \"app\"", 1);
    for text in [&http, &tcp] {
        let server = Server::start(text);
        assert_eq!(ends_in_order(&server, "1.3", "last"), Ok(()), "{text}");
    }
}
