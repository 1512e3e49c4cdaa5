//! A network in memory, for tests: seeded, on the runtime's paused clock, with the faults that real
//! networks have. Reads come in pieces down to a byte, bytes arrive late, connects are refused or
//! vanish, connections are reset. The same seed gives the same run.
//!
//! A [`World`] belongs to one thread; while it is entered, [`connect`](crate::connect::connect)
//! goes to its listeners instead of the kernel.

mod pipe;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::connect::Target;
pub use pipe::SimStream;

thread_local! {
    static ENTERED: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// How rough the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The most bytes one read returns; a read returns 1 to this many.
    pub read_max: usize,
    /// Bytes arrive up to this much after they were sent, in order.
    pub delay_max: Duration,
    /// Bytes in flight per direction before a sender has to wait.
    pub window: usize,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather { read_max: usize::MAX, delay_max: Duration::ZERO, window: 64 * 1024 }
    }
}

/// What happens to those who connect to an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Refused at once.
    Refused,
    /// No answer ever.
    BlackHole,
}

/// A network of this thread.
pub struct World {
    state: RefCell<State>,
}

struct State {
    seed: u64,
    weather: Weather,
    listeners: HashMap<SocketAddr, mpsc::UnboundedSender<(SimStream, SocketAddr)>>,
    faults: HashMap<SocketAddr, Fault>,
    port_next: u16,
}

/// Accepts connections of the simulated network.
pub struct SimListener {
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<(SimStream, SocketAddr)>>,
}

impl World {
    /// A network with that seed and weather, entered on this thread until dropped by
    /// [`World::leave`].
    pub fn enter(seed: u64, weather: Weather) -> Rc<World> {
        let state = State {
            // xorshift has one forbidden state.
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            weather,
            listeners: HashMap::new(),
            faults: HashMap::new(),
            port_next: 40_000,
        };
        let world = Rc::new(World { state: RefCell::new(state) });
        ENTERED.with_borrow_mut(|entered| *entered = Some(world.clone()));
        world
    }

    /// Leaves the network; connects of this thread go to the kernel again.
    pub fn leave(&self) {
        ENTERED.with_borrow_mut(|entered| *entered = None);
    }

    /// Listens.
    pub fn listen(&self, address: SocketAddr) -> SimListener {
        let (send, recv) = mpsc::unbounded_channel();
        self.state.borrow_mut().listeners.insert(address, send);
        SimListener { queue: tokio::sync::Mutex::new(recv) }
    }

    /// From now on this happens to those who connect to the address; `None`: nothing bad.
    pub fn fault(&self, address: SocketAddr, fault: Option<Fault>) {
        let faults = &mut self.state.borrow_mut().faults;
        match fault {
            Some(fault) => faults.insert(address, fault),
            None => faults.remove(&address),
        };
    }

    /// Connects to a listener of this network.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<SimStream> {
        let fault = self.state.borrow().faults.get(&address).copied();
        match fault {
            Some(Fault::Refused) => return Err(io::ErrorKind::ConnectionRefused.into()),
            Some(Fault::BlackHole) => std::future::pending::<()>().await,
            None => {}
        }
        let mut state = self.state.borrow_mut();
        let Some(listener) = state.listeners.get(&address).cloned() else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        state.port_next = state.port_next.checked_add(1).unwrap_or(40_000);
        let from = SocketAddr::from(([127, 0, 0, 9], state.port_next));
        let (weather, seeds) = (state.weather, (state.random(), state.random()));
        let (near, far) = pipe::pair(weather, seeds, (from, address));
        listener.send((far, from)).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(near)
    }
}

impl State {
    fn random(&mut self) -> u64 {
        xorshift(&mut self.seed)
    }
}

/// Marsaglia's xorshift64; never zero.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

impl SimListener {
    /// The next connection.
    pub async fn accept(&self) -> io::Result<(SimStream, SocketAddr)> {
        self.queue.lock().await.recv().await.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Connects within the entered network; `None` outside any, or for targets that are not TCP.
pub(crate) async fn connect(target: &Target) -> Option<io::Result<SimStream>> {
    let world = ENTERED.with_borrow(Clone::clone)?;
    match target {
        Target::Tcp(address) => Some(world.connect(*address).await),
        Target::Unix(_) => None,
    }
}
