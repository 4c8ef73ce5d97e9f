//! `consul snapshot inspect`.

use std::collections::BTreeMap;
use std::io::Read;

use archive::{ArchiveError, Meta, Records, type_name};
use gotext::Json;

use super::Failure;
use super::snapshot::{LARGEST, file, open};
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;

/// Blanks between columns, at least.
const PADDING: usize = 6;

/// The type of records that hold keys.
const KEYS: u8 = 2;

/// Longest record that is looked at.
const RECORD_BYTES: usize = 1 << 30;

/// How often something is in a snapshot, and how many bytes it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Statistic {
    name: String,
    size: u64,
    count: u64,
}

#[derive(Debug)]
struct Statistics {
    meta: Meta,
    counted: Counted,
}

/// What the state consists of.
#[derive(Debug)]
struct Counted {
    types: Vec<Statistic>,
    /// Of keys by the beginnings of their paths, if that is asked for.
    keys: Option<Vec<Statistic>>,
}

/// What of the keys is asked for.
struct KeyDetails {
    depth: usize,
    filter: String,
}

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let file = open(&file(parsed)?)?;
    let details = parsed.on("kvdetails").then(|| KeyDetails {
        depth: usize::try_from(parsed.int("kvdepth")).unwrap_or_default(),
        filter: parsed.text("kvfilter"),
    });
    let read = archive::read(file, LARGEST, |state| Counted::count(state, details.as_ref()));
    let (meta, counted) = read.map_err(|error| Failure::of("Error reading snapshot", error))?;
    let counted = counted.map_err(|error| Failure::of("Error extracting snapshot data", error))?;
    let statistics = Statistics { meta, counted };
    match parsed.text("format").as_str() {
        "pretty" => say(statistics.pretty()),
        "json" => say(statistics.json().indented_by("   ")),
        other => {
            let text = format!("Unknown format: {other}");
            return Err(Failure::of("Error outputting enhanced snapshot data", text));
        }
    }
    Ok(())
}

impl Counted {
    fn count(state: &mut dyn Read, details: Option<&KeyDetails>) -> Result<Self, ArchiveError> {
        let mut types: BTreeMap<String, Statistic> = BTreeMap::new();
        let mut keys: BTreeMap<String, Statistic> = BTreeMap::new();
        let add = |to: &mut BTreeMap<String, Statistic>, name: String, size: usize| {
            let statistic = to.entry(name).or_default();
            statistic.size += size as u64;
            statistic.count += 1;
        };
        let mut records = Records::new(state, RECORD_BYTES);
        while let Some(record) = records.next_record()? {
            add(&mut types, type_name(record.kind), record.length);
            let (Some(details), KEYS) = (details, record.kind) else { continue };
            let Some(key) = record.key().filter(|key| key.starts_with(&details.filter)) else {
                continue;
            };
            let parts: Vec<_> = key.split('/').take(details.depth).collect();
            add(&mut keys, parts.join("/"), record.length);
        }
        Ok(Counted { types: sorted(types), keys: details.map(|_| sorted(keys)) })
    }
}

impl Statistics {
    fn pretty(&self) -> String {
        let meta = [
            ("ID", self.meta.id.clone()),
            ("Size", self.meta.size.to_string()),
            ("Index", self.meta.index.to_string()),
            ("Term", self.meta.term.to_string()),
            ("Version", self.meta.version.to_string()),
        ];
        let rows: Vec<_> =
            meta.into_iter().map(|(label, value)| [format!(" {label}"), value]).collect();
        let mut text = laid_out(&rows);
        text.push('\n');
        text.push_str(&table("Type", &self.counted.types));
        if let Some(keys) = self.counted.keys.as_ref().filter(|keys| !keys.is_empty()) {
            text.push('\n');
            text.push_str(&table("Key Name", keys));
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn json(&self) -> Json {
        let number = |number: u64| Json::Verbatim(number.to_string().into());
        let list = |statistics: &[Statistic]| {
            let record = |statistic: &Statistic| {
                Json::record([
                    ("Name", Json::text(statistic.name.as_str())),
                    ("Sum", number(statistic.size)),
                    ("Count", number(statistic.count)),
                ])
            };
            Json::list_or_null(statistics.iter().map(record).collect())
        };
        let keys = self.counted.keys.as_deref().unwrap_or_default();
        Json::record([
            (
                "Meta",
                Json::record([
                    ("ID", Json::text(self.meta.id.as_str())),
                    ("Size", number(self.meta.size)),
                    ("Index", number(self.meta.index)),
                    ("Term", number(self.meta.term)),
                    ("Version", number(self.meta.version)),
                ]),
            ),
            ("Stats", list(&self.counted.types)),
            ("StatsKV", list(keys)),
            ("TotalSize", number(total(&self.counted.types))),
            ("TotalSizeKV", number(total(keys))),
        ])
    }
}

/// The largest first.
fn sorted(map: BTreeMap<String, Statistic>) -> Vec<Statistic> {
    let mut list: Vec<_> =
        map.into_iter().map(|(name, statistic)| Statistic { name, ..statistic }).collect();
    list.sort_by_key(|statistic| std::cmp::Reverse(statistic.size));
    list
}

fn total(statistics: &[Statistic]) -> u64 {
    statistics.iter().map(|statistic| statistic.size).sum()
}

fn table(what: &str, statistics: &[Statistic]) -> String {
    let row =
        |cells: [&str; 3]| [format!(" {}", cells[0]), cells[1].to_owned(), cells[2].to_owned()];
    let line = || row(["----"; 3]);
    let mut rows = vec![row([what, "Count", "Size"]), line()];
    for statistic in statistics {
        let (count, size) = (statistic.count.to_string(), readable(statistic.size));
        rows.push(row([&statistic.name, &count, &size]));
    }
    rows.extend([line(), row(["Total", "", &readable(total(statistics))])]);
    laid_out(&rows)
}

/// Rows in columns that are as wide as their widest cell and the padding.
fn laid_out<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let width = if column + 1 == N { 0 } else { width + PADDING };
            text.push_str(&format!("{cell:width$}"));
        }
        text.push('\n');
    }
    text
}

/// A number of bytes for people.
fn readable(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "KB", "MB", "GB", "TB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    let text = format!("{value:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistic(name: &str, count: u64, size: u64) -> Statistic {
        Statistic { name: name.to_owned(), size, count }
    }

    fn recorded() -> Statistics {
        Statistics {
            meta: Meta {
                id: "2-19-1795429512926".to_owned(),
                size: 6112,
                index: 19,
                term: 2,
                ..Meta::default()
            },
            counted: Counted {
                types: vec![
                    statistic("Register", 3, 2244),
                    statistic("ConnectCAProviderState", 1, 1169),
                    statistic("KVS", 2, 2699),
                ],
                keys: Some(vec![statistic("a/b", 1, 77), statistic("a/d", 1, 71)]),
            },
        }
    }

    #[test]
    fn tables_are_laid_out_as_recorded() {
        assert_eq!(
            recorded().pretty(),
            " ID           2-19-1795429512926\n Size         6112\n Index        19\n Term         2\n \
             Version      1\n\n \
             Type                        Count      Size\n \
             ----                        ----       ----\n \
             Register                    3          2.2KB\n \
             ConnectCAProviderState      1          1.1KB\n \
             KVS                         2          2.6KB\n \
             ----                        ----       ----\n \
             Total                                  6KB\n\n \
             Key Name      Count      Size\n \
             ----          ----       ----\n \
             a/b           1          77B\n \
             a/d           1          71B\n \
             ----          ----       ----\n \
             Total                    148B"
        );
    }

    #[test]
    fn json_has_null_for_keys_that_nobody_asked_for() {
        let mut statistics = recorded();
        statistics.counted.keys = None;
        let text = statistics.json().compact();
        assert!(text.ends_with(r#""StatsKV":null,"TotalSize":6112,"TotalSizeKV":0}"#), "{text}");
        assert!(text.contains(r#""Stats":[{"Name":"Register","Sum":2244,"Count":3},"#), "{text}");
    }
}
