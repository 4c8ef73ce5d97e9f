//! The inputs of every target: the first ones, made from the recorded vectors; those that were
//! kept because they reach what others do not; those that once failed.

mod handmade;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value as Json;

use crate::{TARGETS, consul, question};

/// Longest input that is worth the fuzzer's time.
const LONGEST: usize = 8 << 10;

/// Inputs by the name of their target.
pub type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// The folder of recordings: `TRIBUNE_SHARED`, or else `shared` beside the checkout.
pub fn shared_folder() -> PathBuf {
    std::env::var_os("TRIBUNE_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    )
}

/// The folder of the kept inputs, of the failures, and of libFuzzer's work.
fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The inputs that once failed, by the name of their target.
pub fn regressions() -> io::Result<Seeds> {
    let mut seeds = Seeds::new();
    for target in TARGETS {
        let folder = fuzz_folder().join("regressions").join(target.name);
        seeds.insert(target.name, if folder.exists() { unpacked(&folder)? } else { Vec::new() });
    }
    Ok(seeds)
}

/// The kept inputs of a target: `fuzz/corpora/TARGET.hex`, one a line.
pub fn kept(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let path = kept_path(target);
    let text = fs::read_to_string(&path)?;
    let damaged = || io::Error::other(format!("{} has a line that is not hex", path.display()));
    text.lines().map(|line| unhex(line).ok_or_else(damaged)).collect()
}

/// Replaces the kept inputs of a target, each input once.
pub fn keep(target: &str, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
    inputs.sort();
    inputs.dedup();
    fs::write(kept_path(target), inputs.iter().map(|input| hex(input) + "\n").collect::<String>())
}

fn kept_path(target: &str) -> PathBuf {
    fuzz_folder().join("corpora").join(target).with_extension("hex")
}

/// All files of a folder, as libFuzzer has its inputs.
pub fn unpacked(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    files(folder)?.into_iter().map(fs::read).collect()
}

/// An input as text.
pub fn hex(input: &[u8]) -> String {
    input.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the recordings in this folder have for each target, each input once. Every target gets
/// some.
pub fn seeds(shared: &Path) -> io::Result<Seeds> {
    let mut maker = Maker::default();
    for path in files(&shared.join("vectors/gossip"))? {
        maker.gossip_file(&path)?;
    }
    for path in files(&shared.join("vectors/serf-rpc"))? {
        maker.rpc_file(&path)?;
    }
    for path in files(&shared.join("vectors/serf-cli"))? {
        maker.command_line_file(&path)?;
    }
    maker.filters(&shared.join("vectors/consul-catalog/filters.json"))?;
    maker.configurations(&shared.join("vectors/consul-cli/validate.json"))?;
    for folder in ["vectors/consul-http", "vectors/consul-catalog"] {
        for path in files(&shared.join(folder))? {
            maker.server_file(&path)?;
        }
    }
    for path in files(&shared.join("vectors/consul-dns"))? {
        maker.dns_file(&path)?;
    }
    maker.handmade();
    maker.machine();
    for inputs in maker.0.values_mut() {
        inputs.retain(|input| input.len() <= LONGEST);
        inputs.sort();
        inputs.dedup();
    }
    Ok(maker.0)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
    let mut paths: Vec<_> = entries.map(|e| e.map(|e| e.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn json(path: &Path) -> io::Result<Json> {
    if path.extension().is_none_or(|extension| extension != "json") {
        return Ok(Json::Null);
    }
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn list<'a>(json: &'a Json, key: &str) -> &'a [Json] {
    json[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[derive(Default)]
struct Maker(Seeds);

impl Maker {
    fn add(&mut self, target: &'static str, parts: &[&[u8]]) {
        self.0.entry(target).or_default().push(parts.concat());
    }

    fn gossip_file(&mut self, path: &Path) -> io::Result<()> {
        let serf = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("serf-"));
        for vector in list(&json(path)?, "vectors") {
            if let Some(text) = vector["text"].as_str() {
                self.add("snapshot", &[text.as_bytes()]);
            }
            if let Some(message) = vector["message_hex"].as_str().and_then(unhex) {
                self.message(&message, serf);
            }
            let Some(bytes) = vector["hex"].as_str().and_then(unhex) else { continue };
            match vector["transport"].as_str() {
                Some("udp") => {
                    self.add("datagram", &[&[0], &bytes]);
                    self.add("datagram", &[&[3], &bytes]);
                    let length = (bytes.len() as u16).to_be_bytes();
                    self.add("machine", &[&[32, 0, 3, 1], &length, &bytes, &[2, 2, 2]]);
                }
                Some("tcp") => {
                    let dialer = vector["direction"].as_str() == Some("listener to dialer");
                    let role = if dialer { 128 } else { 0 };
                    self.add("stream", &[&[role, 7], &bytes]);
                    self.add("stream", &[&[role | 3, 50], &bytes]);
                    if let [6, body @ ..] = &bytes[..] {
                        self.add("push_pull", &[body]);
                        self.add("stream", &[&[role | 43, 200], &bytes]);
                    }
                    let length = (bytes.len() as u16).to_be_bytes();
                    self.add("machine", &[&[32, 0, 8, 1, 0], &length, &bytes, &[2, 2, 2]]);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn message(&mut self, message: &[u8], serf: bool) {
        if let [kind, body @ ..] = message {
            let newer = [&[*kind], &with_unknown_field(body)[..]].concat();
            self.add(if serf { "serf_message" } else { "gossip_message" }, &[&newer]);
        }
        let body = message.get(1..).unwrap_or_default();
        self.add("msgpack", &[body]);
        self.add("lzw", &[&[20], &wire::lzw::compress(message)]);
        if serf {
            self.add("serf_message", &[message]);
            self.add("gossip_message", &[&[8], message]);
            let length = (message.len() as u16).to_be_bytes();
            self.add("machine", &[&[0, 0, 14, 255, 6, 5, 1, 1], &length, message, &[2, 2]]);
        } else {
            self.add("gossip_message", &[message]);
            self.add("datagram", &[&[8 | 16 | 32], message]);
            self.add("datagram", &[&[8 | 3 | 64], message]);
        }
    }

    fn rpc_file(&mut self, path: &Path) -> io::Result<()> {
        let recording = json(path)?;
        let (mut client, mut header) = (Vec::new(), Vec::new());
        for step in list(&recording, "steps") {
            if step["from"] == "client" {
                client.extend(step["hex"].as_str().and_then(unhex).unwrap_or_default());
                continue;
            }
            for value in list(step, "values") {
                let bytes = value["hex"].as_str().and_then(unhex).unwrap_or_default();
                match body_kind(&value["json"]) {
                    None => header = bytes,
                    Some(kind) => {
                        self.add("rpc_response", &[&[kind, 5], &header, &bytes]);
                        let newer = [&header, &bytes].map(|part| with_unknown_field(part));
                        self.add("rpc_response", &[&[kind, 5], &newer.concat()]);
                    }
                }
            }
        }
        self.add("rpc_request", &[&[5], &client]);
        Ok(())
    }

    fn command_line_file(&mut self, path: &Path) -> io::Result<()> {
        let recording = json(path)?;
        for (name, content) in recording["files"].as_object().into_iter().flatten() {
            if let (true, Some(text)) = (name.ends_with(".json"), content.as_str()) {
                self.add("config", &[text.as_bytes()]);
                self.add("gotext", &[text.as_bytes()]);
            }
        }
        Ok(())
    }

    fn filters(&mut self, path: &Path) -> io::Result<()> {
        for case in list(&json(path)?, "cases") {
            self.add("filter", &[case["filter"].as_str().unwrap_or_default().as_bytes()]);
        }
        Ok(())
    }

    fn configurations(&mut self, path: &Path) -> io::Result<()> {
        for case in list(&json(path)?, "cases") {
            for (name, content) in case["files"].as_object().into_iter().flatten() {
                let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
                self.add("settings", &[text.as_bytes()]);
                if name.ends_with(".hcl") {
                    self.add("hcl", &[text.as_bytes()]);
                }
            }
        }
        Ok(())
    }

    /// Questions, and answers as recursors may give them.
    fn dns_file(&mut self, path: &Path) -> io::Result<()> {
        for case in list(&json(path)?, "cases") {
            let one_or_more = |key: &str| match &case[key] {
                Json::Array(list) => list.clone(),
                one => vec![one.clone()],
            };
            let tcp = if case["transport"] == "tcp" { question::TCP } else { 0 };
            for query in [one_or_more("query"), one_or_more("raw_queries")].concat() {
                let Some(query) = query.as_str().and_then(unhex) else { continue };
                self.add("question", &[&[tcp], &query]);
                self.add("question", &[&[tcp | question::RECURSORS], &query]);
            }
            for answer in one_or_more("answer") {
                let Some(answer) = answer.as_str().and_then(unhex) else { continue };
                self.add("question", &[&[tcp | question::HEARD], &answer]);
            }
        }
        Ok(())
    }

    /// The bodies of a recorded scenario, or an archive and the state in it.
    fn server_file(&mut self, path: &Path) -> io::Result<()> {
        if path.extension().is_some_and(|extension| extension == "snap") {
            let bytes = fs::read(path)?;
            if let Ok(archive) = archive::Archive::read(&bytes, LONGEST << 10) {
                self.add("archive", &[&archive.state]);
            }
            self.add("archive", &[&bytes]);
        }
        for step in list(&json(path)?, "steps") {
            let request = &step["request"];
            let (path, body) = (request["path"].as_str().unwrap_or_default(), &request["json"]);
            let called = path.split('?').next().unwrap_or_default();
            let kind = match called {
                "/v1/agent/service/register" => Some(consul::SERVICE),
                "/v1/agent/check/register" => Some(consul::CHECK),
                _ => consul::CALLS.iter().position(|call| *call == called),
            };
            let text = request["body"].as_str().map_or_else(|| body.to_string(), str::to_owned);
            if let Some(kind) = kind.and_then(|kind| u8::try_from(kind).ok()) {
                self.add("body", &[&[kind], text.as_bytes()]);
            }
        }
        Ok(())
    }

    /// Short stories: others join, then one thing happens, then time passes.
    fn machine(&mut self) {
        let stories: &[&[u8]] = &[
            // A member is accused, declared dead, and comes back.
            &[5, 1, 1, 2, 1, 0, 1, 6, 5, 2, 1, 2, 1, 5, 0, 1, 1, 3, 0],
            // We are accused.
            &[5, 1, 0, 2, 5, 2, 2],
            // A query of ours, answered; one of others.
            &[15, 3, 1, b'q', 0, 1, 0, 6, 4, 1, 1, 0, 1, b'x', 1, 6],
            &[6, 3, 1, 5, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 7, 1, b'q', 0, 15, 4, 1, b'a'],
            // Key operations.
            &[15, 6, 4, 12, 1, 15, 14, 4, 12, 1, 15, 30, 1, 16],
            // Events, and floods of everything.
            &[15, 2, 1, b'e', 1, b'p', 6, 2, 1, 9, 1, b'e', 1, b'p'],
            &[13, 64, 32, 2, 13, 65, 255, 1, 2, 13, 66, 255, 1, 2, 13, 67, 255, 1, 2, 1, 10],
            // A join, its answer, and a leave.
            &[15, 0, 1, 9, 0, 1, 2, 1, 1, 0, 0, 3, 1, 1, 2, 1, 5, 1, 1, b'e', 0, 4, 1, 2, 15, 225],
            // An event and a query that come twice.
            &[6, 2, 1, 9, 1, b'e', 1, b'p', 6, 2, 1, 9, 1, b'e', 1, b'p'],
            &[6, 3, 1, 5, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 7, 1, b'q', 0, 6, 3, 1, 5, 1, 1, 9],
            // Clocks at the end of time.
            &[6, 2, 1, 255, 1, b'e', 0, 15, 2, 1, b'f', 0, 15, 3, 1, b'q', 0, 0, 0],
        ];
        for story in stories {
            for settings in [[0, 0], [33, 0], [112, 6]] {
                self.add("machine", &[&settings, &[14, 255], story, &[2, 2, 0, 99, 1, 5, 1, 19]]);
            }
        }
    }
}

/// The record as a newer sender may have it: with one field more.
fn with_unknown_field(record: &[u8]) -> Vec<u8> {
    match record {
        [map @ 0x80..0x8f, fields @ ..] => [&[map + 1], fields, &[0xa1, b'Z', 0xc0]].concat(),
        other => other.to_vec(),
    }
}

/// Which of the bodies of `rpc_response` an object is; None for a header.
fn body_kind(json: &Json) -> Option<u8> {
    const MARKS: [(&str, u8); 9] = [
        ("Num", 0),
        ("Event", 6),
        ("LTime", 6),
        ("Members", 1),
        ("Keys", 2),
        ("agent", 3),
        ("Coord", 4),
        ("Log", 5),
        ("Type", 7),
    ];
    MARKS.iter().find(|(mark, _)| json.get(mark).is_some()).map(|(_, kind)| *kind)
}
