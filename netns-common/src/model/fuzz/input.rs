//! Bytes that are decisions.

/// What is left of an input. Behind its end there are only zeroes, so that each input means
/// something; a byte means the same whatever stands behind it, so that a mutation of one step
/// leaves the steps before it alone.
#[derive(Debug)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// At most so many bytes as they are.
    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    /// True `in_256` times of 256.
    pub(super) fn chance(&mut self, in_256: u8) -> bool {
        // Nothing is not a decision for the unusual.
        u8::MAX - self.byte() < in_256
    }

    /// One of several, which are not none.
    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// One of several, or now and then any number.
    pub(super) fn of_or_any(&mut self, choices: &[u16]) -> u16 {
        if self.chance(16) { self.word() } else { self.of(choices) }
    }
}
