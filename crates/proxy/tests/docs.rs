//! The page of cause codes, docs/errors.md, says what the code says.

use evenkeel_proxy::FAILURES;
use evenkeel_wire::http1::CAUSES;
use evenkeel_wire::{proxy_protocol, tls_hello};

const PAGE: &str = include_str!("../../../docs/errors.md");

/// Causes of connections that end before an exchange; they are counted but belong to no table.
const CONNECTIONS: [&str; 3] = ["datagram-dropped", "descriptors-exhausted", "socket-lost"];

#[test]
fn every_cause_has_its_row() {
    let failures =
        FAILURES.iter().map(|(failure, meaning)| (failure.cause, failure.status, *meaning));
    let refusals = CAUSES.iter().map(|cause| (cause.code, cause.status, cause.meaning));
    let missing: Vec<String> = failures
        .chain(refusals)
        .map(row)
        .filter(|row| !PAGE.lines().any(|line| line.starts_with(row)))
        .collect();
    assert!(missing.is_empty(), "docs/errors.md has no lines\n{}", missing.join("\n"));
}

#[test]
fn every_row_has_its_cause() {
    let known: Vec<&str> = FAILURES
        .iter()
        .map(|(failure, _)| failure.cause)
        .chain(CAUSES.iter().map(|cause| cause.code))
        .chain(CONNECTIONS)
        .chain(beginnings())
        .collect();
    let named = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let unknown: Vec<&str> = named.filter(|cause| !known.contains(cause)).collect();
    assert!(unknown.is_empty(), "docs/errors.md names causes that do not exist: {unknown:?}");
}

/// Why a connection ends at what it begins with.
fn beginnings() -> impl Iterator<Item = &'static str> {
    let proxy = proxy_protocol::Fault::ALL.iter().map(|fault| fault.cause());
    proxy.chain(tls_hello::Fault::ALL.iter().map(|fault| fault.cause()))
}

#[test]
fn every_bad_beginning_has_its_row() {
    for cause in beginnings() {
        assert!(PAGE.contains(&format!("\n| `{cause}` | - | ")), "docs/errors.md lacks {cause}");
    }
}

/// How a row begins; a dash stands for a status that cannot be sent.
fn row((cause, status, meaning): (&str, u16, &str)) -> String {
    let status = if status == 0 { "-".to_owned() } else { status.to_string() };
    format!("| `{cause}` | {status} | {meaning} |")
}
