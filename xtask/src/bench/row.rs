//! The rows: what is asked of every peer.

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
}

/// One kind of load.
#[derive(Debug)]
pub(super) struct Row {
    /// For `--rows`.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) mode: Mode,
    /// Bytes of each answer.
    pub(super) size: usize,
    pub(super) connections: usize,
    /// A new connection for each request.
    pub(super) close: bool,
    /// CPU for each request as a share of the best peer's that we mean to reach.
    pub(super) target: Option<f64>,
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "128-1",
        title: "128 B, 1 connection",
        mode: Mode::Http,
        size: 128,
        connections: 1,
        close: false,
        target: Some(0.85),
    },
    Row {
        name: "128-64",
        title: "128 B, 64 connections",
        mode: Mode::Http,
        size: 128,
        connections: 64,
        close: false,
        target: Some(0.80),
    },
    Row {
        name: "128-1000",
        title: "128 B, 1000 connections",
        mode: Mode::Http,
        size: 128,
        connections: 1000,
        close: false,
        target: Some(0.82),
    },
    Row {
        name: "10k-64",
        title: "10 KB, 64 connections",
        mode: Mode::Http,
        size: 10_000,
        connections: 64,
        close: false,
        target: Some(0.90),
    },
    Row {
        name: "100k-64",
        title: "100 KB, 64 connections",
        mode: Mode::Http,
        size: 100_000,
        connections: 64,
        close: false,
        target: Some(0.75),
    },
    Row {
        name: "new-64",
        title: "128 B, a new connection for each request, 64 at a time",
        mode: Mode::Http,
        size: 128,
        connections: 64,
        close: true,
        target: None,
    },
    Row {
        name: "tcp-128",
        title: "TCP: 128 B each way, 64 connections",
        mode: Mode::Tcp,
        size: 128,
        connections: 64,
        close: false,
        target: Some(1.00),
    },
    Row {
        name: "tcp-new",
        title: "TCP: a new connection for each exchange, 64 at a time",
        mode: Mode::Tcp,
        size: 128,
        connections: 64,
        close: true,
        target: Some(1.00),
    },
    Row {
        name: "tcp-10m",
        title: "TCP: 10 MB to the client, 8 connections",
        mode: Mode::Tcp,
        size: 10_000_000,
        connections: 8,
        close: false,
        target: Some(0.80),
    },
    Row {
        name: "udp-64",
        title: "UDP: a datagram of 64 B and its echo, 64 flows",
        mode: Mode::Udp,
        size: 64,
        connections: 64,
        close: false,
        target: Some(0.67),
    },
    Row {
        name: "udp-dns",
        title: "UDP: one datagram and its answer for each flow, 64 at a time",
        mode: Mode::Dns,
        size: 64,
        connections: 64,
        close: true,
        target: Some(0.80),
    },
];

/// The row at whose load latency and system calls are measured.
pub(super) const REFERENCE: &str = "128-64";

/// The rows of a list like `128-1,10k-64`; all of them without a list.
pub(super) fn chosen(list: Option<&str>) -> Result<Vec<&'static Row>, String> {
    let Some(list) = list else { return Ok(ROWS.iter().collect()) };
    let find = |name: &str| {
        let known = || ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        let row = ROWS.iter().find(|row| row.name == name);
        row.ok_or_else(|| format!("no row {name}; there are: {}", known()))
    };
    list.split(',').map(|name| find(name.trim())).collect()
}
