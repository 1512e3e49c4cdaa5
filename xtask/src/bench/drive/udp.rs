//! UDP: two origins that send every datagram back, and a load of sockets that each keep some
//! datagrams under way.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::{Offered, Order, UDP_CLIENT, UDP_ORIGIN, any_port, percentiles, watch};

/// Bytes that the kernel may keep for a socket of an origin.
const ORIGIN_BUFFER: usize = 4 << 20;
/// Without an answer for this long, what was under way counts as lost and is sent again.
const PATIENCE: Duration = Duration::from_millis(200);

/// The two sockets of the origins.
pub(super) struct UdpOrigins {
    sockets: [UdpSocket; 2],
    served: [u64; 2],
}

impl UdpOrigins {
    pub(super) fn bind(epoll: &OwnedFd) -> io::Result<UdpOrigins> {
        let sockets = [origin()?, origin()?];
        for (index, socket) in sockets.iter().enumerate() {
            watch(epoll, socket, UDP_ORIGIN, index)?;
        }
        Ok(UdpOrigins { sockets, served: [0; 2] })
    }

    pub(super) fn ports(&self) -> Vec<u16> {
        let addresses = self.sockets.iter().filter_map(|socket| socket.local_addr().ok());
        addresses.map(|address| address.port()).collect()
    }

    /// Datagrams that each origin has sent back.
    pub(super) fn served(&self) -> [u64; 2] {
        self.served
    }

    pub(super) fn ready(&mut self, origin: usize, scratch: &mut [u8]) {
        // Errors are ICMP messages about proxies that went away.
        while let Ok((count, from)) = self.sockets[origin].recv_from(scratch) {
            if self.sockets[origin].send_to(&scratch[..count], from).is_ok() {
                self.served[origin] += 1;
            }
        }
    }
}

fn origin() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_recv_buffer_size(ORIGIN_BUFFER)?;
    socket.bind(&any_port().into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The sockets of one measurement.
pub(super) struct UdpLoad {
    order: Order,
    datagram: Vec<u8>,
    flows: Vec<Flow>,
    done: u64,
    lost: u64,
    swept: Instant,
    /// Microseconds.
    latencies: Vec<u32>,
}

struct Flow {
    socket: UdpSocket,
    /// When it last sent after having waited for everything, and when it last heard something.
    since: Instant,
    heard: Instant,
}

impl UdpLoad {
    pub(super) fn new(order: &Order) -> UdpLoad {
        UdpLoad {
            order: order.clone(),
            datagram: vec![b'x'; order.size],
            flows: Vec::new(),
            done: 0,
            lost: 0,
            swept: Instant::now(),
            latencies: Vec::new(),
        }
    }

    /// Datagrams under way on each socket: one, where it is not used again.
    fn window(&self) -> usize {
        if self.order.close { 1 } else { self.order.at_once }
    }

    fn open(&self, epoll: &OwnedFd, index: usize) -> io::Result<Flow> {
        let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        socket.connect(self.order.target)?;
        socket.set_nonblocking(true)?;
        watch(epoll, &socket, UDP_CLIENT, index)?;
        let now = Instant::now();
        let flow = Flow { socket, since: now, heard: now };
        self.send(&flow, self.window());
        Ok(flow)
    }

    fn send(&self, flow: &Flow, count: usize) {
        for _ in 0..count {
            // What the kernel does not take is lost like any other datagram, and seen by the sweep.
            let _ = flow.socket.send(&self.datagram);
        }
    }
}

impl Offered for UdpLoad {
    fn open_all(&mut self, epoll: &OwnedFd) -> io::Result<()> {
        for index in 0..self.order.connections {
            let flow = self.open(epoll, index)?;
            self.flows.push(flow);
        }
        Ok(())
    }

    fn begin_window(&mut self) {
        (self.done, self.lost) = (0, 0);
        self.latencies.clear();
    }

    fn next_due(&self) -> Option<Instant> {
        Some(self.swept + PATIENCE)
    }

    /// Sends again where nothing came for long.
    fn send_due(&mut self, now: Instant) -> io::Result<()> {
        if now < self.swept + PATIENCE {
            return Ok(());
        }
        self.swept = now;
        for index in 0..self.flows.len() {
            if now.saturating_duration_since(self.flows[index].heard) >= PATIENCE {
                self.lost += 1;
                self.flows[index].heard = now;
                self.send(&self.flows[index], self.window());
            }
        }
        Ok(())
    }

    fn ready(
        &mut self,
        epoll: &OwnedFd,
        index: usize,
        _ended: bool,
        scratch: &mut [u8],
    ) -> io::Result<()> {
        let Some(flow) = self.flows.get_mut(index) else { return Ok(()) };
        let mut came = 0;
        while flow.socket.recv(scratch).is_ok() {
            came += 1;
        }
        if came == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let time = now.saturating_duration_since(flow.since).as_micros();
        self.latencies.push(u32::try_from(time).unwrap_or(u32::MAX));
        self.done += came as u64;
        (flow.heard, flow.since) = (now, now);
        if self.order.close {
            self.flows[index] = self.open(epoll, index)?;
        } else {
            self.send(&self.flows[index], came);
        }
        Ok(())
    }

    fn result(mut self: Box<Self>, _: u64, elapsed: Duration) -> Value {
        let mut result = json!({
            "requests": self.done,
            "per_second": self.done as f64 / elapsed.as_secs_f64(),
            "errors": 0,
            "lost": self.lost,
            "overdue": 0,
        });
        percentiles(&mut self.latencies, &mut result);
        result
    }
}
