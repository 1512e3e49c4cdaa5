//! A core on the simulated network, for tests: the same sessions and exchanges, no sockets.

use std::rc::Rc;
use std::sync::Arc;

use evenkeel_net::{Peer, Stream};

use crate::client::Client;
use crate::core::{Core, Report};
use crate::snapshot::Snapshot;

/// A core without sockets of its own.
pub struct SimCore {
    core: Rc<Core>,
}

impl SimCore {
    /// A core that serves by the snapshot.
    pub fn new(snapshot: Arc<Snapshot>, seed: u64) -> SimCore {
        let core = Rc::new(Core::new(0, 1, seed));
        core.serve_by(snapshot);
        SimCore { core }
    }

    /// Serves a connection to its end.
    pub async fn serve(&self, listener: u32, stream: Stream, peer: Peer) {
        Client::new(self.core.clone(), listener, stream, peer).serve().await;
    }

    /// Serves by another snapshot.
    pub fn swap(&self, snapshot: Arc<Snapshot>) {
        self.core.serve_by(snapshot);
        self.core.sessions.wake_all();
    }

    /// Takes nothing new any more.
    pub fn drain(&self) {
        self.core.drain();
    }

    /// What was counted.
    pub fn report(&self) -> Report {
        self.core.report()
    }
}
