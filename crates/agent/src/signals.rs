//! The signals that the agent catches.

use std::io;

/// A caught signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT, or what the console sends.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    Hangup,
    /// SIGUSR1.
    User1,
}

impl Signal {
    /// As the operator is told.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Signal::Interrupt => "interrupt",
            Signal::Terminate => "terminated",
            Signal::Hangup => "hangup",
            Signal::User1 => "user defined signal 1",
        }
    }
}

/// Catches signals from its creation on.
pub(crate) struct Signals {
    #[cfg(unix)]
    streams: [(Signal, tokio::signal::unix::Signal); 4],
    /// SIGQUIT.
    quit: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn catch() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            streams: [
                (Signal::Interrupt, signal(SignalKind::interrupt())?),
                (Signal::Terminate, signal(SignalKind::terminate())?),
                (Signal::Hangup, signal(SignalKind::hangup())?),
                (Signal::User1, signal(SignalKind::user_defined1())?),
            ],
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next signal. Safe to cancel.
    ///
    /// SIGQUIT never comes out of here: whoever sends it wants the end at once, without a leave.
    pub(crate) async fn next(&mut self) -> Signal {
        let Signals { streams, quit } = self;
        std::future::poll_fn(|context| {
            if quit.poll_recv(context).is_ready() {
                eprintln!("SIGQUIT: quit");
                std::process::exit(2);
            }
            for (signal, stream) in streams.iter_mut() {
                if stream.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*signal);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn catch() -> io::Result<Signals> {
        Ok(Signals {})
    }

    /// The next signal. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}
