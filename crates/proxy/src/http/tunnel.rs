//! Bytes both ways after an upgrade, each direction ended by its own sender.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::time::Duration;

use evenkeel_balance::{Micros as BalanceMicros, Outcome};
use evenkeel_net::stream::{RecvHalf, SendHalf};
use evenkeel_net::{Buffer, Deadline, Micros, clock};

use crate::dial::Upstream;
use crate::http::session::Session;

/// Bytes on their way in one direction.
const WINDOW: usize = 64 * 1024;

/// Passes bytes until both sides have ended, one fails, or nothing moved for the tunnel time.
pub(crate) async fn relay(mut session: Session, upstream: Box<Upstream>) {
    let Upstream { mut stream, mut buffer, guard, .. } = *upstream;
    let snapshot = session.core.snapshot();
    let idle = snapshot
        .listener(session.listener)
        .map_or(Duration::from_secs(3600), |l| l.plan.timeouts.tunnel);
    // A tunnel may last for days; the snapshot it began with must not.
    drop(snapshot);
    session.core.metrics.borrow_mut().tunnel_opened(session.listener);
    let moved = Cell::new(clock::now());
    let (down, up) = (Cell::new(0_u64), Cell::new(0_u64));
    let mut early = std::mem::take(&mut session.buffer);
    let (client_recv, client_send) = session.stream.split();
    let (member_recv, member_send) = stream.split();
    let there = pump(client_recv, member_send, &mut early, idle, &moved, &up);
    let back = pump(member_recv, client_send, &mut buffer, idle, &moved, &down);
    let ended = tokio::try_join!(there, back);
    if ended.is_err() {
        // What one side broke off, the other must not take for complete.
        session.stream.reset_on_close();
        stream.reset_on_close();
    }
    guard.received(down.get());
    guard.sent(up.get());
    guard.report(Outcome::Answered { status: 101 }, BalanceMicros(clock::now().0));
    session.core.metrics.borrow_mut().tunnel_closed(session.listener);
}

/// One direction: what waits in the buffer, then what comes, then the end.
async fn pump(
    mut from: RecvHalf<'_>,
    mut to: SendHalf<'_>,
    buffer: &mut Buffer,
    idle: Duration,
    moved: &Cell<Micros>,
    count: &Cell<u64>,
) -> io::Result<()> {
    let mut wait = Deadline::never();
    loop {
        while !buffer.is_empty() {
            wait.set_after(clock::now(), idle);
            to.send(&mut [IoSlice::new(buffer.bytes())], &mut wait).await?;
            count.set(count.get() + buffer.len() as u64);
            buffer.clear();
        }
        wait.set_after(clock::now(), idle);
        match from.recv(buffer, WINDOW, &mut wait).await {
            Ok(0) => return to.finish().await,
            Ok(_) => moved.set(clock::now()),
            // The other direction may have been busy all the while.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                if clock::now().since(moved.get()) >= idle {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}
