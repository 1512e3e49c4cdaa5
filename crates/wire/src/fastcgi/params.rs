use super::refusal::LONG_PARAMS;
use crate::http1::Refusal;

/// How long the variables of a request may be together, unless said otherwise; httpd has the same
/// limit.
pub const PARAMS_BYTES: usize = 64 << 10;

/// The variables of one request, as name-value pairs (FastCGI section 3.4). Reuse it for the next
/// request after [`Params::clear`].
#[derive(Clone, Debug)]
pub struct Params {
    bytes: Vec<u8>,
    most: usize,
}

impl Default for Params {
    fn default() -> Params {
        Params::new(PARAMS_BYTES)
    }
}

impl Params {
    /// None yet; at most this many bytes, lengths included, and never more than 16 MiB.
    pub fn new(most: usize) -> Params {
        Params { bytes: Vec::new(), most: most.min(16 << 20) }
    }

    /// Forgets them but keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds one. A responder that gets a name twice may take either value.
    ///
    /// # Errors
    /// 431 when it does not fit; it is then left out.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        self.begin(name.len(), value.len())?;
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Adds a field of the request: `X-Some` becomes `HTTP_X_SOME`, its values are put together
    /// with `between`.
    pub(super) fn push_field<'v>(
        &mut self,
        name: &[u8],
        values: impl Iterator<Item = &'v [u8]> + Clone,
        between: &[u8],
    ) -> Result<(), Refusal> {
        let joined: usize = values.clone().map(|value| value.len() + between.len()).sum();
        self.begin(name.len() + 5, joined.saturating_sub(between.len()))?;
        self.bytes.extend_from_slice(b"HTTP_");
        self.bytes.extend(name.iter().map(|byte| match byte {
            b'-' => b'_',
            letter => letter.to_ascii_uppercase(),
        }));
        for (at, value) in values.enumerate() {
            self.bytes.extend_from_slice(if at == 0 { b"" } else { between });
            self.bytes.extend_from_slice(value);
        }
        Ok(())
    }

    /// The pairs as they are sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The two lengths, if there is room for what they announce.
    fn begin(&mut self, name: usize, value: usize) -> Result<(), Refusal> {
        let lengths = [name, value].map(|length| if length < 128 { 1 } else { 4 });
        let whole = lengths[0] + lengths[1] + name.saturating_add(value);
        if whole > self.most - self.bytes.len() {
            return Err(LONG_PARAMS);
        }
        for length in [name, value] {
            // At most 16 MiB, so the highest bit is free to say "four bytes".
            match u8::try_from(length) {
                Ok(short) if short < 128 => self.bytes.push(short),
                _ => self.bytes.extend_from_slice(&(length as u32 | 1 << 31).to_be_bytes()),
            }
        }
        Ok(())
    }
}
