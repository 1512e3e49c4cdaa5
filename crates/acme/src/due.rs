//! When to ask an authority. Pure: the time is an argument, and what looks random comes from the
//! certificate itself, so that it is the same after a restart and another for each certificate.

use std::time::Duration;

use evenkeel_tls::Issued;

/// Seconds from one failure to the next attempt. Authorities allow a handful of failures per name
/// and hour.
const STEPS: [u64; 6] = [60, 300, 900, 3600, 3 * 3600, 6 * 3600];
/// Seconds after an authority said that it is asked too often.
const LIMITED: u64 = 3600;
/// Seconds from one order of a certificate to the next, whatever else says.
pub const APART: u64 = 15;
/// Seconds from a failure to an attempt that somebody asks for by a reload.
pub const AGAIN_SOONEST: u64 = 60;

/// The Unix time at which a certificate is renewed: `before` its end, or when a third of its time is
/// left, up to a fortieth of its time later.
pub fn renewal(issued: &Issued, before: Option<Duration>) -> u64 {
    let life = issued.until.saturating_sub(issued.from);
    match before {
        // Not before half of its time: an authority that gives shorter ones than expected is not
        // to be asked all the time.
        Some(before) => {
            let wanted = issued.until.saturating_sub(before.as_secs());
            wanted.max(issued.from + life / 2)
        }
        None => issued.from + life / 3 * 2 + part(life / 40, &issued.serial),
    }
}

/// The Unix time within the window that the authority suggests (RFC 9773 section 4.2), and not so
/// late that a failure could not be made good.
pub fn suggested(issued: &Issued, start: u64, end: u64) -> u64 {
    let life = issued.until.saturating_sub(issued.from);
    let latest = issued.from + life / 10 * 9;
    (start + part(end.saturating_sub(start), &issued.serial)).min(latest)
}

/// The Unix time of the next attempt, after so many failures, the last at `last`.
pub fn again(last: u64, failures: u32, limited: bool, seed: &[u8]) -> u64 {
    let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = STEPS[step.min(STEPS.len() - 1)];
    let wait = if limited { wait.max(LIMITED) } else { wait };
    last + wait + part(wait / 5, seed)
}

/// A part of `whole` that goes by the bytes.
fn part(whole: u64, bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    // The upper half of the product is evenly spread over `whole`.
    ((u128::from(sum.wrapping_mul(0x9e37_79b9_7f4a_7c15)) * u128::from(whole)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn issued(life: u64, serial: u8) -> Issued {
        let (names, signer) = (Vec::new(), None);
        Issued { from: 1_000_000, until: 1_000_000 + life, names, serial: vec![serial], signer }
    }

    #[test]
    fn certificates_are_renewed_at_two_thirds_and_not_all_at_once() {
        let times: Vec<u64> = (0..50).map(|n| renewal(&issued(90 * DAY, n), None)).collect();
        for time in &times {
            let after = time - 1_000_000;
            assert!((60 * DAY..63 * DAY).contains(&after), "{after}");
        }
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(last - first > DAY, "they are spread");
        assert_eq!(renewal(&issued(90 * DAY, 1), None), renewal(&issued(90 * DAY, 1), None));
        let before = Some(Duration::from_secs(10 * DAY));
        assert_eq!(renewal(&issued(90 * DAY, 1), before), 1_000_000 + 80 * DAY);
        assert_eq!(renewal(&issued(6 * DAY, 1), before), 1_000_000 + 3 * DAY);
    }

    #[test]
    fn what_the_authority_suggests_counts_but_for_the_end() {
        let one = issued(90 * DAY, 7);
        let (start, end) = (1_000_000 + 20 * DAY, 1_000_000 + 22 * DAY);
        assert!((start..end).contains(&suggested(&one, start, end)));
        // At once.
        assert!(suggested(&one, 5, 6) < 1_000_000);
        let late = 1_000_000 + 200 * DAY;
        assert_eq!(suggested(&one, late, late + DAY), 1_000_000 + 81 * DAY);
        assert_eq!(suggested(&one, end, start), end, "a window that ends before it begins");
    }

    #[test]
    fn failures_are_followed_by_ever_longer_waits() {
        let mut before = 0;
        for (failures, least) in [(1, 60), (2, 300), (3, 900), (4, 3600), (6, 6 * 3600)] {
            let wait = again(100, failures, false, b"x") - 100;
            assert!(wait >= least && wait <= least + least / 5 && wait > before, "{wait}");
            before = wait;
        }
        assert!(again(0, u32::MAX, false, b"x") <= 6 * 3600 * 6 / 5);
        assert!(again(0, 1, true, b"x") >= 3600);
    }
}
