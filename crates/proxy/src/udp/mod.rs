//! UDP listeners: datagrams of one client address and port are a flow, and a flow has one member.
//!
//! A front is one socket of a listener on this core. It receives datagrams in batches and passes
//! each on through the socket of its flow, which is connected to the member, so that answers and
//! refusals (ICMP) find their flow by themselves. A task per flow carries answers back.

mod flow;
mod quic;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_balance::Tried;
use evenkeel_net::udp::{Batch, Message, Run, UdpSocket};
use evenkeel_net::{Micros, Peer, clock};
use evenkeel_wire::udp_flow::{FlowId, Table};
use foldhash::fast::RandomState;
use tokio::sync::Notify;

use crate::cause::Failure;
use crate::core::Core;
use crate::layer4::{self, Tally, Whose};
use flow::{Answered, Flow};
pub(crate) use quic::Ids;

/// How often flows that ended by silence are looked for.
const SWEEP: Duration = Duration::from_millis(100);
/// How long a flow may be silent once the core drains or the listener is gone.
const DRAIN_IDLE: Duration = Duration::from_secs(1);

/// One socket of a UDP listener on this core, and its flows.
pub(crate) struct Front {
    pub(crate) core: Rc<Core>,
    /// The listener's number.
    pub(crate) listener: u32,
    socket: UdpSocket,
    /// The socket's port: clients came to it.
    port: u16,
    flows: RefCell<Table<SocketAddr, Rc<Flow>, RandomState>>,
    /// Nothing is received from clients any more.
    stopped: Cell<bool>,
}

/// Receives until told to stop; flows that are under way get their answers until they are silent.
pub(crate) async fn run(core: Rc<Core>, listener: u32, socket: UdpSocket, stop: Rc<Notify>) {
    let port = socket.local_address().map_or(0, |address| address.port());
    let flows = RefCell::new(Table::new(1, RandomState::default()));
    let front = Rc::new(Front { core, listener, socket, port, flows, stopped: Cell::new(false) });
    front.refresh();
    let sweeper = tokio::task::spawn_local(sweep(front.clone()));
    let mut batch = Batch::new();
    loop {
        let received = tokio::select! {
            biased;
            () = stop.notified() => break,
            received = front.socket.recv(&mut batch) => received,
        };
        match received {
            Ok(_) => front.take(&batch),
            // An error that a datagram of ours met on its way: no client's fault, nothing to do.
            Err(_) => tokio::task::yield_now().await,
        }
    }
    front.stopped.set(true);
    // The sweeper ends with the last flow.
    drop(sweeper.await);
}

/// Ends flows that were silent for their time.
async fn sweep(front: Rc<Front>) {
    loop {
        clock::sleep(SWEEP).await;
        let idle = front.refresh();
        let idle = u64::try_from(idle.as_micros()).unwrap_or(u64::MAX);
        loop {
            let crowded = front.flows.borrow_mut().crowded();
            let Some((_, flow)) = crowded else { break };
            flow.end(&front, Some(Failure::FLOW_EVICTED));
        }
        loop {
            let expired = front.flows.borrow_mut().expire(clock::now().0, idle);
            let Some((_, flow)) = expired else { break };
            flow.silent(&front);
        }
        if front.stopped.get() && front.flows.borrow().is_empty() {
            return;
        }
    }
}

impl Front {
    /// Follows the plan; returns how long flows may be silent.
    fn refresh(&self) -> Duration {
        let snapshot = self.core.snapshot();
        let Some(listener) = snapshot.listener(self.listener) else { return DRAIN_IDLE };
        let limit = (listener.plan.limits.connections as usize).div_ceil(self.core.cores);
        self.flows.borrow_mut().set_limit(limit);
        let idle = listener.plan.timeouts.idle;
        if self.stopped.get() { idle.min(DRAIN_IDLE) } else { idle }
    }

    /// Passes on what was received: datagrams of one flow and size go out together.
    fn take(self: &Rc<Front>, batch: &Batch) {
        let now = clock::now();
        batch.runs(|run| self.pass(run, now));
    }

    /// Passes datagrams of one client on to the member of its flow.
    fn pass(self: &Rc<Front>, run: &Run<'_>, now: Micros) {
        let client = run.first.peer;
        let found = {
            let mut flows = self.flows.borrow_mut();
            let id = flows.find(&client);
            id.and_then(|id| {
                flows.touch(id, now.0);
                flows.get(id).cloned().map(|flow| (id, flow))
            })
        };
        let flow = match found {
            Some((_, flow)) if flow.is_good(self) => flow,
            Some((id, flow)) => {
                // Its member is gone: the flow goes on with another.
                self.flows.borrow_mut().remove(id);
                let tried = flow.tried();
                flow.end(self, None);
                match self.open(&run.first, tried, now) {
                    Some(flow) => flow,
                    None => return,
                }
            }
            None => match self.open(&run.first, Tried::default(), now) {
                Some(flow) => flow,
                None => return,
            },
        };
        flow.send(self, run, now);
    }

    /// A new flow for the client of a datagram.
    fn open(self: &Rc<Front>, first: &Message<'_>, tried: Tried, now: Micros) -> Option<Rc<Flow>> {
        let client = first.peer;
        let mut tally = Tally::default();
        match flow::open(self, first, tried, &mut tally) {
            Ok(flow) => {
                let flow = Rc::new(flow);
                let (id, evicted) = self.flows.borrow_mut().insert(client, flow.clone(), now.0);
                if let Some((_, evicted)) = evicted {
                    evicted.end(self, Some(Failure::FLOW_EVICTED));
                }
                flow.begin(self.clone(), id);
                Some(flow)
            }
            Err(failure) => {
                let whose = Whose {
                    listener: self.listener,
                    peer: Peer::Tcp(client),
                    began: now,
                    number: self.core.next_connection(),
                    protocol: "UDP",
                    secured: None,
                };
                layer4::record(&self.core, &whose, &tally, Some(failure));
                None
            }
        }
    }

    /// Sends answers of a flow's member to its client.
    fn answer(&self, id: FlowId, flow: &Rc<Flow>, batch: &Batch) -> Answered {
        let now = clock::recent();
        self.flows.borrow_mut().answered(id, now.0);
        let mut answered = Answered::More;
        batch.runs(|run| answered = flow.answer(self, run, now));
        if let Answered::Done = answered {
            self.flows.borrow_mut().remove(id);
        }
        answered
    }

    /// Answers that the plan expects for each datagram.
    fn responses(&self) -> Option<u32> {
        let snapshot = self.core.snapshot();
        snapshot.listener(self.listener).and_then(|listener| listener.plan.udp.responses)
    }

    /// Remembers connection ids of a QUIC member.
    fn learn(&self, flow: &Flow, datagram: &[u8]) {
        let snapshot = self.core.snapshot();
        if let Some(ids) = snapshot.listener(self.listener).and_then(|listener| listener.quic()) {
            ids.learn(flow.key(), datagram);
        }
    }

    fn forget(&self, id: FlowId) {
        self.flows.borrow_mut().remove(id);
    }
}
