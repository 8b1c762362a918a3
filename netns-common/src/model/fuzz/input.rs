//! The bytes of an input as a source of decisions.

/// The rest of an input. After its end it continues with zeroes, so that every input is valid. The
/// meaning of a byte does not depend on the bytes after it, so that a mutation of one step does not
/// change the steps before it.
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

    /// The next bytes unchanged, at most `length`.
    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    /// True `in_256` times of 256.
    pub(super) fn chance(&mut self, in_256: u8) -> bool {
        // A zero, as after the end of the input, never selects the unusual case.
        u8::MAX - self.byte() < in_256
    }

    /// One of several choices, of which there must be at least one.
    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// One of several choices, or now and then any number.
    pub(super) fn of_or_any(&mut self, choices: &[u16]) -> u16 {
        if self.chance(16) { self.word() } else { self.of(choices) }
    }
}
