//! The network's part: connections to the floating address go to the node that announced it last.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::page::HOLDER_FILE;

/// A relayed connection ends after this: pages are short, and a frozen node must not collect them.
const CONNECTION_LIMIT: Duration = Duration::from_secs(5);

/// Relays from a thread of its own, for as long as the process lives. `page_of` says where the
/// page of a node is.
pub(crate) fn start(
    listener: TcpListener,
    folder: PathBuf,
    page_of: impl Fn(&str) -> Option<SocketAddr> + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("switch".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            loop {
                let Ok((mut inside, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let holder = std::fs::read_to_string(folder.join(HOLDER_FILE)).unwrap_or_default();
                let Some(page) = page_of(holder.trim()) else { continue };
                tokio::spawn(timeout(CONNECTION_LIMIT, async move {
                    let mut outside = TcpStream::connect(page).await?;
                    copy_bidirectional(&mut inside, &mut outside).await
                }));
            }
        });
    })?;
    Ok(())
}
