//! The head of an answer as the client gets it.

use std::cell::RefCell;

use evenkeel_httpd::{BadFields, Fields, Part, Passage};
use evenkeel_plan::{CookieAffinity, RetryOn, Reverse};
use evenkeel_wire::http1::{Field, Framing, Known, ResponseHead, Version, write};

use crate::core::Core;
use crate::filter::edits::Edits;
use crate::filter::reverse::reversed;
use crate::http::partial::Cut;

/// What the head of an answer depends on besides the member's own.
pub(crate) struct Answering<'a> {
    pub(crate) core: &'a Core,
    pub(crate) version: Version,
    pub(crate) was_head: bool,
    /// The client wants to go on after this request, and so does the listener.
    pub(crate) keep_alive: bool,
    /// The protocol the client asked to switch to.
    pub(crate) upgrade: Option<&'a [u8]>,
    /// Whether such an answer is thrown away for another attempt.
    pub(crate) again: &'a dyn Fn(RetryOn) -> bool,
    pub(crate) edits: &'a Edits,
    /// The affinity cookie to set, with the value for this member.
    pub(crate) cookie: Option<(&'a CookieAffinity, &'a [u8])>,
    pub(crate) https: bool,
    pub(crate) via: bool,
    /// The line that takes the place of the member's own about TLS; empty: none does.
    pub(crate) hsts: &'a [u8],
    /// Changes to where the answer points, and scheme and host of the request.
    pub(crate) reverse: &'a [Reverse],
    pub(crate) own: &'a [u8],
    /// The way of the request through httpd's rules, where those decide.
    pub(crate) passage: &'a RefCell<Option<Box<Passage>>>,
    /// The lines that the edits write.
    pub(crate) extra: &'a [u8],
}

impl Answering<'_> {
    /// Whether this status is worth another attempt.
    pub(crate) fn retries(&self, status: u16) -> bool {
        (status >= 500 || status == 429) && (self.again)(RetryOn::Status(status))
    }

    /// Whether the answer is nothing but the status of gRPC that nobody is there, and worth another
    /// attempt. (In an answer that has more, the status comes at its end.)
    pub(crate) fn retries_call(&self, buf: &[u8], answer: &ResponseHead) -> bool {
        let status = |field: &&Field| field.name.of(buf).eq_ignore_ascii_case(b"grpc-status");
        answer.status == 200
            && answer.fields.iter().find(status).is_some_and(|field| field.value.of(buf) == b"14")
            && (self.again)(RetryOn::GrpcUnavailable)
    }

    /// Whether an answer of this status gives way to a page of ours.
    pub(crate) fn overrides(&self, status: u16) -> bool {
        self.passage.borrow().as_ref().is_some_and(|passage| passage.overrides(status))
    }

    /// Whether httpd's rules decide.
    pub(crate) fn is_ruled(&self) -> bool {
        self.passage.borrow().is_some()
    }

    /// What becomes of lines without a colon.
    pub(crate) fn bad_fields(&self) -> BadFields {
        let passage = self.passage.borrow();
        passage.as_ref().map_or(BadFields::Errors, |passage| passage.bad_fields())
    }

    /// Whether rules keep interim answers from the client.
    pub(crate) fn hides_interim(&self) -> bool {
        self.passage.borrow().as_ref().is_some_and(|passage| passage.hides_interim())
    }

    /// What of the body the client gets, if httpd's rules cut it.
    pub(crate) fn part(&self, buf: &[u8], answer: &ResponseHead, length: u64) -> Option<Part> {
        let passage = self.passage.borrow();
        let passage = passage.as_ref().filter(|_| self.status(answer) == 200)?;
        passage.part(&plain_fields(buf, answer), length)
    }

    /// Writes the head of a part of a body.
    pub(crate) fn partial(
        &self,
        out: &mut Vec<u8>,
        buf: &[u8],
        answer: &ResponseHead,
        cut: &Cut,
        client_lives: bool,
    ) {
        write::status_line(out, 206, write::reason_phrase(206).as_bytes());
        let begin = out.len();
        self.fields(out, buf, answer);
        if cut.retyped {
            let fields = out.split_off(begin);
            for line in fields.split_inclusive(|b| *b == b'\n') {
                let name = line.get(..b"content-type:".len());
                if !name.is_some_and(|name| name.eq_ignore_ascii_case(b"content-type:")) {
                    out.extend_from_slice(line);
                }
            }
        }
        out.extend_from_slice(&cut.line);
        write::number_field(out, b"Content-Length", cut.body.len() as u64);
        self.connection(out, client_lives);
        out.extend_from_slice(b"\r\n");
    }

    /// Keeps what a page in its place still tells of an answer.
    pub(crate) fn note_overridden(&self, buf: &[u8], answer: &ResponseHead) {
        if let Some(passage) = &mut *self.passage.borrow_mut() {
            let fields = plain_fields(buf, answer);
            passage.note_overridden(answer.status, answer.reason.of(buf), &fields);
        }
    }

    /// The status that the client gets.
    fn status(&self, answer: &ResponseHead) -> u16 {
        let passage = self.passage.borrow();
        passage.as_ref().map_or(answer.status, |passage| passage.status(answer.status))
    }

    /// Whether the body goes out in chunks.
    pub(crate) fn will_chunk(&self, framing: Framing) -> bool {
        matches!(framing, Framing::Chunked | Framing::UntilClose) && self.version == Version::H11
    }

    /// Whether the connection to the client can go on after an answer so framed.
    pub(crate) fn client_lives(&self, framing: Framing) -> bool {
        let delimited =
            matches!(framing, Framing::None | Framing::Length(_)) || self.will_chunk(framing);
        self.keep_alive && delimited && !self.core.is_draining()
    }

    /// Whether the member switches to what the client asked for (RFC 9110 section 7.8).
    pub(crate) fn agrees_to_switch(&self, buf: &[u8], answer: &ResponseHead) -> bool {
        let (Some(asked), Some(given)) = (self.upgrade, answer.upgrade) else { return false };
        let given = given.of(buf).trim_ascii();
        asked.split(|b| *b == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(given))
    }

    /// Writes an interim head as it came, hop-by-hop fields aside.
    pub(crate) fn interim(&self, out: &mut Vec<u8>, buf: &[u8], answer: &ResponseHead) {
        write::status_line(out, answer.status, reason(buf, answer));
        for field in answer.fields.iter().filter(|f| !f.drop && f.known != Known::ContentLength) {
            write::field(out, field.name.of(buf), field.value.of(buf));
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Writes the head that ends HTTP on this connection.
    pub(crate) fn switched(&self, out: &mut Vec<u8>, buf: &[u8], answer: &ResponseHead) {
        write::status_line(out, 101, reason(buf, answer));
        write::field(out, b"Connection", b"Upgrade");
        write::field(out, b"Upgrade", answer.upgrade.map_or(&[], |span| span.of(buf)));
        self.fields(out, buf, answer);
        out.extend_from_slice(b"\r\n");
    }

    /// Writes the final head.
    pub(crate) fn head(
        &self,
        out: &mut Vec<u8>,
        buf: &[u8],
        answer: &ResponseHead,
        framing: Framing,
        client_lives: bool,
    ) {
        match self.status(answer) {
            status if status == answer.status => {
                let reason = match self.is_ruled() {
                    true => answer.reason.of(buf),
                    false => reason(buf, answer),
                };
                write::status_line(out, status, reason);
            }
            status => write::status_line(out, status, write::reason_phrase(status).as_bytes()),
        }
        self.fields(out, buf, answer);
        // A length describes what follows, or what would have followed a HEAD. It is written as it
        // was understood, not as it was spelled.
        match framing {
            Framing::Length(length) => write::number_field(out, b"Content-Length", length),
            Framing::None if answer.status != 204 => {
                if let Some(length) = answer.content_length() {
                    write::number_field(out, b"Content-Length", length);
                }
            }
            _ if self.will_chunk(framing) => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n")
            }
            _ => {}
        }
        self.connection(out, client_lives);
        out.extend_from_slice(b"\r\n");
    }

    fn connection(&self, out: &mut Vec<u8>, client_lives: bool) {
        match (client_lives, self.version) {
            (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
            (true, Version::H10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (true, Version::H11) => {}
        }
    }

    /// Whether a field says where something is, and may have to say it otherwise.
    fn points(&self, name: &[u8]) -> bool {
        let names: [&[u8]; 4] = [b"location", b"content-location", b"uri", b"destination"];
        !self.reverse.is_empty() && names.iter().any(|known| name.eq_ignore_ascii_case(known))
    }

    fn fields(&self, out: &mut Vec<u8>, buf: &[u8], answer: &ResponseHead) {
        if let Some(passage) = &mut *self.passage.borrow_mut() {
            return self.ruled_fields(passage, out, buf, answer);
        }
        let mut dated = false;
        for field in &answer.fields {
            let name = field.name.of(buf);
            if field.drop || field.known == Known::ContentLength || self.edits.hides(name) {
                continue;
            }
            if !self.hsts.is_empty() && name.eq_ignore_ascii_case(b"strict-transport-security") {
                continue;
            }
            dated |= field.known == Known::Date;
            let value = field.value.of(buf);
            match self.points(name).then(|| reversed(self.reverse, self.own, value)).flatten() {
                Some(other) => write::field(out, name, &other),
                None => write::field(out, name, value),
            }
        }
        if !dated {
            out.extend_from_slice(b"Date: ");
            self.core.write_date(out);
            out.extend_from_slice(b"\r\n");
        }
        if self.via {
            out.extend_from_slice(match answer.version {
                Version::H11 => b"Via: 1.1 evenkeel\r\n",
                Version::H10 => b"Via: 1.0 evenkeel\r\n",
            });
        }
        out.extend_from_slice(self.hsts);
        if let Some((cookie, value)) = self.cookie {
            set_cookie(out, cookie, value, self.https);
        }
        out.extend_from_slice(self.extra);
    }

    /// The fields as httpd's rules have them.
    fn ruled_fields(
        &self,
        passage: &mut Passage,
        out: &mut Vec<u8>,
        buf: &[u8],
        answer: &ResponseHead,
    ) {
        let kept = answer.fields.iter().filter(|field| {
            !field.drop
                && field.known != Known::ContentLength
                && !field.name.of(buf).eq_ignore_ascii_case(b"proxy-authenticate")
        });
        let mut fields: Fields =
            kept.map(|field| (field.name.of(buf).to_vec(), field.value.of(buf).to_vec())).collect();
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"date")) {
            let mut date = Vec::new();
            self.core.write_date(&mut date);
            fields.push((b"Date".to_vec(), date));
        }
        for (name, value) in passage.answer(passage.status(answer.status), fields) {
            write::field(out, &name, &value);
        }
    }
}

/// The fields as they came.
fn plain_fields(buf: &[u8], answer: &ResponseHead) -> Fields {
    let fields = answer.fields.iter();
    fields.map(|field| (field.name.of(buf).to_vec(), field.value.of(buf).to_vec())).collect()
}

/// The member's reason, or the usual one when it gave none.
fn reason<'a>(buf: &'a [u8], answer: &ResponseHead) -> &'a [u8] {
    match answer.reason.of(buf) {
        [] => write::reason_phrase(answer.status).as_bytes(),
        given => given,
    }
}

/// Writes the cookie that binds the client to its member (RFC 6265 section 4.1).
fn set_cookie(out: &mut Vec<u8>, cookie: &CookieAffinity, value: &[u8], https: bool) {
    let mut text = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    text(&[
        b"Set-Cookie: ",
        cookie.name.as_bytes(),
        b"=",
        value,
        b"; Path=",
        cookie.path.as_bytes(),
    ]);
    if let Some(domain) = &cookie.domain {
        text(&[b"; Domain=", domain.as_bytes()]);
    }
    if let Some(age) = cookie.max_age {
        text(&[b"; Max-Age=", age.as_secs().to_string().as_bytes()]);
    }
    if cookie.http_only {
        text(&[b"; HttpOnly"]);
    }
    text(&[b"; SameSite=", cookie.same_site.as_bytes()]);
    // Browsers refuse SameSite=None without Secure.
    if cookie.secure.unwrap_or(https || cookie.same_site.eq_ignore_ascii_case("none")) {
        text(&[b"; Secure"]);
    }
    text(&[b"\r\n"]);
}
