//! The proxy on one core, everything else on the other.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::shell::Failure;

/// Where the proxy runs.
pub(super) const PROXY_CORE: usize = 0;

/// Where the origins, the load and this task run.
pub(super) const DRIVER_CORE: usize = 1;

/// Runs this thread, and what it starts from now on, on that core.
pub(super) fn to_core(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| format!("cannot run on core {core}: {error}"))
}

/// The bench needs two cores.
pub(super) fn check() -> Result<(), Failure> {
    let set = sched_getaffinity(None).map_err(|error| error.to_string())?;
    if set.is_set(PROXY_CORE) && set.is_set(DRIVER_CORE) {
        return Ok(());
    }
    Err(format!("the bench needs cores {PROXY_CORE} and {DRIVER_CORE}; this task may not use both"))
}
