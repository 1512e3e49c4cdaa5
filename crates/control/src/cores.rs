//! The threads of the data plane: one event loop each.

use std::io;
use std::thread::{self, JoinHandle};

use evenkeel_net::clock;
use evenkeel_plan::Cores;
use evenkeel_proxy::core::{self, CoreCommand, PageAsked};
use tokio::sync::mpsc;

/// Commands that wait for a core at most.
const COMMANDS: usize = 64;

/// The number of event loops.
pub(crate) fn count(cores: Cores) -> usize {
    match cores {
        Cores::Auto => thread::available_parallelism().map_or(1, usize::from),
        Cores::Count(count) => usize::from(count.max(1)),
    }
}

/// How to command the threads, and how to wait for their end.
pub(crate) struct Started {
    pub(crate) senders: Vec<mpsc::Sender<CoreCommand>>,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

/// Starts the threads.
pub(crate) fn start(
    count: usize,
    seed: u64,
    pages: &mpsc::Sender<PageAsked>,
) -> io::Result<Started> {
    let mut senders = Vec::new();
    let mut threads = Vec::new();
    for index in 0..count {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let pages = pages.clone();
        let mut builder = tokio::runtime::Builder::new_current_thread();
        // Each turn of the loop takes in many events before it runs tasks, and looks for events
        // again only when it has run out of them.
        builder.enable_all().event_interval(61).max_io_events_per_tick(1024);
        builder.on_thread_unpark(clock::woken);
        let seed = seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let thread = thread::Builder::new().name(format!("core-{index}")).spawn(move || {
            match builder.build_local(tokio::runtime::LocalOptions::default()) {
                Ok(runtime) => runtime.block_on(core::run(index, count, seed, commands, pages)),
                Err(error) => tracing::error!("core {index} has no event loop: {error}"),
            }
        })?;
        senders.push(sender);
        threads.push(thread);
    }
    Ok(Started { senders, threads })
}
