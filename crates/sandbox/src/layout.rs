//! Which addresses and ports the cluster takes, and whether they are free.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// Nodes at most: the last byte of their addresses, with room for the floating one.
pub(crate) const NODES: usize = 90;

const GOSSIP_PORT: u16 = 7946;
const RPC_PORT: u16 = 7373;

/// The addresses of one cluster: node K is at `127.BLOCK.0.(K + 1)`, the floating address is
/// `127.BLOCK.0.99`.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Second byte of all addresses, 1 to 254.
    pub block: u8,
    /// Port of the web pages.
    pub web_port: u16,
}

/// Why a cluster cannot be started here.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Something else listens where a node or the floating address would.
    #[error("{address} ({use_}) {}", explain(.why))]
    Taken {
        /// What is taken.
        address: SocketAddr,
        /// What it would be used for.
        use_: &'static str,
        /// The system's word.
        why: std::io::Error,
    },
}

fn explain(why: &std::io::Error) -> String {
    let cure = "Choose other addresses with -block=N (127.N.0.1 and up) or another port for the \
                pages with -web-port=PORT";
    match why.kind() {
        ErrorKind::AddrInUse => format!("is taken: {why}. Is another cluster running? {cure}"),
        ErrorKind::PermissionDenied => {
            format!("is not for this user: {why}. Choose a port from 1024 on with -web-port=PORT")
        }
        _ => format!("cannot be listened on: {why}. {cure}"),
    }
}

impl Layout {
    /// The address of node `index`.
    pub fn node(&self, index: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, self.block, 0, index as u8 + 1))
    }

    /// Where node `index` gossips.
    pub fn gossip(&self, index: usize) -> SocketAddr {
        SocketAddr::new(self.node(index), GOSSIP_PORT)
    }

    /// Where node `index` answers RPC.
    pub fn rpc(&self, index: usize) -> SocketAddr {
        SocketAddr::new(self.node(index), RPC_PORT)
    }

    /// Where node `index` shows its page.
    pub fn page(&self, index: usize) -> SocketAddr {
        SocketAddr::new(self.node(index), self.web_port)
    }

    /// Where the primary's page is shown.
    pub fn floating(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, self.block, 0, 99)), self.web_port)
    }

    /// Whether everything that `node` will listen on is free.
    pub fn check(&self, index: usize) -> Result<(), LayoutError> {
        let taken = |address, use_| move |why| LayoutError::Taken { address, use_, why };
        let gossip = self.gossip(index);
        UdpSocket::bind(gossip).map_err(taken(gossip, "gossip, UDP"))?;
        for (address, use_) in
            [(gossip, "gossip, TCP"), (self.rpc(index), "RPC"), (self.page(index), "web page")]
        {
            TcpListener::bind(address).map_err(taken(address, use_))?;
        }
        Ok(())
    }

    /// The listener of the floating address.
    pub(crate) fn listen_floating(&self) -> Result<TcpListener, LayoutError> {
        let address = self.floating();
        let taken = |why| LayoutError::Taken { address, use_: "floating address", why };
        let listener = TcpListener::bind(address).map_err(taken)?;
        listener.set_nonblocking(true).map_err(taken)?;
        Ok(listener)
    }
}
