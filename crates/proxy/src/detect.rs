//! What a connection begins with before its own protocol: a PROXY header, and in front of TLS
//! passed through, the ClientHello. Both bounded in size and time.

use std::io;

use evenkeel_net::{Deadline, Peer, clock};
use evenkeel_plan::{ProxyMode, ProxyProtocol};
use evenkeel_wire::http1::Parsed;
use evenkeel_wire::proxy_protocol::{self, Addresses, Fault, Header};
use evenkeel_wire::tls_hello::{self, ClientHello};

use crate::cause::Failure;
use crate::client::Client;

/// Bytes that may wait behind a PROXY header.
const AHEAD: usize = 16 * 1024;

/// Reads the PROXY header, as far as the listener wants one and believes the sender; the client
/// is then the one it names.
pub(crate) async fn proxy_header(client: &mut Client) -> Result<(), Failure> {
    let snapshot = client.core.snapshot();
    let Some(listener) = snapshot.listener(client.listener) else { return Ok(()) };
    let ProxyProtocol { mode, trusted } = &listener.plan.proxy_protocol;
    if *mode == ProxyMode::Off {
        return Ok(());
    }
    if !trusted.iter().any(|network| network.contains(client.peer.ip())) {
        let required = *mode == ProxyMode::Require;
        return if required { Err(Failure::PROXY_UNTRUSTED) } else { Ok(()) };
    }
    let optional = *mode == ProxyMode::Accept;
    let mut wait = Deadline::never();
    wait.set_after(client.began, listener.plan.timeouts.header);
    drop(snapshot);
    loop {
        // An empty buffer is no header yet; that is also what the parser would say.
        match Header::parse(client.buffer.bytes()) {
            Ok(Some(header)) => return take_over(client, &header),
            Ok(None) => {}
            Err(Fault::NoHeader) if optional => return Ok(()),
            Err(fault) => return Err(Failure::refused(0, fault.cause())),
        }
        match receive(client, proxy_protocol::V2_BYTES + AHEAD, &mut wait).await {
            Ok(true) => {}
            Ok(false) if optional && client.buffer.is_empty() => return Err(Failure::CLIENT_GONE),
            Ok(false) => return Err(Failure::refused(0, Fault::NoHeader.cause())),
            // The client of a protocol in which the server speaks first waits, without a header.
            Err(()) if optional && client.buffer.is_empty() => return Ok(()),
            Err(()) => return Err(Failure::PROXY_TIMEOUT),
        }
    }
}

fn take_over(client: &mut Client, header: &Header) -> Result<(), Failure> {
    if let Addresses::Tcp { source, destination } = &header.addresses {
        client.peer = Peer::Tcp(*source);
        client.local = Some(*destination);
    }
    client.buffer.consume(header.len);
    Ok(())
}

/// Reads the ClientHello and leaves its bytes where they are.
pub(crate) async fn client_hello(client: &mut Client) -> Result<ClientHello, Failure> {
    let snapshot = client.core.snapshot();
    let mut wait = Deadline::never();
    if let Some(listener) = snapshot.listener(client.listener) {
        wait.set_after(clock::now(), listener.plan.timeouts.header);
    }
    drop(snapshot);
    let mut hello = ClientHello::new();
    loop {
        match hello.parse(client.buffer.bytes()) {
            Ok(Parsed::Complete) => return Ok(hello),
            Ok(Parsed::Partial) => {}
            Err(fault) => return Err(Failure::refused(0, fault.cause())),
        }
        match receive(client, tls_hello::HELLO_BYTES + AHEAD, &mut wait).await {
            Ok(true) => {}
            Ok(false) => return Err(Failure::CLIENT_GONE),
            Err(()) => return Err(Failure::HELLO_TIMEOUT),
        }
    }
}

/// Receives more; false at the end of the stream or when it broke, an error when the time is over.
async fn receive(client: &mut Client, most: usize, wait: &mut Deadline) -> Result<bool, ()> {
    match client.stream.recv(&mut client.buffer, most, wait).await {
        Ok(received) => Ok(received > 0),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(()),
        Err(_) => Ok(false),
    }
}
