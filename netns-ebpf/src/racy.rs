//! Values in shared memory that several CPUs read and write at the same time.

/// A value in shared memory. Up to eight bytes are read and written whole; of a larger value a
/// reader may see a part that is new and a part that is old. No lock and no order is implied:
/// whoever needs either takes the lock of the value.
#[derive(Clone, Copy)]
pub(crate) struct Racy<T>(*mut T);

impl<T: Copy> Racy<T> {
    /// The word at a pointer. Use [`racy!`](crate::racy).
    ///
    /// # Safety
    /// The pointer is aligned and valid to read and, if it is written, to write.
    #[inline(always)]
    pub(crate) const unsafe fn at(pointer: *mut T) -> Self {
        Self(pointer)
    }

    /// The word as one of another type.
    #[inline(always)]
    pub(crate) const fn cast<U: Copy>(self) -> Racy<U> {
        Racy(self.0.cast())
    }

    #[inline(always)]
    pub(crate) fn get(self) -> T {
        // SAFETY: as `at` was promised. Volatile: the compiler reads it once, here.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    pub(crate) fn set(self, value: T) {
        // SAFETY: as `at` was promised. Volatile: the compiler writes it once, here.
        unsafe { self.0.write_volatile(value) };
    }
}

/// A value in a map as a [`Racy`] word, `racy!(*pointer)`, or a field of it,
/// `racy!(pointer, field.of.it)`.
macro_rules! racy {
    (*$pointer:expr) => {{
        let pointer = $pointer;
        // SAFETY: the pointer is that of a map look-up, of a callback's argument or of a reference.
        // The verifier checks each access in each program: it is valid until the program ends.
        unsafe { $crate::racy::Racy::at(pointer) }
    }};
    ($pointer:expr, $($field:tt)+) => {{
        let pointer = $pointer;
        // SAFETY: as above.
        unsafe { $crate::racy::Racy::at((&raw const (*pointer).$($field)+).cast_mut()) }
    }};
}
pub(crate) use racy;
