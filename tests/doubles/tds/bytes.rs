//! Reading what a client sent, piece by piece.

/// What is left of a message. Nothing is read past its end.
pub struct Reader<'m>(pub &'m [u8]);

impl<'m> Reader<'m> {
    pub fn take(&mut self, length: usize) -> Result<&'m [u8], String> {
        let short = || format!("a message ends {length} bytes too early");
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| "a length that is wrong".to_owned())
    }

    pub fn u8(&mut self) -> Result<u8, String> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    /// So many UTF-16 units.
    pub fn utf16(&mut self, units: usize) -> Result<String, String> {
        utf16(self.take(units * 2)?)
    }

    /// Text behind a length of one byte.
    pub fn short_text(&mut self) -> Result<String, String> {
        let units = self.u8()?;
        self.utf16(units.into())
    }

    /// Steps over the headers that stand before a request.
    pub fn skip_headers(&mut self) -> Result<(), String> {
        let length = self.u32()? as usize;
        let rest = length.checked_sub(4).ok_or("headers that are too short")?;
        self.take(rest).map(drop)
    }
}

/// Text of little-endian UTF-16.
pub fn utf16(bytes: &[u8]) -> Result<String, String> {
    let whole = bytes.len().is_multiple_of(2).then(|| units(bytes));
    let text = whole.and_then(|units| String::from_utf16(&units).ok());
    text.ok_or_else(|| "text that is no UTF-16".to_owned())
}

/// The units of little-endian UTF-16.
pub fn units(bytes: &[u8]) -> Vec<u16> {
    let units = bytes.chunks_exact(2);
    units
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .collect()
}

/// Little-endian UTF-16 of text.
pub fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
