//! The engine's suites with a stricter look at what is received: where it would take a record of
//! TLS that the standards order to be refused, end without a word, or use another alert.

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{
    CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, InvalidMessage,
    PeerMisbehaved, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite,
};

/// The most that a record of TLS 1.3 may have (RFC 8446 section 5.2).
const RECORD_MAX: usize = (1 << 14) + 256;

/// The suite, with the look. Lives as long as the process, as the engine wants its suites.
pub(crate) fn strict(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    match suite {
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: Box::leak(Box::new(Strict {
                    engine: suite.aead_alg,
                    hash_len: suite.common.hash_provider.output_len(),
                })),
            })))
        }
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: Box::leak(Box::new(Strict {
                    engine: suite.aead_alg,
                    hash_len: suite.common.hash_provider.output_len(),
                })),
                quic: suite.quic,
            })))
        }
    }
}

fn common(of: &CipherSuiteCommon) -> CipherSuiteCommon {
    CipherSuiteCommon {
        suite: of.suite,
        hash_provider: of.hash_provider,
        confidentiality_limit: of.confidentiality_limit,
    }
}

struct Strict<A: ?Sized + 'static> {
    engine: &'static A,
    hash_len: usize,
}

impl Tls12AeadAlgorithm for Strict<dyn Tls12AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        self.engine.encrypter(key, iv, extra)
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        Box::new(Strict12(self.engine.decrypter(key, iv)))
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.engine.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.engine.extract_keys(key, iv, explicit)
    }

    fn fips(&self) -> bool {
        self.engine.fips()
    }
}

impl Tls13AeadAlgorithm for Strict<dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.engine.encrypter(key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Strict13 {
            engine: self.engine.decrypter(key, iv),
            hash_len: self.hash_len,
            message: Message::default(),
        })
    }

    fn key_len(&self) -> usize {
        self.engine.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.engine.extract_keys(key, iv)
    }

    fn fips(&self) -> bool {
        self.engine.fips()
    }
}

struct Strict12(Box<dyn MessageDecrypter>);

impl MessageDecrypter for Strict12 {
    fn decrypt<'a>(
        &mut self,
        record: InboundOpaqueMessage<'a>,
        number: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let plain = self.0.decrypt(record, number)?;
        if is_known(plain.typ) { Ok(plain) } else { Err(unexpected()) }
    }
}

struct Strict13 {
    engine: Box<dyn MessageDecrypter>,
    hash_len: usize,
    message: Message,
}

impl MessageDecrypter for Strict13 {
    fn decrypt<'a>(
        &mut self,
        record: InboundOpaqueMessage<'a>,
        number: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        // What is protected says so outside (RFC 8446 section 5.2), and nothing else is due.
        if record.typ != ContentType::ApplicationData {
            return Err(unexpected());
        }
        if record.payload.len() > RECORD_MAX {
            return Err(Error::PeerSentOversizedRecord);
        }
        let plain = self.engine.decrypt(record, number).map_err(|error| match error {
            // No content type within (RFC 8446 section 5.4).
            Error::PeerMisbehaved(PeerMisbehaved::IllegalTlsInnerPlaintext) => unexpected(),
            other => other,
        })?;
        // Only data may be empty (RFC 8446 section 5.4).
        let hollow = plain.payload.is_empty() && plain.typ != ContentType::ApplicationData;
        if hollow || !is_known(plain.typ) {
            return Err(unexpected());
        }
        match plain.typ {
            ContentType::Handshake => self.message.take(plain.payload, self.hash_len)?,
            // Nothing comes between the parts of a message (RFC 8446 section 5.1).
            _ if self.message.is_begun() => return Err(unexpected()),
            _ => {}
        }
        Ok(plain)
    }
}

/// How much of a handshake message has come (RFC 8446 section 4).
#[derive(Default)]
struct Message {
    header: [u8; 4],
    /// Bytes of the header.
    begun: usize,
    /// Bytes after it that are to come.
    left: usize,
}

impl Message {
    fn is_begun(&self) -> bool {
        self.begun > 0
    }

    /// Goes through the next bytes. A Finished that is not as long as the hash cannot be read (RFC
    /// 8446 sections 4.4.4 and 6.2); the engine would only find it wrong.
    fn take(&mut self, mut bytes: &[u8], hash_len: usize) -> Result<(), Error> {
        const FINISHED: u8 = 20;
        while let Some((&first, rest)) = bytes.split_first() {
            if self.begun < self.header.len() {
                self.header[self.begun] = first;
                self.begun += 1;
                bytes = rest;
                if self.begun < self.header.len() {
                    continue;
                }
                let [kind, a, b, c] = self.header;
                self.left = u32::from_be_bytes([0, a, b, c]) as usize;
                if kind == FINISHED && self.left != hash_len {
                    return Err(InvalidMessage::MissingData("Finished").into());
                }
            } else {
                let taken = bytes.len().min(self.left);
                self.left -= taken;
                bytes = &bytes[taken..];
            }
            if self.left == 0 {
                self.begun = 0;
            }
        }
        Ok(())
    }
}

/// Others must be refused (RFC 5246 section 6, RFC 8446 section 5).
fn is_known(kind: ContentType) -> bool {
    use ContentType::{Alert, ApplicationData, ChangeCipherSpec, Handshake};
    matches!(kind, ChangeCipherSpec | Alert | Handshake | ApplicationData)
}

/// The one error of a record that the engine answers with the alert `unexpected_message`.
fn unexpected() -> Error {
    PeerMisbehaved::IllegalMiddleboxChangeCipherSpec.into()
}

#[cfg(test)]
mod tests {
    use rustls::ProtocolVersion;

    use super::*;

    /// Takes the last byte of a record for the content type, and what comes before for the content.
    struct Clear;

    impl MessageDecrypter for Clear {
        fn decrypt<'a>(
            &mut self,
            record: InboundOpaqueMessage<'a>,
            _: u64,
        ) -> Result<InboundPlainMessage<'a>, Error> {
            match record.version {
                ProtocolVersion::TLSv1_3 => record.into_tls13_unpadded_message(),
                _ => Ok(record.into_plain_message()),
            }
        }
    }

    fn strict13() -> Strict13 {
        Strict13 { engine: Box::new(Clear), hash_len: 32, message: Message::default() }
    }

    fn refusal(
        look: &mut dyn MessageDecrypter,
        kind: u8,
        version: ProtocolVersion,
        payload: &[u8],
    ) -> Option<Error> {
        let mut payload = payload.to_vec();
        let record = InboundOpaqueMessage::new(kind.into(), version, &mut payload);
        look.decrypt(record, 0).err()
    }

    #[test]
    fn records_of_tls_1_3_are_what_the_standard_allows() {
        let largest = [&[0; 1 << 14][..], &[23]].concat();
        let too_large = vec![23; RECORD_MAX + 1];
        let cases: [(&str, u8, &[u8], Option<Error>); 14] = [
            ("data", 23, b"a\x17", None),
            ("padded data", 23, b"a\x17\0\0", None),
            ("empty data", 23, b"\x17", None),
            ("the largest data", 23, &largest, None),
            ("an alert", 23, b"\x01\0\x15", None),
            ("a handshake message", 23, b"\x18\0\0\x01\0\x16", None),
            ("5.2: too large", 23, &too_large, Some(Error::PeerSentOversizedRecord)),
            ("5.2: handshake in clear", 22, b"\x14\0\0\0", Some(unexpected())),
            ("5.4: no content type", 23, b"\0\0\0", Some(unexpected())),
            ("5.4: nothing at all", 23, b"", Some(unexpected())),
            ("5.4: an empty alert", 23, b"\x15", Some(unexpected())),
            ("5.4: an empty padded alert", 23, b"\x15\0\0", Some(unexpected())),
            ("5.4: an empty handshake message", 23, b"\x16", Some(unexpected())),
            ("5: heartbeat", 23, b"a\x18", Some(unexpected())),
        ];
        for (why, kind, payload, expected) in cases {
            let refused = refusal(&mut strict13(), kind, ProtocolVersion::TLSv1_3, payload);
            assert_eq!(refused, expected, "{why}");
        }
    }

    #[test]
    fn handshake_messages_are_whole_and_not_cut_by_others() {
        let finished = |len: u8, more: usize| [&[20, 0, 0, len][..], &vec![7; more]].concat();
        let unreadable = || Some(InvalidMessage::MissingData("Finished").into());
        // The kind and content of each record; the refusal of the last.
        type Records<'a> = Vec<(u8, &'a [u8])>;
        let (whole, short, long) = (finished(32, 32), finished(31, 31), finished(33, 33));
        let cases: [(&str, Records<'_>, Option<Error>); 10] = [
            ("whole", vec![(22, &whole), (23, b"a"), (22, &whole)], None),
            ("in parts", vec![(22, &whole[..1]), (22, &whole[1..9]), (22, &whole[9..])], None),
            (
                "an alert after all",
                vec![(22, &whole[..9]), (22, &whole[9..]), (21, b"\x01\0")],
                None,
            ),
            ("nothing in it", vec![(22, b"\x05\0\0\0"), (23, b"a")], None),
            ("two at once", vec![(22, b"\x05\0\0\0\x18\0\0\x01\0"), (23, b"a")], None),
            ("5.1: cut by data", vec![(22, &whole[..9]), (23, b"a")], Some(unexpected())),
            ("5.1: cut in its header", vec![(22, &whole[..1]), (23, b"a")], Some(unexpected())),
            ("5.1: cut by an alert", vec![(22, &whole[..9]), (21, b"\x01\0")], Some(unexpected())),
            ("4.4.4: too short", vec![(22, &short)], unreadable()),
            ("4.4.4: too long", vec![(22, &long[..2]), (22, &long[2..])], unreadable()),
        ];
        for (why, records, expected) in cases {
            let mut look = strict13();
            let mut last = None;
            for (kind, content) in records {
                assert_eq!(last, None, "{why}");
                let payload = [content, &[kind]].concat();
                last = refusal(&mut look, 23, ProtocolVersion::TLSv1_3, &payload);
            }
            assert_eq!(last, expected, "{why}");
        }
    }

    #[test]
    fn records_of_tls_1_2_are_of_known_kinds() {
        for kind in 0..=255 {
            let refused =
                refusal(&mut Strict12(Box::new(Clear)), kind, ProtocolVersion::TLSv1_2, b"a");
            let expected = (!(20..=23).contains(&kind)).then(unexpected);
            assert_eq!(refused, expected, "RFC 5246 section 6: {kind}");
        }
    }
}
