//! The listening sockets of the process: bound once, dealt to the cores, kept over reloads,
//! handed to the next process.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use evenkeel_net::{handover, listen, udp};
use evenkeel_plan::{Admin, BindAddress, Listener, Protocol};
use evenkeel_proxy::core::Opened;

use crate::shared::AdminSocket;

/// The sockets of the process.
#[derive(Default)]
pub(crate) struct Sockets {
    held: BTreeMap<Key, Vec<Held>>,
    inherited: BTreeMap<String, Vec<OwnedFd>>,
    admin: Option<(Key, OwnedFd)>,
    next: u64,
}

/// A listener's address. Port 0 stands for a port of its own in each listener.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) listener: String,
    pub(crate) address: String,
    /// A socket for datagrams.
    pub(crate) udp: bool,
}

struct Held {
    id: u64,
    core: usize,
    socket: OwnedFd,
}

/// Sockets bound for a change that may still be given up.
pub(crate) struct Bindings {
    new: BTreeMap<Key, Vec<Held>>,
}

/// An address that could not be bound.
pub(crate) struct Taken {
    pub(crate) key: Key,
    pub(crate) error: io::Error,
}

impl Taken {
    /// What happened and what to do about it.
    pub(crate) fn tell(&self) -> String {
        let Key { listener, address, .. } = &self.key;
        let advice = match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there; stop it, or choose another address in `bind`"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need root or CAP_NET_BIND_SERVICE (setcap cap_net_bind_service=+ep evenkeel, \
                 or systemd's AmbientCapabilities); a unix socket needs a directory that may be written"
            }
            io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address",
            _ => "see the system's message",
        };
        format!(
            "listener \"{listener}\" cannot listen on {address}: {}\n  help: {advice}",
            self.error
        )
    }
}

impl Sockets {
    pub(crate) fn new(inherited: BTreeMap<String, Vec<OwnedFd>>) -> Sockets {
        Sockets { held: BTreeMap::new(), inherited, admin: None, next: 0 }
    }

    /// Binds what the listeners need and is not held yet. Nothing changes on failure.
    pub(crate) fn bind(
        &mut self,
        listeners: &[Listener],
        cores: usize,
    ) -> Result<Bindings, Vec<Taken>> {
        let mut new = BTreeMap::new();
        let mut taken = Vec::new();
        for (key, bind) in wanted(listeners) {
            if self.held.contains_key(&key) || new.contains_key(&key) {
                continue;
            }
            let moved = self.held.keys().find(|held| {
                held.address == key.address && held.udp == key.udp && !key.address.ends_with(":0")
            });
            let sockets = match moved {
                // The address passes from one listener to another: same queue, nobody is lost.
                Some(old) => clones(&self.held[old]),
                None => match self
                    .inherited
                    .get(&key.word())
                    .or_else(|| self.inherited.get(&key.named()))
                {
                    Some(sockets) => sockets.iter().map(OwnedFd::try_clone).collect(),
                    None => fresh(&bind, key.udp, cores),
                },
            };
            match sockets.and_then(|sockets| spread(sockets, key.udp, cores)) {
                Ok(sockets) => drop(new.insert(key, self.number(sockets, cores))),
                Err(error) => taken.push(Taken { key, error }),
            }
        }
        if taken.is_empty() { Ok(Bindings { new }) } else { Err(taken) }
    }

    /// Lets go of what listeners are bound to. Held here, a socket would go on to take connections
    /// that no core accepts, only to reset them when the process ends.
    pub(crate) fn let_go(&mut self) {
        self.held.clear();
        self.inherited.clear();
    }

    /// Binds the admin API's address, or keeps the socket it has.
    pub(crate) fn bind_admin(&mut self, admin: &Admin) -> Result<AdminSocket, Taken> {
        let (listener, address) = ("admin".to_owned(), admin.bind.to_string());
        let key = Key { listener, address, udp: false };
        let held = self.admin.as_ref().filter(|(held, _)| *held == key).map(|(_, socket)| socket);
        let inherited = || self.inherited.get(&key.named()).and_then(|sockets| sockets.first());
        let socket = match held.or_else(inherited) {
            Some(socket) => socket.try_clone(),
            None => fresh(&admin.bind, false, 1)
                .and_then(|mut sockets| sockets.pop().ok_or_else(|| io::ErrorKind::Other.into())),
        };
        let bound = socket.and_then(|socket| Ok((socket.try_clone()?, socket)));
        match bound {
            Ok((kept, socket)) => {
                self.admin = Some((key, kept));
                Ok(AdminSocket { socket, token: admin.token.clone() })
            }
            Err(error) => Err(Taken { key, error }),
        }
    }

    /// The real address of the admin API.
    pub(crate) fn admin_address(&self) -> Option<String> {
        let (key, socket) = self.admin.as_ref()?;
        Some(real_address(key, socket))
    }

    /// Takes the bindings over; says per core what to open, and what to close everywhere.
    pub(crate) fn take(
        &mut self,
        bindings: Bindings,
        listeners: &[Listener],
        cores: usize,
        id_of: impl Fn(&str) -> u32,
    ) -> io::Result<(Vec<Vec<Opened>>, Vec<u64>)> {
        let mut open: Vec<Vec<Opened>> = (0..cores).map(|_| Vec::new()).collect();
        for (key, sockets) in &bindings.new {
            for held in sockets {
                let socket = held.socket.try_clone()?;
                if let Some(list) = open.get_mut(held.core) {
                    list.push(Opened { id: held.id, listener: id_of(&key.listener), socket });
                }
            }
        }
        self.held.extend(bindings.new);
        self.tune(listeners);
        let keys: Vec<Key> = wanted(listeners).map(|(key, _)| key).collect();
        let mut close = Vec::new();
        self.held.retain(|key, sockets| {
            let stays = keys.contains(key);
            if !stays {
                close.extend(sockets.iter().map(|held| held.id));
            }
            stays
        });
        // What was inherited and not used is closed.
        self.inherited.clear();
        Ok((open, close))
    }

    /// Sets the options that accepted connections inherit. A system that refuses one of them
    /// serves without it.
    fn tune(&self, listeners: &[Listener]) {
        for listener in listeners.iter().filter(|l| l.protocol != Protocol::Udp) {
            let options = listener.tcp;
            for (_, sockets) in self.held.iter().filter(|(key, _)| key.listener == *listener.name) {
                for held in sockets {
                    let _ = listen::tune(&held.socket, options.keep_alive, options.user_timeout);
                }
            }
        }
    }

    /// The sockets with the words that let the next process find them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, &OwnedFd)> {
        let admin = self.admin.iter().map(|(key, socket)| (key.named(), socket));
        let listeners = self.held.iter().flat_map(|(key, sockets)| {
            let word = if key.address.ends_with(":0") { key.named() } else { key.word() };
            sockets.iter().map(move |held| (word.clone(), &held.socket))
        });
        listeners.chain(admin)
    }

    /// The real address of a listener's socket.
    pub(crate) fn address(&self, key: &Key) -> Option<String> {
        let held = self.held.get(key)?.first()?;
        Some(real_address(key, &held.socket))
    }

    fn number(&mut self, sockets: Vec<OwnedFd>, cores: usize) -> Vec<Held> {
        let numbered = sockets.into_iter().enumerate();
        numbered
            .map(|(n, socket)| {
                self.next += 1;
                Held { id: self.next, core: n % cores.max(1), socket }
            })
            .collect()
    }
}

impl Key {
    /// The word that another process finds the socket by.
    fn word(&self) -> String {
        if self.udp { format!("udp:{}", self.address) } else { self.address.clone() }
    }

    /// The same for addresses whose port the kernel chooses.
    fn named(&self) -> String {
        format!("{}@{}", self.listener, self.word())
    }
}

/// Every address of every listener.
pub(crate) fn wanted(listeners: &[Listener]) -> impl Iterator<Item = (Key, BindAddress)> {
    listeners.iter().flat_map(|listener| {
        listener.bind.iter().map(|bind| {
            let udp = listener.protocol == Protocol::Udp;
            let key = Key { listener: listener.name.to_string(), address: bind.to_string(), udp };
            (key, bind.clone())
        })
    })
}

fn real_address(key: &Key, socket: &OwnedFd) -> String {
    listen::local_address(socket).map_or_else(|| key.address.clone(), |address| address.to_string())
}

fn clones(held: &[Held]) -> io::Result<Vec<OwnedFd>> {
    held.iter().map(|held| held.socket.try_clone()).collect()
}

/// One socket of the address per core.
fn fresh(bind: &BindAddress, udp: bool, cores: usize) -> io::Result<Vec<OwnedFd>> {
    match bind {
        BindAddress::Unix(path) => listen::bind_unix(path).map(|socket| vec![socket]),
        BindAddress::Socket(address) => {
            if address.port() != 0 {
                // A socket that would share its port with a stranger's tells nobody. So one that
                // does not share is tried first.
                match udp {
                    true => drop(bind_socket(*address, udp, false)?),
                    false => listen::is_free_tcp(*address)?,
                }
            }
            let first = bind_socket(*address, udp, true)?;
            let address = listen::local_address(&first).unwrap_or(*address);
            let mut sockets = vec![first];
            for _ in 1..cores {
                sockets.push(bind_socket(address, udp, true)?);
            }
            Ok(sockets)
        }
    }
}

fn bind_socket(address: SocketAddr, udp: bool, reuse_port: bool) -> io::Result<OwnedFd> {
    match udp {
        true => udp::bind_udp(address, reuse_port),
        false => listen::bind_tcp(address, reuse_port),
    }
}

/// At least one socket per core: further ones on the same address, or, where that is not possible
/// (unix sockets, sockets of systemd without ReusePort), the same socket once more.
fn spread(mut sockets: Vec<OwnedFd>, udp: bool, cores: usize) -> io::Result<Vec<OwnedFd>> {
    let first = sockets.len();
    while sockets.len() < cores {
        let source = &sockets[sockets.len() % first.max(1)];
        let sibling = listen::local_address(source).and_then(|a| bind_socket(a, udp, true).ok());
        let next = sibling.map_or_else(|| source.try_clone(), Ok)?;
        sockets.push(next);
    }
    Ok(sockets)
}

/// Lets the next process inherit the sockets, or no longer.
pub(crate) fn set_inheritable(sockets: &Sockets, inheritable: bool) -> io::Result<()> {
    for (_, socket) in sockets.all() {
        handover::set_inheritable(socket, inheritable)?;
    }
    Ok(())
}
