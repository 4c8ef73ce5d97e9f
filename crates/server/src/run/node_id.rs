//! The node's ID: the configured one, the one of the last run, or a new one that is kept.

use std::io::ErrorKind;
use std::path::Path;

use catalog::Uuid;
use settings::{Failure, Settings};
use sha2::{Digest, Sha512};

use crate::{private_file, random};

/// Where Linux says which machine this is, the most lasting first; the last one is new with every
/// start of the system.
const HOST_IDS: [&str; 3] =
    ["/sys/class/dmi/id/product_uuid", "/etc/machine-id", "/proc/sys/kernel/random/boot_id"];

/// The ID of this node. A new one is written to the data directory, if there is one.
pub(super) fn node_id(settings: &Settings) -> Result<Uuid, Failure> {
    let wrong =
        |why: String| Failure { message: format!("failed to setup node ID: {why}"), hint: None };
    if let Some(id) = &settings.node.id {
        return parse(id).map_err(|why| wrong(format!("specified NodeID is invalid: {why}")));
    }
    let fresh = || {
        let of_host = if settings.node.disable_host_id { None } else { host_id() };
        of_host.unwrap_or_else(random::uuid)
    };
    let Some(directory) = &settings.data_dir else { return Ok(fresh()) };
    let path = directory.join("node-id");
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(text.trim()).map_err(|why| {
            let shown = path.display();
            let mut failure = wrong(format!("NodeID in {shown} is invalid: {why}"));
            failure.hint = Some(format!(
                "restore {shown}: the log of this server belongs to its ID (without a log, remove \
                 it for another ID)"
            ));
            failure
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let id = fresh();
            private_file::write(&path, id.to_string().as_bytes())
                .map_err(|error| wrong(path_error("open", &path, &error)))?;
            Ok(id)
        }
        Err(error) => Err(wrong(path_error("open", &path, &error))),
    }
}

fn path_error(operation: &str, path: &Path, error: &std::io::Error) -> String {
    gotext::path_error(operation, &path.to_string_lossy(), error)
}

fn parse(text: &str) -> Result<Uuid, String> {
    let small = text.to_ascii_lowercase();
    catalog::uuid_valid(&small)?;
    Uuid::parse(&small).ok_or_else(|| "uuid is improperly formatted".to_owned())
}

/// An ID that this machine always has, if it has one; several agents on it must not use it.
fn host_id() -> Option<Uuid> {
    HOST_IDS.iter().find_map(|path| of_host(&std::fs::read_to_string(path).ok()?))
}

/// Derived so that nobody learns the machine's own ID.
fn of_host(text: &str) -> Option<Uuid> {
    let mut text = text.trim().to_ascii_lowercase();
    if text.len() == 32 && text.is_ascii() {
        for at in [8, 13, 18, 23] {
            text.insert(at, '-');
        }
    }
    Uuid::parse(&text)?;
    let digest = Sha512::digest(text.as_bytes());
    let bytes = digest.first_chunk::<16>().expect("a digest has 64 bytes");
    Some(Uuid::from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_machine_has_one_id_however_it_is_written() {
        let id = of_host("8B24D8A0-1F3C-4A5B-9C6D-7E8F90A1B2C3\n").unwrap();
        assert_eq!(of_host("8b24d8a01f3c4a5b9c6d7e8f90a1b2c3"), Some(id));
        assert_ne!(id.to_string(), "8b24d8a0-1f3c-4a5b-9c6d-7e8f90a1b2c3");
        assert_eq!(of_host("uninitialized"), None);
    }
}
