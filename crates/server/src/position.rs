//! Where the agent's own node is in the space of round trips: told to the catalogue now and then,
//! so that `near` and `rtt` know (consul-agent, "Fixed internals").

use std::time::Duration;

use agent::log::{Level, Log};
use agent::node::NodeHandle;
use catalog::{Command, Coordinate, NodeCoordinate, NodeName};

use crate::identity::Identity;
use crate::random;
use crate::store::Store;

/// How often at most; up to as much is added by chance, so that agents which were started together
/// do not write together.
const EVERY: Duration = Duration::from_secs(15);

/// Tells the catalogue, for ever. What it has already is not written again.
pub(crate) async fn run(lan: NodeHandle, identity: Identity, store: Store, log: Log) {
    loop {
        tokio::time::sleep(EVERY + random::below(EVERY)).await;
        let Some(place) = lan.coordinate(&identity.node).await else { continue };
        let Ok(vector) = place.vec.try_into() else { continue };
        let (error, adjustment, height) = (place.error, place.adjustment, place.height);
        let own = NodeCoordinate {
            node: NodeName::from(&*identity.node),
            segment: "".into(),
            coordinate: Coordinate { vector, error, adjustment, height },
        };
        if store.catalogue().read().node_coordinates(&own.node).any(|known| *known == own) {
            continue;
        }
        if let Err(why) = store.write(Command::Coordinates([own].into())).await {
            let fields = [("error", why.to_string().into())];
            log.entry(Level::Err, "agent", "Coordinate update error", fields);
        }
    }
}
