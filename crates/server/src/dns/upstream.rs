//! Where a recursor is: its address, or what the system's resolver says of its name.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use settings::Recursor;
use tokio::sync::Mutex as Turns;
use tokio::time::timeout;

/// How long an address serves before its name is looked up again.
const FRESH: Duration = Duration::from_secs(10);
/// How long a look-up is waited for where an older address is known.
const LOOK_UP: Duration = Duration::from_millis(500);

/// A recursor. Cloning shares what is known of it.
#[derive(Clone)]
pub(super) struct Upstream {
    pub(super) recursor: Recursor,
    known: Arc<Known>,
}

/// What was found of a name.
#[derive(Default)]
struct Known {
    last: Mutex<Option<(SocketAddr, Instant)>>,
    /// Held while it is looked up, which the system cannot be kept from once it has begun: each has
    /// a thread, and a resolver that hangs would soon have all of them.
    turn: Arc<Turns<()>>,
}

impl Upstream {
    pub(super) fn new(recursor: Recursor) -> Self {
        Self { recursor, known: Arc::default() }
    }

    /// Its address.
    pub(super) async fn address(&self) -> io::Result<SocketAddr> {
        match &self.recursor {
            Recursor::Address(address) => Ok(*address),
            Recursor::Name(host, port) => {
                let (host, port) = (host.clone(), *port);
                let look_up = async move {
                    let mut found = tokio::net::lookup_host((host, port)).await?;
                    found.next().ok_or_else(|| io::ErrorKind::NotFound.into())
                };
                self.known.find(look_up).await
            }
        }
    }
}

impl Known {
    fn last(&self) -> MutexGuard<'_, Option<(SocketAddr, Instant)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address that is known or, if it is none or an old one, that a look-up finds.
    async fn find<F>(self: &Arc<Self>, look_up: F) -> io::Result<SocketAddr>
    where
        F: Future<Output = io::Result<SocketAddr>> + Send + 'static,
    {
        let last = *self.last();
        let turn = match last {
            Some((address, at)) if at.elapsed() < FRESH => return Ok(address),
            Some((address, _)) => match self.turn.clone().try_lock_owned() {
                Ok(turn) => turn,
                Err(_) => return Ok(address),
            },
            None => self.turn.clone().lock_owned().await,
        };
        if last.is_none()
            && let Some((address, _)) = *self.last()
        {
            return Ok(address);
        }
        let known = self.clone();
        // A task of its own: who gives up does not begin another one while this one hangs.
        let found = tokio::spawn(async move {
            let found = look_up.await;
            if let Ok(address) = &found {
                *known.last() = Some((*address, Instant::now()));
            }
            drop(turn);
            found
        });
        match last {
            Some((address, _)) => Ok(match timeout(LOOK_UP, found).await {
                Ok(Ok(Ok(address))) => address,
                _ => address,
            }),
            None => found.await.map_err(io::Error::other)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_name_is_looked_up_once_at_a_time() {
        let (known, times) = (Arc::new(Known::default()), Arc::new(AtomicUsize::new(0)));
        let find = |found: Option<u16>| {
            let (known, times) = (known.clone(), times.clone());
            async move {
                let look_up = async move {
                    times.fetch_add(1, Ordering::Relaxed);
                    match found {
                        Some(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
                        None => std::future::pending().await,
                    }
                };
                known.find(look_up).await.ok().map(|address| address.port())
            }
        };
        let times = || times.load(Ordering::Relaxed);
        let failing = known.find(async { Err(io::ErrorKind::NotFound.into()) });
        assert!(failing.await.is_err(), "nothing is known");
        assert_eq!(tokio::join!(find(Some(1)), find(Some(2))), (Some(1), Some(1)));
        assert_eq!((find(None).await, times()), (Some(1), 1));
        let age = || {
            if let Some((_, at)) = &mut *known.last() {
                *at = at.checked_sub(FRESH).expect("a machine that runs for some seconds");
            }
        };
        age();
        assert_eq!((find(Some(3)).await, times()), (Some(3), 2));
        age();
        // The last one serves while nothing is found, and no further look-up begins.
        assert_eq!((find(None).await, times()), (Some(3), 3));
        assert_eq!((find(Some(4)).await, times()), (Some(3), 3));
    }

    #[tokio::test]
    async fn who_waits_for_a_look_up_that_hangs_gives_up_alone() {
        let (known, times) = (Arc::new(Known::default()), Arc::new(AtomicUsize::new(0)));
        for _ in 0..20 {
            let seen = times.clone();
            let hanging = known.find(async move {
                seen.fetch_add(1, Ordering::Relaxed);
                std::future::pending().await
            });
            assert!(timeout(Duration::from_millis(1), hanging).await.is_err());
        }
        assert_eq!(times.load(Ordering::Relaxed), 1);
    }
}
