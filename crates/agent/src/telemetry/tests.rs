#![allow(clippy::unwrap_used)]

use tokio::io::AsyncReadExt;

use super::*;
use crate::log::{Level, Log};

#[test]
fn the_dump_has_the_recorded_form() {
    let metrics = Metrics::new();
    metrics.count("serf.member.join", 1);
    metrics.count("serf.events.dep.loy x:y", 1);
    for value in [1.0, 2.0, 6.0] {
        metrics.sample("memberlist.gossip", value);
    }
    let dump = metrics.dump(&[("runtime.num_goroutines", 7.0)]);
    let lines: Vec<&str> = dump.lines().collect();
    let has = |parts: &[&str]| lines.iter().any(|line| parts.iter().all(|p| line.contains(p)));
    assert!(has(&[
        "][C] 'serf-agent.serf.member.join': Count: 1 Sum: 1.000 LastUpdated: ",
        " m=+"
    ]));
    assert!(has(&["][C] 'serf-agent.serf.events.dep.loy_x_y': Count: 1 "]));
    assert!(has(&[
        "][S] 'serf-agent.memberlist.gossip': Count: 3 Min: 1.000 Mean: 3.000 Max: 6.000 \
                   Stddev: 2.646 Sum: 9.000 LastUpdated: "
    ]));
    assert!(has(&["][G] 'serf-agent.runtime.num_goroutines': 7.000"]));
    assert!(lines.iter().all(|line| line.starts_with("[20")));
}

#[test]
fn names_from_outside_are_bounded() {
    let metrics = Metrics::new();
    for number in 0..10 * NAMES_PER_INTERVAL {
        metrics.count(&format!("serf.events.e{number}"), 1);
    }
    let inner = metrics.inner();
    assert!(inner.intervals.iter().all(|i| i.counters.len() <= NAMES_PER_INTERVAL + 1));
    assert!(inner.intervals.iter().any(|i| i.counters.contains_key("serf.events.other")));
}

#[test]
fn times_are_shown_as_go_shows_them() {
    let text = aggregate::go_time(Duration::new(1_795_350_000, 120_000_000));
    assert!(text.contains(".12 "), "{text}");
    assert!(!aggregate::go_time(Duration::from_secs(1_795_350_000)).contains('.'));
}

#[test]
fn datagrams_hold_whole_lines() {
    let line = format!("{}\n", "x".repeat(500));
    let text = line.repeat(5);
    let pieces = sink::datagrams(&text);
    assert_eq!(pieces.iter().map(|p| p.len()).collect::<Vec<_>>(), [1002, 1002, 501]);
    assert_eq!(pieces.concat(), text);
    let long = format!("{}\nshort\n", "y".repeat(3000));
    assert_eq!(sink::datagrams(&long), [&long[..3001], "short\n"]);
}

#[tokio::test]
async fn both_sinks_are_sent_the_same_lines() {
    let statsd = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let statsite = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sinks = Sinks {
        statsd: statsd.local_addr().unwrap().to_string(),
        statsite: statsite.local_addr().unwrap().to_string(),
    };
    assert!(sinks.any() && !Sinks::default().any());
    let metrics = Metrics::new();
    let host = Some("test host".to_owned());
    let gauges = || vec![("runtime.sys_bytes", 3.0)];
    let task = tokio::spawn(run(metrics.clone(), Log::silent(), sinks, host, gauges));
    metrics.count("agent.ipc.accept", 1);
    metrics.sample("agent.invoke.true a", 2.64364);
    let expected = "serf-agent.agent.ipc.accept:1.000000|c\n\
                    serf-agent.agent.invoke.true_a:2.643640|ms\n";
    let mut buffer = [0; 2000];
    let length = statsd.recv(&mut buffer).await.unwrap();
    assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), expected);
    let (mut stream, _) = statsite.accept().await.unwrap();
    let length = stream.read(&mut buffer).await.unwrap();
    assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), expected);
    let length = statsd.recv(&mut buffer).await.unwrap();
    let gauge = "serf-agent.test_host.runtime.sys_bytes:3.000000|g\n";
    assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), gauge);
    task.abort();
}

/// Lines about sinks, once they are enough, while something is always there to be sent.
async fn complaints(sinks: Sinks, until: impl Fn(&[String]) -> bool) -> Vec<String> {
    let log = Log::silent();
    let metrics = Metrics::new();
    let task = tokio::spawn(run(metrics.clone(), log.clone(), sinks, None, Vec::new));
    let look = async {
        loop {
            metrics.count("agent.ipc.accept", 1);
            tokio::time::sleep(Duration::from_millis(20)).await;
            let remembered = log.subscribe(Level::Warn).remembered;
            let lines: Vec<_> = remembered.iter().map(|l| l.text[20..].to_owned()).collect();
            if until(&lines) {
                return lines;
            }
        }
    };
    let lines = tokio::time::timeout(Duration::from_secs(20), look).await;
    task.abort();
    lines.expect("a sink that does not work is logged")
}

#[tokio::test]
async fn a_sink_that_cannot_be_reached_is_logged_once() {
    // Taken, so that nobody else listens there, and closed again.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap().to_string();
    drop(free);
    let sinks = Sinks { statsd: "no port".to_owned(), statsite: nobody.clone() };
    let started = Instant::now();
    let lines = complaints(sinks, |lines| {
        lines.len() > 1 && started.elapsed() > Duration::from_millis(500)
    })
    .await;
    let [statsd, statsite] = lines.as_slice() else { panic!("one line for each: {lines:?}") };
    assert!(statsd.starts_with("[WARN] agent: Failed to send metrics to statsd_addr 'no port': "));
    let expected = "[WARN] agent: Failed to send metrics to statsite_addr";
    assert_eq!(*statsite, format!("{expected} '{nobody}': connection refused"));
}

#[tokio::test]
async fn a_datagram_that_nobody_takes_is_logged_once() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nobody = socket.local_addr().unwrap().to_string();
    drop(socket);
    let sinks = Sinks { statsd: nobody.clone(), statsite: String::new() };
    let lines = complaints(sinks, |lines| !lines.is_empty()).await;
    let expected = "[WARN] agent: Failed to send metrics to statsd_addr";
    assert_eq!(lines, [format!("{expected} '{nobody}': connection refused")]);
}
