//! What members said of themselves, from the file that a monitor of httpd writes
//! (`HeartbeatStorage`).

use std::fs;
use std::path::Path;

use evenkeel_balance::Micros;
use evenkeel_plan::Address;
use evenkeel_proxy::snapshot::PoolRt;

/// Bytes of the file that are read.
const FILE_MAX: usize = 1 << 20;
/// Seconds after which a member's word no longer counts.
const FRESH: u64 = 10;

/// Tells a pool's members what the file says of them; later lines count.
pub(crate) fn feed(pool: &PoolRt, now: Micros) {
    let rules = pool.plan.rules.as_ref();
    let Some(path) = rules.and_then(|rules| rules.heartbeat.as_ref()) else { return };
    for beat in read(path) {
        for (at, member) in pool.plan.members.iter().enumerate() {
            let host = match &member.address {
                Address::Socket(socket) => socket.ip().to_string(),
                _ => member.address.to_string(),
            };
            if host == beat.host && beat.seen < FRESH {
                pool.balance.heartbeat(at, beat.ready, beat.busy, now);
            }
        }
    }
}

struct Beat {
    host: String,
    ready: u32,
    busy: u32,
    /// Seconds ago.
    seen: u64,
}

/// The lines of the file; none when it cannot be read.
fn read(path: &Path) -> Vec<Beat> {
    let Ok(text) = fs::read(path) else { return Vec::new() };
    let text = String::from_utf8_lossy(&text[..text.len().min(FILE_MAX)]).into_owned();
    text.lines().filter_map(beat).collect()
}

/// `10.0.0.1 &ready=20&busy=2&lastseen=1&port=80`.
fn beat(line: &str) -> Option<Beat> {
    let line = line.trim();
    let (host, words) = line.split_once(' ').filter(|_| !line.starts_with('#'))?;
    let value = |name: &str| {
        let mut words = words.trim().split('&').filter_map(|word| word.split_once('='));
        words.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<u64>().ok())
    };
    let number = |name| value(name).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    Some(Beat {
        host: host.to_owned(),
        ready: number("ready"),
        busy: number("busy"),
        seen: value("lastseen")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_httpd_writes_them() {
        let beat = beat("10.0.0.1 &ready=20&busy=2&lastseen=1&port=80").expect("a line");
        let read = (&*beat.host, beat.ready, beat.busy, beat.seen);
        assert_eq!(read, ("10.0.0.1", 20, 2, 1));
        assert!(super::beat("# a comment &lastseen=1").is_none());
        assert!(super::beat("10.0.0.1 &ready=20").is_none());
        assert!(super::beat("").is_none());
    }
}
