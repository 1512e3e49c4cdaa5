//! Tasks that serve the streams of HTTP/2 connections. One that has served its stream waits for the
//! next: to make a task, and to fill kilobytes of fresh memory, costs more than a small request
//! does otherwise.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::core::Core;
use crate::http::session::{self, Session};

/// Tasks of a core that wait for streams; each holds about ten kilobytes. There may be more at
/// work: one for each stream.
const STOCK: usize = 256;

/// Those of a core that wait.
#[derive(Default)]
pub(crate) struct Workers {
    waiting: RefCell<Vec<Rc<Desk>>>,
}

/// Where a worker finds its next stream.
#[derive(Default)]
struct Desk {
    stream: Cell<Option<Session>>,
    waker: Cell<Option<Waker>>,
}

/// Serves a stream by a task of its own.
pub(crate) fn serve(core: &Rc<Core>, stream: Session) {
    let waiting = core.workers.waiting.borrow_mut().pop();
    if let Some(desk) = waiting {
        desk.stream.set(Some(stream));
        desk.waker.take().iter().for_each(Waker::wake_by_ref);
        return;
    }
    let desk = Rc::new(Desk { stream: Cell::new(Some(stream)), waker: Cell::default() });
    // Boxed, because the runtime moves what it is given half a dozen times.
    tokio::task::spawn_local(Box::pin(work(core.clone(), desk)));
}

async fn work(core: Rc<Core>, desk: Rc<Desk>) {
    loop {
        let mut stream = poll_fn(|cx| match desk.stream.take() {
            Some(stream) => Poll::Ready(stream),
            None => {
                desk.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await;
        session::serve_stream(&mut stream).await;
        drop(stream);
        let mut waiting = core.workers.waiting.borrow_mut();
        if waiting.len() >= STOCK || core.is_draining() {
            return;
        }
        waiting.push(desk.clone());
    }
}
