//! Waiting with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything that should happen at once is given on a loaded machine: 10 seconds.
pub const LONG: Duration = Duration::from_secs(10);

/// Polls until `condition` holds; false when `timeout` passed first.
pub fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    wait_for(timeout, || condition().then_some(())).is_some()
}

/// Polls until `value` gives something; `None` when `timeout` passed first.
pub fn wait_for<T>(timeout: Duration, mut value: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = value() {
            return Some(found);
        }
        let left = deadline.checked_duration_since(Instant::now())?;
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_ends_the_wait() {
        let mut polls = 0;
        assert!(wait_until(LONG, || {
            polls += 1;
            polls == 3
        }));
    }

    #[test]
    fn a_condition_that_never_holds_ends_at_the_deadline() {
        let begin = Instant::now();
        assert!(!wait_until(Duration::from_millis(30), || false));
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
