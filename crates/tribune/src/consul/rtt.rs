//! `consul rtt`.

use client::Coordinate;
use client::http::{HttpError, Request};
use gotext::object::Object;

use super::Failure;
use super::connection::Agent;
use crate::command::Command;
use crate::commands::rtt::{dimensions, distance_ns};
use crate::flags::Parsed;
use crate::output::say;

/// A coordinate and the segment in which it was measured.
struct Place {
    node: String,
    segment: String,
    coordinate: Coordinate,
}

impl Place {
    fn read(mut fields: Object) -> Result<Place, HttpError> {
        Ok(Place {
            node: fields.field("Node")?,
            segment: fields.field("Segment")?,
            coordinate: coordinate(fields.field("Coord")?)?,
        })
    }
}

fn coordinate(mut fields: Object) -> Result<Coordinate, HttpError> {
    Ok(Coordinate {
        vec: fields.optional("Vec")?,
        error: fields.field("Error")?,
        adjustment: fields.field("Adjustment")?,
        height: fields.field("Height")?,
    })
}

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let mut names = parsed.words();
    if !(1..=2).contains(&names.len()) {
        return Err(Failure::misused("One or two node names must be specified"));
    }
    let wan = parsed.on("wan");
    if wan && names.iter().any(|name| split_datacenter(name).is_none()) {
        let text = "Node names must be specified as <node name>.<datacenter> with -wan";
        return Err(Failure::said(text));
    }
    let agent = Agent::connect(parsed)?;
    if names.len() == 1 {
        let own = own_name(&agent, wan);
        names.push(own.map_err(|error| Failure::of("Unable to look up agent info", error))?);
    }
    let places = if wan { datacenters(&agent) } else { nodes(&agent) };
    let places = places.map_err(|error| Failure::of("Error getting coordinates", error))?;
    let [from, to] = names.as_slice() else {
        return Err(Failure::misused("One or two node names must be specified"));
    };
    let pair = pair(&places, from, to)?;
    let milliseconds = distance_ns(&pair[0].coordinate, &pair[1].coordinate) as f64 / 1e6;
    let kind = if wan { "WAN" } else { "LAN" };
    say(format!("Estimated {from} <-> {to} rtt: {milliseconds:.3} ms (using {kind} coordinates)"));
    Ok(())
}

fn split_datacenter(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|(_, datacenter)| !datacenter.contains('.'))
}

fn own_name(agent: &Agent, wan: bool) -> Result<String, HttpError> {
    let mut config: Object = agent.about_itself()?.field("Config")?;
    let name: String = config.field("NodeName")?;
    if !wan {
        return Ok(name);
    }
    Ok(format!("{name}.{}", config.field::<String>("Datacenter")?))
}

fn nodes(agent: &Agent) -> Result<Vec<Place>, HttpError> {
    let nodes = agent.objects(Request::get("/v1/coordinate/nodes"))?;
    nodes.into_iter().map(Place::read).collect()
}

/// The servers of all datacenters, under their names with the datacenter.
fn datacenters(agent: &Agent) -> Result<Vec<Place>, HttpError> {
    let mut places = Vec::new();
    for mut area in agent.objects(Request::get("/v1/coordinate/datacenters"))? {
        let datacenter: String = area.field("Datacenter")?;
        for fields in area.objects("Coordinates")?.unwrap_or_default() {
            let mut place = Place::read(fields)?;
            if !place.node.ends_with(&format!(".{datacenter}")) {
                place.node = format!("{}.{datacenter}", place.node);
            }
            places.push(place);
        }
    }
    Ok(places)
}

/// The places of two nodes, measured in one segment if there is one with both.
fn pair<'a>(places: &'a [Place], from: &str, to: &str) -> Result<[&'a Place; 2], Failure> {
    let missing = |name: &str| {
        let name = gotext::quote(name);
        Failure::Said(format!("Could not find a coordinate for node {name}"))
    };
    let named = |name: &str| -> Vec<&'a Place> {
        places.iter().filter(|place| place.node == name).collect()
    };
    let (from_places, to_places) = (named(from), named(to));
    if from_places.is_empty() {
        return Err(missing(from));
    }
    if to_places.is_empty() {
        return Err(missing(to));
    }
    for a in &from_places {
        for b in &to_places {
            if a.segment == b.segment && dimensions(&a.coordinate) == dimensions(&b.coordinate) {
                return Ok([a, b]);
            }
        }
    }
    Err(Failure::said("The coordinates of the two nodes cannot be compared"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn distances_are_those_that_were_recorded() {
        let shared = std::env::var("TRIBUNE_SHARED")
            .unwrap_or_else(|_| format!("{}/../../../shared", env!("CARGO_MANIFEST_DIR")));
        let path = format!("{shared}/vectors/consul-catalog/rtt.json");
        let mut recording = Object::parse(&std::fs::read(path).unwrap()).unwrap();
        let coordinates: BTreeMap<String, Object> = recording.field("coordinates").unwrap();
        let places: Vec<_> = coordinates
            .into_iter()
            .map(|(node, fields)| {
                let coordinate = coordinate(fields).unwrap();
                Place { node, segment: String::new(), coordinate }
            })
            .collect();
        let mut compared = 0;
        for mut row in recording.objects("pairs").unwrap().unwrap() {
            let [a, b]: [String; 2] = ["a", "b"].map(|name| row.field(name).unwrap());
            let found = pair(&places, &a, &b).map(|[from, to]| {
                format!("{:.3}", distance_ns(&from.coordinate, &to.coordinate) as f64 / 1e6)
            });
            match row.optional::<String>("ms").unwrap() {
                Some(recorded) => assert_eq!(found, Ok(recorded), "{a} {b}"),
                None => assert!(found.is_err(), "{a} {b}: {found:?}"),
            }
            compared += 1;
        }
        assert!(compared > 100, "{compared}");
    }
}
