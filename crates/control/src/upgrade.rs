//! Replacing the running binary: the new process inherits the listening sockets, says when it
//! serves, and only then does this one drain. Nobody is turned away in between, since the sockets
//! and their queues never close.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use evenkeel_net::handover;
use evenkeel_observe::events::Event;

use crate::notify;
use crate::shared::Shared;
use crate::sockets::{Sockets, set_inheritable};

/// How long the new process may take until it serves.
const READY_WAIT: Duration = Duration::from_secs(60);

/// Starts the binary that now lies where this one was started from, with the same arguments.
pub(crate) async fn start(sockets: &Sockets, shared: &Shared) -> Result<(), String> {
    let described: Vec<_> = sockets.all().collect();
    let names = handover::describe(described.iter().map(|(name, socket)| (name.as_str(), *socket)));
    let (ready, told) = handover::pipe().map_err(|error| format!("no pipe: {error}"))?;
    let binary =
        std::env::current_exe().map_err(|error| format!("where is the binary? {error}"))?;
    // The kernel marks a binary that was replaced; the new one has the plain name.
    let binary = match binary.to_string_lossy().strip_suffix(" (deleted)") {
        Some(path) => path.into(),
        None => binary,
    };
    let mut command = Command::new(&binary);
    command.args(std::env::args_os().skip(1));
    command.env(handover::SOCKETS, names).env(handover::READY, told.as_raw_fd().to_string());
    let inherit = |yes| {
        set_inheritable(sockets, yes)?;
        handover::set_inheritable(&told, yes)
    };
    let spawned = inherit(true).and_then(|()| command.spawn());
    if let Err(error) = inherit(false) {
        tracing::warn!("descriptors stay inheritable: {error}");
    }
    let mut child =
        spawned.map_err(|error| format!("{} was not started: {error}", binary.display()))?;
    drop(told);
    shared.tell(Event::UpgradeStarted { pid: child.id() });
    let pid = child.id();
    let waiting = tokio::task::spawn_blocking(move || {
        let mut byte = [0; 1];
        // The pipe ends without a byte when the new process ends before it serves.
        std::fs::File::from(ready).read(&mut byte).is_ok_and(|n| n == 1)
    });
    match tokio::time::timeout(READY_WAIT, waiting).await {
        Ok(Ok(true)) => {
            notify::tell(&format!("MAINPID={pid}"));
            Ok(())
        }
        Ok(_) => {
            let status = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
            Err(format!(
                "the new process ended before it served ({status}); its messages are above"
            ))
        }
        Err(_) => {
            // It may serve one day, beside this one; that would be worse than none.
            let _ = child.kill();
            Err(format!(
                "the new process did not serve within {} s and was stopped",
                READY_WAIT.as_secs()
            ))
        }
    }
}
