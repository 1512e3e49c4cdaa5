//! Every metric, one row each. `docs/metrics.md` is made from this table.

use std::fmt::Write as _;

/// One metric. Its name and labels are stable: others build dashboards on them.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// The full name, as Prometheus shows it.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// Label names, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// The unit of its value; empty for plain counts.
    pub unit: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; begins at 0 when the process starts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket, with sum and count.
    Histogram,
}

impl Kind {
    /// The word of the `# TYPE` line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $unit:literal $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                unit: $unit,
                help: $help,
            };
        )*
        /// Every metric, in the order of the exposition.
        pub static ALL: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    REQUESTS: Counter "evenkeel_requests_total" ["listener", "route", "pool", "member", "code"] ""
        "Exchanges, TCP connections and UDP flows that ended, by the status the client got (0: none).";
    REQUEST_SECONDS: Histogram "evenkeel_request_seconds" ["pool"] "seconds"
        "Time from the first byte of a request to the last byte of its answer.";
    CONNECTIONS: Gauge "evenkeel_connections" ["listener"] ""
        "Open client connections and UDP flows.";
    CONNECTIONS_ACCEPTED: Counter "evenkeel_connections_accepted_total" ["listener"] ""
        "Client connections accepted and UDP flows begun.";
    TUNNELS: Gauge "evenkeel_tunnels" ["listener"] ""
        "Open tunnels: connections whose request was upgraded.";
    STREAMS: Gauge "evenkeel_streams" ["listener"] ""
        "Open streams of HTTP/2: requests under way on connections that carry many.";
    BYTES: Counter "evenkeel_bytes_total" ["listener", "pool", "direction"] "bytes"
        "Bytes from clients (in) and to them (out), heads included.";
    REFUSALS: Counter "evenkeel_refusals_total" ["listener", "cause"] ""
        "Answers the balancer gave in place of a member, and connections it cut, by cause.";
    TLS_HANDSHAKES: Counter "evenkeel_tls_handshakes_total" ["listener", "version", "resumed"] ""
        "TLS handshakes with clients that succeeded, by version, and whether a session was resumed (yes, no). Those that failed are refusals.";
    CERTIFICATE_EXPIRY: Gauge "evenkeel_certificate_expiry_seconds" ["listener", "certificate"] "seconds"
        "Time until a certificate in use ends, below 0 once it has; of the 1000 that end first.";
    ACME_ORDERS: Counter "evenkeel_acme_orders_total" ["authority", "result"] ""
        "Orders of certificates that ended, by authority and result (ok, failed).";
    RETRIES: Counter "evenkeel_retries_total" ["pool", "cause"] ""
        "Further attempts after a first one failed, by why it failed.";
    DIALS: Counter "evenkeel_dials_total" ["pool", "result"] ""
        "Connections for a request to a member: new, reused from the connection cache, or failed.";
    QUEUE: Gauge "evenkeel_pool_queue" ["pool"] ""
        "Requests that wait because every member is at its max_requests.";
    MEMBER_UP: Gauge "evenkeel_member_up" ["pool", "member"] ""
        "1 when health measures the member as up, 0.5 while it starts, 0 when it is down.";
    MEMBER_USABLE: Gauge "evenkeel_member_usable" ["pool", "member"] ""
        "1 when the member may get new requests: up, ready, not ejected.";
    MEMBER_STATE: Gauge "evenkeel_member_state" ["pool", "member", "state"] ""
        "1 for the state that was ordered (ready, drain, disabled), 0 for the others.";
    MEMBER_WEIGHT: Gauge "evenkeel_member_weight" ["pool", "member"] ""
        "The share of the member relative to the others.";
    MEMBER_ACTIVE: Gauge "evenkeel_member_active" ["pool", "member"] ""
        "Requests under way at the member.";
    MEMBER_REQUESTS: Counter "evenkeel_member_requests_total" ["pool", "member"] ""
        "Requests sent to the member, retries included.";
    MEMBER_FAILURES: Counter "evenkeel_member_failures_total" ["pool", "member"] ""
        "Requests that failed at the member: no connection, reset, broken or late answer.";
    MEMBER_EJECTIONS: Counter "evenkeel_member_ejections_total" ["pool", "member"] ""
        "Times the breaker took the member out.";
    HEALTH_CHECKS: Counter "evenkeel_health_checks_total" ["pool", "member", "result"] ""
        "Probes that ended, by result (pass, fail, timeout).";
    HEALTH_CHANGES: Counter "evenkeel_health_changes_total" ["pool", "member", "to"] ""
        "Changes of a member's health, by what it became (up, down).";
    CONFIG_RELOADS: Counter "evenkeel_config_reloads_total" ["result"] ""
        "Reloads of the configuration, by result (ok, failed).";
    CONFIG_GENERATION: Gauge "evenkeel_config_generation" [] ""
        "The generation of the plan in use; it grows by one with every change.";
    CONFIG_RELOAD_TIME: Gauge "evenkeel_config_last_reload_timestamp_seconds" [] "seconds"
        "When the plan in use was taken, as Unix time.";
    ACCESS_LOG_LINES: Counter "evenkeel_access_log_lines_total" [] ""
        "Access log lines written.";
    ACCESS_LOG_DROPPED: Counter "evenkeel_access_log_dropped_total" [] ""
        "Access log lines lost: the writer could not keep up, or writing failed.";
    ACCESS_LOG_ERRORS: Counter "evenkeel_access_log_errors_total" [] ""
        "Failed writes and failed reopenings of the access log.";
    SERIES_FOLDED: Counter "evenkeel_metrics_folded_total" [] ""
        "Exchanges counted under the label values other, because the table of series is full.";
    DRAINING: Gauge "evenkeel_draining" [] ""
        "1 while the process drains before it ends.";
    CORES: Gauge "evenkeel_cores" [] ""
        "Event loops that serve traffic.";
    BUILD_INFO: Gauge "evenkeel_build_info" ["version"] ""
        "Always 1; the version is in the label.";
    UPTIME: Gauge "evenkeel_uptime_seconds" [] "seconds"
        "Time since the process started.";
    PROCESS_CPU: Counter "process_cpu_seconds_total" [] "seconds"
        "User and system CPU time spent.";
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" [] "bytes"
        "Resident memory.";
    PROCESS_FDS: Gauge "process_open_fds" [] ""
        "Open file descriptors.";
    PROCESS_FDS_MAX: Gauge "process_max_fds" [] ""
        "The most file descriptors the process may open.";
    PROCESS_THREADS: Gauge "process_threads" [] ""
        "Threads of the process.";
    PROCESS_START: Gauge "process_start_time_seconds" [] "seconds"
        "When the process started, as Unix time.";
}

/// The page `docs/metrics.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         `GET /metrics` on the admin address answers in the Prometheus text format. Names and \
         labels are stable.\n\n\
         A label value is empty where there is nothing to name (a request that no route took), \
         and `other` once a table is full: a process keeps at most 65,536 names and each core \
         16,384 series of `evenkeel_requests_total`.\n\n\
         | name | type | labels | unit | meaning |\n|---|---|---|---|---|\n",
    );
    for metric in ALL {
        let labels = metric.labels.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ");
        let (name, kind, unit, help) = (metric.name, metric.kind.name(), metric.unit, metric.help);
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {unit} | {help} |");
    }
    let bounds = super::BOUNDS.iter().map(|b| b.text).collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        page,
        "\nBuckets of `evenkeel_request_seconds`, upper bounds in seconds: {bounds}.\n\n\
         The `cause` values of refusals are the cause codes of the access log."
    );
    page
}
