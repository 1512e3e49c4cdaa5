//! The rows: what is asked of every peer.

use super::setup::Setup;

/// What the balancer is to the load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Requests are understood.
    Http,
    /// Connections are passed through.
    Tcp,
    /// Datagrams are passed through.
    Udp,
    /// Datagrams, of which each has one answer.
    Dns,
    /// Requests are understood, within TLS.
    Tls,
}

/// What another program is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tool {
    /// h2load with HTTP/1.1 in TLS.
    Http1,
    /// h2load with HTTP/2 in TLS, so many requests at a time on each connection.
    Http2(usize),
    /// s_time of openssl, one process for each connection: a handshake for each request, in full
    /// or with the session of the first.
    Handshakes { resumed: bool },
}

/// One kind of load.
#[derive(Debug)]
pub(super) struct Row {
    /// For `--rows`.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) mode: Mode,
    /// Bytes of each answer, and of the body of each request.
    pub(super) size: usize,
    pub(super) upload: usize,
    pub(super) connections: usize,
    /// A new connection for each request.
    pub(super) close: bool,
    /// Datagrams under way in each flow that is used again.
    pub(super) at_once: usize,
    pub(super) setup: Setup,
    /// A program that offers the load, where the bench's own generator cannot.
    pub(super) tool: Option<Tool>,
    /// One of the rows that every peer runs, and that --quick has.
    pub(super) main: bool,
    /// CPU for each request as a share of the best peer's that we mean to reach.
    pub(super) target: Option<f64>,
}

const PLAIN: Row = Row {
    name: "",
    title: "",
    mode: Mode::Http,
    size: 0,
    upload: 0,
    connections: 1,
    close: false,
    at_once: 8,
    setup: Setup::Base,
    tool: None,
    main: false,
    target: None,
};

const TLS: Row = Row { mode: Mode::Tls, target: Some(0.85), ..PLAIN };

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "128-1",
        title: "128 B, 1 connection",
        size: 128,
        connections: 1,
        main: true,
        target: Some(0.85),
        ..PLAIN
    },
    Row {
        name: "128-64",
        title: "128 B, 64 connections",
        size: 128,
        connections: 64,
        main: true,
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "128-1000",
        title: "128 B, 1000 connections",
        size: 128,
        connections: 1000,
        main: true,
        target: Some(0.82),
        ..PLAIN
    },
    Row {
        name: "128-5000",
        title: "128 B, 5000 connections",
        size: 128,
        connections: 5000,
        target: Some(0.82),
        ..PLAIN
    },
    Row {
        name: "10k-64",
        title: "10 KB, 64 connections",
        size: 10_000,
        connections: 64,
        main: true,
        target: Some(0.90),
        ..PLAIN
    },
    Row {
        name: "100k-64",
        title: "100 KB, 64 connections",
        size: 100_000,
        connections: 64,
        main: true,
        target: Some(0.75),
        ..PLAIN
    },
    Row {
        name: "10m-8",
        title: "10 MB, 8 connections",
        size: 10_000_000,
        connections: 8,
        target: Some(0.75),
        ..PLAIN
    },
    Row {
        name: "up-1k",
        title: "Request bodies of 1 KB, 64 connections",
        size: 128,
        connections: 64,
        upload: 1000,
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "up-1m",
        title: "Request bodies of 1 MB, 16 connections",
        size: 128,
        connections: 16,
        upload: 1_000_000,
        target: Some(0.75),
        ..PLAIN
    },
    Row {
        name: "new-64",
        title: "128 B, a new connection for each request, 64 at a time",
        size: 128,
        connections: 64,
        close: true,
        main: true,
        ..PLAIN
    },
    Row {
        name: "log-64",
        title: "128 B, 64 connections, with an access log",
        size: 128,
        connections: 64,
        setup: Setup::Log,
        target: Some(0.85),
        ..PLAIN
    },
    Row {
        name: "sticky-64",
        title: "128 B, 64 connections, with a cookie for one member",
        size: 128,
        connections: 64,
        setup: Setup::Sticky,
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "source-64",
        title: "128 B, 64 connections, by a consistent hash of the client's address",
        size: 128,
        connections: 64,
        setup: Setup::Source,
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "routes-1k",
        title: "128 B, 64 connections, 1000 routes by host",
        size: 128,
        connections: 64,
        setup: Setup::Routes(1000),
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "routes-10k",
        title: "128 B, 64 connections, 10,000 routes by host",
        size: 128,
        connections: 64,
        setup: Setup::Routes(10_000),
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "members-10",
        title: "128 B, 64 connections, 10 members",
        size: 128,
        connections: 64,
        setup: Setup::Members(10),
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "members-1k",
        title: "128 B, 64 connections, 1000 members",
        size: 128,
        connections: 64,
        setup: Setup::Members(1000),
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "members-10k",
        title: "128 B, 64 connections, 10,000 members",
        size: 128,
        connections: 64,
        setup: Setup::Members(10_000),
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "tcp-128",
        title: "TCP: 128 B each way, 64 connections",
        mode: Mode::Tcp,
        size: 128,
        connections: 64,
        target: Some(1.00),
        ..PLAIN
    },
    Row {
        name: "tcp-new",
        title: "TCP: a new connection for each exchange, 64 at a time",
        mode: Mode::Tcp,
        size: 128,
        connections: 64,
        close: true,
        target: Some(1.00),
        ..PLAIN
    },
    Row {
        name: "tcp-10m",
        title: "TCP: 10 MB to the client, 8 connections",
        mode: Mode::Tcp,
        size: 10_000_000,
        connections: 8,
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "udp-64",
        title: "UDP: a datagram of 64 B and its echo, 64 flows, 8 under way in each",
        mode: Mode::Udp,
        size: 64,
        connections: 64,
        target: Some(0.67),
        ..PLAIN
    },
    Row {
        name: "udp-burst",
        title: "UDP: the same with 4 flows, 64 under way in each",
        mode: Mode::Udp,
        size: 64,
        connections: 4,
        at_once: 64,
        target: Some(0.67),
        ..PLAIN
    },
    Row {
        name: "udp-dns",
        title: "UDP: one datagram and its answer for each flow, 64 at a time",
        mode: Mode::Dns,
        size: 64,
        connections: 64,
        close: true,
        target: Some(0.80),
        ..PLAIN
    },
    Row {
        name: "tls-64",
        title: "HTTPS: 128 B, 64 connections",
        size: 128,
        connections: 64,
        tool: Some(Tool::Http1),
        ..TLS
    },
    Row {
        name: "tls-100k",
        title: "HTTPS: 100 KB, 64 connections",
        size: 100_000,
        connections: 64,
        tool: Some(Tool::Http1),
        ..TLS
    },
    Row {
        name: "tls-new",
        title: "HTTPS: a full handshake for each request, 8 at a time",
        size: 128,
        connections: 8,
        close: true,
        tool: Some(Tool::Handshakes { resumed: false }),
        ..TLS
    },
    Row {
        name: "tls-again",
        title: "HTTPS: a resumed session for each request, 8 at a time",
        size: 128,
        connections: 8,
        close: true,
        tool: Some(Tool::Handshakes { resumed: true }),
        ..TLS
    },
    Row {
        name: "h2-1",
        title: "HTTP/2: 128 B, 1 connection, 1 stream",
        size: 128,
        connections: 1,
        tool: Some(Tool::Http2(1)),
        target: Some(0.80),
        ..TLS
    },
    Row {
        name: "h2-100",
        title: "HTTP/2: 128 B, 4 connections, 25 streams on each",
        size: 128,
        connections: 4,
        tool: Some(Tool::Http2(25)),
        target: Some(0.80),
        ..TLS
    },
    Row {
        name: "h2-100k",
        title: "HTTP/2: 100 KB, 4 connections, 8 streams on each",
        size: 100_000,
        connections: 4,
        tool: Some(Tool::Http2(8)),
        target: Some(0.80),
        ..TLS
    },
];

/// The load at which memory is compared: connections that were used and are silent.
pub(super) const IDLE: Row = Row { name: "idle", title: "", size: 128, connections: 5000, ..PLAIN };

/// The row at whose load latency and system calls are measured.
pub(super) const REFERENCE: &str = "128-64";

/// The rows of a list like `128-1,10k-64`; without a list all of them, or the main ones.
pub(super) fn chosen(list: Option<&str>, quick: bool) -> Result<Vec<&'static Row>, String> {
    let Some(list) = list else {
        return Ok(ROWS.iter().filter(|row| row.main || !quick).collect());
    };
    let find = |name: &str| {
        let known = || ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        let row = ROWS.iter().find(|row| row.name == name);
        row.ok_or_else(|| format!("no row {name}; there are: {}", known()))
    };
    list.split(',').map(|name| find(name.trim())).collect()
}
