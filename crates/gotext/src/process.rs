//! How processes end, in Go's words.

use std::process::ExitStatus;

/// How a process ended that did not succeed: `exit status 3`, `signal: killed`.
pub fn exit_failure(status: ExitStatus) -> Option<String> {
    if status.success() {
        return None;
    }
    Some(signal(status).unwrap_or_else(|| format!("exit status {}", status.code().unwrap_or(-1))))
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;

    let words = match status.signal()? {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => &format!("signal {other}"),
    };
    let core = if status.core_dumped() { " (core dumped)" } else { "" };
    Some(format!("signal: {words}{core}"))
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<String> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn ends_are_told_in_gos_words() {
        for (raw, text) in [
            (0, None),
            (3 << 8, Some("exit status 3")),
            (15, Some("signal: terminated")),
            (11 | 0x80, Some("signal: segmentation fault (core dumped)")),
            (64, Some("signal: signal 64")),
        ] {
            assert_eq!(exit_failure(ExitStatus::from_raw(raw)).as_deref(), text);
        }
    }
}
