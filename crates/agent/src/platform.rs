//! What depends on the operating system: interfaces, the host's name, and standard output's pipe.
//!
//! Everything that only Unix has stands here, in `signals` and in `notify`, behind `cfg`.

pub(crate) mod netlink;
pub(crate) mod packet;

use std::net::IpAddr;

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

/// The name of this machine, None if it has none that is text.
pub(crate) fn host_name() -> Option<String> {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok()?;
    (!name.is_empty()).then_some(name)
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

/// Ends the process as if nobody had changed what a closed pipe does to it.
pub(crate) fn die_of_closed_pipe() -> ! {
    #[cfg(unix)]
    {
        // Does not return unless the signal is blocked.
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
    }
    std::process::exit(1)
}

/// Largest piece written to standard output at once: a pipe that is ready takes this much without
/// making the writer wait.
#[cfg(unix)]
const PIPE_PIECE: usize = 4096;

/// Whether standard output takes a piece without waiting, or does so within `patience`.
pub(crate) fn stdout_is_ready(patience: std::time::Duration) -> bool {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = std::io::stdout();
        let mut entry = [PollFd::new(&stdout, PollFlags::OUT)];
        let patience = Timespec::try_from(patience).unwrap_or_default();
        // An error or a closed reader shows when it is written to.
        poll(&mut entry, Some(&patience)).is_ok_and(|ready| ready > 0)
    }
    #[cfg(not(unix))]
    {
        let _ = patience;
        true
    }
}

/// Writes the beginning of `bytes`; how much of it. Only when standard output is ready.
pub(crate) fn write_stdout(bytes: &[u8]) -> std::io::Result<usize> {
    #[cfg(unix)]
    {
        let piece = &bytes[..bytes.len().min(PIPE_PIECE)];
        Ok(rustix::io::write(std::io::stdout(), piece)?)
    }
    #[cfg(not(unix))]
    {
        use std::io::Write;
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        Ok(bytes.len())
    }
}
