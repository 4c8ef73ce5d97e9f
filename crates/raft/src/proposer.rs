//! Group commit: many commands, one entry, one flush.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use openraft::error::{ClientWriteError, RaftError};
use tokio::sync::{mpsc, oneshot};

use crate::batch::Filling;
use crate::limits::{BATCH_BYTES, BATCH_COMMANDS, COMMAND_BYTES, FREE_SPACE_MARK, WAITING};
use crate::types::{NodeId, Raft, Replies};
use crate::{Applied, Machine, space};

/// Why a command was not applied, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing was written. Reads go on, and writes are taken again when there is space.
    #[error(
        "no space for writes: {free} bytes are free in {}, {mark} are needed; free some, writes \
         are then taken again",
        directory.display()
    )]
    NoSpace {
        /// Where the log is.
        directory: PathBuf,
        /// Bytes that are free there.
        free: u64,
        /// Bytes that must be.
        mark: u64,
    },
    /// Nothing was written.
    #[error("a command of {size} bytes is larger than the {COMMAND_BYTES} that fit one entry")]
    TooLarge {
        /// Bytes of the command.
        size: usize,
    },
    /// Another server leads, or none: the command may be or become applied if this server led
    /// when it was proposed.
    #[error("No cluster leader")]
    NoLeader,
    /// This server's log has ended, for the reason given. The command may have been written and
    /// would then be applied after a restart.
    #[error("the log has stopped: {0}")]
    Stopped(String),
}

type Answer<R> = oneshot::Sender<Result<Applied<R>, Refused>>;

/// A command that waits.
pub(crate) struct Proposal<R> {
    command: Bytes,
    answer: Answer<R>,
}

/// Takes commands from any number of callers.
pub(crate) struct Proposer<R>(mpsc::Sender<Proposal<R>>);

impl<R: Send + 'static> Proposer<R> {
    /// Proposes to `raft` until the last caller is gone. `directory` is the one whose free space
    /// counts; a log in memory has none.
    pub(crate) fn start<M>(raft: Raft<M>, directory: Option<PathBuf>) -> Self
    where
        M: Machine<Reply = R>,
    {
        let (sender, waiting) = mpsc::channel(WAITING);
        tokio::spawn(run(raft, directory, waiting));
        Self(sender)
    }

    /// Returns when the command is applied, or will not be.
    pub(crate) async fn propose(&self, command: Bytes) -> Result<Applied<R>, Refused> {
        if command.len() > COMMAND_BYTES {
            return Err(Refused::TooLarge { size: command.len() });
        }
        let (answer, answered) = oneshot::channel();
        let stopped = || Refused::Stopped("the server was shut down".to_owned());
        self.0.send(Proposal { command, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

async fn run<M: Machine>(
    raft: Raft<M>,
    directory: Option<PathBuf>,
    mut waiting: mpsc::Receiver<Proposal<M::Reply>>,
) {
    let mut left_over = None;
    loop {
        let first = match left_over.take() {
            Some(proposal) => proposal,
            None => match waiting.recv().await {
                Some(proposal) => proposal,
                None => return,
            },
        };
        let (filling, answers, next) = gather(first, &mut waiting);
        left_over = next;
        let outcome = match directory.as_deref().and_then(refusal) {
            Some(refused) => Err(refused),
            None => raft.client_write(filling.finish()).await.map_err(refused),
        };
        match outcome {
            Ok(response) => answer_all(response.data, answers),
            Err(refused) => {
                for answer in answers {
                    // The caller may have given up.
                    let _ = answer.send(Err(refused.clone()));
                }
            }
        }
    }
}

/// Fills an entry with what waits, up to its limits; the first command that does not fit is left
/// over.
fn gather<R>(
    first: Proposal<R>,
    waiting: &mut mpsc::Receiver<Proposal<R>>,
) -> (Filling, Vec<Answer<R>>, Option<Proposal<R>>) {
    let mut filling = Filling::new(wall_clock_ms());
    filling.push(&first.command);
    let mut answers = vec![first.answer];
    while filling.commands() < BATCH_COMMANDS && filling.size() < BATCH_BYTES {
        let Ok(next) = waiting.try_recv() else { break };
        if filling.size() + next.command.len() > BATCH_BYTES {
            return (filling, answers, Some(next));
        }
        filling.push(&next.command);
        answers.push(next.answer);
    }
    (filling, answers, None)
}

fn answer_all<R>(replies: Replies<R>, answers: Vec<Answer<R>>) {
    let indexes = replies.first_index..;
    for ((index, reply), answer) in indexes.zip(replies.replies).zip(answers) {
        // The caller may have given up.
        let _ = answer.send(Ok(Applied { index, reply }));
    }
}

/// Why nothing may be written to this directory now, if so.
fn refusal(directory: &Path) -> Option<Refused> {
    let free = space::free(directory).ok().filter(|free| *free < FREE_SPACE_MARK)?;
    Some(Refused::NoSpace { directory: directory.to_owned(), free, mark: FREE_SPACE_MARK })
}

fn refused(error: RaftError<NodeId, ClientWriteError<NodeId, openraft::BasicNode>>) -> Refused {
    match error {
        RaftError::APIError(_) => Refused::NoLeader,
        RaftError::Fatal(fatal) => Refused::Stopped(fatal.to_string()),
    }
}

fn wall_clock_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since_1970.unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
