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
    let dump = metrics.dump(&[Gauge::new("runtime.num_goroutines", 7.0)]);
    let lines: Vec<&str> = dump.lines().collect();
    let has = |parts: &[&str]| lines.iter().any(|line| parts.iter().all(|p| line.contains(p)));
    assert!(has(&[
        "][C] 'serf-agent.serf.member.join': Count: 1 Sum: 1.000 LastUpdated: ",
        " m=+"
    ]));
    assert!(has(&["][C] 'serf-agent.serf.events.dep.loy_x:y': Count: 1 "]));
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
    assert!(inner.intervals.iter().all(|i| i.named.len() <= NAMES_PER_INTERVAL + 1));
    let named = inner.intervals.iter().flat_map(|i| i.named.keys());
    assert!(named.into_iter().any(|(_, key)| key.name == "serf.events.other"));
}

#[test]
fn times_are_shown_as_go_shows_them() {
    let text = go_time(Duration::new(1_795_350_000, 120_000_000));
    assert!(text.contains(".12 "), "{text}");
    assert!(!go_time(Duration::from_secs(1_795_350_000)).contains('.'));
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
    let host = Some("test host".to_owned());
    let metrics = Metrics::named(Naming { host, ..Naming::default() });
    let gauges = || vec![Gauge::new("runtime.sys_bytes", 3.0)];
    let task = tokio::spawn(run(metrics.clone(), Log::silent(), sinks, gauges));
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
    let task = tokio::spawn(run(metrics.clone(), log.clone(), sinks, Vec::new));
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
    assert!(statsd.starts_with("[WARN] agent: Failed to send metrics to statsd 'no port': "));
    let expected = "[WARN] agent: Failed to send metrics to statsite";
    assert_eq!(*statsite, format!("{expected} '{nobody}': connection refused"));
}

#[tokio::test]
async fn a_datagram_that_nobody_takes_is_logged_once() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nobody = socket.local_addr().unwrap().to_string();
    drop(socket);
    let sinks = Sinks { statsd: nobody.clone(), statsite: String::new() };
    let lines = complaints(sinks, |lines| !lines.is_empty()).await;
    let expected = "[WARN] agent: Failed to send metrics to statsd";
    assert_eq!(lines, [format!("{expected} '{nobody}': connection refused")]);
}

#[test]
fn what_is_entered_is_summed_up_beside_what_is_named() {
    let naming = Naming { prefix: "consul".to_owned(), ..Naming::default() };
    let metrics = Metrics::named(naming);
    let label = |value: &str| ("path", value.into());
    let key_reads = metrics.enter(Kind::Sample, "api.http", &[label("v1_kv_")]);
    let queries = metrics.enter(Kind::Counter, "rpc.query", &[]);
    metrics.enter(Kind::Counter, "rpc.never", &[]);
    metrics.record([(key_reads, 1.0), (queries, 1.0)]);
    metrics.record([(key_reads, 3.0), (queries, 1.0)]);
    let lan = metrics.labelled(&[("network", "lan".into())]);
    lan.count("serf.events.consul:new-leader", 1);
    lan.count("serf.events", 1);
    let sent = lan.enter(Kind::Sample, "serf.msgs.sent", &[label("eager")]);
    metrics.record([(sent, 17.0)]);
    // Read as the interval that has just begun, whether or not another began meanwhile.
    let inner = metrics.inner();
    let rows = |kind| -> Vec<_> {
        inner.intervals.iter().flat_map(|interval| inner.rows(interval, kind)).collect()
    };
    let names: Vec<_> = rows(Kind::Counter).into_iter().map(|row| row.name).collect();
    let expected =
        ["consul.rpc.query", "consul.serf.events.consul:new-leader", "consul.serf.events"];
    assert!(expected.iter().all(|name| names.iter().any(|known| known == name)), "{names:?}");
    let samples = rows(Kind::Sample);
    let (entered, labelled): (Vec<_>, Vec<_>) =
        samples.iter().partition(|row| row.name == "consul.api.http");
    assert_eq!(entered.iter().map(|row| row.value.count()).sum::<u64>(), 2);
    assert_eq!(entered.iter().map(|row| row.value.sum()).sum::<f64>(), 4.0);
    assert_eq!(&*entered[0].labels, [label("v1_kv_")]);
    assert_eq!(&*labelled[0].labels, [("network", "lan".into()), label("eager")]);
}

#[test]
fn a_summary_has_gauges_with_the_host_in_their_names() {
    let host = Some("host1".to_owned());
    let metrics = Metrics::named(Naming { prefix: "consul".to_owned(), host, ..Naming::default() });
    let summary = metrics.summary(&[Gauge::new("raft.peers", 3.0), Gauge::new("a.b", 1.0)]);
    let names: Vec<_> = summary.gauges.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["consul.host1.a.b", "consul.host1.raft.peers"]);
    assert_eq!(summary.start % INTERVAL.as_secs(), 0);
    assert!(summary.counters.is_empty() && summary.samples.is_empty());
}

#[test]
fn the_longest_prefix_decides_what_is_kept() {
    let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let naming = Naming {
        prefix: "consul".to_owned(),
        allowed: list(&["consul.raft.apply"]),
        blocked: list(&["consul.raft", "consul.rpc.server.call"]),
        ..Naming::default()
    };
    for (name, kept) in [
        ("raft.apply", true),
        ("raft.commitTime", false),
        ("rafters", false),
        ("rpc.server.call", false),
        ("rpc.query", true),
    ] {
        assert_eq!(naming.keeps(name), kept, "{name}");
    }
    let nothing = Naming { keeps_unnamed: false, ..naming };
    assert!(nothing.keeps("raft.apply") && !nothing.keeps("rpc.query"));
    let metrics = Metrics::named(nothing);
    metrics.count("rpc.query", 1);
    let entered = metrics.enter(Kind::Counter, "rpc.request", &[]);
    metrics.record([(entered, 1.0)]);
    let none = metrics.inner().intervals.iter().all(|i| i.named.is_empty() && i.entered.is_empty());
    assert!(none);
    metrics.set_filter(list(&["consul.rpc.request"]), list(&["consul.rpc.query"]));
    metrics.record([(entered, 1.0)]);
    metrics.count("rpc.query", 1);
    let inner = metrics.inner();
    let kept: Vec<_> = inner.intervals.iter().flat_map(|i| inner.rows(i, Kind::Counter)).collect();
    assert_eq!(
        kept.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
        ["consul.rpc.request"]
    );
}

#[test]
fn prometheus_is_told_counters_summaries_and_gauges() {
    let metrics = Metrics::named(Naming {
        prefix: "consul".to_owned(),
        retention: Duration::from_secs(60),
        ..Naming::default()
    });
    let apply = metrics.enter(Kind::Counter, "raft.apply", &[]);
    let commit = metrics.enter(Kind::Sample, "raft.commitTime", &[("method", "GET".into())]);
    let text = metrics.prometheus(&[]);
    // A counter is there before anything happened, a sample is not.
    assert_eq!(
        text,
        "# HELP consul_raft_apply consul_raft_apply\n\
                      # TYPE consul_raft_apply counter\nconsul_raft_apply 0\n"
    );
    for value in 1..=100 {
        metrics.record([(apply, 2.0), (commit, f64::from(value))]);
    }
    metrics.labelled(&[("service", "a\"b\\c\nd 1".into())]).count("catalog.service.query", 1);
    let text = metrics.prometheus(&[Gauge::new("raft.peers", 3.0)]);
    for line in [
        "consul_raft_apply 200",
        "# TYPE consul_raft_commitTime summary",
        "consul_raft_commitTime_sum{method=\"GET\"} 5050",
        "consul_raft_commitTime_count{method=\"GET\"} 100",
        "consul_catalog_service_query{service=\"a\\\"b\\\\c\\nd 1\"} 1",
        "# TYPE consul_raft_peers gauge",
        "consul_raft_peers 3",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    let start = "consul_raft_commitTime{method=\"GET\",quantile=\"0.9\"} ";
    let value = text.lines().find_map(|line| line.strip_prefix(start)).unwrap();
    let value: f64 = value.parse().unwrap();
    assert!((value - 90.0).abs() / 90.0 < 0.07, "{value}");
    assert_eq!(Metrics::new().prometheus(&[Gauge::new("raft.peers", 3.0)]), "");
}

#[test]
fn prometheus_is_told_to_the_end_what_it_was_told_from_the_start() {
    let retention = Duration::from_millis(1);
    let naming = Naming { prefix: "consul".to_owned(), retention, ..Naming::default() };
    let metrics = Metrics::named(naming);
    let apply = metrics.enter(Kind::Counter, "kvs.apply", &[]);
    let took = metrics.announce("txn.apply", &[]);
    let commit = metrics.enter(Kind::Sample, "raft.commitTime", &[]);
    metrics.record([(apply, 2.0), (took, 1.0), (commit, 1.0)]);
    metrics.count("catalog.register", 1);
    std::thread::sleep(Duration::from_millis(20));
    let text = metrics.prometheus(&[]);
    let told = |line: &str| text.lines().any(|known| known == line);
    assert!(told("consul_kvs_apply 2") && told("consul_txn_apply_count 1"), "{text}");
    assert!(!text.contains("commitTime") && !text.contains("register"), "{text}");
}
