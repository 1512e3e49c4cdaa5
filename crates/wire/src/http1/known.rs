/// Field names the balancer has an opinion about, recognised while the head is parsed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "each is the field of that name, written in CamelCase")]
pub enum Known {
    /// Any other name.
    #[default]
    Other,
    AcceptEncoding,
    Authorization,
    CacheControl,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentRange,
    ContentType,
    Cookie,
    Date,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    Location,
    MaxForwards,
    ProxyAuthenticate,
    ProxyAuthenticationInfo,
    ProxyAuthorization,
    ProxyConnection,
    Referer,
    Server,
    SetCookie,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    Via,
    WwwAuthenticate,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XRealIp,
    XRequestId,
}

impl Known {
    /// Which name this is, whatever its case. `name` must be a token (RFC 9110 section 5.6.2).
    #[inline]
    pub fn of(name: &[u8]) -> Known {
        let Some(first) = name.first() else { return Known::Other };
        // Length and first letter leave one candidate, seldom two; a miss costs no comparison.
        match (name.len(), first | 0x20) {
            (2, b't') => one(name, b"te", Known::Te),
            (3, b'v') => one(name, b"via", Known::Via),
            (4, b'h') => one(name, b"host", Known::Host),
            (4, b'd') => one(name, b"date", Known::Date),
            (6, b'c') => one(name, b"cookie", Known::Cookie),
            (6, b's') => one(name, b"server", Known::Server),
            (6, b'e') => one(name, b"expect", Known::Expect),
            (7, b'u') => one(name, b"upgrade", Known::Upgrade),
            (7, b't') => one(name, b"trailer", Known::Trailer),
            (7, b'r') => one(name, b"referer", Known::Referer),
            (8, b'l') => one(name, b"location", Known::Location),
            (9, b'f') => one(name, b"forwarded", Known::Forwarded),
            (9, b'x') => one(name, b"x-real-ip", Known::XRealIp),
            (10, b'c') => one(name, b"connection", Known::Connection),
            (10, b'k') => one(name, b"keep-alive", Known::KeepAlive),
            (10, b's') => one(name, b"set-cookie", Known::SetCookie),
            (10, b'u') => one(name, b"user-agent", Known::UserAgent),
            (12, b'c') => one(name, b"content-type", Known::ContentType),
            (12, b'm') => one(name, b"max-forwards", Known::MaxForwards),
            (12, b'x') => one(name, b"x-request-id", Known::XRequestId),
            (13, b'a') => one(name, b"authorization", Known::Authorization),
            (13, b'c') => first_of(
                one(name, b"cache-control", Known::CacheControl),
                one(name, b"content-range", Known::ContentRange),
            ),
            (14, b'c') => one(name, b"content-length", Known::ContentLength),
            (14, b'h') => one(name, b"http2-settings", Known::Http2Settings),
            (15, b'a') => one(name, b"accept-encoding", Known::AcceptEncoding),
            (15, b'x') => one(name, b"x-forwarded-for", Known::XForwardedFor),
            _ => Known::long(name),
        }
    }

    fn long(name: &[u8]) -> Known {
        match (name.len(), name.first().map_or(0, |first| first | 0x20)) {
            (16, b'c') => one(name, b"content-encoding", Known::ContentEncoding),
            (16, b'p') => one(name, b"proxy-connection", Known::ProxyConnection),
            (16, b'w') => one(name, b"www-authenticate", Known::WwwAuthenticate),
            (16, b'x') => first_of(
                one(name, b"x-forwarded-host", Known::XForwardedHost),
                one(name, b"x-forwarded-port", Known::XForwardedPort),
            ),
            (17, b't') => one(name, b"transfer-encoding", Known::TransferEncoding),
            (17, b'x') => one(name, b"x-forwarded-proto", Known::XForwardedProto),
            (18, b'p') => one(name, b"proxy-authenticate", Known::ProxyAuthenticate),
            (19, b'p') => one(name, b"proxy-authorization", Known::ProxyAuthorization),
            (25, b'p') => one(name, b"proxy-authentication-info", Known::ProxyAuthenticationInfo),
            _ => Known::Other,
        }
    }

    /// Whether the field speaks to the next hop only and is never passed on as it stands
    /// (RFC 9110 section 7.6.1).
    ///
    /// Beyond that section's list: `Trailer` and `HTTP2-Settings`, which describe the message as
    /// it was framed on this connection, and the `Proxy-Auth…` fields (section 11.7), which belong
    /// to a proxy the client chose: a member can neither ask for them nor be shown them.
    #[inline]
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Known::Connection
                | Known::Http2Settings
                | Known::KeepAlive
                | Known::ProxyAuthenticate
                | Known::ProxyAuthenticationInfo
                | Known::ProxyAuthorization
                | Known::ProxyConnection
                | Known::Te
                | Known::Trailer
                | Known::TransferEncoding
                | Known::Upgrade
        )
    }
}

/// Compares without branches. Setting bit 5 makes letters small and maps no other token byte onto
/// a letter, a digit or `-`, of which `lower` consists.
#[inline]
fn one<const N: usize>(name: &[u8], lower: &[u8; N], known: Known) -> Known {
    let Ok(name) = <&[u8; N]>::try_from(name) else { return Known::Other };
    let mut difference = 0;
    for (byte, want) in name.iter().zip(lower) {
        difference |= (byte | 0x20) ^ want;
    }
    if difference == 0 { known } else { Known::Other }
}

#[inline]
fn first_of(a: Known, b: Known) -> Known {
    if a == Known::Other { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::Known;

    #[test]
    fn names_are_known_in_any_case_and_only_whole() {
        assert_eq!(Known::of(b"HOST"), Known::Host);
        assert_eq!(Known::of(b"transfer-Encoding"), Known::TransferEncoding);
        assert_eq!(Known::of(b"Content-Range"), Known::ContentRange);
        assert_eq!(Known::of(b"cache-control"), Known::CacheControl);
        assert_eq!(Known::of(b"X-Forwarded-Port"), Known::XForwardedPort);
        assert_eq!(Known::of(b"Proxy-Authentication-Info"), Known::ProxyAuthenticationInfo);
        assert_eq!(Known::of(b"Content_Length"), Known::Other);
        assert_eq!(Known::of(b"Hos"), Known::Other);
        assert_eq!(Known::of(b""), Known::Other);
    }

    #[test]
    fn no_other_token_byte_passes_for_a_letter() {
        for place in 0..14 {
            for byte in (0..=255).filter(|&byte| crate::http1::chars::is_token(byte)) {
                let mut name = *b"http2-settings";
                let same = byte.eq_ignore_ascii_case(&name[place]);
                name[place] = byte;
                assert_eq!(Known::of(&name) == Known::Http2Settings, same, "{byte:#x}");
            }
        }
    }
}
