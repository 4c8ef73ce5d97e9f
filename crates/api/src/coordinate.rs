//! `/v1/coordinate/`: where nodes are in the space of round trips (consul-http, "Coordinates").

use catalog::{Command, Coordinate, Key, Kind, NodeCoordinate, NodeName, Response, Watch};
use gotext::object::{Object, ObjectError};

use crate::answer::{Answer, Body, Failure};
use crate::endpoint::{Proposal, Reader};
use crate::json;
use crate::request::Request;
use crate::rows::CoordinateRow;

/// Dimensions of the space.
const DIMENSIONS: usize = 8;

fn enabled(reader: &Reader<'_>) -> Result<(), Failure> {
    if reader.agent.coordinates {
        Ok(())
    } else {
        Err(Failure::new(401, "Coordinate support disabled"))
    }
}

pub(crate) fn nodes(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    enabled(reader)?;
    let segment = request.query.first("segment");
    let rows: Vec<_> = reader
        .snapshot
        .coordinates()
        .filter(|row| segment.is_none_or(|segment| *row.segment == *segment))
        .map(|row| CoordinateRow::new(row, row.node.as_str()))
        .collect();
    Ok(Answer::new(json::body(&rows))
        .at(reader.snapshot.coordinate_index(), [Watch::Any(Kind::Coordinates)]))
}

pub(crate) fn node(request: &Request, reader: &Reader<'_>) -> Result<Answer, Failure> {
    enabled(reader)?;
    let name = request.tail_text();
    let node = NodeName::from(&*name).fold();
    let segment = request.query.first("segment");
    let rows: Vec<_> = reader
        .snapshot
        .node_coordinates(&node)
        .filter(|row| segment.is_none_or(|segment| *row.segment == *segment))
        .map(|row| CoordinateRow::new(row, &name))
        .collect();
    let answer = if rows.is_empty() {
        Answer { meta: false, ..Answer::new(Body::Empty).status(404) }
    } else {
        Answer::new(json::body(&rows))
    };
    Ok(answer.at(reader.snapshot.coordinate_index(), [Watch::Key(Key::Coordinate(node))]))
}

pub(crate) fn update(request: &Request, reader: &Reader<'_>) -> Result<Proposal, Failure> {
    enabled(reader)?;
    let (datacenter, row) = read(&request.body)
        .map_err(|error| Failure::bad(format!("Request decode failed: {error}")))?;
    if !datacenter.is_empty() && datacenter != *reader.agent.datacenter {
        return Err(Failure::internal("No path to datacenter"));
    }
    let row = row.ok_or_else(|| Failure::internal("incompatible coordinate"))?;
    let then = |response| match response {
        Response::Refused(error) => Err(Failure::internal(error.to_string())),
        _ => Ok(Answer::new(Body::Empty)),
    };
    Ok(Proposal::Command(Command::Coordinates([row].into()), Box::new(then)))
}

/// The datacenter, and the row unless its vector does not fit.
fn read(body: &[u8]) -> Result<(String, Option<NodeCoordinate>), ObjectError> {
    let mut body = Object::parse(body)?;
    let datacenter = body.field("Datacenter")?;
    let node: String = body.field("Node")?;
    let segment: String = body.field("Segment")?;
    let _: String = body.field("Token")?;
    body.refuse_null("Coord")?;
    let place: Option<Object> = body.optional("Coord")?;
    body.finish()?;
    // Consul's handler ends on its absence.
    let mut place = place.ok_or(gotext::decode::DecodeError::Empty)?;
    let vector: Vec<f64> = place.field("Vec")?;
    let error = place.field("Error")?;
    let adjustment = place.field("Adjustment")?;
    let height = place.field("Height")?;
    place.finish()?;
    let vector: Result<[f64; DIMENSIONS], _> = vector.try_into();
    let row = vector.ok().map(|vector| NodeCoordinate {
        node: NodeName::from(&*node),
        segment: segment.into(),
        coordinate: Coordinate { vector, error, adjustment, height },
    });
    Ok((datacenter, row))
}
