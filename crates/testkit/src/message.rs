//! Heads and responses as they came over the socket.

/// The head of a request or an answer: its bytes, and the same taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The bytes as received, the empty line included.
    pub raw: Vec<u8>,
    /// The request line or the status line.
    pub start_line: String,
    /// The fields in order, names as received, values without surrounding blanks.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Takes apart the bytes of a head. Bytes that are not UTF-8 are replaced.
    pub fn parse(raw: &[u8]) -> Result<Head, String> {
        let text = String::from_utf8_lossy(raw);
        let mut lines = text.split("\r\n");
        let start_line = lines.next().unwrap_or_default().to_owned();
        let mut fields = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) =
                line.split_once(':').ok_or_else(|| format!("field without a colon: {line:?}"))?;
            fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
        Ok(Head { raw: raw.to_vec(), start_line, fields })
    }

    /// The first value of that field, whatever the case of its name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Every value of that field, in order.
    pub fn field_all(&self, name: &str) -> Vec<&str> {
        let wanted = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        wanted.map(|(_, v)| v.as_str()).collect()
    }

    /// Whether a comma-separated field has that element.
    pub fn lists(&self, name: &str, element: &str) -> bool {
        let values = self.field_all(name);
        values.iter().flat_map(|v| v.split(',')).any(|e| e.trim().eq_ignore_ascii_case(element))
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.start_line.split(' ').next().unwrap_or_default()
    }

    /// The target of a request as it was sent.
    pub fn target(&self) -> &str {
        self.start_line.split(' ').nth(1).unwrap_or_default()
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> Result<u16, String> {
        let bad = || format!("not a status line: {:?}", self.start_line);
        if !self.start_line.starts_with("HTTP/1.") {
            return Err(bad());
        }
        let digits = self.start_line.split(' ').nth(1).ok_or_else(bad)?;
        digits.parse().map_err(|_| bad())
    }

    /// How the body after this head is delimited. `answer_to` is the method asked with when this
    /// is an answer.
    pub(crate) fn framing(&self, answer_to: Option<&str>) -> Result<Framing, String> {
        if let Some(method) = answer_to {
            let status = self.status()?;
            if method == "HEAD" || status < 200 || status == 204 || status == 304 {
                return Ok(Framing::None);
            }
        }
        if self.lists("transfer-encoding", "chunked") {
            return Ok(Framing::Chunked);
        }
        match self.field("content-length") {
            Some(length) => length
                .parse()
                .map(Framing::Length)
                .map_err(|_| format!("not a content-length: {length:?}")),
            None if answer_to.is_some() => Ok(Framing::UntilClose),
            None => Ok(Framing::None),
        }
    }
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// One final answer, with the interim ones that came before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The head of the final answer.
    pub head: Head,
    /// The body, chunks joined.
    pub body: Vec<u8>,
    /// The fields after the last chunk.
    pub trailers: Vec<(String, String)>,
    /// The 1xx heads that came first, in order.
    pub interim: Vec<Head>,
}

impl Response {
    /// The first value of that field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `name=value` of the first cookie of that name that this answer sets, ready to be sent
    /// back.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let pairs = self.head.field_all("set-cookie").into_iter();
        let mut pairs = pairs.map(|cookie| cookie.split(';').next().unwrap_or_default().trim());
        pairs.find(|pair| pair.split('=').next() == Some(name)).map(str::to_owned)
    }

    /// Whether the connection may carry another request after this answer.
    pub fn keeps_alive(&self) -> bool {
        let old = self.head.start_line.starts_with("HTTP/1.0");
        if old {
            self.head.lists("connection", "keep-alive")
        } else {
            !self.head.lists("connection", "close")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_head_is_taken_apart_in_order() {
        let head = head("GET /x HTTP/1.1\r\nHost: a\r\nX-A:  1 \r\nx-a: 2\r\n\r\n");
        assert_eq!((head.method(), head.target()), ("GET", "/x"));
        assert_eq!(head.field("host"), Some("a"));
        assert_eq!(head.field_all("X-A"), ["1", "2"]);
        assert_eq!(head.framing(None), Ok(Framing::None));
    }

    #[test]
    fn framing_follows_method_status_and_fields() {
        let chunked = head("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
        assert_eq!(chunked.framing(Some("GET")), Ok(Framing::Chunked));
        assert_eq!(chunked.framing(Some("HEAD")), Ok(Framing::None));
        let plain = head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(plain.framing(Some("GET")), Ok(Framing::Length(5)));
        let unchanged = head("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(unchanged.framing(Some("GET")), Ok(Framing::None));
        assert_eq!(head("HTTP/1.1 200 OK\r\n\r\n").framing(Some("GET")), Ok(Framing::UntilClose));
        assert!(head("HTTP/2 x\r\n\r\n").framing(Some("GET")).is_err());
    }

    #[test]
    fn a_cookie_is_found_by_name() {
        let head = head("HTTP/1.1 200 OK\r\nSet-Cookie: A=1; Path=/\r\nSet-Cookie: B=2\r\n\r\n");
        let response = Response { head, ..Response::default() };
        assert_eq!(response.cookie("B").as_deref(), Some("B=2"));
        assert_eq!(response.cookie("C"), None);
    }
}
