#![allow(clippy::unwrap_used)]

use super::*;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tribune-log-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings(file: PathBuf, bytes: Option<u64>, kept: i64) -> LogSettings {
    LogSettings {
        level_name: "INFO".into(),
        json: false,
        file: Some(file),
        rotate_bytes: bytes,
        rotate_duration: Duration::from_secs(24 * 3600),
        rotate_max_files: kept,
        syslog: false,
        syslog_facility: String::new(),
    }
}

#[test]
fn a_directory_gets_a_file_and_as_many_older_ones_as_wanted() {
    let scratch = Scratch::new("directory");
    std::fs::write(scratch.0.join("consul-keep.log"), "not ours").unwrap();
    let mut log = LogFile::open(&settings(scratch.0.clone(), Some(10), 2)).unwrap().unwrap();
    for number in 0..6 {
        log.write(&format!("line number {number}"));
    }
    let names = scratch.names();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.contains(&"consul.log".to_owned()));
    assert!(names.contains(&"consul-keep.log".to_owned()));
    let last = std::fs::read_to_string(scratch.0.join("consul.log")).unwrap();
    assert_eq!(last, "line number 5\n");
    let texts = log.aside().into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    assert_eq!(texts.collect::<String>(), "line number 3\nline number 4\n");
}

#[test]
fn what_is_in_a_file_stays_and_nothing_is_kept_if_unwanted() {
    let scratch = Scratch::new("name");
    std::fs::write(scratch.0.join("agent.log"), "before\n").unwrap();
    let path = scratch.0.join("agent");
    let mut log = LogFile::open(&settings(path, Some(12), -1)).unwrap().unwrap();
    log.write("first");
    let whole = std::fs::read_to_string(scratch.0.join("agent.log")).unwrap();
    assert_eq!(whole, "before\nfirst\n");
    log.write("second");
    assert_eq!(scratch.names(), ["agent.log"]);
    assert_eq!(std::fs::read_to_string(scratch.0.join("agent.log")).unwrap(), "second\n");
}

#[test]
fn a_file_in_no_directory_is_an_error() {
    let why = LogFile::open(&settings("/nonexistent/x.log".into(), None, 0)).err().unwrap();
    assert_eq!(why, "open /nonexistent/x.log: no such file or directory");
    let none = LogSettings { file: None, ..settings(PathBuf::new(), None, 0) };
    assert!(LogFile::open(&none).unwrap().is_none());
}
