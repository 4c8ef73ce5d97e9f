//! The figures: a chart, a table and what they say.

use std::fmt::Write;

use sim::measure::chart::{Axis, Chart, Point, Series, Style};
use sim::measure::{Measurement, Spread, Trouble};

use crate::runs::{self, Effort, Fault};

/// A chart with its table.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) header: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) chart: Chart,
}

impl Figure {
    pub(crate) fn markdown(&self, command: &str) -> String {
        let mut out = format!("\n## {}\n\n{}\n\n", self.chart.title, self.text);
        let _ = writeln!(out, "![{}](gossip/{}.svg)\n", self.chart.title, self.name);
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let header: Vec<String> = self.header.iter().map(|cell| (*cell).to_owned()).collect();
        out.push_str(&row(&header));
        out.push_str(&row(&vec!["---".to_owned(); header.len()]));
        for cells in &self.rows {
            out.push_str(&row(cells));
        }
        let _ = writeln!(out, "\n`{command}`");
        out
    }
}

/// The measurements of one size.
struct Sized {
    members: usize,
    runs: Vec<Measurement>,
}

impl Sized {
    fn x(&self) -> f64 {
        self.members as f64
    }

    /// A time of every failure, in seconds.
    fn failures(
        &self,
        time: impl Fn(&sim::measure::Failure) -> Option<std::time::Duration>,
    ) -> Option<Spread> {
        Spread::of_times(self.runs.iter().flat_map(|run| &run.failures).filter_map(time))
    }

    fn events(
        &self,
        time: impl Fn(&sim::measure::Reach) -> Option<std::time::Duration>,
    ) -> Option<Spread> {
        Spread::of_times(self.runs.iter().flat_map(|run| &run.events).filter_map(time))
    }

    /// Failures that happened.
    fn failed(&self) -> usize {
        self.runs.iter().map(|run| run.failures.len()).sum()
    }

    fn of_runs(&self, value: impl Fn(&Measurement) -> f64) -> Option<Spread> {
        Spread::of(self.runs.iter().map(value))
    }
}

fn point(x: f64, spread: Option<Spread>) -> Option<Point> {
    spread.map(|s| Point { x, y: s.median, range: Some((s.low, s.high)) })
}

fn series(name: &str, points: impl Iterator<Item = Option<Point>>) -> Series {
    Series { name: name.to_owned(), points: points.flatten().collect(), style: Style::Measured }
}

fn expected(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Series {
    let points = points.map(|(x, y)| Point { x, y, range: None }).collect();
    Series { name: name.to_owned(), points, style: Style::Expected }
}

fn shown(spread: Option<Spread>, digits: usize) -> String {
    match spread {
        Some(s) => format!("{:.digits$} ({:.digits$} to {:.digits$})", s.median, s.low, s.high),
        None => "none".to_owned(),
    }
}

fn mean(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or("none".to_owned(), |s| format!("{:.digits$}", s.mean))
}

fn members_axis() -> Axis {
    Axis { label: "members".to_owned(), logarithmic: true }
}

fn axis(label: &str) -> Axis {
    Axis { label: label.to_owned(), logarithmic: false }
}

/// What depends on the number of members.
pub(crate) fn size(effort: &Effort) -> Vec<Figure> {
    let config = runs::settings();
    let sized: Vec<Sized> = effort
        .sizes
        .iter()
        .map(|&(members, seeds, failures, seconds)| {
            let runs = runs::by_size(members, seeds, failures, seconds, &config);
            Sized { members, runs }
        })
        .collect();
    vec![detection(&sized), verdict(&sized), load(&sized), bytes(&sized)]
}

fn detection(sized: &[Sized]) -> Figure {
    let paper = std::f64::consts::E / (std::f64::consts::E - 1.0);
    let suspected = |of: &Sized| of.failures(|failure| failure.suspected);
    let means = |of: &Sized| {
        suspected(of).map(|s| Point { x: of.x(), y: s.mean, range: Some((s.low, s.high)) })
    };
    let chart = Chart {
        title: "First detection of a failure".to_owned(),
        x: members_axis(),
        y: axis("probe periods (1 s) from the crash to the first suspicion"),
        series: vec![
            series("measured, mean", sized.iter().map(means)),
            expected("e/(e-1) periods", sized.iter().map(|of| (of.x(), paper))),
        ],
        ..Chart::default()
    };
    let seeds = |of: &Sized| of.runs.len().to_string();
    Figure {
        name: "detection",
        text: format!(
            "The SWIM paper expects e/(e-1) = {paper:.2} periods until some member has found that \
             a failed one does not answer, whatever the size of the cluster: that long until the \
             end of the period whose probe fails, where all members keep the same periods. Here \
             everybody has periods of its own, so that the first probe after a crash begins after \
             one period on average and has failed one period later: two are to be expected. The \
             mean is drawn, with all that was seen."
        ),
        header: vec!["members", "seeds", "failures", "mean, periods", "median (range), periods"],
        rows: sized
            .iter()
            .map(|of| {
                let spread = suspected(of);
                let count = of.failed().to_string();
                vec![of.members.to_string(), seeds(of), count, mean(spread, 2), shown(spread, 2)]
            })
            .collect(),
        chart,
    }
}

fn verdict(sized: &[Sized]) -> Figure {
    let declared = |of: &Sized| of.failures(|failure| failure.declared);
    let everybody = |of: &Sized| of.failures(|failure| failure.everybody);
    let missed = |of: &Sized| {
        let failures = || of.runs.iter().flat_map(|run| &run.failures);
        failures().filter(|failure| failure.everybody.is_none()).count()
    };
    let shortest = |of: &Sized| 4.0 * of.x().log10().max(1.0);
    Figure {
        name: "verdict",
        text: "From the crash until the first member declares the failed one failed, and until \
               every member knows, which is drawn. The shortest suspicion, 4 × log10(members) \
               periods, is the share of it that no detector with these settings can save."
            .to_owned(),
        header: vec![
            "members",
            "declared, s",
            "known to everybody, s",
            "shortest suspicion, s",
            "never known to everybody",
        ],
        rows: sized
            .iter()
            .map(|of| {
                vec![
                    of.members.to_string(),
                    shown(declared(of), 1),
                    shown(everybody(of), 1),
                    format!("{:.1}", shortest(of)),
                    missed(of).to_string(),
                ]
            })
            .collect(),
        chart: Chart {
            title: "From a crash to the verdict".to_owned(),
            x: members_axis(),
            y: axis("seconds from the crash"),
            series: vec![
                series("known to everybody", sized.iter().map(|of| point(of.x(), everybody(of)))),
                expected("shortest suspicion", sized.iter().map(|of| (of.x(), shortest(of)))),
            ],
            ..Chart::default()
        },
    }
}

fn load(sized: &[Sized]) -> Figure {
    let quiet = |of: &Sized| of.of_runs(|run| run.quiet.datagrams);
    let cost = |of: &Sized| {
        let costs = of.runs.iter().filter_map(|run| Some(run.per_failure?.datagrams));
        Spread::of(costs)
    };
    Figure {
        name: "load",
        text: "Datagrams that one member sends in a second while nothing happens: a probe of its \
               own and the answer to one of another's, so two, whatever the size. A failure (its \
               news, the return of the member and the news of that) costs every member some more, \
               once."
            .to_owned(),
        header: vec!["members", "datagrams a second", "datagrams for a failure and return"],
        rows: sized
            .iter()
            .map(|of| vec![of.members.to_string(), shown(quiet(of), 3), shown(cost(of), 1)])
            .collect(),
        chart: Chart {
            title: "Messages a member sends".to_owned(),
            x: members_axis(),
            y: axis("datagrams sent by one member in a second"),
            series: vec![
                series("quiet", sized.iter().map(|of| point(of.x(), quiet(of)))),
                expected("one probe, one answer", sized.iter().map(|of| (of.x(), 2.0))),
            ],
            ..Chart::default()
        },
    }
}

fn bytes(sized: &[Sized]) -> Figure {
    let quiet = |of: &Sized| of.of_runs(|run| run.quiet.bytes);
    Figure {
        name: "bytes",
        text: "Bytes that one member sends in a second while nothing happens. Probes cost the \
               same at any size; what grows are the exchanges of whole states, whose size grows \
               with the members and whose interval grows with their logarithm."
            .to_owned(),
        header: vec!["members", "bytes a second", "exchanges a minute"],
        rows: sized
            .iter()
            .map(|of| {
                let exchanges = of.of_runs(|run| run.quiet.streams * 60.0);
                vec![of.members.to_string(), shown(quiet(of), 0), shown(exchanges, 2)]
            })
            .collect(),
        chart: Chart {
            title: "Bytes a member sends".to_owned(),
            x: members_axis(),
            y: Axis { label: "bytes sent by one member in a second".to_owned(), logarithmic: true },
            series: vec![series("quiet", sized.iter().map(|of| point(of.x(), quiet(of))))],
            ..Chart::default()
        },
    }
}

/// Sending new messages on at once, or at the next tick.
pub(crate) fn eager(effort: &Effort) -> Vec<Figure> {
    let of = |eager: bool| -> Vec<Sized> {
        let mut config = runs::settings();
        config.gossip.eager_gossip = eager;
        let sizes = effort.spreading.iter();
        sizes
            .map(|&(members, seeds)| Sized {
                members,
                runs: runs::by_size(members, seeds, 0, 120, &config),
            })
            .collect()
    };
    let (at_once, ticks) = (of(true), of(false));
    vec![dissemination(&at_once, &ticks), eager_load(&at_once, &ticks)]
}

fn dissemination(at_once: &[Sized], ticks: &[Sized]) -> Figure {
    let everybody = |of: &Sized| of.events(|reach| reach.everybody);
    let half = |of: &Sized| of.events(|reach| reach.half);
    let interval = 0.2;
    let fan_out: f64 = 3.0;
    let theory =
        |members: f64| interval * (members.ln() / (1.0 + fan_out).ln() + members.ln() / fan_out);
    let missed = |of: &Sized| {
        let events = || of.runs.iter().flat_map(|run| &run.events);
        format!("{} of {}", events().filter(|e| e.everybody.is_none()).count(), events().count())
    };
    let rows = at_once.iter().zip(ticks).map(|(at_once, ticks)| {
        vec![
            at_once.members.to_string(),
            shown(half(at_once), 3),
            shown(everybody(at_once), 3),
            missed(at_once),
            shown(half(ticks), 3),
            shown(everybody(ticks), 3),
            missed(ticks),
        ]
    });
    Figure {
        name: "dissemination",
        text: "From the sending of a user event until every member has it. Against the logarithm \
               of the members it is a straight line: news multiplies from tick to tick until \
               nearly all have it, then the rest hear of it. The dashed line is that theory for \
               ticks: interval × (ln N / ln 4 + ln N / 3), for three members told in each tick of \
               200 ms. Sending new messages on at once (`eager_gossip`) takes milliseconds for \
               each step instead; what it misses the ticks bring."
            .to_owned(),
        header: vec![
            "members",
            "half, at once, s",
            "all, at once, s",
            "missed",
            "half, ticks, s",
            "all, ticks, s",
            "missed",
        ],
        rows: rows.collect(),
        chart: Chart {
            title: "How long news takes".to_owned(),
            x: members_axis(),
            y: axis("seconds until every member has an event"),
            series: vec![
                series("at once", at_once.iter().map(|of| point(of.x(), everybody(of)))),
                series("at ticks", ticks.iter().map(|of| point(of.x(), everybody(of)))),
                expected("theory, ticks", ticks.iter().map(|of| (of.x(), theory(of.x())))),
            ],
            ..Chart::default()
        },
    }
}

fn eager_load(at_once: &[Sized], ticks: &[Sized]) -> Figure {
    let datagrams =
        |of: &Sized| Spread::of(of.runs.iter().filter_map(|run| Some(run.per_event?.datagrams)));
    let bytes =
        |of: &Sized| Spread::of(of.runs.iter().filter_map(|run| Some(run.per_event?.bytes)));
    let rows = at_once.iter().zip(ticks).map(|(at_once, ticks)| {
        vec![
            at_once.members.to_string(),
            shown(datagrams(at_once), 1),
            shown(datagrams(ticks), 1),
            shown(bytes(at_once), 0),
            shown(bytes(ticks), 0),
        ]
    });
    Figure {
        name: "eager",
        text: "What an event of 64 bytes costs every member: datagrams and bytes beyond those of \
               quiet times. The first sends count among those that every message gets in any \
               case; sent at once they ride on fewer of the packets that leave anyway, so that it \
               costs a little more."
            .to_owned(),
        header: vec![
            "members",
            "datagrams, at once",
            "datagrams, ticks",
            "bytes, at once",
            "bytes, ticks",
        ],
        rows: rows.collect(),
        chart: Chart {
            title: "What an event costs".to_owned(),
            x: members_axis(),
            y: axis("datagrams sent by one member for one event"),
            series: vec![
                series("at once", at_once.iter().map(|of| point(of.x(), datagrams(of)))),
                series("at ticks", ticks.iter().map(|of| point(of.x(), datagrams(of)))),
            ],
            ..Chart::default()
        },
    }
}

/// What was counted with a fault, with and without Lifeguard.
struct Pair {
    x: f64,
    with: Vec<Measurement>,
    without: Vec<Measurement>,
}

impl Pair {
    fn new(effort: &Effort, x: f64, fault: Fault) -> Pair {
        let of = |lifeguard| runs::with_fault(effort, lifeguard, fault);
        Pair { x, with: of(true), without: of(false) }
    }

    fn row(&self) -> Vec<String> {
        let believed = |run: &Measurement| run.false_alarms.believed as f64;
        let declared = |run: &Measurement| run.false_alarms.declared as f64;
        let suspicions = |run: &Measurement| run.false_alarms.suspicions as f64;
        let spread = |runs: &[Measurement], value: &dyn Fn(&Measurement) -> f64| {
            Spread::of(runs.iter().map(value))
        };
        let total = |runs: &[Measurement]| runs.iter().map(believed).sum::<f64>();
        let ratio = match (total(&self.with), total(&self.without)) {
            (0.0, 0.0) => "none at all".to_owned(),
            (0.0, without) => format!("{without:.0} to none"),
            (with, without) => format!("{:.1}", without / with),
        };
        vec![
            format!("{}", self.x),
            shown(spread(&self.without, &believed), 0),
            shown(spread(&self.with, &believed), 0),
            ratio,
            shown(spread(&self.without, &declared), 0),
            shown(spread(&self.with, &declared), 0),
            shown(spread(&self.without, &suspicions), 0),
            shown(spread(&self.with, &suspicions), 0),
        ]
    }
}

fn alarms_header(fault: &'static str) -> Vec<&'static str> {
    vec![
        fault,
        "believed, SWIM",
        "believed, Lifeguard",
        "times fewer",
        "declared, SWIM",
        "declared, Lifeguard",
        "suspicions, SWIM",
        "suspicions, Lifeguard",
    ]
}

/// The sum over all pairs, as the published figure is.
fn reduction(pairs: &[Pair]) -> String {
    let sum = |runs: &dyn Fn(&Pair) -> &Vec<Measurement>| {
        let all = pairs.iter().flat_map(|pair| runs(pair).iter());
        all.map(|run| run.false_alarms.believed).sum::<u64>()
    };
    let (with, without) = (sum(&|pair| &pair.with), sum(&|pair| &pair.without));
    match (with, without) {
        (0, 0) => "There was no false alarm at all, with or without Lifeguard.".to_owned(),
        (0, _) => format!("All in all: {without} without Lifeguard, none with it."),
        _ => format!(
            "All in all: {without} without Lifeguard, {with} with it, {:.1} times fewer.",
            without as f64 / with as f64
        ),
    }
}

fn alarms_chart(title: String, x: &str, lines: &[(&str, &[Pair])]) -> Chart {
    let believed =
        |runs: &[Measurement]| Spread::of(runs.iter().map(|run| run.false_alarms.believed as f64));
    let mut all = Vec::new();
    for (name, pairs) in lines {
        let without = pairs.iter().map(|pair| point(pair.x, believed(&pair.without)));
        all.push(series(&format!("{name}SWIM"), without));
        let with = pairs.iter().map(|pair| point(pair.x, believed(&pair.with)));
        all.push(series(&format!("{name}Lifeguard"), with));
    }
    Chart { title, x: axis(x), y: axis("false beliefs in a run"), series: all, ..Chart::default() }
}

fn about(effort: &Effort) -> String {
    format!(
        "{} members, {} s, {} seeds for each point. A belief is a member that takes a running and \
         healthy other for failed; one wrong verdict that goes round is believed by all. SWIM is \
         the same machine without local health, dynamic suspicion and the buddy system \
         (`awareness_max_multiplier` 1, `suspicion_max_timeout_mult` 1, `tell_suspects` off).",
        effort.alarm_members, effort.alarm_seconds, effort.alarm_seeds
    )
}

/// False alarms where datagrams get lost.
pub(crate) fn loss(effort: &Effort) -> Vec<Figure> {
    let shares: [f64; 7] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3];
    let pairs: Vec<Pair> =
        shares.map(|loss| Pair::new(effort, (loss * 100.0).round(), Fault::Loss(loss))).into();
    vec![Figure {
        name: "loss",
        text: format!(
            "{} {} Streams only become slower by loss, and a probe tries one before it fails, which \
             is why so much loss does so little.",
            about(effort),
            reduction(&pairs)
        ),
        header: alarms_header("loss, %"),
        rows: pairs.iter().map(Pair::row).collect(),
        chart: alarms_chart(
            "False alarms where datagrams get lost".to_owned(),
            "datagrams lost, %",
            &[("", &pairs)],
        ),
    }]
}

/// False alarms where some members are slow.
pub(crate) fn slow(effort: &Effort) -> Vec<Figure> {
    let figure = |name: &'static str, trouble: Trouble, title: &str, what: &str, more: &str| {
        let counts = [1, 2, 4, 8, 16];
        let pairs: Vec<Pair> =
            counts.map(|slow| Pair::new(effort, slow as f64, Fault::Slow(slow, trouble))).into();
        Figure {
            name,
            text: format!(
                "{} Slow members {what} for {} s, again and again, and are well for as long \
                 between. {} {more}",
                about(effort),
                runs::TROUBLE.as_secs(),
                reduction(&pairs)
            ),
            header: alarms_header("slow members"),
            rows: pairs.iter().map(Pair::row).collect(),
            chart: alarms_chart(title.to_owned(), "slow members", &[("", &pairs)]),
        }
    };
    vec![
        figure(
            "cut-off",
            Trouble::CutOff,
            "False alarms where members are cut off",
            "run on, but nothing comes in and nothing gets out,",
            "The Lifeguard paper has 50 to 100 times fewer, for members whose messages were held \
             up.",
        ),
        figure(
            "paused",
            Trouble::Paused,
            "False alarms where members stand still",
            "stand still, as on a machine that has too much to do,",
            "A machine that wakes up late first reads what has arrived, and puts each verdict off \
             once, with or without Lifeguard.",
        ),
    ]
}
