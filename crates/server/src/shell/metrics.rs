//! `agent/metrics`: what was counted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use agent::telemetry::{Aggregate, INTERVAL, Labels, Row, Summary};
use api::{Body, Request};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::body::Frame;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, Sleep, sleep_until};

use super::json as shown;
use crate::http::{Reply, Site};
use crate::telemetry::gauges;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The last finished interval, or everything for Prometheus.
pub(super) fn show(site: &Site, request: &Request, accept: &str) -> Reply {
    if !for_prometheus(request, accept) {
        return shown(&in_json(&site.telemetry.metrics().summary(&gauges(site))));
    }
    let metrics = site.telemetry.metrics();
    if !metrics.serves_prometheus() {
        return Reply::new(200, Body::Empty).with(
            "X-Consul-Reason",
            "Prometheus is not enabled since its retention time is not positive",
        );
    }
    Reply::new(200, Body::Bytes(TEXT, metrics.prometheus(&gauges(site)).into()))
}

fn for_prometheus(request: &Request, accept: &str) -> bool {
    if request.query.first("format") == Some("prometheus") {
        return true;
    }
    accept.split(',').any(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        match parts.next() {
            Some("application/openmetrics-text") => true,
            Some("text/plain") => parts.any(|part| part == "version=0.4.0"),
            _ => false,
        }
    })
}

fn in_json(summary: &Summary) -> Value {
    let start = DateTime::<Utc>::from(SystemTime::UNIX_EPOCH + Duration::from_secs(summary.start));
    let gauge = |row: &Row<f64>| json!({ "Name": row.name, "Value": row.value, "Labels": labels(&row.labels) });
    let gauges: Vec<_> = summary.gauges.iter().map(gauge).collect();
    let counters: Vec<_> = summary.counters.iter().map(aggregate).collect();
    let samples: Vec<_> = summary.samples.iter().map(aggregate).collect();
    json!({
        "Timestamp": start.format("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        "Gauges": gauges,
        "Points": [],
        "Counters": counters,
        "Samples": samples,
    })
}

fn aggregate(row: &Row<Aggregate>) -> Value {
    let values = &row.value;
    json!({
        "Name": row.name,
        "Count": values.count(),
        "Rate": values.sum() / INTERVAL.as_secs_f64(),
        "Sum": values.sum(),
        "Min": values.min(),
        "Max": values.max(),
        "Mean": values.mean(),
        "Stddev": values.standard_deviation(),
        "Labels": labels(&row.labels),
    })
}

fn labels(labels: &Labels) -> Map<String, Value> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

/// Every interval, as soon as it is finished.
pub(super) fn stream(site: &Arc<Site>) -> Reply {
    Reply::streamed(Intervals { site: site.clone(), next: Box::pin(sleep_until(next_interval())) })
}

/// When the interval of now is finished.
fn next_interval() -> Instant {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let length = INTERVAL.as_nanos();
    let left = length - since_1970.as_nanos() % length;
    Instant::now() + Duration::from_nanos(u64::try_from(left).unwrap_or_default())
}

struct Intervals {
    site: Arc<Site>,
    next: Pin<Box<Sleep>>,
}

impl hyper::body::Body for Intervals {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.next.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        this.next.as_mut().reset(next_interval());
        let summary = this.site.telemetry.metrics().summary(&gauges(&this.site));
        let text = api::json::indent(&api::json::encode(&in_json(&summary)));
        Poll::Ready(Some(Ok(Frame::data(text.into()))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use agent::telemetry::{Gauge, Metrics, Naming};

    use super::*;

    #[test]
    fn a_summary_has_the_recorded_keys() {
        let metrics = Metrics::named(Naming { prefix: "consul".to_owned(), ..Naming::default() });
        metrics.labelled(&[("network", "lan".into())]).count("serf.events", 2);
        let mut summary = metrics.summary(&[Gauge::new("raft.peers", 1.0)]);
        // The interval may have ended between the two lines above.
        summary.start = 1_795_350_000;
        let shown = in_json(&summary);
        assert_eq!(shown["Timestamp"], "2026-11-22 12:20:00 +0000 UTC");
        let gauge = json!({ "Name": "consul.raft.peers", "Value": 1.0, "Labels": {} });
        assert_eq!(shown["Gauges"], json!([gauge]));
        for row in &summary.counters {
            let counter = json!({
                "Name": "consul.serf.events", "Count": 1, "Rate": 0.2, "Sum": 2.0, "Min": 2.0,
                "Max": 2.0, "Mean": 2.0, "Stddev": 0.0, "Labels": { "network": "lan" },
            });
            assert_eq!(aggregate(row), counter);
        }
    }
}
