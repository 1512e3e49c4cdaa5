//! TLS with clients: the handshake, bounded in time and number, and what is known after it.
//!
//! A client takes a place among the handshakes only once its ClientHello is here, so that the silent
//! take none; and the work of answering one is done one at a time between turns of the event loop,
//! so that requests under way do not wait for a crowd of newcomers.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use evenkeel_net::tls::{self, Failed, Fault, Handshake};
use evenkeel_net::{Buffer, Deadline, Stream, clock};
use evenkeel_observe::access_log;
use evenkeel_plan::Protocol;
use evenkeel_tls::{ACME_TLS, CertificateDer, Server, ServerConfig};
use evenkeel_wire::tls_hello::{self, ClientHello, Fault as HelloFault};

use crate::cause::Failure;
use crate::client::Client;
use crate::detect;

/// How long a client that speaks no TLS may take to hear so.
const PATIENCE: Duration = Duration::from_secs(1);
/// The alert where nothing is shared (RFC 8446 section 4.1.1).
const HANDSHAKE_FAILURE: u8 = 40;

/// What TLS agreed on with a client.
pub(crate) struct Secured {
    pub(crate) version: &'static str,
    pub(crate) cipher: &'static str,
    /// The name that the client asked for, in lower case; empty when it asked for none.
    pub(crate) server_name: Box<str>,
    pub(crate) resumed: bool,
    /// The client showed a certificate that is believed.
    pub(crate) certified: bool,
    /// HTTP/2 was agreed on.
    pub(crate) http2: bool,
    /// The handshake, if the client was heard before its end.
    pub(crate) handshake: Option<Rc<Handshake>>,
    /// The header lines that tell members whose certificate the client showed.
    pub(crate) identity: Box<[u8]>,
}

impl Secured {
    /// For the access log.
    pub(crate) fn logged(secured: Option<&Secured>) -> access_log::Tls<'_> {
        secured.map_or_else(access_log::Tls::default, |secured| access_log::Tls {
            version: secured.version,
            cipher: secured.cipher,
            server_name: &secured.server_name,
            resumed: secured.resumed,
        })
    }
}

/// The client behind its handshake, if its listener speaks TLS.
pub(crate) async fn begin(mut client: Client) -> Result<Client, Failure> {
    let core = client.core.clone();
    let snapshot = core.snapshot();
    let Some(listener) = snapshot.listener(client.listener) else {
        return Err(Failure::CLIENT_GONE);
    };
    let Some(server) = listener.tls.clone() else { return Ok(client) };
    let time = listener.plan.timeouts.header;
    let most = (listener.plan.limits.handshakes as usize).div_ceil(core.cores);
    let http = listener.plan.protocol == Protocol::Http;
    drop(snapshot);
    let hello = match detect::client_hello(&mut client).await {
        Ok(hello) => hello,
        Err(failure) => {
            let first = client.buffer.bytes().first();
            let fault = HelloFault::ALL.into_iter().find(|fault| fault.cause() == failure.cause);
            if http && first.is_some_and(u8::is_ascii_uppercase) {
                last_word(&mut client, IN_CLEAR).await;
            } else if let Some(alert) = fault.and_then(|fault| fault.alert(first)) {
                last_word(&mut client, &alert).await;
            }
            return Err(failure);
        }
    };
    if let Some((failure, alert)) = refusal(&hello, &server) {
        last_word(&mut client, &alert).await;
        return Err(failure);
    }
    // Nearly always there is nothing to prove, and nothing is looked at.
    let proving = server.proving().filter(|_| asks_for_proof(&hello));
    let proves = proving.is_some();
    let config = proving.unwrap_or_else(|| server.config());
    drop(hello);
    let Client { place, listener, stream, peer, local, buffer, began, number, .. } = client;
    let shaken = async {
        let seat = core.handshakes.enter(listener, most).await;
        let shaking = pin!(answered(&core, stream, buffer, &config));
        tokio::select! {
            biased;
            shaken = shaking => shaken,
            () = seat.crowded() => Err((Failure::TLS_CROWDED, None)),
        }
    };
    let late = Err((Failure::TLS_TIMEOUT, None));
    let stream = match clock::within(time, shaken).await.unwrap_or(late) {
        Ok(stream) => stream,
        Err((failure, told)) => {
            if let Some(mut told) = told {
                Box::pin(told.linger()).await;
            }
            return Err(failure);
        }
    };
    if proves {
        return Err(proved(stream).await);
    }
    let secured = secured(&stream, &server)?;
    core.metrics.borrow_mut().shook_hands(listener, secured.version, secured.resumed);
    let (buffer, secured) = (Buffer::new(), Some(Rc::new(secured)));
    Ok(Client { core, place, listener, stream, peer, local, buffer, began, number, secured })
}

/// Why the ClientHello, which can be read, must be refused, and the alert that says so. The engine
/// would take what breaks a rule, and say without a certificate to show only later that it has none.
fn refusal(hello: &ClientHello, server: &Server) -> Option<(Failure, [u8; 7])> {
    if let Some(breach) = hello.breach() {
        return Some((Failure::TLS_HANDSHAKE, breach.alert()));
    }
    if !hello.offers_tls13() || hello.resumes() || asks_for_proof(hello) {
        return None;
    }
    let named = hello.server_name().unwrap_or_default().to_ascii_lowercase();
    let shown = server.can_show(&named, hello.signature_schemes());
    (!shown).then(|| (Failure::TLS_UNSHARED, tls_hello::fatal_alert(HANDSHAKE_FAILURE)))
}

/// Whether the client wants nothing but the proof of a name (RFC 8737 section 6.2).
fn asks_for_proof(hello: &ClientHello) -> bool {
    let mut alpn = hello.alpn();
    alpn.next() == Some(ACME_TLS) && alpn.next().is_none()
}

/// The proof was shown, which is all that such a connection is for.
async fn proved(mut stream: Stream) -> Failure {
    let (_, mut send) = stream.split();
    // What follows is the end either way.
    let _ = clock::within(PATIENCE, send.finish()).await;
    Failure::TLS_PROOF
}

/// What a client gets that speaks HTTP without TLS.
const IN_CLEAR: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 66\r\n\
    Connection: close\r\n\r\n\
    400 Bad Request\ncause: tls-no-record\nThis port speaks https only.\n";

/// Tells a client that came by the wrong scheme, or whose ClientHello is none. Whether it hears it is
/// its own affair.
async fn last_word(client: &mut Client, word: &[u8]) {
    let mut wait = Deadline::never();
    wait.set_after(clock::now(), PATIENCE);
    let (_, mut send) = client.stream.split();
    if send.send_last(&mut [IoSlice::new(word)], &mut wait).await.is_ok() {
        Box::pin(client.stream.linger()).await;
    }
}

/// Answers the ClientHello when it is this client's turn, and waits for the rest. Where a client was
/// told why it failed, there is a stream for it to hear so.
async fn answered(
    core: &crate::core::Core,
    stream: Stream,
    buffer: Buffer,
    config: &Arc<ServerConfig>,
) -> Result<Stream, (Failure, Option<Stream>)> {
    let mut shaking = pin!(tls::accept(stream, buffer, config));
    let turn = core.handshakes.turn().await;
    let first = poll_fn(|cx| Poll::Ready(shaking.as_mut().poll(cx))).await;
    drop(turn);
    let shaken = match first {
        Poll::Ready(shaken) => shaken,
        Poll::Pending => shaking.await,
    };
    shaken.map_err(|Failed { error, stream }| {
        let failure = match tls::fault(&error) {
            Fault::Gone => return (Failure::TLS_GONE, None),
            Fault::Alert => return (Failure::TLS_ALERT, None),
            Fault::Unshared => Failure::TLS_UNSHARED,
            Fault::NoCertificate => Failure::TLS_NO_CERTIFICATE,
            Fault::BadCertificate => Failure::TLS_BAD_CERTIFICATE,
            Fault::NothingToShow => Failure::TLS_NOT_ISSUED,
            Fault::Other => Failure::TLS_HANDSHAKE,
        };
        (failure, Some(stream))
    })
}

fn secured(stream: &Stream, server: &Server) -> Result<Secured, Failure> {
    let agreed = stream.agreed().unwrap_or_default();
    if agreed.resumed && !server.still_admits(&agreed.certificates) {
        return Err(Failure::TLS_BAD_CERTIFICATE);
    }
    let name = agreed.server_name.unwrap_or_default().to_ascii_lowercase();
    let told = server.tells_clients() && !agreed.certificates.is_empty();
    Ok(Secured {
        version: agreed.version,
        cipher: agreed.cipher,
        server_name: name.into(),
        resumed: agreed.resumed,
        handshake: stream.handshake(),
        certified: !agreed.certificates.is_empty(),
        http2: agreed.alpn.as_deref() == Some(b"h2"),
        identity: if told { identity(&agreed.certificates) } else { Box::default() },
    })
}

/// `Client-Cert` and `Client-Cert-Chain` (RFC 9440 section 2).
fn identity(chain: &[CertificateDer<'static>]) -> Box<[u8]> {
    let mut out = b"Client-Cert: ".to_vec();
    let (own, others) = chain.split_at(1.min(chain.len()));
    own.iter().for_each(|certificate| binary(&mut out, certificate));
    for (at, certificate) in others.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\r\nClient-Cert-Chain: " } else { b", " });
        binary(&mut out, certificate);
    }
    out.extend_from_slice(b"\r\n");
    out.into()
}

/// A byte sequence of structured fields (RFC 8941 section 3.3.5): base64 between colons.
fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push(b':');
    for three in bytes.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let whole = at(0) << 16 | at(1) << 8 | at(2);
        let digits = [18, 12, 6, 0].map(|shift| DIGITS[(whole >> shift & 63) as usize]);
        out.extend_from_slice(&digits[..=three.len()]);
        out.extend_from_slice(&b"=="[..3 - three.len()]);
    }
    out.push(b':');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_byte_sequences() {
        for (bytes, text) in [
            (&b""[..], "::"),
            (b"f", ":Zg==:"),
            (b"fo", ":Zm8=:"),
            (b"foo", ":Zm9v:"),
            (b"\xfb\xff\xfe", ":+//+:"),
            (b"foobar", ":Zm9vYmFy:"),
        ] {
            let mut out = Vec::new();
            binary(&mut out, bytes);
            assert_eq!(out, text.as_bytes());
        }
        let chain = [&b"a"[..], b"b", b"c"].map(|der| CertificateDer::from(der.to_vec()));
        let one = identity(&chain[..1]);
        assert_eq!(&*one, b"Client-Cert: :YQ==:\r\n");
        let all = identity(&chain);
        assert_eq!(&*all, b"Client-Cert: :YQ==:\r\nClient-Cert-Chain: :Yg==:, :Yw==:\r\n");
    }
}
