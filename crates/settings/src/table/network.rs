//! Where the agent listens, and under which addresses it is known.

use super::{Row, key};
use crate::schema::Kind;

const ADDRESS: Kind = Kind::Text;

pub(super) const ROWS: &[Row] = &[
    key("bind_addr", ADDRESS, "Address for gossip and for other servers; a template is expanded.")
        .flag("bind", "ADDR")
        .is("0.0.0.0")
        .dev("127.0.0.1"),
    key("serf_lan", ADDRESS, "Address for gossip within the datacenter.")
        .flag("serf-lan-bind", "ADDR")
        .described("bind_addr"),
    key("serf_wan", ADDRESS, "Address for gossip among datacenters.")
        .flag("serf-wan-bind", "ADDR")
        .described("bind_addr"),
    key("advertise_addr", ADDRESS, "Address that others are told.")
        .flag("advertise", "ADDR")
        .described("bind_addr, or the only private address"),
    key("advertise_addr_ipv4", ADDRESS, "IPv4 address that others are told."),
    key("advertise_addr_ipv6", ADDRESS, "IPv6 address that others are told."),
    key("advertise_addr_wan", ADDRESS, "Address that other datacenters are told.")
        .flag("advertise-wan", "ADDR")
        .described("advertise_addr"),
    key("advertise_addr_wan_ipv4", ADDRESS, "IPv4 address that other datacenters are told."),
    key("advertise_addr_wan_ipv6", ADDRESS, "IPv6 address that other datacenters are told."),
    key(
        "tagged_addresses",
        Kind::Map(&Kind::Text),
        "Further addresses of the node by purpose; lan and wan are added.",
    )
    .kept(),
    key("translate_wan_addrs", Kind::Bool, "Tell other datacenters the wan addresses of nodes.")
        .is("false")
        .kept(),
    key("client_addr", ADDRESS, "Addresses for clients, separated by spaces.")
        .flag("client", "ADDR")
        .is("127.0.0.1"),
    key("addresses.dns", ADDRESS, "Addresses for DNS.").described("client_addr"),
    key("addresses.http", ADDRESS, "Addresses for HTTP; `unix://PATH` is a socket.")
        .described("client_addr"),
    key("addresses.https", ADDRESS, "Addresses for HTTPS; `unix://PATH` is a socket.")
        .described("client_addr"),
    key("addresses.grpc", ADDRESS, "Addresses for gRPC; `unix://PATH` is a socket.")
        .described("client_addr")
        .kept(),
    key("addresses.grpc_tls", ADDRESS, "Addresses for gRPC with TLS; `unix://PATH` is a socket.")
        .described("client_addr")
        .kept(),
    key("unix_sockets.user", Kind::Text, "Owner of sockets, a name or a number."),
    key("unix_sockets.group", Kind::Text, "Group of sockets, a number."),
    key("unix_sockets.mode", Kind::Text, "Mode of sockets, in octal."),
    key("ports.dns", Kind::Int, "Port for DNS; as for all ports, -1 is none.")
        .flag("dns-port", "PORT")
        .is("8600"),
    key("ports.http", Kind::Int, "Port for HTTP.").flag("http-port", "PORT").is("8500"),
    key("ports.https", Kind::Int, "Port for HTTPS.").flag("https-port", "PORT").is("-1"),
    key("ports.grpc", Kind::Int, "Port for gRPC.")
        .flag("grpc-port", "PORT")
        .is("-1")
        .dev("8502")
        .kept(),
    key("ports.grpc_tls", Kind::Int, "Port for gRPC with TLS.")
        .flag("grpc-tls-port", "PORT")
        .described("8503 on a server, else -1")
        .kept(),
    key("ports.serf_lan", Kind::Int, "Port for gossip within the datacenter.")
        .flag("serf-lan-port", "PORT")
        .is("8301"),
    key("ports.serf_wan", Kind::Int, "Port for gossip among datacenters.")
        .flag("serf-wan-port", "PORT")
        .is("8302"),
    key("ports.server", Kind::Int, "Port for other servers and for agents.")
        .flag("server-port", "PORT")
        .is("8300"),
    key("ports.proxy_min_port", Kind::Int, "Accepted for the sake of old files.").without(),
    key("ports.proxy_max_port", Kind::Int, "Accepted for the sake of old files.").without(),
    key("ports.sidecar_min_port", Kind::Int, "First port that is given to sidecars.").is("21000"),
    key("ports.sidecar_max_port", Kind::Int, "Last port that is given to sidecars.").is("21255"),
    key("ports.expose_min_port", Kind::Int, "First port that exposed checks are given.")
        .is("21500")
        .kept(),
    key("ports.expose_max_port", Kind::Int, "Last port that exposed checks are given.")
        .is("21755")
        .kept(),
];
