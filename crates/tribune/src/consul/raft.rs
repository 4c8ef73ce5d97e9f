//! `consul operator raft ...`.

use client::http::{HttpError, Request};
use gotext::object::Object;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;
use crate::table::columns;

struct Peer {
    id: String,
    node: String,
    address: String,
    leader: bool,
    voter: bool,
    protocol: String,
    last_index: u64,
}

impl Peer {
    fn read(mut fields: Object) -> Result<Peer, HttpError> {
        Ok(Peer {
            id: fields.field("ID")?,
            node: fields.field("Node")?,
            address: fields.field("Address")?,
            leader: fields.field("Leader")?,
            voter: fields.field("Voter")?,
            protocol: fields.field("ProtocolVersion")?,
            last_index: fields.field("LastIndex")?,
        })
    }
}

pub(super) fn list_peers(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let agent = Agent::connect(parsed)?;
    let read = || -> Result<Vec<Peer>, HttpError> {
        let mut raft = agent.object(Request::get("/v1/operator/raft/configuration"))?;
        let servers = raft.objects("Servers")?.unwrap_or_default();
        servers.into_iter().map(Peer::read).collect()
    };
    let peers = read().map_err(|error| {
        Failure::of("Error getting peers: Failed to retrieve raft configuration", error)
    })?;
    say(peers_table(&peers));
    Ok(())
}

fn peers_table(peers: &[Peer]) -> String {
    let head = [
        "Node",
        "ID",
        "Address",
        "State",
        "Voter",
        "RaftProtocol",
        "Commit Index",
        "Trails Leader By",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let leader_index = peers.iter().find(|peer| peer.leader).map(|peer| peer.last_index);
    for peer in peers {
        let trails = match leader_index {
            _ if peer.leader => "-".to_owned(),
            Some(index) => format!("{} commits", index.saturating_sub(peer.last_index)),
            None => "unknown".to_owned(),
        };
        rows.push(vec![
            peer.node.clone(),
            peer.id.clone(),
            peer.address.clone(),
            if peer.leader { "leader" } else { "follower" }.to_owned(),
            peer.voter.to_string(),
            if peer.protocol.is_empty() { "<=1" } else { &peer.protocol }.to_owned(),
            peer.last_index.to_string(),
            trails,
        ]);
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_trail_their_leader() {
        let peer = |node: &str, leader, last_index| Peer {
            id: "i".to_owned(),
            node: node.to_owned(),
            address: "127.0.0.1:8300".to_owned(),
            leader,
            voter: true,
            protocol: "3".to_owned(),
            last_index,
        };
        assert_eq!(
            peers_table(&[peer("n1", true, 20), peer("n2", false, 17)]),
            "Node  ID  Address         State     Voter  RaftProtocol  Commit Index  Trails Leader By\n\
             n1    i   127.0.0.1:8300  leader    true   3             20            -\n\
             n2    i   127.0.0.1:8300  follower  true   3             17            3 commits"
        );
    }
}
