//! TLS over a stream: records in and out, by rustls. Both halves work on one state; they are polled
//! from one task.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use tokio::io::ReadBuf;
use tokio::sync::Notify;

use crate::buffer::Buffer;
use crate::stream::Stream;

/// Bytes of records that may wait to be sent before plain bytes are taken no more.
const PENDING_MAX: usize = 64 * 1024;
/// Bytes of records that are received ahead: the engine takes them in pieces of 4 KiB, which would
/// cost a system call each.
const AHEAD: usize = 64 * 1024;

/// A stream with TLS on it.
pub struct TlsStream {
    state: RefCell<State>,
}

struct State {
    inner: Stream,
    session: Connection,
    /// Received and not yet taken by the engine.
    early: Buffer,
    /// Plain bytes that were taken, and whose records are not all sent.
    taken: usize,
    /// The other side sends no more records.
    ended: bool,
    finishing: bool,
    /// The other side broke the protocol, and was told so.
    broken: bool,
    /// The client may send data within its first flight (0-RTT, RFC 8446 section 2.3).
    hears_ahead: bool,
    /// What it sent so.
    ahead: Option<Ahead>,
}

/// Data from before the end of the handshake.
struct Ahead {
    plain: Vec<u8>,
    handshake: Rc<Handshake>,
}

/// A handshake that is not over, while what its client sent ahead is already here: whoever took it
/// down on its way can send that again (RFC 8446 section 8). Once it is over, that is the client's.
#[derive(Debug, Default)]
pub struct Handshake {
    state: Cell<HandshakeState>,
    over: Notify,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum HandshakeState {
    #[default]
    UnderWay,
    Done,
    Broken,
}

impl Handshake {
    /// Whether it is not over.
    pub fn is_under_way(&self) -> bool {
        self.state.get() == HandshakeState::UnderWay
    }

    /// Waits until it is over, as long as somebody reads from the connection; whether it was done.
    pub async fn over(&self) -> bool {
        while self.is_under_way() {
            self.over.notified().await;
        }
        self.state.get() == HandshakeState::Done
    }

    fn end(&self, state: HandshakeState) {
        if self.is_under_way() {
            self.state.set(state);
            self.over.notify_waiters();
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.handshake.end(HandshakeState::Broken);
    }
}

/// What was agreed on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Agreed {
    /// `TLSv1.3` and the like.
    pub version: &'static str,
    /// The cipher suite's name.
    pub cipher: &'static str,
    /// The protocol by ALPN, if any.
    pub alpn: Option<Vec<u8>>,
    /// The server name that the client asked for.
    pub server_name: Option<String>,
    /// The session was resumed.
    pub resumed: bool,
    /// What the other side showed, its own certificate first; empty when it showed none.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// Why a handshake failed, as far as it can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The other side closed or reset.
    Gone,
    /// The other side sent an alert: it does not believe us, or cannot go on.
    Alert,
    /// No version, cipher, group or signature that both sides have.
    Unshared,
    /// The other side showed no certificate, and must.
    NoCertificate,
    /// The other side's certificate is not believed.
    BadCertificate,
    /// There is no certificate to show for the name that the client asked for.
    NothingToShow,
    /// Anything else: the other side broke the protocol, or does not speak it.
    Other,
}

/// Why a handshake ended in an error.
pub fn fault(error: &io::Error) -> Fault {
    use rustls::Error;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match (inner, error.kind()) {
        (Some(Error::AlertReceived(_)), _) => Fault::Alert,
        (Some(Error::PeerIncompatible(_)), _) => Fault::Unshared,
        // The engine says so in words only.
        (Some(Error::General(words)), _) if words.starts_with("no server certificate") => {
            Fault::NothingToShow
        }
        (Some(Error::NoCertificatesPresented), _) => Fault::NoCertificate,
        (Some(Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_)), _) => {
            Fault::BadCertificate
        }
        (Some(_), _) | (None, io::ErrorKind::InvalidData) => Fault::Other,
        (None, _) => Fault::Gone,
    }
}

/// A handshake that failed; what went wrong was told to the other side.
pub struct Failed {
    /// What went wrong.
    pub error: io::Error,
    /// The stream below, to be ended.
    pub stream: Stream,
}

/// Waits for a client's handshake, or until what the client sent ahead of its end can be read.
/// `early`: what was received of it already.
///
/// # Errors
/// The handshake failed.
pub async fn accept(
    stream: Stream,
    early: Buffer,
    config: &Arc<ServerConfig>,
) -> Result<Stream, Failed> {
    let mut session = match ServerConnection::new(config.clone()) {
        Ok(session) => session,
        Err(error) => return Err(Failed { error: io::Error::other(error), stream }),
    };
    session.set_buffer_limit(Some(PENDING_MAX));
    // With tickets the size is how much is passed over.
    let hears_ahead = config.max_early_data_size > 0 && !config.ticketer.enabled();
    shake(stream, early, Connection::Server(session), hears_ahead).await
}

/// Makes a handshake with a member.
///
/// # Errors
/// The handshake failed.
pub async fn connect(
    stream: Stream,
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
) -> io::Result<Stream> {
    let mut session = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    session.set_buffer_limit(Some(PENDING_MAX));
    let shaken = shake(stream, Buffer::new(), Connection::Client(session), false).await;
    shaken.map_err(|failed| failed.error)
}

async fn shake(
    inner: Stream,
    early: Buffer,
    session: Connection,
    hears_ahead: bool,
) -> Result<Stream, Failed> {
    let (taken, ended, finishing, broken, ahead) = (0, false, false, false, None);
    let state =
        State { inner, session, early, taken, ended, finishing, broken, hears_ahead, ahead };
    let mut tls = Box::new(TlsStream { state: RefCell::new(state) });
    match poll_fn(|cx| tls.state.get_mut().poll_handshake(cx)).await {
        Ok(()) => Ok(Stream::Tls(tls)),
        Err(error) => Err(Failed { error, stream: tls.state.into_inner().inner }),
    }
}

impl TlsStream {
    /// What was agreed on.
    pub fn agreed(&self) -> Agreed {
        let state = self.state.borrow();
        let session = &state.session;
        let server_name = match session {
            Connection::Server(server) => server.server_name().map(str::to_owned),
            Connection::Client(_) => None,
        };
        let suite = session.negotiated_cipher_suite();
        Agreed {
            version: match session.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "",
            },
            cipher: suite.and_then(|suite| suite.suite().as_str()).unwrap_or_default(),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
            resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            certificates: session.peer_certificates().unwrap_or_default().to_vec(),
        }
    }

    /// The handshake, if it was not over when the client was first heard.
    pub(crate) fn handshake(&self) -> Option<Rc<Handshake>> {
        self.state.borrow().ahead.as_ref().map(|ahead| ahead.handshake.clone())
    }

    /// Ready when the handshake is over; an error when that cannot be any more.
    pub(crate) fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        while state.session.is_handshaking() {
            if state.ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            ready!(state.poll_records(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// The stream below, once nothing is to be said on this one any more.
    pub(crate) fn inner_mut(&mut self) -> &mut Stream {
        &mut self.state.get_mut().inner
    }

    /// Whether the other side broke the protocol.
    pub(crate) fn is_broken(&self) -> bool {
        self.state.borrow().broken
    }

    /// The stream below, for its addresses.
    pub(crate) fn with_inner<T>(&self, look: impl FnOnce(&Stream) -> T) -> T {
        look(&self.state.borrow().inner)
    }

    /// Ready when there are plain bytes, or the end.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.borrow_mut().poll_plain(cx)
    }

    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        ready!(state.poll_plain(cx))?;
        if let Some(ahead) = state.ahead.as_mut().filter(|ahead| !ahead.plain.is_empty()) {
            let n = ahead.plain.len().min(buf.remaining());
            buf.put_slice(&ahead.plain[..n]);
            ahead.plain.drain(..n);
            return Poll::Ready(Ok(()));
        }
        let room = buf.initialize_unfilled();
        match state.session.reader().read(room) {
            Ok(n) => {
                buf.advance(n);
                Poll::Ready(Ok(()))
            }
            // Also when the other side ended without saying so: what it sent may not be all.
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        last: bool,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state.borrow_mut();
        if state.taken == 0 {
            ready!(state.poll_flush(cx))?;
            state.taken = state.session.writer().write_vectored(slices)?;
            // The end goes in the same call, once all that is before it does.
            if last && state.taken == slices.iter().map(|slice| slice.len()).sum::<usize>() {
                state.end();
            }
        }
        // Whoever sent them waits until their records are on their way: nobody else would send them.
        ready!(state.poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut state.taken)))
    }

    pub(crate) fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        state.end();
        ready!(state.poll_flush(cx))?;
        state.inner.split().1.poll_finish(cx)
    }

    /// Says that nothing more comes, and leaves the stream below open. Ready when that is on its way,
    /// or when nobody can hear it any more.
    pub(crate) fn poll_say_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        state.end();
        state.poll_flush(cx).map(drop)
    }

    /// Says that nothing more comes, if the system takes it at once: whoever reads to the end can
    /// tell that it has everything (RFC 8446 section 6.1). Not after [`TlsStream::break_off`].
    pub(crate) fn say_end(&self) {
        let mut state = self.state.borrow_mut();
        let speaks = !state.session.is_handshaking() || state.ahead.is_some();
        if !state.finishing && speaks {
            state.end();
            // Who does not read has no use for it either.
            let _ = state.poll_flush(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// The end that follows is not the end of what was to be sent.
    pub(crate) fn break_off(&self) {
        self.state.borrow_mut().finishing = true;
    }
}

impl State {
    fn end(&mut self) {
        if !self.finishing {
            self.finishing = true;
            self.session.send_close_notify();
        }
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.is_handshaking() {
            ready!(self.poll_flush(cx))?;
            if !self.session.is_handshaking() {
                break;
            }
            // What was sent ahead need not wait for the end.
            if self.ahead.is_some() {
                break;
            }
            if self.ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            ready!(self.poll_records(cx))?;
        }
        self.poll_flush(cx)
    }

    /// Ready when there are plain bytes, or the end.
    fn poll_plain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let state = self.session.process_new_packets().map_err(invalid)?;
            self.take_ahead()?;
            let ahead = self.ahead.as_ref().is_some_and(|ahead| !ahead.plain.is_empty());
            let plain = state.plaintext_bytes_to_read() > 0 || ahead;
            if plain || state.peer_has_closed() || self.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_records(cx))?;
        }
    }

    /// Takes in records; what they order to be sent is tried at once.
    fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut from = From { early: &mut self.early, inner: &mut self.inner, cx };
        match self.session.read_tls(&mut from) {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        }
        let processed = self.session.process_new_packets();
        let silent = !self.session.wants_write();
        self.take_ahead()?;
        // An alert, an answer, or a ticket: with a full socket it goes with what is sent next.
        let flushed = self.poll_flush(cx);
        match (processed, flushed) {
            (Err(error), flushed) => {
                self.broken = !matches!(error, rustls::Error::AlertReceived(_));
                if flushed.is_ready() {
                    self.say_unsaid(cx, &error, silent);
                }
                Poll::Ready(Err(invalid(error)))
            }
            (Ok(_), Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Ok(_), _) => Poll::Ready(Ok(())),
        }
    }

    /// Sends the alert for an error that the engine passes over in silence, if no keys are in use on
    /// our side: it has no way to send one by them. `silent`: it had nothing to send.
    fn say_unsaid(&mut self, cx: &mut Context<'_>, error: &rustls::Error, silent: bool) {
        let Connection::Server(server) = &self.session else { return };
        let Some(description) = unsaid(error, silent) else { return };
        if server.is_handshaking() && is_clear(server) {
            let alert = [21, 3, 3, 0, 2, 2, description];
            // Seven bytes go, or nothing goes any more.
            let _ = self.inner.split().1.poll_send(cx, &[IoSlice::new(&alert)]);
        }
    }

    /// Takes what the client sent ahead, and sees whether its handshake is over.
    fn take_ahead(&mut self) -> io::Result<()> {
        let Connection::Server(server) = &mut self.session else { return Ok(()) };
        if !self.hears_ahead {
            return Ok(());
        }
        let over = !server.is_handshaking();
        if let Some(mut sent) = server.early_data() {
            let (plain, handshake) = (Vec::new(), Rc::default());
            let ahead = self.ahead.get_or_insert(Ahead { plain, handshake });
            // As much as the engine lets in, which the configuration says.
            sent.read_to_end(&mut ahead.plain)?;
            if over {
                ahead.handshake.end(HandshakeState::Done);
            }
        }
        self.hears_ahead = !over;
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut to = To { inner: &mut self.inner, cx };
            match self.session.write_tls(&mut to) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether a handshake that is not over sends without keys. In TLS 1.2 it does to its end, unless a
/// session is resumed (RFC 5246 section 7.3).
fn is_clear(server: &ServerConnection) -> bool {
    match server.protocol_version() {
        None => true,
        Some(rustls::ProtocolVersion::TLSv1_2) => {
            server.handshake_kind() != Some(rustls::HandshakeKind::Resumed)
        }
        Some(_) => false,
    }
}

/// The alert for an error about which the engine never says anything, or did not now (RFC 5246
/// section 7.2.2).
fn unsaid(error: &rustls::Error, silent: bool) -> Option<u8> {
    use rustls::{Error, InvalidMessage, PeerMisbehaved};
    match error {
        Error::PeerMisbehaved(
            PeerMisbehaved::MessageInterleavedWithHandshakeMessage
            | PeerMisbehaved::TooManyEmptyFragments,
        ) => Some(10),
        Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge) => Some(50),
        Error::PeerMisbehaved(_) => silent.then_some(47),
        Error::InvalidMessage(_) => silent.then_some(50),
        _ => None,
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

struct From<'a, 'c> {
    early: &'a mut Buffer,
    inner: &'a mut Stream,
    cx: &'a mut Context<'c>,
}

impl Read for From<'_, '_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.early.is_empty() {
            match self.inner.split().0.poll_recv(self.cx, self.early, AHEAD) {
                Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
                Poll::Ready(received) => received?,
            };
        }
        let n = self.early.len().min(room.len());
        room[..n].copy_from_slice(&self.early.bytes()[..n]);
        self.early.consume(n);
        Ok(n)
    }
}

struct To<'a, 'c> {
    inner: &'a mut Stream,
    cx: &'a mut Context<'c>,
}

impl Write for To<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.inner.split().1.poll_send(self.cx, slices) {
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            Poll::Ready(sent) => sent,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
