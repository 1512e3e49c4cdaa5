//! PROXY headers from clients.

use evenkeel_plan::{ProxyMode, ProxyProtocol};

use super::Draft;
use crate::native::row::{Kind, Row, read};
use crate::native::value::{Reader, Value};

const MODES: &[&str] = &["off", "accept", "require"];

pub(super) const PROXY: &[Row<ProxyProtocol>] = &[
    Row {
        name: "mode",
        kind: Kind::Word(MODES),
        default: "off",
        doc: "off: such a header would be passed on as data. accept: trusted networks may send one. require: connections from others, or without one, are closed.",
        set: |proxy, value, reader| proxy.mode = mode(value, reader).unwrap_or(proxy.mode),
    },
    Row {
        name: "trusted",
        kind: Kind::Texts,
        default: "loopback, private, shared, link-local and unique local networks",
        doc: "Networks whose headers are believed; clients on unix sockets count as loopback.",
        set: |proxy, value, reader| {
            let network =
                |value: Value<'_>, reader: &mut Reader<'_>| value.parsed(reader, "a network");
            if let Some(trusted) = value.one_or_more(reader, network) {
                proxy.trusted = trusted;
            }
        },
    },
];

/// Reads `proxy_protocol`: a word, or a table.
pub(super) fn proxy_protocol(draft: &mut Draft, value: Value<'_>, reader: &mut Reader<'_>) {
    let proxy = &mut draft.plan.proxy_protocol;
    if value.is_string() {
        proxy.mode = mode(value, reader).unwrap_or_default();
    } else if let Some(table) = value.as_table() {
        let name = "listener.proxy_protocol";
        let before = reader.diagnostics.len();
        let places = read(PROXY, &[], name, table, proxy, reader);
        if !places.iter().any(|(key, _)| key == "mode") && !reader.suggested("mode", before) {
            let message = "a proxy_protocol table needs a `mode`";
            let help = "add mode = \"require\", or \"accept\" where the header may be absent";
            reader.error_help(value.span(), message, "", help);
        }
    } else {
        value.expected::<()>(reader, "one of \"off\", \"accept\", \"require\", or a table");
    }
}

fn mode(value: Value<'_>, reader: &mut Reader<'_>) -> Option<ProxyMode> {
    value.one_of(reader, &ProxyMode::ALL.map(|(mode, word)| (word, mode)))
}
