//! What is held in memory. A process of its own: others would change the figures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use gossip::SharedBytes;

/// Resident memory of this process, in KiB.
fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_nobody_holds_takes_no_memory() {
    let before = resident_kib();
    let mut all: Vec<SharedBytes> = (0..64).map(|_| SharedBytes::default()).collect();
    for shared in &mut all {
        let held = shared.share(vec![7; 1 << 20]);
        assert_eq!(shared.get().unwrap().as_ptr(), held.as_ptr(), "shared while it is held");
        drop(held);
        assert_eq!(shared.get(), None);
    }
    let grown = resident_kib() - before;
    assert!(grown < 16 << 10, "{grown} KiB");
}
