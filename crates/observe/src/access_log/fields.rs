use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::Record;

/// One field of a line.
#[derive(Debug)]
pub struct FieldRow {
    /// Its name in JSON and, in braces, in a template.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Whether the JSON format has it; a template can name every field.
    pub in_json: bool,
    /// The name as it stands in a JSON object, after a comma.
    pub(super) json_key: &'static [u8],
    pub(super) field: Field,
}

/// The value of a field for one exchange.
pub(super) enum FieldValue<'a> {
    Absent,
    /// Bytes that a client or member chose: to be escaped.
    Text(&'a [u8]),
    Number(u64),
    Millis(Duration),
    /// Unix time in milliseconds, to be written as RFC 3339.
    Rfc3339(u64),
    /// Unix time in milliseconds, to be written as in the common log format.
    Clf(u64),
    Address(IpAddr),
}

macro_rules! fields {
    ($($id:ident $name:literal $json:literal $help:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field { $($id),* }

        /// Every field, in the order of the JSON format.
        pub static FIELDS: &[FieldRow] = &[$(FieldRow {
            name: $name,
            help: $help,
            in_json: $json,
            json_key: concat!(",\"", $name, "\":").as_bytes(),
            field: Field::$id,
        }),*];
    };
}

fields! {
    Time "time" true "when the first byte of the request came, RFC 3339 with milliseconds, UTC";
    TimeClf "time_clf" false "the same as `10/Oct/2000:13:55:36 +0000`";
    UnixMillis "unix_ms" false "the same as milliseconds since 1970";
    Listener "listener" true "the listener";
    Route "route" true "the route that took the request";
    Pool "pool" true "the pool that was asked";
    Member "member" true "the tag of the member that answered, or was tried last";
    Client "client" true "the client's address, after trusted forwarding headers";
    Peer "peer" false "the address the connection came from";
    PeerPort "peer_port" false "the port the connection came from";
    Connection "connection" true "the number of the client connection";
    Method "method" true "the method";
    Target "target" true "the request target as received";
    Path "path" false "the target up to its `?`";
    Query "query" false "the target after its `?`";
    Host "host" true "the requested host, or the name in a ClientHello";
    Protocol "protocol" true "`HTTP/1.1`, `HTTP/1.0`, `TCP` or `UDP`";
    TlsVersion "tls_version" true "`TLSv1.3` or `TLSv1.2`, on connections whose TLS ends here";
    TlsCipher "tls_cipher" true "the cipher suite";
    Sni "sni" true "the server name that the client asked for";
    TlsResumed "tls_resumed" true "`yes` when the connection resumed an earlier session, else `no`";
    Status "status" true "the status the client got; 0 when it left before it got one, and where there are none";
    BytesIn "bytes_in" true "bytes read from the client, head included";
    BytesOut "bytes_out" true "bytes written to the client, head included";
    DurationMs "duration_ms" true "milliseconds from the first byte of the request to the last of the answer";
    FirstByteMs "first_byte_ms" true "milliseconds from sending the request to the first byte of the member's answer";
    Attempts "attempts" true "how often the request was sent to a member";
    Cause "cause" true "the cause code, when the balancer answered by itself or the exchange broke";
    Affinity "affinity" true "`new`, `kept` or `moved`, when affinity bound the client to a member";
    RequestId "request_id" true "the request id";
    UserAgent "user_agent" true "the `User-Agent` header";
    Referer "referer" true "the `Referer` header";
}

impl Field {
    pub(super) fn value<'a>(self, r: &Record<'a>) -> FieldValue<'a> {
        use FieldValue::{Absent, Address, Clf, Millis, Number, Rfc3339};
        let port = |r: &Record<'_>| r.peer.map_or(Absent, |peer| Number(peer.port().into()));
        match self {
            Field::Time => Rfc3339(r.unix_millis),
            Field::TimeClf => Clf(r.unix_millis),
            Field::UnixMillis => Number(r.unix_millis),
            Field::Listener => text(r.listener.as_bytes()),
            Field::Route => text(r.route.as_bytes()),
            Field::Pool => text(r.pool.as_bytes()),
            Field::Member => text(r.member.as_bytes()),
            Field::Client => r.client.map_or(Absent, Address),
            Field::Peer => r.peer.map_or(Absent, |peer| Address(peer.ip())),
            Field::PeerPort => port(r),
            Field::Connection => Number(r.connection),
            Field::Method => text(r.method),
            Field::Target => text(r.target),
            Field::Path => text(r.target.split(|b| *b == b'?').next().unwrap_or_default()),
            Field::Query => text(query(r.target)),
            Field::Host => text(r.host),
            Field::Protocol => text(r.protocol.as_bytes()),
            Field::TlsVersion => text(r.tls.version.as_bytes()),
            Field::TlsCipher => text(r.tls.cipher.as_bytes()),
            Field::Sni => text(r.tls.server_name.as_bytes()),
            Field::TlsResumed => match (r.tls.version.is_empty(), r.tls.resumed) {
                (true, _) => Absent,
                (false, true) => FieldValue::Text(b"yes"),
                (false, false) => FieldValue::Text(b"no"),
            },
            Field::Status => Number(r.status.into()),
            Field::BytesIn => Number(r.bytes_in),
            Field::BytesOut => Number(r.bytes_out),
            Field::DurationMs => Millis(r.duration),
            Field::FirstByteMs => r.first_byte.map_or(Absent, Millis),
            Field::Attempts => Number(r.attempts.into()),
            Field::Cause => text(r.cause.unwrap_or_default().as_bytes()),
            Field::Affinity => text(r.affinity.name().as_bytes()),
            Field::RequestId => text(r.request_id),
            Field::UserAgent => text(r.user_agent),
            Field::Referer => text(r.referer),
        }
    }
}

/// The value of client-chosen text, cut to its limit.
pub(super) fn text(text: &[u8]) -> FieldValue<'_> {
    match text {
        [] => FieldValue::Absent,
        text => FieldValue::Text(&text[..text.len().min(super::VALUE_MAX)]),
    }
}

fn query(target: &[u8]) -> &[u8] {
    let mark = target.iter().position(|b| *b == b'?');
    mark.map_or(&[], |mark| &target[mark + 1..])
}

/// The page `docs/access-log.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Access log\n\n\
         One line per exchange, TCP connection or UDP flow, written when it ended. Formats:\n\n\
         * `json` (default): one object a line; a field without a value is left out. Bytes that \
         are not UTF-8 are read as Latin-1 (`\\u00ff`).\n\
         * `combined`: Apache's, `%h - - %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"`, times \
         in UTC.\n\
         * a template: text with `{field}` places, `{{` and `}}` for braces, 4096 bytes at most. A \
         field without a value is `-`; quotes, backslashes and bytes that are not printable ASCII \
         are escaped as in Apache's log (`\\\"`, `\\\\`, `\\n`, `\\xff`).\n\n\
         A value is cut after 4096 bytes. Lines are written in batches, 200 ms after the exchange \
         ended at the latest. When the disk cannot keep up or is full, lines are dropped, counted \
         in `evenkeel_access_log_dropped_total`, and told as an event once a minute; traffic never \
         waits. SIGUSR1 opens the file again; new files have mode 0640.\n\n\
         | field | in `json` | meaning |\n|---|---|---|\n",
    );
    for row in FIELDS {
        let json = if row.in_json { "yes" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {json} | {} |", row.name, row.help);
    }
    page
}
