//! The interfaces of this machine.

use std::io;

use if_addrs::IfAddr;

use crate::interface::Interface;

/// Where Linux lists its routes; elsewhere nothing is known of them.
const ROUTES: &str = "/proc/net/route";

/// Every address of every interface, in the system's order.
///
/// # Errors
///
/// Those of the system.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let routes = std::fs::read_to_string(ROUTES).unwrap_or_default();
    let default = default_interface(&routes);
    let found = if_addrs::get_if_addrs()?;
    Ok(found
        .into_iter()
        .map(|interface| Interface {
            address: interface.ip(),
            prefix: match &interface.addr {
                IfAddr::V4(address) => address.prefixlen,
                IfAddr::V6(address) => address.prefixlen,
            },
            // Loopback interfaces report neither up nor down.
            up: interface.is_oper_up() || interface.is_loopback(),
            default_route: default == Some(interface.name.as_str()),
            name: interface.name,
        })
        .collect())
}

/// The interface of the route to everywhere: its destination is written as eight zeros.
fn default_interface(routes: &str) -> Option<&str> {
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.next()?;
        (fields.next()? == "00000000").then_some(name)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_default_route_is_found() {
        let routes = "Iface\tDestination\tGateway\n\
                      eth1\t0000A8C0\t00000000\n\
                      eth0\t00000000\t0100A8C0\n";
        assert_eq!(default_interface(routes), Some("eth0"));
        assert_eq!(default_interface(""), None);
        assert_eq!(default_interface("Iface\neth0\n"), None);
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        let loopback = interfaces().unwrap().into_iter().find(|i| i.is_loopback() && i.up);
        assert!(loopback.is_some_and(|interface| interface.prefix > 0));
    }
}
