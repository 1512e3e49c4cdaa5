//! Whether a member's settings have come, for requests that depend on them: a WebSocket goes only to
//! a member that has said that it takes such (RFC 8441 section 3).

use std::cell::Cell;
use std::pin::pin;

use h2::{Ping, PingPong};
use tokio::sync::Notify;

/// The settings of a connection. They come before the answer to our PING, which is only sent when
/// somebody waits for them.
#[derive(Default)]
pub(crate) struct Settling {
    over: Cell<bool>,
    asked: Notify,
    told: Notify,
}

impl Settling {
    /// Waits until the settings have come, or the connection has ended.
    pub(crate) async fn wait(&self) {
        let mut told = pin!(self.told.notified());
        told.as_mut().enable();
        if !self.over.get() {
            self.asked.notify_one();
            told.await;
        }
    }

    /// To be run beside the connection; does not end.
    pub(crate) async fn run(&self, ping: Option<PingPong>) {
        self.asked.notified().await;
        if let Some(mut ping) = ping {
            // If it broke, so did the connection.
            let _ = ping.ping(Ping::opaque()).await;
        }
        self.end();
        std::future::pending().await
    }

    /// There is nothing to wait for any more.
    pub(crate) fn end(&self) {
        self.over.set(true);
        self.told.notify_waiters();
    }
}
