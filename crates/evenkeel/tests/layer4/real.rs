//! Real servers with their own clients. `cargo xtask test` installs them; where one is missing, its
//! test says so and passes over it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use evenkeel_testkit::*;

use crate::{config, start, wait_for_line};

/// A program that is stopped when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn has(program: &str) -> bool {
    let found = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin", "/sbin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn daemon(program: &str, arguments: &[&str]) -> Daemon {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Daemon(command.spawn().unwrap())
}

/// What a command says, once it says that part.
#[track_caller]
fn says(program: &str, arguments: &[&str], part: &str) -> String {
    let run = || {
        let out = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        text.contains(part).then_some(text)
    };
    wait_for(LONG, run).unwrap_or_else(|| panic!("{program} {arguments:?} does not say {part:?}"))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn redis_and_its_client() {
    if !has("redis-server") || !has("redis-cli") {
        return;
    }
    let port = free_port().to_string();
    let _redis = daemon("redis-server", &["--port", &port, "--save", "", "--bind", "127.0.0.1"]);
    says("redis-cli", &["-p", &port, "ping"], "PONG");
    let check = "[pool.health]\ncheck = \"tcp\"\nsend = \"PING\\r\\n\"\nexpect = \"+PONG\"\ninterval = \"100ms\"\nrise = 1";
    let server = start(&config("tcp", "", &[format!("127.0.0.1:{port}")], check));
    let front = server.addr("l4").port().to_string();
    says("redis-cli", &["-p", &front, "set", "colour", "green"], "OK");
    says("redis-cli", &["-p", &front, "get", "colour"], "green");
    // Pipelines of a few thousand commands, and values of a megabyte.
    says(
        "redis-cli",
        &["-p", &front, "eval", "for i=1,5000 do redis.call('set',i,i) end return 7", "0"],
        "7",
    );
    says(
        "redis-cli",
        &["-p", &front, "eval", "return string.rep('x',1000000)", "0"],
        &"x".repeat(1_000_000),
    );
}

#[test]
fn dig_and_a_name_server() {
    if !has("dnsmasq") || !has("dig") {
        return;
    }
    let port = free_port().to_string();
    let arguments = [
        "-k",
        "-p",
        &port,
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--no-resolv",
        "--no-hosts",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--address=/box.test/192.0.2.7",
    ];
    let _dns = daemon("dnsmasq", &arguments);
    says("dig", &["+short", "@127.0.0.1", "-p", &port, "box.test"], "192.0.2.7");
    let member = [format!("127.0.0.1:{port}")];
    let server = start(&config("udp", "udp = { responses = 1 }", &member, ""));
    let front = server.addr("l4").port().to_string();
    says("dig", &["+short", "@127.0.0.1", "-p", &front, "box.test"], "192.0.2.7");
    wait_for_line(&server, &["\"protocol\":\"UDP\"", "\"first_byte_ms\""]);
    // The same server over TCP, as for answers that do not fit.
    let server = start(&config("tcp", "", &member, ""));
    let front = server.addr("l4").port().to_string();
    says("dig", &["+short", "+tcp", "@127.0.0.1", "-p", &front, "box.test"], "192.0.2.7");
}

#[test]
fn https_is_passed_through_by_name_to_two_servers() {
    if !has("openssl") || !has("curl") {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let mut daemons = Vec::new();
    let mut pools = String::new();
    for name in ["one.test", "two.test"] {
        let file = |end: &str| folder.path().join(format!("{name}.{end}")).display().to_string();
        let (key, cert, port) = (file("key"), file("pem"), free_port().to_string());
        let subject = format!("/CN={name}");
        let alternative = format!("subjectAltName=DNS:{name}");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", &subject, "-addext", &alternative])
            .args(["-keyout", &key, "-out", &cert])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let accept = format!("127.0.0.1:{port}");
        let arguments =
            ["s_server", "-quiet", "-www", "-accept", &accept, "-key", &key, "-cert", &cert];
        daemons.push(daemon("openssl", &arguments));
        pools += &format!(
            "[[route]]\nlisteners = [\"l4\"]\nsni = \"{name}\"\npool = \"{name}\"\n\
             [[pool]]\nname = \"{name}\"\nmembers = [\"{accept}\"]\n"
        );
    }
    let server = start(&format!(
        "[[listener]]\nname = \"l4\"\nbind = \"127.0.0.1:0\"\nprotocol = \"tcp\"\n{pools}"
    ));
    let port = server.addr("l4").port();
    for name in ["one.test", "two.test"] {
        // Only the right server has the certificate that the client checks.
        let resolve = format!("{name}:{port}:127.0.0.1");
        let cert = folder.path().join(format!("{name}.pem")).display().to_string();
        let url = format!("https://{name}:{port}/");
        says("curl", &["-sS", "--resolve", &resolve, "--cacert", &cert, &url], "TLS");
    }
}
