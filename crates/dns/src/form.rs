//! What a name within a zone means: its labels, read from the right.

use crate::name::Dotted;

/// A name's meaning. Numbers are those of labels: from, to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Node,
    Service,
    Connect,
    Ingress,
    Virtual,
    Query,
    Addr,
}

impl Form {
    fn of(label: &str) -> Option<Self> {
        Some(match label {
            "node" => Self::Node,
            "service" => Self::Service,
            "connect" => Self::Connect,
            "ingress" => Self::Ingress,
            "virtual" => Self::Virtual,
            "query" => Self::Query,
            "addr" => Self::Addr,
            _ => return None,
        })
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Service => "service",
            Self::Connect => "connect",
            Self::Ingress => "ingress",
            Self::Virtual => "virtual",
            Self::Query => "query",
            Self::Addr => "addr",
        }
    }
}

/// A name, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) form: Form,
    /// How many labels stand for what is looked up.
    pub(crate) subject: usize,
    /// The first label behind the form's own.
    pub(crate) place: usize,
    /// The first label of the zone.
    pub(crate) zone: usize,
}

/// Reads a name whose zone begins at a label.
pub(crate) fn read(name: &Dotted, zone: usize, srv: bool) -> Option<Reading> {
    (0..zone).rev().find_map(|at| {
        let label = name.label(at);
        if srv && label.starts_with('_') {
            let (subject, place) = (at + 1, at + 1);
            return Some(Reading { form: Form::Service, subject, place, zone });
        }
        let form = Form::of(label)?;
        Some(Reading { form, subject: at, place: at + 1, zone })
    })
}

/// Where a name says that its subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// It does not.
    Own,
    /// One label.
    Named(&'a str),
    /// A label and `dc`, once or twice: the last counts.
    Datacenter(&'a str),
    /// A label and `peer`, once or twice.
    Peer,
    /// Something else.
    Malformed,
}

impl Reading {
    /// Reads the labels between the form and the zone.
    pub(crate) fn place<'a>(&self, name: &'a Dotted) -> Place<'a> {
        match self.zone - self.place {
            0 => Place::Own,
            1 => Place::Named(name.label(self.place)),
            labels @ (2 | 4) => {
                let last = self.zone - 2;
                let word = name.label(last + 1);
                if labels == 4 && name.label(self.place + 1) != word {
                    return Place::Malformed;
                }
                match word {
                    "dc" => Place::Datacenter(name.label(last)),
                    "peer" => Place::Peer,
                    _ => Place::Malformed,
                }
            }
            _ => Place::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn reading(text: &str, srv: bool) -> Option<(Form, usize, usize)> {
        let name = Name::from_text(text).expect("a name");
        let dotted = Dotted::new(name.wire());
        let zone = dotted.count() - 1;
        read(&dotted, zone, srv).map(|reading| (reading.form, reading.subject, reading.place))
    }

    #[test]
    fn a_place_may_be_named_twice() {
        for (text, place) in [
            ("a.node.dc1.dc.dc2.dc.consul", Place::Datacenter("dc2")),
            ("a.node.p.peer.p.peer.consul", Place::Peer),
            ("a.node.dc1.dc.p.peer.consul", Place::Malformed),
            ("a.node.p.peer.dc1.dc.consul", Place::Malformed),
            ("a.node.dc1.dc.dc1.consul", Place::Malformed),
            ("a.node.dc1.dc.dc1.dc.dc1.dc.consul", Place::Malformed),
        ] {
            let name = Name::from_text(text).expect("a name");
            let dotted = Dotted::new(name.wire());
            let reading = read(&dotted, dotted.count() - 1, false).expect("a form");
            assert_eq!(reading.place(&dotted), place, "{text}");
        }
    }

    #[test]
    fn the_rightmost_word_says_what_is_meant() {
        assert_eq!(reading("web.service.consul", false), Some((Form::Service, 1, 2)));
        assert_eq!(reading("a.b.node.dc1.dc.consul", false), Some((Form::Node, 2, 3)));
        assert_eq!(reading("service.node.consul", false), Some((Form::Node, 1, 2)));
        assert_eq!(reading("consul", false), None);
        assert_eq!(reading("x.consul", false), None);
        assert_eq!(reading("_web._tcp.dc1.consul", true), Some((Form::Service, 2, 2)));
        assert_eq!(reading("_web._tcp.consul", false), None);
        assert_eq!(reading("_web._tcp.service.consul", true), Some((Form::Service, 2, 3)));
    }
}
