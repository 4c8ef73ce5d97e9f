#![allow(clippy::unwrap_used)]

use super::*;

#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<String>>>);

impl Sink for Shown {
    fn write(&mut self, line: &Line) {
        // Behind the time, which is 19 characters and a space.
        self.0.lock().unwrap().push(line.text[20..].to_owned());
    }
}

impl Shown {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn log(level: Level) -> (Log, Shown, Shown) {
    let (output, syslog) = (Shown::default(), Shown::default());
    (Log::new(level, Box::new(output.clone()), Some(Box::new(syslog.clone()))), output, syslog)
}

#[test]
fn the_gate_holds_lines_back_in_order_and_syslog_has_no_gate() {
    let (log, output, syslog) = log(Level::Info);
    log.line(Level::Info, "agent", "Serf agent starting");
    log.line(Level::Debug, "agent", "too little");
    log.line(Level::Warn, "", "no component");
    assert!(output.lines().is_empty());
    assert_eq!(syslog.lines(), ["[INFO] agent: Serf agent starting", "[WARN] no component"]);
    log.open_gate();
    assert_eq!(output.lines(), ["[INFO] agent: Serf agent starting", "[WARN] no component"]);
    log.line(Level::Err, "serf", "now");
    assert_eq!(output.lines().last().unwrap(), "[ERR] serf: now");
}

#[test]
fn a_reload_changes_the_level() {
    let (log, output, _) = log(Level::Warn);
    log.open_gate();
    log.line(Level::Info, "agent", "hidden");
    log.set_level(Level::Debug);
    log.line(Level::Debug, "agent", "shown");
    assert_eq!(output.lines(), ["[DEBUG] agent: shown"]);
}

#[test]
fn every_level_is_remembered_up_to_the_bounds() {
    let (log, ..) = log(Level::Err);
    for number in 0..600 {
        log.line(Level::Debug, "agent", number);
    }
    let lines = log.subscribe(Level::Trace).remembered;
    assert_eq!(lines.len(), REMEMBERED_LINES);
    assert!(lines[0].text.ends_with("agent: 88"));
    assert!(log.subscribe(Level::Info).remembered.is_empty());

    let long = "x".repeat(100 << 10);
    for _ in 0..5 {
        log.line(Level::Info, "agent", &long);
    }
    let bytes: usize = log.subscribe(Level::Trace).remembered.iter().map(|l| l.text.len()).sum();
    assert!(bytes <= REMEMBERED_BYTES);
}

#[tokio::test]
async fn a_slow_client_loses_lines_and_they_are_counted() {
    let (log, ..) = log(Level::Info);
    let mut monitor = log.subscribe(Level::Info);
    for number in 0..WAITING_LINES + 7 {
        log.line(Level::Info, "agent", number);
    }
    log.line(Level::Debug, "agent", "not asked for");
    assert_eq!(monitor.take_dropped(), 7);
    assert_eq!(monitor.take_dropped(), 0);
    assert!(monitor.next().await.unwrap().text.ends_with("agent: 0"));
    drop(monitor);
    log.line(Level::Info, "agent", "nobody listens");
    assert!(log.hub().subscribers.is_empty());
}

#[test]
fn inner_newlines_stay_and_only_the_last_goes() {
    let (log, output, _) = log(Level::Info);
    log.open_gate();
    log.line(Level::Warn, "agent", "error joining: 1 error occurred:\n\t* x\n\n");
    assert_eq!(output.lines(), ["[WARN] agent: error joining: 1 error occurred:\n\t* x\n"]);
}

fn consul() -> (Log, Lines) {
    let lines = Lines::default();
    let log = Log::consul(Level::Info, Box::new(lines.clone()), None);
    log.open_gate();
    (log, lines)
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

impl Sink for Lines {
    fn write(&mut self, line: &Line) {
        self.0.lock().unwrap().push(line.clone());
    }
}

impl Lines {
    fn last(&self) -> Line {
        self.0.lock().unwrap().last().unwrap().clone()
    }

    /// Behind the time.
    fn last_text(&self) -> String {
        let text = self.last().text;
        text[text.find(" [").unwrap() + 1..].to_owned()
    }
}

#[test]
fn consuls_lines_have_fields() {
    let (log, lines) = consul();
    let fields = [("service", "web 1".into()), ("code", 1.into()), ("empty", "".into())];
    log.entry(Level::Info, "agent", "Synced service", fields);
    let expected = r#"[INFO]  agent: Synced service: service="web 1" code=1 empty="#;
    assert_eq!(lines.last_text(), expected);
    let json = lines.last().record.unwrap().json();
    let head = r#"{"@level":"info","@message":"Synced service","@module":"agent","@timestamp":""#;
    let tail = r#"","code":1,"empty":"","service":"web 1"}"#;
    assert!(json.starts_with(head) && json.ends_with(tail), "{json}");

    let addresses = Value::List(vec!["127.0.0.99".into(), "b".into()]);
    let error = "1 error occurred:\n\t* Failed to join \"x\"\n\n";
    let fields = [("lan_addresses", addresses), ("error", error.into())];
    log.entry(Level::Err, "agent", "no", fields);
    assert_eq!(
        lines.last_text(),
        "[ERROR] agent: no: lan_addresses=[\"127.0.0.99\", \"b\"]\n  error=\n  \
         | 1 error occurred:\n  | \\t* Failed to join \"x\"\n  | \n  "
    );
}

#[test]
fn the_time_of_consuls_lines_has_milliseconds_and_a_zone() {
    let (log, lines) = consul();
    log.line(Level::Info, "agent", "x");
    let text = lines.last().text;
    let (time, _) = text.split_once(' ').unwrap();
    let zone = &time[23..];
    assert_eq!(&time[10..11], "T");
    assert_eq!(&time[19..20], ".");
    assert!(zone == "Z" || zone.len() == 5, "{time}");
}

#[test]
fn a_pools_member_is_named_after_it() {
    let (log, lines) = consul();
    let pool = log.of_pool("lan");
    pool.line(Level::Info, "serf", "EventMemberJoin: n1 127.0.0.1");
    let expected = "[INFO]  agent.server.serf.lan: serf: EventMemberJoin: n1 127.0.0.1";
    assert_eq!(lines.last_text(), expected);
    pool.line(Level::Warn, "memberlist", "x");
    assert_eq!(lines.last_text(), "[WARN]  agent.server.memberlist.lan: memberlist: x");
    pool.line(Level::Warn, "agent", "error joining: why");
    assert_eq!(lines.last_text(), "[WARN]  agent.server.memberlist.lan: memberlist: x");
}

#[test]
fn consuls_monitor_begins_with_now() {
    let (log, _) = consul();
    log.line(Level::Info, "agent", "before");
    let mut monitor = log.subscribe(Level::Debug);
    assert!(monitor.remembered.is_empty());
    log.line(Level::Debug, "agent", "wanted by the monitor alone");
    let line = monitor.receiver.try_recv().unwrap();
    assert!(line.text.ends_with("[DEBUG] agent: wanted by the monitor alone"));
}
