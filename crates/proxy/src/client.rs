//! A connection that was accepted, before its protocol takes over.

use std::net::SocketAddr;
use std::rc::Rc;

use evenkeel_net::{Buffer, Micros, Peer, Stream, clock};
use evenkeel_plan::{Protocol, ProxyMode};

use crate::cause::Failure;
use crate::core::Core;
use crate::detect;
use crate::http::session::{self, Session};
use crate::secure::{self, Secured};
use crate::sessions::Place;
use crate::tcp;

/// A client's connection.
pub(crate) struct Client {
    pub(crate) core: Rc<Core>,
    pub(crate) place: Place,
    /// The listener's number.
    pub(crate) listener: u32,
    pub(crate) stream: Stream,
    /// Who the client is: the other end of the connection, or whom a PROXY header named.
    pub(crate) peer: Peer,
    /// The address the client came to, if a PROXY header named it.
    pub(crate) local: Option<SocketAddr>,
    /// Received and not yet used.
    pub(crate) buffer: Buffer,
    pub(crate) began: Micros,
    /// The number of the connection, for the log.
    pub(crate) number: u64,
    /// What TLS agreed on, once it has.
    pub(crate) secured: Option<Rc<Secured>>,
}

impl Client {
    /// A new connection.
    pub(crate) fn new(core: Rc<Core>, listener: u32, stream: Stream, peer: Peer) -> Client {
        let place = Place::take(core.clone(), listener);
        let (number, began) = (core.next_connection(), clock::now());
        let (buffer, local, secured) = (Buffer::new(), None, None);
        Client { core, place, listener, stream, peer, local, buffer, began, number, secured }
    }

    /// Serves the connection in a task of its own: the one match on the protocol.
    pub(crate) fn begin(self) {
        let snapshot = self.core.snapshot();
        let Some(listener) = snapshot.listener(self.listener) else { return };
        // Each kind is a task of its own, so that none is larger than it must be; boxed, because the
        // runtime moves what it is given half a dozen times.
        match (listener.plan.protocol, listener.plan.proxy_protocol.mode) {
            (Protocol::Http, ProxyMode::Off) if listener.tls.is_none() => {
                drop(tokio::task::spawn_local(Box::pin(session::run(Session::new(self)))));
            }
            (Protocol::Http, _) => drop(tokio::task::spawn_local(Box::pin(self.http_behind()))),
            (Protocol::Tcp, _) => drop(tokio::task::spawn_local(Box::pin(tcp::run(self)))),
            // Such listeners have no connections.
            (Protocol::Udp, _) => {}
        }
    }

    /// Serves the connection to its end, whatever its protocol.
    #[cfg(feature = "sim")]
    pub(crate) async fn serve(self) {
        let snapshot = self.core.snapshot();
        let Some(listener) = snapshot.listener(self.listener) else { return };
        match listener.plan.protocol {
            Protocol::Http => self.http_behind().await,
            Protocol::Tcp => tcp::run(self).await,
            Protocol::Udp => {}
        }
    }

    /// HTTP behind a PROXY header, TLS, or both in this order.
    #[allow(clippy::manual_async_fn, reason = "an async fn would keep the client twice")]
    fn http_behind(self) -> impl Future<Output = ()> {
        async move {
            match Box::pin(self.begin_behind()).await {
                Ok(client) => session::run(Session::new(client)).await,
                Err((core, listener, failure)) => {
                    core.metrics.borrow_mut().refused(listener, failure.cause);
                }
            }
        }
    }

    async fn begin_behind(mut self) -> Result<Client, (Rc<Core>, u32, Failure)> {
        let snapshot = self.core.snapshot();
        let Some(listener) = snapshot.listener(self.listener) else {
            return Err((self.core.clone(), self.listener, Failure::CLIENT_GONE));
        };
        if listener.plan.proxy_protocol.mode != ProxyMode::Off
            && let Err(failure) = detect::proxy_header(&mut self).await
        {
            self.stream.reset_on_close();
            return Err((self.core.clone(), self.listener, failure));
        }
        drop(snapshot);
        let (core, id) = (self.core.clone(), self.listener);
        secure::begin(self).await.map_err(|failure| (core, id, failure))
    }
}
