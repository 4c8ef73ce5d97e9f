//! The files of this machine.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::ErrorKind;

use settings::{Content, Disk, Files, FlagSetting, Host, interfaces, load};

#[test]
fn files_and_directories_are_read() {
    let folder = format!("{}/settings-disk", env!("CARGO_TARGET_TMPDIR"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(format!("{folder}/etc/below")).unwrap();
    fs::write(format!("{folder}/etc/b.json"), r#"{"node_name": "b"}"#).unwrap();
    fs::write(format!("{folder}/etc/a.hcl"), "node_name = \"a\" domain = \"example\"").unwrap();
    fs::write(format!("{folder}/etc/below/c.json"), "not read").unwrap();

    assert_eq!(Disk.is_directory(&folder), Some(true));
    assert_eq!(Disk.is_directory(&format!("{folder}/etc/b.json")), Some(false));
    assert_eq!(Disk.is_directory(&format!("{folder}/none")), None);
    let none = Disk.open(&format!("{folder}/none")).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
    let Content::Directory(mut names) = Disk.open(&format!("{folder}/etc")).unwrap() else {
        panic!("a directory is none");
    };
    names.sort();
    assert_eq!(names, ["a.hcl", "b.json", "below"]);

    let flag = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
    let flags = [
        flag("dev", "true"),
        flag("client", "0.0.0.0"),
        flag("data-dir", &folder),
        flag("config-dir", &format!("{folder}/etc/")),
    ];
    let host = Host { name: "host".to_owned(), interfaces: interfaces().unwrap() };
    let settings = load(&flags, &Disk, &host).unwrap();
    settings.check_start().unwrap();
    assert_eq!((settings.node.name.as_str(), settings.dns.domain.as_str()), ("b", "example."));
    assert_eq!(settings.network.http[0].to_string(), "0.0.0.0:8500");

    let wrong = [flag("dev", "true"), flag("data-dir", &format!("{folder}/etc/b.json"))];
    let failure = load(&wrong, &Disk, &host).unwrap_err();
    assert!(failure.to_string().ends_with("b.json\" is not a directory"), "{failure}");
}

/// A file that cannot be a configuration is not taken into memory.
#[test]
fn files_have_a_largest_size() {
    let path = format!("{}/settings-large.json", env!("CARGO_TARGET_TMPDIR"));
    let file = fs::File::create(&path).unwrap();
    // Without its bytes: the file has a hole.
    file.set_len(hcl::SIZE_BYTES as u64 + 1).unwrap();
    let error = Disk.open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    fs::remove_file(&path).unwrap();
}
