//! The connections of a core to members that speak HTTP/2: few for each member, shared by requests.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_http2::{Back, BackSettings, PIPE_BYTES};
use evenkeel_net::{Micros, Stream, clock, pipe};
use tokio::sync::Notify;

use crate::cause::Failure;
use crate::dial;
use crate::preamble::Preamble;
use crate::snapshot::{MemberRt, PoolRt};

/// What RFC 9113 section 6.5.2 adds for each field when it counts the size of a head.
const PER_FIELD: usize = 32;

/// Connections by member.
#[derive(Default)]
pub(crate) struct Members(RefCell<HashMap<u64, Kept>>);

#[derive(Default)]
struct Kept {
    backs: Vec<Rc<Shared>>,
    /// A connection on its way: who needs one waits for it, so that a burst of requests makes one
    /// connection and not many.
    coming: Option<Rc<Coming>>,
}

struct Shared {
    back: Back,
    used: Cell<Micros>,
    /// How long it is kept without requests.
    idle_time: Duration,
}

#[derive(Default)]
struct Coming {
    notify: Notify,
    failure: Cell<Option<Failure>>,
    done: Cell<bool>,
}

impl Members {
    /// A stream for one request, and whether its connection served others before. `fresh`: a new
    /// connection is made.
    pub(crate) async fn open(
        self: &Rc<Members>,
        pool: &Arc<PoolRt>,
        at: usize,
        fresh: bool,
    ) -> Result<(Stream, bool), Failure> {
        let Some(member) = pool.members.get(at) else { return Err(Failure::NO_MEMBER) };
        let key = member.targets.key();
        let mut waited = false;
        loop {
            if (waited || !fresh)
                && let Some(shared) = self.with_room(key)
            {
                return Ok((shared.begin(pool.plan.grpc_web), !waited));
            }
            waited = true;
            let coming = self.coming(key, pool, at);
            while !coming.done.get() {
                coming.notify.notified().await;
            }
            if let Some(failure) = coming.failure.get() {
                return Err(failure);
            }
        }
    }

    /// The connection with the fewest requests that takes one more.
    fn with_room(&self, key: u64) -> Option<Rc<Shared>> {
        let mut all = self.0.borrow_mut();
        let kept = all.get_mut(&key)?;
        kept.backs.retain(|shared| !shared.back.is_closed());
        let free = kept.backs.iter().filter(|shared| shared.back.has_room());
        free.min_by_key(|shared| shared.back.open()).cloned()
    }

    /// The connection that is being made, by a task of its own: whoever asked first may leave.
    fn coming(self: &Rc<Members>, key: u64, pool: &Arc<PoolRt>, at: usize) -> Rc<Coming> {
        let mut all = self.0.borrow_mut();
        let kept = all.entry(key).or_default();
        if let Some(coming) = &kept.coming {
            return coming.clone();
        }
        let coming = Rc::new(Coming::default());
        kept.coming = Some(coming.clone());
        let (members, pool, told) = (self.clone(), pool.clone(), coming.clone());
        tokio::task::spawn_local(async move {
            let made = match pool.members.get(at) {
                Some(member) => begin(&pool, member).await,
                None => Err(Failure::NO_MEMBER),
            };
            let mut all = members.0.borrow_mut();
            let kept = all.entry(key).or_default();
            kept.coming = None;
            match made {
                Ok(shared) => kept.backs.push(Rc::new(shared)),
                Err(failure) => told.failure.set(Some(failure)),
            }
            told.done.set(true);
            // Also those who come to wait only now find it done.
            told.notify.notify_waiters();
        });
        coming
    }

    /// Drops connections that are closed, were not used for their time, or whose member is gone;
    /// requests under way on them go on.
    pub(crate) fn sweep(&self, now: Micros, lives: impl Fn(u64) -> bool) {
        self.0.borrow_mut().retain(|key, kept| {
            kept.backs.retain(|shared| {
                let idle =
                    shared.back.open() == 0 && now.since(shared.used.get()) > shared.idle_time;
                !idle && !shared.back.is_closed() && lives(*key)
            });
            !kept.backs.is_empty() || kept.coming.is_some()
        });
    }

    /// Drops all; requests under way go on.
    pub(crate) fn clear(&self) {
        self.0.borrow_mut().retain(|_, kept| {
            kept.backs.clear();
            kept.coming.is_some()
        });
    }

    /// Connections.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().values().map(|kept| kept.backs.len()).sum()
    }
}

impl Shared {
    /// `web`: calls of gRPC-Web become calls of gRPC.
    fn begin(&self, web: bool) -> Stream {
        self.used.set(clock::now());
        let (near, far) = pipe::pair(PIPE_BYTES);
        tokio::task::spawn_local(Box::pin(self.back.carry(far, web)));
        Stream::Memory(near)
    }
}

async fn begin(pool: &PoolRt, member: &MemberRt) -> Result<Shared, Failure> {
    let stream =
        dial::connect(pool, member, member.tls_name.as_ref(), &Preamble::default()).await?;
    let heads = pool.limits.head_bytes.saturating_add(pool.limits.fields.saturating_mul(PER_FIELD));
    let settings = BackSettings {
        streams: pool.plan.limits.streams as usize,
        head_bytes: u32::try_from(heads).unwrap_or(u32::MAX),
    };
    let begun = clock::within(pool.plan.timeouts.connect, Back::begin(stream, &settings)).await;
    let begun = begun.ok_or(Failure::CONNECT_TIMEOUT)?;
    let (back, driving) = begun.map_err(|_| Failure::CONNECT_FAILED)?;
    tokio::task::spawn_local(driving);
    Ok(Shared { back, used: Cell::new(clock::now()), idle_time: pool.plan.timeouts.idle })
}
