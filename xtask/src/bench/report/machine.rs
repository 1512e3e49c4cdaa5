//! What the numbers were measured on, and when.

use std::fs;
use std::time::SystemTime;

/// The processor's name and how many of them there are.
pub(super) fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or("unknown processor", |(_, name)| name).trim();
    let count = info.lines().filter(|line| line.starts_with("processor")).count();
    format!("{name}, {count} cores")
}

/// The kernel's version, and what TCP paces itself by: both change every number.
pub(super) fn kernel() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let congestion = read("/proc/sys/net/ipv4/tcp_congestion_control");
    format!("{} with {congestion}", read("/proc/sys/kernel/osrelease"))
}

/// Today, `2026-01-31`.
pub(super) fn date() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    day(since.as_secs() / 86_400)
}

/// The date so many days after 1970-01-01, by counting years in a calendar that begins in March,
/// so that the odd day comes last.
fn day(days: u64) -> String {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(20_512), "2026-02-28");
        assert_eq!(day(20_513), "2026-03-01");
    }
}
