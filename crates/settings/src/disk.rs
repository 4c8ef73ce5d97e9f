//! The files of this machine.

use std::fs::{self, File};
use std::io::{self, Read};

use crate::sources::{Content, Files};

/// Longest file that is read, in bytes; as much as the reader of HCL takes.
const FILE_BYTES: u64 = hcl::SIZE_BYTES as u64;

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn open(&self, path: &str) -> io::Result<Content> {
        if fs::metadata(path)?.is_dir() {
            let names = fs::read_dir(path)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<_>>()?;
            return Ok(Content::Directory(names));
        }
        let mut text = Vec::new();
        File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > FILE_BYTES {
            let why = format!("more than {FILE_BYTES} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(Content::File(text))
    }

    fn is_directory(&self, path: &str) -> Option<bool> {
        fs::metadata(path).ok().map(|metadata| metadata.is_dir())
    }
}
