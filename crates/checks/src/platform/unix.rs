//! The Unix half.

use std::io::{self, PipeReader};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncRead;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// Starts a program as the first of a group of its own.
pub(crate) fn spawn_group(command: &mut Command) -> io::Result<(Child, Group)> {
    let child = command.process_group(0).spawn()?;
    let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    Ok((child, Group { leader }))
}

/// A program and all that it starts; killed when this is dropped.
///
/// The number of the group belongs to it as long as its leader has not been waited for: whoever
/// does that says so with [`Group::leave`].
#[derive(Debug)]
pub(crate) struct Group {
    leader: Option<Pid>,
}

impl Group {
    /// The leader has ended: what it left behind goes on by itself.
    pub(crate) fn leave(mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // Its only failure here: nobody is left.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// A pipe's end for the asynchronous reader.
pub(crate) fn pipe_reader(reader: PipeReader) -> io::Result<impl AsyncRead + Unpin> {
    pipe::Receiver::from_owned_fd(reader.into())
}

/// A stream to whoever listens at a path.
pub(crate) async fn connect_local(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}
