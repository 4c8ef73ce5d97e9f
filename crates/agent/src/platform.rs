//! What depends on the operating system: signals, interfaces, datagrams, timers, files' modes, the
//! host's name, standard output's pipe.
//!
//! What only Unix has is `unix`, with `elsewhere` in its place on other systems; nothing outside of
//! this module, tests apart, asks where it runs.

pub(crate) mod alarm;
pub(crate) mod netlink;
pub(crate) mod packet;
#[cfg(target_os = "linux")]
mod program;

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod unix;

use std::net::IpAddr;

#[cfg(not(unix))]
pub use elsewhere::Signals;
#[cfg(not(unix))]
pub(crate) use elsewhere::*;
#[cfg(unix)]
pub use unix::Signals;
#[cfg(unix)]
pub(crate) use unix::*;

/// A caught signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
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
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Interrupt => "interrupt",
            Signal::Terminate => "terminated",
            Signal::Hangup => "hangup",
            Signal::User1 => "user defined signal 1",
        }
    }
}

/// Some systems bind multicast sockets only to addresses of their own, not to the group.
pub(crate) const BINDS_TO_GROUPS: bool = cfg!(target_os = "linux");

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Its name, such as `eth0`.
    pub(crate) name: String,
    /// One of its addresses.
    pub(crate) address: IpAddr,
    /// The number that multicast over IPv6 wants.
    pub(crate) index: Option<u32>,
    /// Whether it carries packets.
    pub(crate) is_up: bool,
}

/// Every address of every interface, in the system's order; the error is for the operator.
pub(crate) fn interfaces() -> Result<Vec<Interface>, String> {
    let found = if_addrs::get_if_addrs()
        .map_err(|error| format!("route ip+net: {}", gotext::errno_text(&error)))?;
    Ok(found
        .into_iter()
        .map(|interface| Interface {
            address: interface.ip(),
            index: interface.index,
            // Loopback interfaces report neither up nor down.
            is_up: interface.is_oper_up() || interface.is_loopback(),
            name: interface.name,
        })
        .collect())
}

/// Whether there is an interface of that name, with or without addresses.
pub(crate) fn interface_exists(name: &str) -> bool {
    let has_address =
        || interfaces().is_ok_and(|all| all.iter().any(|interface| interface.name == name));
    in_system_directory(name) || has_address()
}

#[cfg(target_os = "linux")]
fn in_system_directory(name: &str) -> bool {
    !name.contains('/') && std::path::Path::new("/sys/class/net").join(name).exists()
}

#[cfg(not(target_os = "linux"))]
fn in_system_directory(_name: &str) -> bool {
    false
}

/// The interface of the default route, if it can be found out.
pub(crate) fn default_interface() -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        let table = std::fs::read_to_string("/proc/net/route").ok()?;
        table.lines().skip(1).find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let name = fields.next()?;
            (fields.next()? == "00000000").then(|| name.to_owned())
        })
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Bytes of memory that only this process has, and all that it has, if the system tells.
pub(crate) fn memory_bytes() -> Option<(u64, u64)> {
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().next()?.parse::<u64>().ok()
        };
        Some((kilobytes("RssAnon:")? << 10, kilobytes("VmRSS:")? << 10))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Lets go of the pages of the program itself that nobody needs; see [`program`].
pub(crate) fn forget_idle_pages() {
    // Where it cannot be done the process is as large as it was.
    #[cfg(target_os = "linux")]
    let _ = program::forget_idle_pages();
}
