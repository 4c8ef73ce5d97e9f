//! Random bytes of the operating system: for nonces and seeds, never for anything that a test has
//! to repeat.

/// Fills the buffer.
pub(crate) fn fill(bytes: &mut [u8]) {
    // The system's generator cannot fail once the process has started; a nonce that is not random
    // must never be used, so there is nothing to fall back to.
    // (Asked directly: the generator of the cryptographic library gathers entropy of its own for
    // 40 ms of processor time before its first byte, ten times what the rest of a start takes.)
    getrandom::fill(bytes).expect("the system's random generator works");
}

/// A random 16-bit number.
pub(crate) fn u16() -> u16 {
    let mut bytes = [0; 2];
    fill(&mut bytes);
    u16::from_ne_bytes(bytes)
}

/// A random 64-bit number.
pub(crate) fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}
