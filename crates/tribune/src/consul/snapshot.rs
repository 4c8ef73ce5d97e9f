//! `consul snapshot save` and `consul snapshot restore`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use client::http::{HttpError, Request, Response};
use gotext::object::Object;

use super::Failure;
use super::connection::Agent;
use super::failure::too_many;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::{complain, say};

/// Largest snapshot, packed and unpacked: as large as the one that a server takes may unpack to.
pub(super) const LARGEST: u64 = 64 << 30;

/// The only argument: a file.
pub(super) fn file(parsed: &Parsed) -> Result<String, Failure> {
    too_many(parsed.positional.len(), 1)?;
    parsed.words().pop().ok_or_else(|| Failure::said("Missing FILE argument"))
}

fn failed(path: &str, error: &io::Error) -> Failure {
    Failure::of("Error opening snapshot file", gotext::path_error("open", path, error))
}

/// A snapshot's file.
pub(super) fn open(path: &str) -> Result<impl Read + use<>, Failure> {
    let file = File::open(path).map_err(|error| failed(path, &error))?;
    Ok(file.take(LARGEST))
}

pub(super) fn save(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let file = file(parsed)?;
    let agent = Agent::connect(parsed)?;
    let wanted = parsed.text("append-filename");
    let file = if wanted.is_empty() {
        file
    } else {
        let self_told = agent.about_itself();
        let told = self_told.and_then(|told| named_after(&file, &wanted, told));
        told.map_err(|error| Failure::of("Error querying Consul agent", error))?
    };
    let saving = |error: HttpError| Failure::of("Error saving snapshot", error);
    let mut response = agent.open(Request::get("/v1/snapshot")).map_err(saving)?;
    let index = response
        .index()
        .ok_or_else(|| Failure::said("Error saving snapshot: the answer has no X-Consul-Index"))?;
    let unverified = format!("{file}.unverified.tmp{}", random()?);
    let saved = write_unverified(&agent, &mut response, &unverified)
        .and_then(|()| verify(&unverified))
        .and_then(|()| {
            fs::rename(&unverified, &file).map_err(|error| {
                let why = gotext::errno_text(&error);
                Failure::of(
                    "Error finishing snapshot file",
                    format!("rename {unverified} {file}: {why}"),
                )
            })
        });
    if let Err(failure) = saved {
        // What cannot be removed was not made, or is told by its name.
        let _ = fs::remove_file(&unverified);
        return Err(failure);
    }
    sync_folder(&file);
    say(format!("Saved and verified snapshot to index {index}"));
    Ok(())
}

/// A number that no other file's name has.
fn random() -> Result<u32, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|_| {
        Failure::said("Error reading random data: the system's generator is silent")
    })?;
    Ok(u32::from_le_bytes(bytes))
}

fn write_unverified(agent: &Agent, response: &mut Response, path: &str) -> Result<(), Failure> {
    let failed = |error: &io::Error| {
        let why = gotext::path_error("open", path, error);
        Failure::of("Error writing unverified snapshot file", why)
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| failed(&error))?;
    while let Some(piece) = agent
        .wait(response.piece())
        .map_err(|error| Failure::of("Error writing unverified snapshot file", error))?
    {
        file.write_all(&piece).map_err(|error| failed(&error))?;
    }
    file.sync_all().map_err(|error| failed(&error))
}

/// Makes a rename last. Not every system can, and then nothing more can be done.
fn sync_folder(file: &str) {
    let folder = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}

fn verify(path: &str) -> Result<(), Failure> {
    archive::read(open(path)?, LARGEST, |_| ())
        .map_err(|error| Failure::of("Error verifying snapshot file", error))?;
    Ok(())
}

/// The name of the file with what was asked for of the agent, before its extension.
fn named_after(file: &str, wanted: &str, mut told: Object) -> Result<String, HttpError> {
    let mut config: Object = told.field("Config")?;
    let mut stats: Object = told.field("Stats")?;
    let mut consul: Object = stats.field("consul")?;
    let leads = consul.field::<String>("leader")? == "true";
    let path = Path::new(file);
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    let extension = extension.unwrap_or_default();
    // One that is followed by a slash is none.
    let (name, extension) = match file.strip_suffix(&extension) {
        Some(name) => (name, extension.as_str()),
        None => (file, ""),
    };
    let mut name = name.to_owned();
    for word in ["version", "dc", "node", "status"] {
        if !wanted.split(',').any(|wanted| wanted == word) {
            continue;
        }
        let value = match word {
            "version" => config.field("Version")?,
            "dc" => config.field("Datacenter")?,
            "node" => config.field("NodeName")?,
            _ => if leads { "leader" } else { "follower" }.to_owned(),
        };
        name.push_str(&format!("-{value}"));
    }
    Ok(name + extension)
}

pub(super) fn restore(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let path = file(parsed)?;
    let mut archive = Vec::new();
    open(&path)?.read_to_end(&mut archive).map_err(|error| failed(&path, &error))?;
    let agent = Agent::connect(parsed)?;
    let answer = agent
        .open(Request::put("/v1/snapshot").body(archive))
        .map_err(|error| Failure::of("Error restoring snapshot", error))?;
    say("Restored snapshot");
    if let Some(warning) = answer.warning() {
        complain(format!("Warning: {warning}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn files_are_named_after_the_agent() {
        let told = || {
            Object::parse(
                br#"{"Config":{"Version":"1.16.4","Datacenter":"dc1","NodeName":"n1"},
                     "Stats":{"consul":{"leader":"true"}}}"#,
            )
            .unwrap()
        };
        for (file, wanted, name) in [
            ("s.snap", "dc", "s-dc1.snap"),
            ("d.x/s", "status,version,dc,node", "d.x/s-1.16.4-dc1-n1-leader"),
            ("s.snap", "zz", "s.snap"),
            ("s.é/.", "dc", "s.é/.-dc1"),
        ] {
            assert_eq!(named_after(file, wanted, told()).unwrap(), name);
        }
    }
}
