/// The types of TLVs that have a registered meaning.
pub mod kind {
    /// The protocol negotiated by ALPN.
    pub const ALPN: u8 = 0x01;
    /// The host name the client asked for (SNI).
    pub const AUTHORITY: u8 = 0x02;
    /// A checksum of the header.
    pub const CRC32C: u8 = 0x03;
    /// Padding.
    pub const NOOP: u8 = 0x04;
    /// An id of the connection, at most 128 bytes.
    pub const UNIQUE_ID: u8 = 0x05;
    /// What was negotiated in TLS; see [`Ssl`](super::Ssl).
    pub const SSL: u8 = 0x20;
    /// Inside `SSL`: the version, as text.
    pub const SSL_VERSION: u8 = 0x21;
    /// Inside `SSL`: the common name of the client's certificate.
    pub const SSL_CN: u8 = 0x22;
    /// Inside `SSL`: the cipher, as text.
    pub const SSL_CIPHER: u8 = 0x23;
    /// Inside `SSL`: the signature algorithm of the server's certificate.
    pub const SSL_SIG_ALG: u8 = 0x24;
    /// Inside `SSL`: the key algorithm of the server's certificate.
    pub const SSL_KEY_ALG: u8 = 0x25;
    /// The network namespace.
    pub const NETNS: u8 = 0x30;
}

/// One TLV.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tlv<'a> {
    /// Its type, see [`kind`].
    pub kind: u8,
    /// Its value.
    pub value: &'a [u8],
}

/// The TLVs of a header, in order; ends early at one that does not fit.
#[derive(Clone, Debug)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Tlvs<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Tlvs<'a> {
        Tlvs { rest }
    }

    /// The value of the first TLV of that type.
    pub fn find(mut self, kind: u8) -> Option<&'a [u8]> {
        Iterator::find(&mut self, |tlv| tlv.kind == kind).map(|tlv| tlv.value)
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let [kind, high, low, rest @ ..] = self.rest else { return None };
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
        self.rest = rest;
        Some(Tlv { kind: *kind, value })
    }
}

/// What the sender says about the client's TLS.
#[derive(Clone, Debug)]
pub struct Ssl<'a> {
    /// Whether the client used TLS (bit 0), gave a certificate on this connection (bit 1), or in
    /// this session (bit 2).
    pub client: u8,
    /// 0 when a certificate was given and found good.
    pub verify: u32,
    /// The TLVs inside.
    pub tlvs: Tlvs<'a>,
}

impl<'a> Ssl<'a> {
    /// From the value of an `SSL` TLV; `None` if it is too short.
    pub fn parse(value: &'a [u8]) -> Option<Ssl<'a>> {
        let [client, a, b, c, d, rest @ ..] = value else { return None };
        let verify = u32::from_be_bytes([*a, *b, *c, *d]);
        Some(Ssl { client: *client, verify, tlvs: Tlvs::new(rest) })
    }
}
