#![allow(clippy::unwrap_used)]

use std::io::{self, Read};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const LIMIT: u64 = 1 << 24;

/// All of an archive in memory.
fn whole(bytes: &[u8], limit: u64) -> Result<(Meta, Vec<u8>), ArchiveError> {
    read(bytes, limit, |state| {
        let mut bytes = Vec::new();
        state.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn written(meta: &Meta, state: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, meta, |out| out.write_all(state)).unwrap();
    bytes
}

/// Hands out a few bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = out.len().min(7);
        self.0.read(&mut out[..count])
    }
}

fn recordings() -> PathBuf {
    std::env::var_os("TRIBUNE_SHARED")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
            PathBuf::from,
        )
        .join("vectors/consul-catalog")
}

fn recorded(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(recordings().join(name)).unwrap()).unwrap()
}

#[test]
fn recorded_archives_are_read_and_their_records_found() {
    for name in ["snapshot-1.16", "snapshot-1.16-acl", "snapshot-1.21"] {
        let bytes = std::fs::read(recordings().join(format!("{name}.snap"))).unwrap();
        let told = recorded(&format!("{name}.json"));
        let (found, state) = whole(&bytes, LIMIT).unwrap();
        let meta = &told["archive"]["meta.json"];
        assert_eq!(found.id, meta["ID"].as_str().unwrap());
        assert_eq!(found.index, meta["Index"].as_u64().unwrap());
        assert_eq!(found.size, state.len() as u64);
        assert_eq!(found.servers.len(), 1);

        let wanted = told["records"].as_array().unwrap();
        let mut records = Records::new(Trickle(&state), state.len());
        assert!(records.last_index().unwrap() > 0);
        let (mut count, mut length) = (0, 0);
        while let Some(record) = records.next_record().unwrap() {
            let wanted = &wanted[count];
            assert_eq!(type_name(record.kind), wanted["name"].as_str().unwrap());
            if count > 0 {
                assert_eq!(record.length as u64, wanted["length"].as_u64().unwrap());
            }
            if wanted["name"] == "KVS" {
                assert_eq!(record.key().as_deref(), wanted["value"]["Key"].as_str());
            }
            (count, length) = (count + 1, length + record.length);
        }
        assert_eq!((count, length), (wanted.len(), state.len()));

        // Written again it is the same description and state.
        let again = written(&found, &state);
        assert_eq!(whole(&again, LIMIT).unwrap(), (found, state));
        let mut line = Vec::new();
        flate2::read::GzDecoder::new(&again[..]).take(512 + 300).read_to_end(&mut line).unwrap();
        let written: Value =
            serde_json::Deserializer::from_slice(&line[512..]).into_iter().next().unwrap().unwrap();
        assert_eq!(&written, meta);
    }
}

#[test]
fn damaged_archives_are_refused_as_recorded() {
    let mut refused = 0;
    for step in recorded("snapshot-restore.json")["steps"].as_array().unwrap() {
        let request = &step["request"];
        if request["method"] != "PUT" || request["path"] != "/v1/snapshot" {
            continue;
        }
        let bytes = match request["body_b64"].as_str() {
            Some(body) => STANDARD.decode(body).unwrap(),
            None => request["body"].as_str().unwrap().as_bytes().to_vec(),
        };
        let found = read(Trickle(&bytes), LIMIT, |_| ()).map_err(|error| error.to_string());
        let response = &step["response"];
        if response["status"] == 200 {
            assert!(found.is_ok(), "{}: {found:?}", step["note"]);
            continue;
        }
        refused += 1;
        let found = found.unwrap_err();
        match response["body"].as_str() {
            Some(body) => assert_eq!(found, body, "{}", step["note"]),
            None => assert!(
                found.contains("file missing for \"meta.json\"")
                    || found.contains("file missing for \"state.bin\""),
                "{}: {found}",
                step["note"]
            ),
        }
    }
    assert_eq!(refused, 21);
}

#[test]
fn the_list_of_sums_has_every_file_and_nothing_wrong() {
    let files = [("a", sums::of(b"x")), ("b", sums::of(b""))];
    let list = sums::write(&files);
    assert_eq!(sums::check(&list, &files), Ok(()));
    assert_eq!(sums::check(&list.repeat(1000), &files), Ok(()));
    let why = |list: &[u8]| sums::check(list, &files).unwrap_err().to_string();
    let first = list.split_inclusive(|byte| *byte == b'\n').next().unwrap();
    assert!(why(first).ends_with("file missing for \"b\""));
    assert!(why(&[first, b"00  b\n"].concat()).ends_with("hash check failed for \"b\""));
    assert!(why(&[&list[..], b"00  c\n"].concat()).ends_with("list missing hash for \"c\""));
}

#[test]
fn nothing_is_unpacked_beyond_the_limit() {
    let bytes = written(&Meta::default(), &vec![0; 1 << 20]);
    assert_eq!(whole(&bytes, 1 << 20), Err(ArchiveError::TooLong(1 << 20)));
    let mut read_of_it = 0;
    let cut = read(&bytes[..], 1 << 16, |state| {
        read_of_it = io::copy(state, &mut io::sink()).unwrap();
    });
    assert_eq!(cut, Err(ArchiveError::TooLong(1 << 16)));
    assert!(read_of_it <= 2 << 16, "{read_of_it}");
    assert!(whole(&bytes, 2 << 20).is_ok());
}

#[test]
fn a_state_is_there_once_and_of_one_length() {
    let mut twice = Vec::new();
    let mut tar = GzEncoder::new(&mut twice, Compression::fast());
    for _ in 0..2 {
        tar::append(&mut tar, STATE, 1, |out| out.write_all(b"x")).unwrap();
    }
    tar::end(&mut tar).unwrap();
    tar.finish().unwrap();
    assert_eq!(whole(&twice, LIMIT), Err(ArchiveError::UnexpectedFile(STATE.to_owned())));

    let calls = std::cell::Cell::new(0);
    let changing = write(io::sink(), &Meta::default(), |out| {
        calls.set(calls.get() + 1);
        out.write_all(&vec![0; calls.get()])
    });
    assert!(changing.unwrap_err().to_string().contains("state.bin is not as long"));
}

#[test]
fn no_record_is_longer_than_the_limit() {
    let mut state = Vec::new();
    let mut writer = StateWriter::new(&mut state, 7);
    writer.put(kind::KEY, |out| out.write_raw(&vec![0; 300_000])).unwrap();
    writer.put(kind::SESSION, |out| out.write_nil()).unwrap();
    writer.finish().unwrap();
    let mut records = Records::new(&state[..], 300_006);
    assert_eq!(records.next_record().unwrap().unwrap().value.len(), 300_005);
    assert_eq!(records.next_record().unwrap().unwrap().kind, kind::SESSION);
    assert_eq!(records.next_record().unwrap(), None);
    for limit in [1, 100_000, 300_005] {
        let mut records = Records::new(&state[..], limit);
        let error = records.next_record().unwrap_err();
        assert_eq!(error, ArchiveError::LongRecord { name: "KVS".to_owned(), limit });
        assert_eq!(records.next_record().unwrap(), None);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(state in any::<Vec<u8>>(), index: u64, id in ".{0,20}") {
        let size = state.len() as u64;
        let server = Server { suffrage: 1, id: id.clone(), address: "[::1]:8300".to_owned() };
        let meta = Meta { index, id, size, servers: vec![server], ..Meta::default() };
        prop_assert_eq!(whole(&written(&meta, &state), LIMIT), Ok((meta, state)));
    }

    #[test]
    fn damage_never_panics(state in any::<Vec<u8>>(), at: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = written(&Meta::default(), &state);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = whole(&bytes, LIMIT);
        let _ = whole(&bytes[..at], LIMIT);
        let mut records = Records::new(&state[..], 1 << 10);
        let mut count = 0;
        while let Ok(Some(_)) = records.next_record() {
            count += 1;
        }
        prop_assert!(count <= state.len());
    }
}
