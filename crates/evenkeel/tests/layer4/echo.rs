//! Members that say their name and echo.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A TCP member: says its name at once, then echoes; a half-close is answered with `bye` and the
/// end.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    pub(crate) accepted: Arc<AtomicUsize>,
}

impl Echo {
    pub(crate) fn start(name: &'static str) -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, SeqCst);
                std::thread::spawn(move || drop(echo(stream, name)));
            }
        });
        Echo { address, accepted }
    }

    pub(crate) fn member(&self) -> String {
        self.address.to_string()
    }
}

fn echo(mut stream: TcpStream, name: &str) -> std::io::Result<()> {
    stream.write_all(name.as_bytes())?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => {
                stream.write_all(b"bye")?;
                return stream.shutdown(Shutdown::Write);
            }
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

/// A TCP member that keeps what each connection begins with.
pub(crate) struct Keeper {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Keeper {
    pub(crate) fn start() -> Keeper {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Keeper { address: listener.local_addr().unwrap(), listener }
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }
}

/// A UDP member: echoes each datagram behind its name.
pub(crate) struct UdpEcho {
    pub(crate) address: SocketAddr,
    pub(crate) received: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl UdpEcho {
    pub(crate) fn start(name: &'static str) -> UdpEcho {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let (received, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped) = (received.clone(), stop.clone());
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !stopped.load(SeqCst) {
                let Ok((size, from)) = socket.recv_from(&mut buffer) else { continue };
                count.fetch_add(1, SeqCst);
                let answer = [name.as_bytes(), &buffer[..size]].concat();
                let _ = socket.send_to(&answer, from);
            }
        });
        UdpEcho { address, received, stop }
    }

    pub(crate) fn member(&self) -> String {
        self.address.to_string()
    }

    /// Closes its socket.
    pub(crate) fn stop(&self) {
        self.stop.store(true, SeqCst);
        // The thread sees it when its read times out; then the port refuses.
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Reads exactly so many bytes as text.
#[track_caller]
pub(crate) fn read(stream: &mut TcpStream, size: usize) -> String {
    let mut bytes = vec![0; size];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A client's connection with a time limit on reading.
#[track_caller]
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// A UDP client with a time limit on reading.
pub(crate) fn client(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((address.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.connect(address).unwrap();
    socket
}

/// Sends a datagram and says what came back.
#[track_caller]
pub(crate) fn ask(socket: &UdpSocket, datagram: &[u8]) -> String {
    socket.send(datagram).unwrap();
    let mut buffer = vec![0; 65_536];
    let size = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..size]).into_owned()
}
