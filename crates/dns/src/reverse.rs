//! From addresses to names: everything under `arpa`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::base::iana::Rtype;
use rand::Rng;

use crate::form::Form;
use crate::name::Dotted;
use crate::observe::{Drop, Observer, Step};
use crate::record::{Data, Piece};
use crate::scratch::Section;
use crate::work::Work;

impl<R: Rng, O: Observer> Work<'_, R, O> {
    /// Says whose address a name stands for; false if nobody's.
    pub(crate) fn reverse(&mut self, name: &Dotted, owner: Piece) -> bool {
        let Some(address) = address(name) else {
            self.nothing("it stands for no address");
            return false;
        };
        let Some(snapshot) = self.view.snapshot else {
            self.leaderless();
            return false;
        };
        let node = snapshot.node_at(address).map(|node| (node.name.as_str(), Form::Node));
        let service = || Some((snapshot.instance_at(address)?.name.as_str(), Form::Service));
        let Some((text, form)) = node.or_else(service) else {
            self.nothing("nobody here has that address");
            return false;
        };
        self.observer.note(|| {
            let (name, address) = (text.to_owned(), address.to_string());
            Step::Owner { form: form.word(), name, address }
        });
        let Some(target) = self.name_within(text, form, self.config.domain.name.wire()) else {
            self.drop_it(|| Drop::Unwritable { name: text.to_owned() });
            return false;
        };
        let data = Data::Ptr(self.scratch.arena.keep(target.wire()));
        self.scratch.push(Section::Answer, owner, 0, data);
        if self.query.rtype == Rtype::SOA {
            self.soa(Section::Authority, &self.config.domain);
        }
        true
    }
}

fn address(name: &Dotted) -> Option<IpAddr> {
    let count = name.count();
    match (count, name.label(count.checked_sub(2)?)) {
        (6, "in-addr") => {
            let mut octets = [0; 4];
            for (at, octet) in octets.iter_mut().rev().enumerate() {
                let label = name.label(at);
                // Only as addresses are written: neither `+1` nor `01`.
                let written = label == "0" || !label.starts_with(['+', '0']);
                *octet = label.parse().ok().filter(|_| written)?;
            }
            Some(Ipv4Addr::from(octets).into())
        }
        (34, "ip6") => {
            let mut number = 0u128;
            for at in (0..32).rev() {
                let label = name.label(at);
                let digit = u128::from_str_radix(label, 16).ok().filter(|_| label.len() == 1)?;
                number = number << 4 | digit;
            }
            Some(Ipv6Addr::from(number).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn of(text: &str) -> Option<IpAddr> {
        address(&Dotted::new(Name::from_text(text).expect("a name").wire()))
    }

    #[test]
    fn names_under_arpa_stand_for_addresses() {
        assert_eq!(of("4.3.2.10.in-addr.arpa."), "10.2.3.4".parse().ok());
        let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.IP6.ARPA.";
        assert_eq!(of(six), "2001:db8::1".parse().ok());
        for bad in ["4.3.2.256", "04.3.2.10", "+4.3.2.10", "4..3.10", "3.2.10"] {
            let bad = format!("{bad}.in-addr.arpa.");
            assert_eq!(Name::from_text(&bad).and_then(|_| of(&bad)), None, "{bad}");
        }
        assert_eq!([of("arpa."), of("in-addr.arpa.")], [None, None]);
        assert_eq!(of("0.0.0.10.in-addr.arpa."), "10.0.0.0".parse().ok());
        assert_eq!(of(&six.replacen("1.", "11.", 1)), None);
    }
}
