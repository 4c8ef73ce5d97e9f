//! Log lines for the local syslog.
//!
//! Specification "Serf agent", section 6. A syslog that does not keep up or goes away loses
//! lines; it never holds the member up.

use crate::config::Failure;
use crate::log::{Level, Line, Sink};
use crate::platform::LocalDatagrams;

/// A facility by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

const FACILITIES: [(&str, u8); 20] = [
    ("KERN", 0),
    ("USER", 1),
    ("MAIL", 2),
    ("DAEMON", 3),
    ("AUTH", 4),
    ("SYSLOG", 5),
    ("LPR", 6),
    ("NEWS", 7),
    ("UUCP", 8),
    ("CRON", 9),
    ("AUTHPRIV", 10),
    ("FTP", 11),
    ("LOCAL0", 16),
    ("LOCAL1", 17),
    ("LOCAL2", 18),
    ("LOCAL3", 19),
    ("LOCAL4", 20),
    ("LOCAL5", 21),
    ("LOCAL6", 22),
    ("LOCAL7", 23),
];

impl Facility {
    /// From any case.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub fn parse(text: &str) -> Result<Facility, Failure> {
        let known = FACILITIES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
        known.map(|(_, number)| Facility(*number)).ok_or_else(|| {
            Failure::new(format!("Syslog setup failed: invalid syslog facility: {text}"))
                .hint("'syslog_facility' is one of LOCAL0 to LOCAL7, DAEMON, USER and the like")
        })
    }
}

/// The datagram of a line: priority, time, program and process, then what stands behind the level.
fn datagram(
    facility: Facility,
    line: &Line,
    time: &str,
    (program, process): (&str, u32),
) -> String {
    let severity = match line.level {
        Level::Trace => 7,
        Level::Debug => 6,
        Level::Info => 5,
        Level::Warn => 4,
        Level::Err => 3,
    };
    let priority = facility.0 * 8 + severity;
    let text = line.text.split_once("] ").map_or(&*line.text, |(_, text)| text);
    // Consul's levels have a column of their own width.
    let text = text.trim_start_matches(' ');
    format!("<{priority}>{time} {program}[{process}]: {text}\n")
}

/// Where the system's syslog listens, the first that answers.
const PATHS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/// A connection to the local syslog.
pub struct Syslog {
    facility: Facility,
    program: &'static str,
    socket: LocalDatagrams,
}

impl Syslog {
    /// Connects, as a program of this name.
    ///
    /// # Errors
    ///
    /// No syslog listens on this machine.
    pub fn connect(facility: Facility, program: &'static str) -> Result<Syslog, Failure> {
        Self::connect_to(facility, program, &PATHS).ok_or_else(|| {
            Failure::new("Syslog setup failed: Unix syslog delivery error")
                .hint("no syslog listens on this machine; start one, or leave 'enable_syslog' out")
        })
    }

    fn connect_to(facility: Facility, program: &'static str, paths: &[&str]) -> Option<Syslog> {
        let socket = paths.iter().find_map(|path| LocalDatagrams::connect(path.as_ref()).ok())?;
        Some(Syslog { facility, program, socket })
    }
}

impl Sink for Syslog {
    fn write(&mut self, line: &Line) {
        let time = chrono::Local::now().format("%b %e %H:%M:%S").to_string();
        let datagram = datagram(self.facility, line, &time, (self.program, std::process::id()));
        if let Err(error) = self.socket.send(datagram.as_bytes())
            && error.kind() != std::io::ErrorKind::WouldBlock
        {
            // It was probably restarted, under the same name.
            if let Some(again) = Self::connect_to(self.facility, self.program, &PATHS) {
                let _ = again.socket.send(datagram.as_bytes());
                *self = again;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;

    fn line(level: Level, text: &str) -> Line {
        Line { level, text: Arc::from(text), record: None }
    }

    #[test]
    fn datagrams_have_the_recorded_form() {
        let local0 = Facility::parse("local0").unwrap();
        let at = "Nov 22 12:20:39";
        for (level, text, expected) in [
            (
                Level::Info,
                "2026/11/22 12:20:39 [INFO] agent: Serf agent starting",
                "<133>Nov 22 12:20:39 serf[7]: agent: Serf agent starting\n",
            ),
            (Level::Trace, "t [TRACE] x", "<135>Nov 22 12:20:39 serf[7]: x\n"),
            (Level::Debug, "t [DEBUG] a: [b] c", "<134>Nov 22 12:20:39 serf[7]: a: [b] c\n"),
            (Level::Warn, "t [WARN] a:\n\t* b\n", "<132>Nov 22 12:20:39 serf[7]: a:\n\t* b\n\n"),
            (Level::Err, "t [ERR] x", "<131>Nov 22 12:20:39 serf[7]: x\n"),
        ] {
            assert_eq!(datagram(local0, &line(level, text), at, ("serf", 7)), expected);
        }
        let daemon = Facility::parse("Daemon").unwrap();
        assert!(
            datagram(daemon, &line(Level::Info, "t [INFO] x"), at, ("serf", 7)).starts_with("<29>")
        );
    }

    #[test]
    fn an_unknown_facility_is_refused() {
        assert_eq!(
            Facility::parse("FOO").unwrap_err().message,
            "Syslog setup failed: invalid syslog facility: FOO"
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_first_socket_that_answers_is_taken() {
        let path = std::env::temp_dir().join(format!("tribune-syslog-{}", std::process::id()));
        let listener = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let local1 = Facility::parse("LOCAL1").unwrap();
        let mut syslog =
            Syslog::connect_to(local1, "serf", &["/nonexistent", path.to_str().unwrap()]).unwrap();
        syslog.write(&line(Level::Info, "t [INFO] agent: hello"));
        let mut buffer = [0; 200];
        let length = listener.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(text.starts_with("<141>") && text.ends_with("]: agent: hello\n"), "{text}");
        std::fs::remove_file(path).unwrap();
        assert!(Syslog::connect_to(local1, "serf", &["/nonexistent"]).is_none());
    }
}
