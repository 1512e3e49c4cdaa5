//! Bodies on their way between frames and a pipe. Flow control goes with them: a peer may send on
//! as the pipe takes what it sent, and a pipe is read as the peer's window opens.

use std::future::poll_fn;
use std::io::IoSlice;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use evenkeel_net::stream::{RecvHalf, SendHalf};
use evenkeel_net::{Buffer, Deadline, clock};
use evenkeel_wire::http1::{BodyReader, Framing, write};
use h2::{RecvStream, SendStream};

use crate::fields::{read_lines, write_lines};
use crate::web::{self, Decoder, Garbled, Web};

/// Bytes of a body that are sent at once.
const GATHER: usize = 32 * 1024;

/// Why a body did not reach its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// The peer reset the stream, or its connection broke.
    Peer,
    /// The peer did not open its window for too long.
    Stalled,
    /// The pipe takes no more.
    Deaf,
    /// The pipe broke, or ended within the body, or what came is no body.
    Broken,
    /// The body is not the text that it should be.
    Garbled,
}

/// From frames to the pipe. Without framing (`None`: a tunnel) the end is passed on as well.
pub(crate) async fn take_in(
    from: &mut RecvStream,
    pipe: &mut SendHalf<'_>,
    framing: Option<Framing>,
) -> Result<(), Cut> {
    let chunked = framing == Some(Framing::Chunked);
    let mut line = Vec::new();
    while let Some(data) = poll_fn(|cx| from.poll_data(cx)).await {
        let data = data.map_err(|_| Cut::Peer)?;
        if chunked && !data.is_empty() {
            send_chunk(pipe, &mut line, &data).await?;
        } else {
            send(pipe, [IoSlice::new(&data)]).await?;
        }
        let _ = from.flow_control().release_capacity(data.len());
    }
    let trailers = poll_fn(|cx| from.poll_trailers(cx)).await.map_err(|_| Cut::Peer)?;
    if chunked {
        line.clear();
        line.extend_from_slice(b"0\r\n");
        if trailers.is_some_and(|fields| !write_lines(&mut line, &fields)) {
            return Err(Cut::Broken);
        }
        line.extend_from_slice(b"\r\n");
        send(pipe, [IoSlice::new(&line)]).await?;
    }
    match framing {
        Some(_) => Ok(()),
        None => pipe.finish().await.map_err(|_| Cut::Deaf),
    }
}

/// The same for an answer of gRPC-Web, whose trailers are part of the body.
pub(crate) async fn take_in_web(
    from: &mut RecvStream,
    pipe: &mut SendHalf<'_>,
    web: Web,
) -> Result<(), Cut> {
    let (mut line, mut text) = (Vec::new(), Vec::new());
    while let Some(data) = poll_fn(|cx| from.poll_data(cx)).await {
        let data = data.map_err(|_| Cut::Peer)?;
        if !data.is_empty() {
            text.clear();
            web.write(&data, &mut text);
            send_chunk(pipe, &mut line, &text).await?;
        }
        let _ = from.flow_control().release_capacity(data.len());
    }
    let trailers = poll_fn(|cx| from.poll_trailers(cx)).await.map_err(|_| Cut::Peer)?;
    if let Some(trailers) = trailers {
        text.clear();
        web.write(&web::message(&trailers).ok_or(Cut::Broken)?, &mut text);
        send_chunk(pipe, &mut line, &text).await?;
    }
    send(pipe, [IoSlice::new(b"0\r\n\r\n")]).await
}

async fn send_chunk(pipe: &mut SendHalf<'_>, line: &mut Vec<u8>, data: &[u8]) -> Result<(), Cut> {
    line.clear();
    write::chunk_size(line, data.len() as u64);
    send(pipe, [IoSlice::new(line), IoSlice::new(data), IoSlice::new(b"\r\n")]).await
}

pub(crate) async fn send<const N: usize>(
    pipe: &mut SendHalf<'_>,
    mut slices: [IoSlice<'_>; N],
) -> Result<(), Cut> {
    pipe.send(&mut slices, &mut Deadline::never()).await.map_err(|_| Cut::Deaf)
}

/// A body on its way from a pipe to frames.
pub(crate) struct Giving<'a, 'b> {
    pub(crate) pipe: &'a mut RecvHalf<'b>,
    /// Received from the pipe.
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) reader: BodyReader,
    /// What comes is base64, and goes on as what it stands for.
    pub(crate) text: Option<Decoder>,
    pub(crate) to: &'a mut SendStream<Bytes>,
    /// How long the peer may keep its window closed.
    pub(crate) patience: Duration,
    pub(crate) wait: Deadline,
}

impl Giving<'_, '_> {
    /// Sends the body and its trailers.
    pub(crate) async fn run(&mut self) -> Result<(), Cut> {
        let mut gathered = BytesMut::new();
        loop {
            self.gather(&mut gathered)?;
            if self.reader.is_done() {
                if self.text.as_ref().is_some_and(|text| !text.is_whole()) {
                    return Err(Cut::Garbled);
                }
                return self.send_last(gathered.freeze()).await;
            }
            if !gathered.is_empty() {
                self.send(gathered.split().freeze()).await?;
            } else if self.receive().await? == 0 {
                self.reader.finish_eof().map_err(|_| Cut::Broken)?;
            }
        }
    }

    /// Takes what is there, without its framing.
    fn gather(&mut self, out: &mut BytesMut) -> Result<(), Cut> {
        while !self.reader.is_done() && !self.buffer.is_empty() && out.len() < GATHER {
            let input = self.buffer.bytes();
            let piece = self.reader.step(input).map_err(|_| Cut::Broken)?;
            let data = &input[piece.skip..piece.skip + piece.data];
            match &mut self.text {
                None => out.extend_from_slice(data),
                Some(text) => text.decode(data, out).map_err(|Garbled| Cut::Garbled)?,
            }
            self.buffer.consume(piece.skip + piece.data);
            if piece.skip + piece.data == 0 {
                break;
            }
        }
        Ok(())
    }

    /// More from the pipe, unless the peer resets the stream first.
    async fn receive(&mut self) -> Result<usize, Cut> {
        poll_fn(|cx| {
            if self.to.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Cut::Peer));
            }
            let most = self.buffer.len() + GATHER;
            self.pipe.poll_recv(cx, self.buffer, most).map_err(|_| Cut::Broken)
        })
        .await
    }

    async fn send(&mut self, mut data: Bytes) -> Result<(), Cut> {
        while !data.is_empty() {
            let room = self.room(data.len()).await?;
            let piece = data.split_to(room.min(data.len()));
            self.to.send_data(piece, false).map_err(|_| Cut::Peer)?;
        }
        Ok(())
    }

    /// How many of so many bytes may go now.
    async fn room(&mut self, wanted: usize) -> Result<usize, Cut> {
        self.to.reserve_capacity(wanted);
        self.wait.set_after(clock::now(), self.patience);
        poll_fn(|cx| match self.poll_room(cx) {
            Poll::Pending => self.wait.poll(cx).map(|()| Err(Cut::Stalled)),
            ready => ready,
        })
        .await
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Cut>> {
        loop {
            match self.to.capacity() {
                0 => {}
                room => return Poll::Ready(Ok(room)),
            }
            match ready!(self.to.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Cut::Peer)),
            }
        }
    }

    async fn send_last(&mut self, mut data: Bytes) -> Result<(), Cut> {
        let trailers = read_lines(self.reader.trailers());
        // The last piece that the window takes carries the end.
        while !data.is_empty() {
            let room = self.room(data.len()).await?;
            let piece = data.split_to(room.min(data.len()));
            let end = data.is_empty() && trailers.is_empty();
            self.to.send_data(piece, end).map_err(|_| Cut::Peer)?;
            if end {
                return Ok(());
            }
        }
        match trailers.is_empty() {
            true => self.to.send_data(Bytes::new(), true),
            false => self.to.send_trailers(trailers),
        }
        .map_err(|_| Cut::Peer)
    }
}
