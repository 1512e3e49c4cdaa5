//! Bytes both ways after an upgrade.

use std::time::Duration;

use evenkeel_balance::{Micros, Outcome};
use evenkeel_net::clock;

use crate::dial::Upstream;
use crate::http::session::Session;
use crate::relay::{self, Side, Watch};

/// Passes bytes until both sides have ended, one fails, or nothing moved for the tunnel time.
pub(crate) async fn run(session: &mut Session, upstream: Box<Upstream>) {
    let Upstream { mut stream, buffer, guard, pool, quiet, .. } = *upstream;
    let snapshot = session.core.snapshot();
    let own = snapshot.listener(session.listener).map(|l| l.plan.timeouts.tunnel);
    let idle = quiet.or(own).unwrap_or(Duration::from_secs(3600));
    // A tunnel may last for days; the snapshot it began with must not.
    drop(snapshot);
    session.core.metrics.borrow_mut().tunnel_opened(session.listener);
    let early = std::mem::take(&mut session.buffer);
    let watch = Watch {
        core: &session.core,
        place: &session.place,
        listener: session.listener,
        pool,
        guard: &guard,
        idle,
        gently: quiet.is_some(),
    };
    let client = Side { stream: &mut session.stream, buffer: early };
    relay::run(client, Side { stream: &mut stream, buffer }, &watch).await;
    guard.report(Outcome::Answered { status: 101 }, Micros(clock::now().0));
    session.core.metrics.borrow_mut().tunnel_closed(session.listener);
}
