use super::Limits;
use super::codes::{self, STORED_METHOD, attribute};
use super::refusal::{BAD_URI, LONG_REQUEST};
use crate::http1::{Known, Refusal, write};

/// A request for a container. Nothing is checked but what could be misread: names and values come
/// from a parsed head or from a checked configuration.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, as the client wrote it.
    pub method: &'a [u8],
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub protocol: &'a [u8],
    /// The path without the query, percent-encoded; `*` for `OPTIONS *`.
    pub uri: &'a [u8],
    /// The client's address as text.
    pub remote_addr: &'a [u8],
    /// The client's name; without it the container looks the address up if it wants to know.
    pub remote_host: Option<&'a [u8]>,
    /// The host the client asked for, without its port.
    pub server_name: &'a [u8],
    /// The port the client asked for.
    pub server_port: u16,
    /// Whether the client came by TLS; the container then says `https`.
    pub is_tls: bool,
    /// How the body is announced.
    pub body: Body,
    /// What follows `?`, without it.
    pub query: Option<&'a [u8]>,
    /// The password the container requires of the balancer (`secret` of Tomcat).
    pub secret: Option<&'a [u8]>,
    /// The client's port.
    pub remote_port: Option<u16>,
    /// The address the client connected to, as text.
    pub local_addr: Option<&'a [u8]>,
    /// The tag of the session (`jvmRoute` of Tomcat).
    pub route: Option<&'a [u8]>,
    /// What is told about the client's TLS.
    pub tls: Tls<'a>,
}

/// How the body of a request is announced and sent; see
/// [`BodySender`](super::BodySender).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Body {
    /// There is none, and nothing says so; asked for it, the balancer sends the end.
    #[default]
    None,
    /// By `Content-Length`. Unless it is 0, the first packet is sent unasked.
    Length(u64),
    /// As chunked, though no chunks are sent: the length is not known, nothing is sent unasked.
    Unknown,
}

/// Attributes for TLS; absent ones are not sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tls<'a> {
    /// The client's certificate in PEM.
    pub certificate: Option<&'a [u8]>,
    /// The cipher suite, as OpenSSL calls it.
    pub cipher: Option<&'a [u8]>,
    /// The session id in hexadecimal.
    pub session: Option<&'a [u8]>,
    /// The size of the cipher's key in bits.
    pub key_bits: Option<u16>,
    /// The version, such as `TLSv1.3`.
    pub protocol: Option<&'a [u8]>,
}

impl Request<'_> {
    /// Appends the packet FORWARD_REQUEST with these fields. `Content-Length` and
    /// `Transfer-Encoding` are written as [`Body`] says; fields of these names are left out.
    ///
    /// # Errors
    /// 431 when it does not fit a packet, 400 when `uri` would be taken for something else than a
    /// path. `out` is then as it was.
    pub fn write<'h>(
        &self,
        fields: impl Iterator<Item = (&'h [u8], &'h [u8])>,
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        // Tomcat takes http://host out of this string and believes it more than the Host field.
        if (self.uri != b"*" && !self.uri.starts_with(b"/")) || self.uri.contains(&b'?') {
            return Err(BAD_URI);
        }
        let start = out.len();
        let mut packet = Packet { most: start + limits.packet(), out };
        let written = packet.request(self, fields);
        if written.is_err() {
            packet.out.truncate(start);
            return written;
        }
        let length = (packet.out.len() - start - 4) as u16;
        packet.out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// A packet that is being written; `out` may not grow beyond `most`.
struct Packet<'a> {
    out: &'a mut Vec<u8>,
    most: usize,
}

impl Packet<'_> {
    fn request<'h>(
        &mut self,
        request: &Request<'_>,
        fields: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), Refusal> {
        let method = codes::method(request.method);
        self.bytes(&[0x12, 0x34, 0, 0, 2, method.unwrap_or(STORED_METHOD)])?;
        self.string(request.protocol)?;
        self.string(request.uri)?;
        self.string(request.remote_addr)?;
        match request.remote_host {
            Some(name) => self.string(name)?,
            None => self.number(0xFFFF)?,
        }
        self.string(request.server_name)?;
        self.number(request.server_port)?;
        self.bytes(&[u8::from(request.is_tls)])?;
        self.fields(request.body, fields)?;
        self.attributes(request, method.is_none().then_some(request.method))?;
        self.bytes(&[attribute::END])
    }

    fn fields<'h>(
        &mut self,
        body: Body,
        fields: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), Refusal> {
        let count_at = self.out.len();
        self.number(0)?;
        // A field has five bytes at least, so the count fits.
        let mut count = u16::from(body != Body::None);
        match body {
            Body::None => {}
            Body::Length(length) => {
                let mut digits = Vec::with_capacity(20);
                write::decimal(&mut digits, length);
                self.field(b"content-length", &digits)?;
            }
            // Tomcat does without, but Undertow takes a request with neither field for one
            // without a body.
            Body::Unknown => self.field(b"Transfer-Encoding", b"chunked")?,
        }
        for (name, value) in fields {
            if matches!(Known::of(name), Known::ContentLength | Known::TransferEncoding) {
                continue;
            }
            self.field(name, value)?;
            count += 1;
        }
        self.out[count_at..count_at + 2].copy_from_slice(&count.to_be_bytes());
        Ok(())
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match codes::request_field(name) {
            Some(code) => self.number(code)?,
            // The length of such a name would pass for a code.
            None if name.len() >= 0xA000 => return Err(LONG_REQUEST),
            None => self.string(name)?,
        }
        self.string(value)
    }

    fn attributes(&mut self, request: &Request<'_>, method: Option<&[u8]>) -> Result<(), Refusal> {
        self.attribute(attribute::SECRET, request.secret)?;
        self.attribute(attribute::QUERY, request.query)?;
        self.attribute(attribute::ROUTE, request.route)?;
        let tls = &request.tls;
        self.attribute(attribute::TLS_CERTIFICATE, tls.certificate)?;
        self.attribute(attribute::TLS_CIPHER, tls.cipher)?;
        self.attribute(attribute::TLS_SESSION, tls.session)?;
        if let Some(bits) = tls.key_bits {
            self.bytes(&[attribute::TLS_KEY_BITS])?;
            self.number(bits)?;
        }
        self.attribute(attribute::METHOD, method)?;
        if let Some(port) = request.remote_port {
            let mut digits = Vec::with_capacity(5);
            write::decimal(&mut digits, u64::from(port));
            self.named(b"AJP_REMOTE_PORT", Some(&digits))?;
        }
        self.named(b"AJP_LOCAL_ADDR", request.local_addr)?;
        self.named(b"AJP_SSL_PROTOCOL", tls.protocol)
    }

    fn attribute(&mut self, code: u8, value: Option<&[u8]>) -> Result<(), Refusal> {
        let Some(value) = value else { return Ok(()) };
        self.bytes(&[code])?;
        self.string(value)
    }

    fn named(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<(), Refusal> {
        let Some(value) = value else { return Ok(()) };
        self.attribute(attribute::NAMED, Some(name))?;
        self.string(value)
    }

    /// A length, the bytes, a NUL that does not count.
    fn string(&mut self, text: &[u8]) -> Result<(), Refusal> {
        // The packet's limit keeps the length below 0xFFFF, which would mean no string.
        let length = u16::try_from(text.len()).map_err(|_| LONG_REQUEST)?;
        self.number(length)?;
        self.bytes(text)?;
        self.bytes(&[0])
    }

    fn number(&mut self, number: u16) -> Result<(), Refusal> {
        self.bytes(&number.to_be_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.len() > self.most - self.out.len() {
            return Err(LONG_REQUEST);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}
