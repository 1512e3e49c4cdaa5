//! A scripted HTTP/1.1 origin inside the test process: a thread per connection.

mod play;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::answer::Answer;
use crate::message::Head;
use crate::{LONG, wait_for, wait_until};

/// Requests kept for a test to look at; older ones are forgotten, the counts are not.
const KEPT: usize = 4096;

/// A scripted origin on a port of 127.0.0.1 (or another address) or on a unix socket. Dies with
/// its value.
#[derive(Debug)]
pub struct Origin {
    shared: Arc<Shared>,
    place: Place,
    listening: Option<Listening>,
}

/// One request as the origin saw it.
#[derive(Clone, Debug)]
pub struct Received {
    /// The request head.
    pub head: Head,
    /// The first 64 KiB of the body, once it has been read.
    pub body: Vec<u8>,
    /// The length of the whole body, once it has been read.
    pub body_length: u64,
    /// The fields after the body's last chunk.
    pub trailers: Vec<(String, String)>,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug)]
struct Listening {
    socket: Socket,
    acceptor: JoinHandle<()>,
}

type Script = dyn Fn(&Head) -> Answer + Send + Sync;

/// What the threads of one origin share.
struct Shared {
    name: String,
    script: Mutex<Arc<Script>>,
    requests: AtomicU64,
    connections: AtomicU64,
    received: Mutex<VecDeque<Received>>,
    open: Mutex<HashMap<u64, Socket>>,
}

impl Origin {
    /// Starts on a free port of 127.0.0.1; every request gets that answer.
    #[track_caller]
    pub fn start(name: &str, answer: Answer) -> Origin {
        Origin::scripted(name, move |_| answer.clone())
    }

    /// Starts on a free port of 127.0.0.1; every request gets 200 and the origin's name.
    #[track_caller]
    pub fn named(name: &str) -> Origin {
        Origin::start(name, Answer::text(name))
    }

    /// Starts on a free port of 127.0.0.1; the script looks at each head and decides.
    #[track_caller]
    pub fn scripted(
        name: &str,
        script: impl Fn(&Head) -> Answer + Send + Sync + 'static,
    ) -> Origin {
        Origin::at(name, SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    /// Starts on that address (port 0: a free one).
    #[track_caller]
    pub fn at(
        name: &str,
        address: SocketAddr,
        script: impl Fn(&Head) -> Answer + Send + Sync + 'static,
    ) -> Origin {
        Origin::in_place(name, Place::Tcp(address), Arc::new(script))
    }

    /// Starts on a unix socket at that path.
    #[track_caller]
    pub fn unix(name: &str, path: &Path, answer: Answer) -> Origin {
        Origin::in_place(name, Place::Unix(path.to_owned()), Arc::new(move |_| answer.clone()))
    }

    #[track_caller]
    fn in_place(name: &str, place: Place, script: Arc<Script>) -> Origin {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            script: Mutex::new(script),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            received: Mutex::default(),
            open: Mutex::default(),
        });
        let mut origin = Origin { shared, place, listening: None };
        origin.restart();
        origin
    }

    /// The TCP address. Panics for a unix socket.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Tcp(address) => *address,
            Place::Unix(path) => panic!("{} has no TCP address", path.display()),
        }
    }

    /// The address as a configuration writes it: `127.0.0.1:4711` or `unix:/path`.
    pub fn member(&self) -> String {
        match &self.place {
            Place::Tcp(address) => address.to_string(),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The origin's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// From now on every request gets that answer.
    pub fn set(&self, answer: Answer) {
        self.set_script(move |_| answer.clone());
    }

    /// From now on that script decides.
    pub fn set_script(&self, script: impl Fn(&Head) -> Answer + Send + Sync + 'static) {
        *lock(&self.shared.script) = Arc::new(script);
    }

    /// Requests whose head has come, since the start.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Connections accepted, since the start.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        lock(&self.shared.open).len()
    }

    /// The last 4,096 requests, oldest first.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).iter().cloned().collect()
    }

    /// The last request. Panics when there was none.
    #[track_caller]
    pub fn last(&self) -> Received {
        let last = lock(&self.shared.received).back().cloned();
        last.unwrap_or_else(|| panic!("origin {} has had no request", self.name()))
    }

    /// Forgets the requests seen and begins to count them again; connections stay counted.
    pub fn forget(&self) {
        lock(&self.shared.received).clear();
        self.shared.requests.store(0, Ordering::SeqCst);
    }

    /// Stops listening and cuts every connection, as the death of a process would. New
    /// connections are refused.
    pub fn kill(&mut self) {
        if let Some(listening) = self.listening.take() {
            // The shutdown wakes the acceptor out of its accept; it may have ended already.
            let _ = listening.socket.shutdown(Shutdown::Both);
            let _ = listening.acceptor.join();
        }
        self.cut();
        if let Place::Unix(path) = &self.place {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Cuts every open connection and goes on listening.
    pub fn cut(&self) {
        for socket in lock(&self.shared.open).values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        wait_until(Duration::from_millis(200), || self.open_connections() == 0);
    }

    /// Listens again, on the port it had.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        // The port may be the local port of somebody's outgoing connection for a moment.
        let bound = wait_for(LONG, || bind(&self.place).ok());
        let socket = bound.unwrap_or_else(|| panic!("cannot listen on {}", self.member()));
        if let Some(address) = socket.local_addr().ok().and_then(|a| a.as_socket()) {
            self.place = Place::Tcp(address);
        }
        let accepting = socket.try_clone().expect("a listening socket can be cloned");
        let shared = Arc::clone(&self.shared);
        let acceptor = spawn("origin-accept", move || accept(&accepting, &shared));
        self.listening = Some(Listening { socket, acceptor });
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.kill();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

fn bind(place: &Place) -> io::Result<Socket> {
    let (domain, address) = match place {
        Place::Tcp(address) => (Domain::for_address(*address), SockAddr::from(*address)),
        Place::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
    };
    let socket = Socket::new(domain, Type::STREAM, None)?;
    if let Place::Tcp(_) = place {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address)?;
    socket.listen(4096)?;
    Ok(socket)
}

fn accept(listening: &Socket, shared: &Arc<Shared>) {
    loop {
        let socket = match listening.accept() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            // Out of descriptors, or a connection that was gone at once.
            Err(_) => {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
        };
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let Ok(handle) = socket.try_clone() else { continue };
        lock(&shared.open).insert(number, handle);
        let shared = Arc::clone(shared);
        spawn("origin", move || {
            play::serve(socket, number, &shared);
            lock(&shared.open).remove(&number);
        });
    }
}

/// A thread with a small stack: a test may open thousands of connections.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let builder = thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024);
    builder.spawn(work).expect("a thread can be started")
}

/// A lock that a panicked test thread does not poison for the others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
