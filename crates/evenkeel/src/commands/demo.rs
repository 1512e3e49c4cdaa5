//! `evenkeel demo`: three small web servers, a balancer before them, the dashboard, and a table
//! of it all. No file, no network but loopback, no privileges.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use evenkeel_control::{Handle, Source};
use evenkeel_plan::{
    Admin, BindAddress, Check, Health, HttpCheck, Listener, Member, Name, Plan, Pool,
};

use crate::api::Api;
use crate::cli::DemoArgs;
use crate::commands::status;
use crate::output::{complain, say};
use crate::server::{self, RUNTIME};

/// Connections that one origin serves at once; the balancer keeps far fewer.
const CONNECTIONS_MAX: u64 = 1000;

pub(crate) fn demo(args: &DemoArgs) -> ExitCode {
    match plan(args) {
        Ok(plan) => server::serve(Source::Plan(Box::new(plan.clone())), plan, false, introduce),
        Err(error) => {
            complain(format!("error: the demo's servers do not start: {error}"));
            ExitCode::from(RUNTIME)
        }
    }
}

fn plan(args: &DemoArgs) -> std::io::Result<Plan> {
    let name = |text: &str| Name::new(text).map_err(std::io::Error::other);
    let mut pool = Pool::new(name("app")?);
    pool.health = Health {
        check: Some(Check::Http(HttpCheck { path: "/healthz".to_owned(), ..HttpCheck::default() })),
        interval: Duration::from_secs(1),
        ..Health::default()
    };
    for tag in ["origin-a", "origin-b", "origin-c"] {
        let address = origin(tag)?;
        let mut member = Member::new(evenkeel_plan::Address::Socket(address));
        member.tag = name(tag)?;
        pool.members.push(member);
    }
    let mut listener = Listener::new(name("web")?, vec![free_or(args.port, 8080)]);
    listener.pool = Some(pool.name.clone());
    let admin = Some(Admin { bind: free_or(None, 9900), token: None });
    Ok(Plan { admin, listeners: vec![listener], pools: vec![pool], ..Plan::default() })
}

/// The port asked for; or the usual one if it is free; or any.
fn free_or(asked: Option<u16>, usual: u16) -> BindAddress {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let usual = asked.unwrap_or(usual);
    let free = asked.is_some() || TcpListener::bind(at(usual)).is_ok();
    BindAddress::Socket(at(if free { usual } else { 0 }))
}

/// Says what to do, and shows the table if somebody watches.
fn introduce(handle: &Handle) {
    let bound = handle.shared().bound();
    let address = |name: &str| {
        bound.iter().find(|b| b.listener == name).map(|b| b.address.clone()).unwrap_or_default()
    };
    let (web, admin) = (address("web"), address("admin"));
    say(format_args!(
        "\n  Balancer   http://{web}/     three servers take turns: curl http://{web}/"
    ));
    say(format_args!("  Dashboard  http://{admin}/     drain, disable and weigh them there"));
    say("  Ctrl-C ends everything.\n");
    if std::io::stdout().is_terminal() {
        tokio::task::spawn_local(watch(handle.clone()));
    }
}

/// Draws the table over itself, once a second.
async fn watch(handle: Handle) {
    use evenkeel_admin::Controller as _;
    let api = Api::new(handle);
    let mut drawn = 0;
    loop {
        let table = status::render(&api.status().await, &api.pools().await);
        let up = if drawn > 0 { format!("\x1b[{drawn}A\x1b[J") } else { String::new() };
        drawn = table.lines().count();
        say(format_args!("{up}{}", table.trim_end()));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A small web server on a port of its own: each answer says which server it was.
fn origin(tag: &'static str) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let (open, served) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    thread::Builder::new().name(tag.to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            if open.fetch_add(1, Relaxed) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Relaxed);
                continue;
            }
            let (open, served) = (open.clone(), served.clone());
            thread::spawn(move || {
                // A connection that breaks is over, that is all.
                let _ = answer(stream, tag, &served);
                open.fetch_sub(1, Relaxed);
            });
        }
    })?;
    Ok(address)
}

/// Answers requests without bodies until the connection closes.
fn answer(stream: TcpStream, tag: &str, served: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(std::io::Read::take(stream, u64::MAX));
    loop {
        let mut request = String::new();
        if lines.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while lines.read_line(&mut header)? > 0 && header.trim_end() != "" {
            header.clear();
        }
        let target = request.trim_end().trim_end_matches(" HTTP/1.1");
        let body = if target.ends_with("/healthz") {
            "ok\n".to_owned()
        } else {
            let count = served.fetch_add(1, Relaxed) + 1;
            format!("{tag} answered {target} (its request number {count})\n")
        };
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store";
        let length = body.len();
        let text = format!("{head}\r\nServer: {tag}\r\nContent-Length: {length}\r\n\r\n{body}");
        out.write_all(text.as_bytes())?;
    }
}
