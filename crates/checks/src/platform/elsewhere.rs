//! For systems that are not Unix: the items of `unix.rs`, as far as there is anything to do.

use std::fs::File;
use std::io::{self, PipeReader};
use std::os::windows::io::OwnedHandle;
use std::path::Path;

use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Starts a program; there are no groups, so the program alone is killed with its [`Child`].
pub(crate) fn spawn_group(command: &mut Command) -> io::Result<(Child, Group)> {
    Ok((command.kill_on_drop(true).spawn()?, Group))
}

/// There are none here.
#[derive(Debug)]
pub(crate) struct Group;

impl Group {
    pub(crate) fn leave(self) {}
}

/// A pipe's end for the asynchronous reader.
pub(crate) fn pipe_reader(reader: PipeReader) -> io::Result<impl AsyncRead + Unpin> {
    Ok(tokio::fs::File::from_std(File::from(OwnedHandle::from(reader))))
}

/// There are no local streams here.
pub(crate) async fn connect_local(_path: &Path) -> io::Result<TcpStream> {
    Err(io::ErrorKind::Unsupported.into())
}
