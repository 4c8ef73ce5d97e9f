//! Copying and comparing memory, faster than musl's own ways.
//!
//! musl copies every length with `rep movsq`, which takes some thirty cycles to begin, and compares
//! byte by byte: too slow for the short names, rows and messages that most are. Where a program is
//! linked to it statically, the functions here take the place of its `memcpy`, `memmove` and
//! `memcmp`.
//!
//! ```text
//!   copied        0 to 128 bytes   all is read, then all is written: places may overlap
//!               129 to 511         blocks of 64 bytes
//!                from 512          the processor's own copying; blocks where places overlap
//!   compared     16 at a time, fewer than that in words
//! ```
//!
//! There is no library of it: musl leaves it to the program, and the compiler's own functions are
//! made for systems without a C library.

use std::arch::asm;
use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_storeu_si128,
};
use std::cmp::Ordering;

/// From here on the processor's own copying is faster than registers.
const LONG: usize = 512;

/// Copies the first and the last `size_of::<T>()` of `length` bytes, which may overlap.
///
/// # Safety
///
/// `length` bytes can be read at `from` and written at `to`, and are `size_of::<T>()` at least.
#[inline(always)]
unsafe fn both_ends<T: Copy>(to: *mut u8, from: *const u8, length: usize) {
    let back = length - size_of::<T>();
    // SAFETY: both places lie within the `length` bytes that the caller vouches for.
    unsafe {
        let (first, last) = (from.cast::<T>().read_unaligned(), from.add(back).cast::<T>());
        let last = last.read_unaligned();
        to.cast::<T>().write_unaligned(first);
        to.add(back).cast::<T>().write_unaligned(last);
    }
}

/// Reads 16 bytes.
///
/// # Safety
///
/// They can be read at `from`.
#[inline(always)]
unsafe fn read(from: *const u8) -> __m128i {
    // SAFETY: as the caller says; the instruction needs no alignment and is there on every x86-64.
    unsafe { _mm_loadu_si128(from.cast()) }
}

/// Writes 16 bytes.
///
/// # Safety
///
/// They can be written at `to`.
#[inline(always)]
unsafe fn write(to: *mut u8, bytes: __m128i) {
    // SAFETY: as for reading.
    unsafe { _mm_storeu_si128(to.cast(), bytes) };
}

/// Copies 64 bytes, all of which are read first.
///
/// # Safety
///
/// They can be read at `from` and written at `to`.
#[inline(always)]
unsafe fn block(to: *mut u8, from: *const u8) {
    // SAFETY: the caller's promise is the same.
    unsafe {
        let (a, b) = (read(from), read(from.add(16)));
        let (c, d) = (read(from.add(32)), read(from.add(48)));
        write(to, a);
        write(to.add(16), b);
        write(to.add(32), c);
        write(to.add(48), d);
    }
}

/// Copies up to 128 bytes, all of which are read before the first is written.
///
/// # Safety
///
/// `length` bytes, 128 at most, can be read at `from` and written at `to`.
#[inline(always)]
unsafe fn copy_short(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: each way has as many bytes as it copies from either end.
    unsafe {
        if length > 64 {
            let (end, target) = (from.add(length - 64), to.add(length - 64));
            let (a, b) = (read(end), read(end.add(16)));
            let (c, d) = (read(end.add(32)), read(end.add(48)));
            block(to, from);
            write(target, a);
            write(target.add(16), b);
            write(target.add(32), c);
            write(target.add(48), d);
        } else if length > 32 {
            let (end, target) = (from.add(length - 32), to.add(length - 32));
            let (a, b) = (read(from), read(from.add(16)));
            let (c, d) = (read(end), read(end.add(16)));
            write(to, a);
            write(to.add(16), b);
            write(target, c);
            write(target.add(16), d);
        } else if length >= 16 {
            let (first, last) = (read(from), read(from.add(length - 16)));
            write(to, first);
            write(to.add(length - 16), last);
        } else if length >= 8 {
            both_ends::<u64>(to, from, length);
        } else if length >= 4 {
            both_ends::<u32>(to, from, length);
        } else if length >= 2 {
            both_ends::<u16>(to, from, length);
        } else if length == 1 {
            to.write(from.read());
        }
    }
}

/// What `memcpy` is asked for.
///
/// # Safety
///
/// `length` bytes can be read at `from` and written at `to`, and the two do not overlap.
#[inline(always)]
unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the last block lies within `length` bytes as these are more than 128, and so do those
    // before it; `rep movsq` writes no more than `length` bytes upwards, as the direction is always
    // that of the ABI.
    unsafe {
        if length <= 128 {
            copy_short(to, from, length);
        } else if length < LONG {
            let mut done = 0;
            while done < length - 64 {
                block(to.add(done), from.add(done));
                done += 64;
                no_idiom();
            }
            block(to.add(length - 64), from.add(length - 64));
        } else {
            let last = from.add(length - 8).cast::<u64>().read_unaligned();
            asm!("rep movsq", inout("rcx") length / 8 => _, inout("rdi") to => _,
                inout("rsi") from => _, options(nostack, preserves_flags));
            to.add(length - 8).cast::<u64>().write_unaligned(last);
        }
    }
}

/// What `memmove` is asked for.
///
/// # Safety
///
/// `length` bytes can be read at `from` and written at `to`.
#[inline(always)]
unsafe fn shift(to: *mut u8, from: *const u8, length: usize) {
    let ahead = to.addr().wrapping_sub(from.addr());
    let apart = ahead >= length && ahead.wrapping_neg() >= length;
    // SAFETY: what is short is read first. Where the target begins within the source the end goes
    // first, block by block; where the source begins within the target, the start. What is left is
    // read where nothing has been written yet.
    unsafe {
        if length <= 128 {
            copy_short(to, from, length);
        } else if apart {
            copy(to, from, length);
        } else if ahead < length {
            let mut left = length;
            while left > 128 {
                left -= 64;
                block(to.add(left), from.add(left));
                no_idiom();
            }
            copy_short(to, from, left);
        } else {
            let mut done = 0;
            while length - done > 128 {
                block(to.add(done), from.add(done));
                done += 64;
                no_idiom();
            }
            copy_short(to.add(done), from.add(done), length - done);
        }
    }
}

/// Keeps the compiler from making a call of `memmove` out of the loop around it.
#[inline(always)]
fn no_idiom() {
    // SAFETY: no instruction at all.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}

/// What `memcmp` is asked for.
///
/// # Safety
///
/// `length` bytes can be read at either place.
#[inline(always)]
unsafe fn compare(left: *const u8, right: *const u8, length: usize) -> Ordering {
    // SAFETY: all that is read lies within `length` bytes: the last block, word or pair of them
    // ends with these and overlaps what was compared before.
    unsafe {
        if length >= 16 {
            let mut place = 0;
            loop {
                let (a, b) = (read(left.add(place)), read(right.add(place)));
                // One bit for each byte, in their order.
                let same = _mm_movemask_epi8(_mm_cmpeq_epi8(a, b));
                if same != 0xffff {
                    let first = place + (!same).trailing_zeros() as usize;
                    return left.add(first).read().cmp(&right.add(first).read());
                }
                if place == length - 16 {
                    return Ordering::Equal;
                }
                place = (place + 16).min(length - 16);
            }
        }
        if length >= 8 {
            let word = |from: *const u8, place| {
                u64::from_be(from.add(place).cast::<u64>().read_unaligned())
            };
            let first = word(left, 0).cmp(&word(right, 0));
            return first.then_with(|| word(left, length - 8).cmp(&word(right, length - 8)));
        }
        if length >= 4 {
            let word = |from: *const u8, place| {
                u32::from_be(from.add(place).cast::<u32>().read_unaligned())
            };
            let first = word(left, 0).cmp(&word(right, 0));
            return first.then_with(|| word(left, length - 4).cmp(&word(right, length - 4)));
        }
        for place in 0..length {
            let order = left.add(place).read().cmp(&right.add(place).read());
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}

/// C's `memcpy`.
///
/// # Safety
///
/// As C has it: `length` bytes can be read at `from` and written at `to`, and do not overlap.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise is the same.
    unsafe { copy(to, from, length) };
    to
}

/// C's `memmove`.
///
/// # Safety
///
/// As C has it: `length` bytes can be read at `from` and written at `to`.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller's promise is the same.
    unsafe { shift(to, from, length) };
    to
}

/// C's `memcmp`.
///
/// # Safety
///
/// As C has it: `length` bytes can be read at either place.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> i32 {
    // SAFETY: the caller's promise is the same.
    unsafe { compare(left, right, length) as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<u8> {
        (0..count).map(|number| (number * 7 + number / 256) as u8).collect()
    }

    #[test]
    fn every_length_is_copied_whole_and_nothing_else_is_touched() {
        let source = numbers(2048);
        for length in (0..=700).chain([1023, 1024, 2000]) {
            for (from, to) in [(0, 0), (1, 3), (7, 16), (16, 9)] {
                let mut target = vec![0xee; 2048 + 64];
                // SAFETY: `from + length` and `to + length` lie within the two vectors.
                unsafe { copy(target.as_mut_ptr().add(to), source.as_ptr().add(from), length) };
                assert_eq!(target[to..to + length], source[from..from + length], "{length}");
                assert!(target[..to].iter().all(|&byte| byte == 0xee), "{length}");
                assert!(target[to + length..].iter().all(|&byte| byte == 0xee), "{length}");
            }
        }
    }

    #[test]
    fn places_that_overlap_are_moved_as_if_they_did_not() {
        for length in (0..=400).chain([511, 512, 513, 1500]) {
            for distance in [0, 1, 2, 8, 15, 16, 63, 64, 65, 128, 300, 1600] {
                for (from, to) in [(0, distance), (distance, 0)] {
                    let before = numbers(4096);
                    let (mut moved, mut wanted) = (before.clone(), before);
                    wanted.copy_within(from..from + length, to);
                    let start = moved.as_mut_ptr();
                    // SAFETY: both places lie within the vector.
                    unsafe { shift(start.add(to), start.add(from), length) };
                    assert!(moved == wanted, "{length} from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn the_first_byte_that_differs_decides() {
        for length in 0..=70 {
            let left = numbers(length);
            // SAFETY: both are of that length, here and below.
            let compared = |right: &[u8]| unsafe { compare(left.as_ptr(), right.as_ptr(), length) };
            assert_eq!(compared(&left), Ordering::Equal, "{length}");
            for place in 0..length {
                for value in [0, 0x7f, 0x80, 0xff] {
                    let mut right = left.clone();
                    right[place] = value;
                    right[place + 1..].reverse();
                    let wanted = (0..length).find(|&at| left[at] != right[at]);
                    let wanted = wanted.map_or(Ordering::Equal, |at| left[at].cmp(&right[at]));
                    assert_eq!(compared(&right), wanted, "byte {place} of {length}");
                }
            }
        }
    }
}
