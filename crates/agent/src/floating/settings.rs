//! The keys `floating_role.*` of the configuration.

use std::net::IpAddr;
use std::time::Duration;

use role::{Quorum, Record, Timing, Words};

use super::address::FloatingAddress;
use super::health::Check;
use crate::config::{Failure, Layer};
use crate::node::NodeHandle;

/// A floating role as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloatingSettings {
    /// All participants use the same; also the value of the visible tag at the holder.
    pub name: String,
    /// The visible tag.
    pub tag: String,
    /// The value of the visible tag at all others.
    pub standby: String,
    /// Higher is preferred.
    pub priority: u32,
    /// The address that goes with the role, and its interface.
    pub address: Option<(FloatingAddress, String)>,
    /// Run by `/bin/sh -c` when the role is acquired.
    pub on_acquire: Option<String>,
    /// Run by `/bin/sh -c` when the role is released.
    pub on_release: Option<String>,
    /// Must pass for this member to be eligible.
    pub check: Option<Check>,
    /// Who may hold the role when not everybody can be seen.
    pub quorum: Quorum,
    /// Take the role from a live holder of lower priority.
    pub preempt: bool,
}

/// Longest name of a role: it is a tag's value and part of a tag's name, and tags have 512 bytes.
const NAME_BYTES: usize = 64;

/// Shortest interval and time-out of a check.
const CHECK_SHORTEST: Duration = Duration::from_millis(1);

impl FloatingSettings {
    /// From the configuration; None where no role is named.
    pub(crate) fn check(layer: &Layer) -> Result<Option<Self>, Failure> {
        let name = layer.text("floating_role.name").to_owned();
        if name.is_empty() {
            return match layer.first_set("floating_role.") {
                None => Ok(None),
                Some(key) => Err(wrong("name", "is missing", &format!("'{key}' is set without"))),
            };
        }
        if name.len() > NAME_BYTES {
            return Err(wrong("name", "is too long", &format!("at most {NAME_BYTES} bytes")));
        }
        let standby = layer.text_or_default("floating_role.standby").to_owned();
        if standby == name {
            return Err(wrong("standby", "is the role's name", "choose another word"));
        }
        if layer.is_set("floating_role.lock") {
            let why = "locks need servers with a key-value store, which are yet to come";
            return Err(wrong("lock", "is not supported", why));
        }
        let tag = layer.text_or_default("floating_role.tag").to_owned();
        if tag == Record::tag(&name) {
            return Err(wrong("tag", "is the tag of the claims", "choose another word"));
        }
        if layer.tags().contains_key(&tag) {
            let cure = format!("leave '{tag}' out of 'role' and 'tags', or choose another tag");
            return Err(wrong("tag", &format!("is '{tag}', which is set already"), &cure));
        }
        let command = |key| Some(layer.text(key).to_owned()).filter(|text| !text.is_empty());
        if let Some(key) = ["check_interval", "check_timeout", "check_failures"]
            .into_iter()
            .find(|key| layer.is_set(&format!("floating_role.{key}")))
            && layer.text("floating_role.check").is_empty()
        {
            return Err(wrong(key, "is set without a check", "set 'floating_role.check' too"));
        }
        Ok(Some(FloatingSettings {
            name,
            tag,
            standby,
            priority: u32::try_from(layer.int("floating_role.priority"))
                .map_err(|_| wrong("priority", "is out of range", &format!("0 to {}", u32::MAX)))?,
            address: address(layer)?,
            on_acquire: command("floating_role.on_acquire"),
            on_release: command("floating_role.on_release"),
            check: check(layer)?,
            quorum: match layer.text_or_default("floating_role.quorum") {
                "none" => Quorum::None,
                "majority" => Quorum::Majority,
                other => {
                    return Err(wrong("quorum", &format!("is '{other}'"), "none or majority"));
                }
            },
            preempt: layer.bool("floating_role.preempt"),
        }))
    }

    /// Whether the address is not one that the member itself lives at: it comes and goes.
    pub(crate) fn check_own(&self, own: [Option<IpAddr>; 2]) -> Result<(), Failure> {
        match &self.address {
            Some((address, _)) if own.contains(&Some(address.ip)) => Err(wrong(
                "address",
                "is the agent's own ('bind' or 'advertise')",
                "choose an address that no machine has",
            )),
            _ => Ok(()),
        }
    }

    /// The settings of the machine of this member.
    pub(crate) fn machine(&self, node: &NodeHandle, timing: Timing) -> role::Config {
        role::Config {
            role: self.name.clone(),
            node: node.name().clone(),
            priority: self.priority,
            quorum: self.quorum,
            preempt: self.preempt,
            timing,
        }
    }

    /// What the tags of this member are called and say.
    pub(crate) fn words(&self) -> Words {
        Words { role: self.name.clone(), tag: self.tag.clone(), standby: self.standby.clone() }
    }
}

fn wrong(key: &str, what: &str, cure: &str) -> Failure {
    Failure::new(format!("Invalid floating role: 'floating_role.{key}' {what}")).hint(cure)
}

fn address(layer: &Layer) -> Result<Option<(FloatingAddress, String)>, Failure> {
    let address = layer.text("floating_role.address");
    let interface = layer.text("floating_role.interface");
    match (address.is_empty(), interface.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => {
            let address =
                address.parse().map_err(|why: String| wrong("address", "is no address", &why))?;
            Ok(Some((address, interface.to_owned())))
        }
        _ => Err(wrong("address", "needs an interface, and the reverse", "set both, or none")),
    }
}

fn check(layer: &Layer) -> Result<Option<Check>, Failure> {
    let url = layer.text("floating_role.check");
    if url.is_empty() {
        return Ok(None);
    }
    let interval = layer.duration("floating_role.check_interval").saturating_std();
    let timeout = layer.duration("floating_role.check_timeout").saturating_std();
    if interval.min(timeout) < CHECK_SHORTEST {
        return Err(wrong("check", "is too fast", "interval and time-out are at least 1ms"));
    }
    let failures = u32::try_from(layer.int("floating_role.check_failures"))
        .ok()
        .filter(|failures| *failures > 0)
        .ok_or_else(|| wrong("check_failures", "is out of range", "1 or more"))?;
    Check::new(url, interval, timeout, failures)
        .map(Some)
        .map_err(|why| wrong("check", "is not to be used", &why))
}

#[cfg(test)]
mod tests;
