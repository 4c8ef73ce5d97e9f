//! The pages of the program itself, which the system hands out generously and never takes back.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;

use rustix::mm::{Advice, madvise};

/// Lets go of every page of code and constants. What runs next is mapped again from the system's
/// copy of the file, at the price of a minor fault for 64 KiB.
///
/// # Errors
///
/// Those of reading `/proc/self`; nothing is lost then.
#[allow(unsafe_code)]
pub(crate) fn forget_idle_pages() -> io::Result<()> {
    let program = std::fs::read_link("/proc/self/exe")?;
    let smaps = BufReader::new(File::open("/proc/self/smaps")?);
    for range in untouched(smaps, &program.to_string_lossy())? {
        let start = std::ptr::with_exposed_provenance_mut(range.start);
        // SAFETY: the range is a mapping of the program's own file: private, not writable, and
        // without a page that differs from the file (see `untouched`). Whoever reads a page after
        // this gets the same bytes again, from the file. The program's mappings are made before
        // `main` and stay as they are until the end (libraries may come and go, which is why they
        // are left alone), so that the range is still what was read.
        unsafe { madvise(start, range.len(), Advice::LinuxDontNeed)? };
    }
    Ok(())
}

/// The mappings of that file in which every page is as in the file: private ones that cannot be
/// written, and of which no page is, or was when it was swapped out, this process's own copy.
/// Relocated constants are such copies.
fn untouched(smaps: impl BufRead, file: &str) -> io::Result<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in smaps.lines() {
        let line = line?;
        let mut words = line.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match first {
            "Anonymous:" | "Swap:" if second != "0" => current = None,
            // The last line of a mapping.
            "VmFlags:" => found.extend(current.take()),
            _ if first.ends_with(':') => {}
            _ => {
                let is_of_file =
                    line.strip_suffix(file).is_some_and(|rest| rest.ends_with([' ', '\t']));
                let is_fixed = matches!(second, "r--p" | "r-xp");
                current = range(first).filter(|_| is_of_file && is_fixed);
            }
        }
    }
    Ok(found)
}

fn range(text: &str) -> Option<Range<usize>> {
    let (start, end) = text.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some(number(start)?..number(end)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_is_as_in_the_file_is_let_go_of() {
        let mapping = |head: &str, anonymous: u32, swap: u32| {
            format!(
                "{head}\nSize: 8 kB\nAnonymous: {anonymous} kB\nSwap: {swap} kB\nVmFlags: rd mr\n"
            )
        };
        let smaps = [
            mapping("1000-3000 r--p 00000000 fe:00 7    /bin/serf", 0, 0),
            mapping("3000-9000 r-xp 00002000 fe:00 7    /bin/serf", 0, 0),
            mapping("9000-a000 r--p 00008000 fe:00 7    /bin/serf", 4, 0),
            mapping("a000-b000 r--p 00009000 fe:00 7    /bin/serf", 0, 4),
            mapping("b000-c000 rw-p 0000a000 fe:00 7    /bin/serf", 0, 0),
            mapping("c000-d000 r--s 00000000 fe:00 7    /bin/serf", 0, 0),
            mapping("c000-d000 r--p 00000000 fe:00 8    /usr/bin/serf", 0, 0),
            mapping("d000-e000 r--p 00000000 00:00 0    [vvar]", 0, 0),
            mapping("e000-f000 r--p 00000000 00:00 0 ", 0, 0),
        ];
        let found = untouched(smaps.concat().as_bytes(), "/bin/serf").unwrap();
        assert_eq!(found, [0x1000..0x3000, 0x3000..0x9000]);
    }

    #[test]
    fn the_program_runs_on() {
        let own = BufReader::new(File::open("/proc/self/smaps").unwrap());
        let program = std::env::current_exe().unwrap();
        assert!(!untouched(own, program.to_str().unwrap()).unwrap().is_empty());
        forget_idle_pages().unwrap();
        forget_idle_pages().unwrap();
    }
}
