#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const LIMIT: usize = 1 << 24;

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
        let archive = Archive::read(&bytes, LIMIT).unwrap();
        let meta = &told["archive"]["meta.json"];
        assert_eq!(archive.meta.id, meta["ID"].as_str().unwrap());
        assert_eq!(archive.meta.index, meta["Index"].as_u64().unwrap());
        assert_eq!(archive.meta.size, archive.state.len() as u64);
        assert_eq!(archive.meta.servers.len(), 1);

        let records: Result<Vec<_>, _> = Records::new(&archive.state).collect();
        let records = records.unwrap();
        let wanted = told["records"].as_array().unwrap();
        assert_eq!(records.len(), wanted.len());
        assert_eq!(records.iter().map(|record| record.length).sum::<usize>(), archive.state.len());
        for (index, (record, wanted)) in records.iter().zip(wanted).enumerate() {
            assert_eq!(type_name(record.kind), wanted["name"].as_str().unwrap());
            if index > 0 {
                assert_eq!(record.length as u64, wanted["length"].as_u64().unwrap());
            }
            if wanted["name"] == "KVS" {
                assert_eq!(record.key().as_deref(), wanted["value"]["Key"].as_str());
            }
        }

        // Written again it is the same description and state.
        let again = Archive::read(&archive.write(), LIMIT).unwrap();
        assert_eq!(again, archive);
        let mut line = Vec::new();
        flate2::read::GzDecoder::new(&archive.write()[..])
            .take(512 + 300)
            .read_to_end(&mut line)
            .unwrap();
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
        let found = Archive::read(&bytes, LIMIT).map_err(|error| error.to_string());
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
    let files: [(&str, &Vec<u8>); 2] = [("a", &b"x".to_vec()), ("b", &Vec::new())];
    let contents: [(&str, &[u8]); 2] = [("a", b"x"), ("b", b"")];
    let list = sums::write(&files);
    assert_eq!(sums::check(&list, &contents), Ok(()));
    assert_eq!(sums::check(&list.repeat(1000), &contents), Ok(()));
    let why = |list: &[u8]| sums::check(list, &contents).unwrap_err().to_string();
    let first = list.split_inclusive(|byte| *byte == b'\n').next().unwrap();
    assert!(why(first).ends_with("file missing for \"b\""));
    assert!(why(&[first, b"00  b\n"].concat()).ends_with("hash check failed for \"b\""));
    assert!(why(&[&list[..], b"00  c\n"].concat()).ends_with("list missing hash for \"c\""));
}

#[test]
fn nothing_is_unpacked_beyond_the_limit() {
    let archive = Archive { meta: Meta::default(), state: vec![0; 1 << 20] };
    let bytes = archive.write();
    assert_eq!(Archive::read(&bytes, 1 << 20), Err(ArchiveError::TooLong(1 << 20)));
    assert!(Archive::read(&bytes, 2 << 20).is_ok());
}

proptest! {
    #[test]
    fn what_is_written_is_read(state in any::<Vec<u8>>(), index: u64, id in ".{0,20}") {
        let size = state.len() as u64;
        let server = Server { suffrage: 1, id: id.clone(), address: "[::1]:8300".to_owned() };
        let meta = Meta { index, id, size, servers: vec![server], ..Meta::default() };
        let archive = Archive { meta, state };
        prop_assert_eq!(Archive::read(&archive.write(), LIMIT), Ok(archive));
    }

    #[test]
    fn damage_never_panics(state in any::<Vec<u8>>(), at: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = Archive { meta: Meta::default(), state: state.clone() }.write();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = Archive::read(&bytes, LIMIT);
        let _ = Archive::read(&bytes[..at], LIMIT);
        prop_assert!(Records::new(&state).count() <= state.len() + 1);
    }
}
