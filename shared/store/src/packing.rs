//! Bytes of packed items: a format number, varints, and byte strings that share a prefix with the one before.

/// Number of the format; another one is refused.
const FORMAT: u8 = 1;

/// The bytes are not of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("packed bytes are malformed")]
pub(crate) struct Malformed;

/// Writes a packed item.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![FORMAT], last: Vec::new() }
    }

    /// LEB128.
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A string of at most 22 bytes: one byte of lengths (shared with the one before, then own) where both fit into 4 bits, else two.
    pub(crate) fn prefixed(&mut self, value: &[u8]) {
        let shared = self.last.iter().zip(value).take_while(|(a, b)| a == b).count();
        let own = value.len() - shared;
        if shared < 15 && own < 16 {
            self.bytes.push((shared as u8) << 4 | own as u8);
        } else {
            self.bytes.extend([0xf0, shared as u8, own as u8]);
        }
        self.bytes.extend(&value[shared..]);
        self.last = value.to_vec();
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a packed item.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    last: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match bytes.split_first() {
            Some((&FORMAT, bytes)) => Ok(Self { bytes, last: Vec::new() }),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    pub(crate) fn varint_u32(&mut self) -> Result<u32, Malformed> {
        self.varint()?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn prefixed(&mut self, bytes_max: usize) -> Result<Vec<u8>, Malformed> {
        let lengths = self.byte()?;
        let (shared, own) = match lengths {
            0xf0 => (usize::from(self.byte()?), usize::from(self.byte()?)),
            both => (usize::from(both >> 4), usize::from(both & 0x0f)),
        };
        if shared > self.last.len() || shared + own > bytes_max || own > self.bytes.len() {
            return Err(Malformed);
        }
        let (own, rest) = self.bytes.split_at(own);
        self.bytes = rest;
        self.last.truncate(shared);
        self.last.extend(own);
        Ok(self.last.clone())
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.bytes.split_first().ok_or(Malformed)?;
        self.bytes = rest;
        Ok(*byte)
    }
}
