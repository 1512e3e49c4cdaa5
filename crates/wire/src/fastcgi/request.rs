use super::Params;
use crate::http1::{Known, Refusal, write};

/// What the CGI variables of a request are made of (RFC 3875 section 4.1, and what httpd adds).
/// Nothing is checked: names and values come from a parsed head or from a checked configuration.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `REQUEST_METHOD`.
    pub method: &'a [u8],
    /// `REQUEST_URI`: path and query as the client wrote them.
    pub uri: &'a [u8],
    /// `SCRIPT_FILENAME`: the file the responder runs.
    pub script_filename: &'a [u8],
    /// `SCRIPT_NAME`: the part of the path that names the script, decoded.
    pub script_name: &'a [u8],
    /// `PATH_INFO`: the part of the path after it, decoded; left out when empty.
    pub path_info: &'a [u8],
    /// `QUERY_STRING`: what follows `?`, without it; sent also when empty.
    pub query: &'a [u8],
    /// `DOCUMENT_ROOT`.
    pub document_root: &'a [u8],
    /// `SERVER_PROTOCOL`, such as `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// `SERVER_SOFTWARE`.
    pub software: &'a [u8],
    /// `SERVER_NAME`: the host the client asked for, without its port.
    pub server_name: &'a [u8],
    /// `SERVER_ADDR`: the address the client connected to, as text.
    pub server_addr: Option<&'a [u8]>,
    /// `SERVER_PORT`.
    pub server_port: u16,
    /// `REMOTE_ADDR`: the client's address as text.
    pub remote_addr: &'a [u8],
    /// `REMOTE_PORT`.
    pub remote_port: Option<u16>,
    /// Whether the client came by TLS: `REQUEST_SCHEME`, and `HTTPS` which is `on` or left out.
    pub is_tls: bool,
    /// `CONTENT_LENGTH`. Responders read no body without it, so a chunked one must be read whole
    /// before the request is sent.
    pub content_length: Option<u64>,
    /// Whether `HTTP_AUTHORIZATION` is sent (`CGIPassAuth` of httpd; off there unless ordered).
    pub pass_authorization: bool,
}

impl Request<'_> {
    /// Adds the variables of the request and of its fields.
    ///
    /// `Content-Type` becomes `CONTENT_TYPE`, other fields `HTTP_` and their name; lines of one
    /// name are put together. Left out: names with other bytes than letters, digits and `-`, which
    /// could pose as another field; `Proxy`, as `HTTP_PROXY` is a setting to many programs
    /// (CVE-2016-5385); what frames the message or speaks to the next hop only; `Authorization`
    /// unless ordered.
    ///
    /// # Errors
    /// 431 when they do not fit.
    pub fn params<'h>(
        &self,
        fields: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone,
        params: &mut Params,
    ) -> Result<(), Refusal> {
        self.fields(fields, params)?;
        if let Some(length) = self.content_length {
            number(params, b"CONTENT_LENGTH", length)?;
        }
        params.push(b"SERVER_SOFTWARE", self.software)?;
        params.push(b"SERVER_NAME", self.server_name)?;
        if let Some(addr) = self.server_addr {
            params.push(b"SERVER_ADDR", addr)?;
        }
        number(params, b"SERVER_PORT", self.server_port.into())?;
        params.push(b"REMOTE_ADDR", self.remote_addr)?;
        if let Some(port) = self.remote_port {
            number(params, b"REMOTE_PORT", port.into())?;
        }
        params.push(b"DOCUMENT_ROOT", self.document_root)?;
        params.push(b"REQUEST_SCHEME", if self.is_tls { b"https" } else { b"http" })?;
        if self.is_tls {
            params.push(b"HTTPS", b"on")?;
        }
        params.push(b"SCRIPT_FILENAME", self.script_filename)?;
        params.push(b"GATEWAY_INTERFACE", b"CGI/1.1")?;
        params.push(b"SERVER_PROTOCOL", self.protocol)?;
        params.push(b"REQUEST_METHOD", self.method)?;
        params.push(b"QUERY_STRING", self.query)?;
        params.push(b"REQUEST_URI", self.uri)?;
        params.push(b"SCRIPT_NAME", self.script_name)?;
        if !self.path_info.is_empty() {
            params.push(b"PATH_INFO", self.path_info)?;
        }
        Ok(())
    }

    fn fields<'h>(
        &self,
        fields: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone,
        params: &mut Params,
    ) -> Result<(), Refusal> {
        for (at, (name, value)) in fields.clone().enumerate() {
            let known = Known::of(name);
            if !self.passes(name, known) {
                continue;
            }
            let same = |(other, _): &(&[u8], &[u8])| name.eq_ignore_ascii_case(other);
            // Its lines were put together where the first of them was.
            if fields.clone().take(at).any(|field| same(&field)) {
                continue;
            }
            if known == Known::ContentType {
                params.push(b"CONTENT_TYPE", value)?;
                continue;
            }
            let values = fields.clone().filter(same).map(|(_, value)| value);
            let between: &[u8] = if known == Known::Cookie { b"; " } else { b", " };
            params.push_field(name, values, between)?;
        }
        Ok(())
    }

    fn passes(&self, name: &[u8], known: Known) -> bool {
        !name.is_empty()
            && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && known != Known::ContentLength
            && !known.is_hop_by_hop()
            && (known != Known::Authorization || self.pass_authorization)
            && !name.eq_ignore_ascii_case(b"proxy")
    }
}

fn number(params: &mut Params, name: &[u8], number: u64) -> Result<(), Refusal> {
    let mut digits = Vec::with_capacity(20);
    write::decimal(&mut digits, number);
    params.push(name, &digits)
}
