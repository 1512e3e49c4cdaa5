//! Layer 4 through the front door: TCP, TLS passed through, PROXY headers, UDP.

mod echo;
mod explain;
mod proxy_header;
mod real;
mod server_names;
mod tcp;
mod transparent;
mod udp;

use evenkeel_testkit::*;

fn start(config: &str) -> Server {
    Program::at(env!("CARGO_BIN_EXE_evenkeel")).start(config)
}

/// A listener `l4` of that protocol before one pool `p`; `listener` and `pool` are further keys.
fn config(protocol: &str, listener: &str, members: &[String], pool: &str) -> String {
    let listed: Vec<String> = members.iter().map(|member| format!("\"{member}\"")).collect();
    format!(
        "[admin]\nbind = \"127.0.0.1:0\"\n[log]\naccess = {{ path = \"access.log\", format = \"json\" }}\n\
         [[listener]]\nname = \"l4\"\nbind = \"127.0.0.1:0\"\nprotocol = \"{protocol}\"\n\
         pool = \"p\"\n{listener}\n\
         [[pool]]\nname = \"p\"\nmembers = [{}]\n{pool}\n",
        listed.join(", ")
    )
}

/// Waits until the server's access log has a line with all of these.
#[track_caller]
fn wait_for_line(server: &Server, parts: &[&str]) {
    let file = server.folder().join("access.log");
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    let found = wait_until(LONG, || {
        read().lines().any(|line| parts.iter().all(|part| line.contains(part)))
    });
    assert!(found, "no line with {parts:?} in\n{}", read());
}

/// The metrics as text.
fn metrics(server: &Server) -> String {
    Client::connect(server.addr("admin")).get("/metrics").unwrap().text()
}

/// Waits until the metrics have that line.
#[track_caller]
fn wait_for_metric(server: &Server, line: &str) {
    let found = wait_until(LONG, || metrics(server).lines().any(|have| have == line));
    assert!(found, "no line {line:?} in\n{}", metrics(server));
}
