/// The method of a request (RFC 9110 section 9; `PATCH`: RFC 5789). Methods are case-sensitive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "each is the method of that name")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Any other token; its text is the head's `method_span`.
    Other,
}

impl Method {
    /// Which method this is.
    #[inline]
    pub fn of(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            _ => Method::Other,
        }
    }

    /// Whether it asks for nothing to change (RFC 9110 section 9.2.1).
    pub fn safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options | Method::Trace)
    }

    /// Whether it may be sent a second time without further effect (RFC 9110 section 9.2.2).
    pub fn idempotent(self) -> bool {
        self.safe() || matches!(self, Method::Put | Method::Delete)
    }
}
