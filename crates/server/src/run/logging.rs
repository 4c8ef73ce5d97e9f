//! Where the log goes: standard output, a file, syslog.

use agent::log::{Level, Line, Log, Sink};
use agent::output::Output;
use agent::syslog::{Facility, Syslog};
use settings::{Failure, LogLevel, LogSettings};

use super::log_file::LogFile;

/// The name under which syslog files lines.
const PROGRAM: &str = "consul";

/// Standard output and the file.
struct Places {
    output: Output,
    file: Option<LogFile>,
    json: bool,
}

impl Sink for Places {
    fn write(&mut self, line: &Line) {
        let json = line.record.as_ref().filter(|_| self.json).map(|record| record.json());
        let text = json.as_deref().unwrap_or(&line.text);
        self.output.plain(text);
        if let Some(file) = &mut self.file {
            file.write(text);
        }
    }
}

/// The log, and why there is no syslog if there is to be one: the agent runs without.
pub(super) struct Logging {
    pub(super) log: Log,
    pub(super) no_syslog: Option<String>,
}

impl Logging {
    /// Opens the log. Its gate is closed.
    pub(super) fn open(settings: &LogSettings, output: &Output) -> Result<Self, Failure> {
        let level = of_log(settings.level()?);
        let failed = |why: String| Failure {
            message: format!("Failed to setup logging: {why}"),
            hint: None,
        };
        let file = LogFile::open(settings).map_err(failed)?;
        let mut no_syslog = None;
        let mut syslog: Option<Box<dyn Sink>> = None;
        if settings.syslog {
            let facility = Facility::parse(&settings.syslog_facility)
                .map_err(|why| Failure { message: why.message, hint: why.hint })?;
            match Syslog::connect(facility, PROGRAM) {
                Ok(found) => syslog = Some(Box::new(found)),
                Err(why) => no_syslog = Some(why.message),
            }
        }
        let places = Places { output: output.clone(), file, json: settings.json };
        Ok(Self { log: Log::consul(level, Box::new(places), syslog), no_syslog })
    }
}

pub(super) fn of_log(level: LogLevel) -> Level {
    match level {
        LogLevel::Trace => Level::Trace,
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Err,
    }
}
