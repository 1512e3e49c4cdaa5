//! Options of TCP connections, on both sides.

use std::ops::RangeInclusive;
use std::time::Duration;

use evenkeel_plan::TcpOptions;

use super::row::{Kind, Row};
use super::units::print_duration;
use super::value::{Reader, Value};

/// `listener.tcp`
pub(crate) const LISTENER: &[Row<TcpOptions>] = &[keep_alive("2m"), USER_TIMEOUT];
/// `pool.tcp`
pub(crate) const POOL: &[Row<TcpOptions>] = &[keep_alive("off"), USER_TIMEOUT];

const KIND: Kind = Kind::Any("duration, or off");
/// The kernel counts the silence in seconds, 32767 at most.
const KEEP_ALIVE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(9 * 3600);
const UNACKNOWLEDGED: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

const fn keep_alive(default: &'static str) -> Row<TcpOptions> {
    Row {
        name: "keep_alive",
        kind: KIND,
        default,
        doc: "Silence after which the system asks whether the peer still lives (SO_KEEPALIVE), 1s to 9h in whole seconds.",
        set: |tcp, value, reader| {
            let Some(time) = time_or_off(value, reader, KEEP_ALIVE) else { return };
            if time.is_some_and(|time| time.subsec_nanos() > 0) {
                value.wrong::<()>(reader, "keep-alive is counted in whole seconds");
            }
            tcp.keep_alive = time;
        },
    }
}

const USER_TIMEOUT: Row<TcpOptions> = Row {
    name: "user_timeout",
    kind: KIND,
    default: "off",
    doc: "How long sent data may stay unacknowledged before the connection counts as broken (TCP_USER_TIMEOUT), 1s to 1h; off: as the system has it, about 15 minutes.",
    set: |tcp, value, reader| {
        if let Some(time) = time_or_off(value, reader, UNACKNOWLEDGED) {
            tcp.user_timeout = time;
        }
    },
};

/// `Some(None)` for `"off"`.
fn time_or_off(
    value: Value<'_>,
    reader: &mut Reader<'_>,
    range: RangeInclusive<Duration>,
) -> Option<Option<Duration>> {
    if value.is_false() || super::listener::peek_text(value).is_some_and(|text| text == "off") {
        return Some(None);
    }
    let time = value.duration(reader)?;
    if range.contains(&time) {
        return Some(Some(time));
    }
    let [least, most] = [range.start(), range.end()].map(|time| print_duration(*time));
    value.wrong(reader, format!("expected a time from {least} to {most}, or \"off\""))
}
