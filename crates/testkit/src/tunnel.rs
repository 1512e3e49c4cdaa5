//! An upgraded connection, as a WebSocket client would hold it, without the framing.

use std::net::SocketAddr;

use crate::Client;
use crate::client::ClientError;
use crate::message::Response;

/// A connection after its 101. The other end is an origin with [`Answer::upgrade`], which sends
/// every byte back.
///
/// [`Answer::upgrade`]: crate::Answer::upgrade
#[derive(Debug)]
pub struct Tunnel {
    client: Client,
    /// The 101 answer.
    pub answer: Response,
}

impl Tunnel {
    /// Connects and asks for the upgrade; an answer other than 101 is an error.
    pub fn open(address: SocketAddr, target: &str) -> Result<Tunnel, ClientError> {
        Tunnel::over(Client::try_connect(address)?, target)
    }

    /// The same on a connection of yours.
    pub fn over(mut client: Client, target: &str) -> Result<Tunnel, ClientError> {
        let fields = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let answer = client.request("GET", target, &fields, b"")?;
        if answer.status != 101 {
            return Err(ClientError::Malformed(format!("{} instead of 101", answer.status)));
        }
        Ok(Tunnel { client, answer })
    }

    /// Sends these bytes and waits for the same to come back.
    pub fn echo(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.client.send(bytes)?;
        let back = self.client.read_exact(bytes.len())?;
        if back == bytes {
            Ok(())
        } else {
            Err(ClientError::Malformed("other bytes came back".into()))
        }
    }

    /// Whether the other side has ended the connection.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The connection itself, for halves and resets.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}
