//! Addresses that are found out on the machine: `{{ GetInterfaceIP "eth0" }}` and what else is in
//! common use of the templates that Consul takes from go-sockaddr.
//!
//! ```text
//! text {{ function "argument" | filter "what" "value" | attr "address" }} text
//! ```
//!
//! Functions: `GetAllInterfaces`, `GetDefaultInterfaces`, `GetPrivateInterfaces`,
//! `GetPublicInterfaces`, `GetInterfaceIP(s) NAME`, `GetPrivateIP(s)`, `GetPublicIP(s)`. Filters:
//! `include` and `exclude` by `name`, `address`, `network`, `rfc`, `size`, `type`, `flag`; `sort`
//! by `address`, `default`, `name`, `size`, `type` (a `-` turns it round); `limit` and `offset`;
//! `attr` and `join` of `address`, `name`, `network`. Names and addresses are matched by regular
//! expressions. Anything else is an error that says so.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;
use pattern::Pattern;

use crate::interface::{Interface, networks_of_rfc, within_any};

/// Steps of one pipeline: more are a mistake.
const STEPS: usize = 16;

/// What a regular expression may cost; a list of names is far below.
const PATTERN_COST: usize = 64 << 10;

/// Why a template has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`, or a quote without its end.
    #[error("the template does not end")]
    Unfinished,
    /// Nothing between the braces, or between two bars.
    #[error("a step of the template is empty")]
    EmptyStep,
    /// Too many steps.
    #[error("the template has more than {STEPS} steps")]
    TooLong,
    /// A function that is not among those supported.
    #[error("there is no function {0}; see the reference page for those there are")]
    Function(String),
    /// A function with other arguments than it takes.
    #[error("{0} takes {1}")]
    Arguments(&'static str, &'static str),
    /// A criterion that a filter does not know.
    #[error("{0} knows nothing of {1:?}")]
    Criterion(&'static str, String),
    /// A value that its criterion does not take.
    #[error("{0:?} is no {1}")]
    Value(String, &'static str),
}

/// Replaces the templates in a text by their values.
///
/// # Errors
///
/// [`TemplateError`]. That nothing was found is none: the value is empty.
pub fn expand(text: &str, interfaces: &[Interface]) -> Result<String, TemplateError> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, template)) = rest.split_once("{{") {
        expanded.push_str(before);
        let (steps, behind) = steps(template)?;
        expanded.push_str(&run(&steps, interfaces)?);
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The words of each step, and what stands behind the closing braces.
fn steps(template: &str) -> Result<(Vec<Vec<String>>, &str), TemplateError> {
    let mut steps = vec![Vec::new()];
    let mut rest = template;
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix("}}") {
            break match steps.iter().any(Vec::is_empty) {
                true => Err(TemplateError::EmptyStep),
                false => Ok((steps, behind)),
            };
        }
        if let Some(behind) = rest.strip_prefix('|') {
            if steps.len() == STEPS {
                return Err(TemplateError::TooLong);
            }
            steps.push(Vec::new());
            rest = behind;
            continue;
        }
        let (word, behind) = word(rest)?;
        if let Some(step) = steps.last_mut() {
            step.push(word);
        }
        rest = behind;
    }
}

/// A word, quoted or not, and what stands behind it.
fn word(text: &str) -> Result<(String, &str), TemplateError> {
    let mut characters = text.char_indices();
    match characters.next() {
        None => Err(TemplateError::Unfinished),
        Some((_, '`')) => {
            let (word, behind) = text[1..].split_once('`').ok_or(TemplateError::Unfinished)?;
            Ok((word.to_owned(), behind))
        }
        Some((_, '"')) => {
            let mut word = String::new();
            while let Some((at, character)) = characters.next() {
                match character {
                    '"' => return Ok((word, &text[at + 1..])),
                    // Backslashes of regular expressions are doubled, quotes have one.
                    '\\' => word.push(characters.next().ok_or(TemplateError::Unfinished)?.1),
                    other => word.push(other),
                }
            }
            Err(TemplateError::Unfinished)
        }
        Some(_) => {
            let ends = |c: char| c.is_whitespace() || matches!(c, '|' | '"' | '`' | '}');
            let end = text.find(ends).unwrap_or(text.len());
            // A lone brace is a word too, so that there is an end to it.
            let end = if end == 0 { 1 } else { end };
            Ok((text[..end].to_owned(), &text[end..]))
        }
    }
}

/// What goes through the pipeline.
enum Data<'a> {
    Interfaces(Vec<&'a Interface>),
    Text(String),
}

fn run(steps: &[Vec<String>], interfaces: &[Interface]) -> Result<String, TemplateError> {
    let mut data = None;
    for step in steps {
        let (function, arguments) = step.split_first().ok_or(TemplateError::EmptyStep)?;
        data = Some(match data {
            None => source(function, arguments, interfaces)?,
            Some(Data::Interfaces(found)) => filter(function, arguments, found)?,
            // Nothing takes a text.
            Some(Data::Text(_)) => return Err(TemplateError::Function(function.clone())),
        });
    }
    Ok(match data {
        Some(Data::Text(text)) => text,
        // Go shows a list in a way that is no address.
        _ => return Err(TemplateError::Arguments("a template", "attr or join at its end")),
    })
}

/// The first step.
fn source<'a>(
    function: &str,
    arguments: &[String],
    all: &'a [Interface],
) -> Result<Data<'a>, TemplateError> {
    let every = || all.iter().collect::<Vec<_>>();
    let none = |name: &'static str, data: Data<'a>| match arguments {
        [] => Ok(data),
        _ => Err(TemplateError::Arguments(name, "no argument")),
    };
    let named = |name: &'static str| match arguments {
        [pattern] => {
            let pattern = regular_expression(pattern)?;
            let mut found = every();
            found.retain(|i| pattern.is_match(&i.name) && i.is_forwardable());
            Ok(sorted(found))
        }
        _ => Err(TemplateError::Arguments(name, "the name of an interface")),
    };
    let special =
        |i: &&Interface| networks_of_rfc("6890").is_some_and(|n| within_any(i.address, n));
    let routed = |private: bool| {
        let mut found = every();
        found.retain(|i| i.default_route && i.up && i.is_forwardable() && special(i) == private);
        sorted(found)
    };
    let anywhere = |private: bool| {
        let mut found = every();
        found.retain(|i| i.is_forwardable() && special(i) == private);
        sorted(found)
    };
    match function {
        "GetAllInterfaces" => none("GetAllInterfaces", Data::Interfaces(every())),
        "GetDefaultInterfaces" => {
            let mut found = every();
            found.retain(|i| i.default_route);
            none("GetDefaultInterfaces", Data::Interfaces(found))
        }
        "GetPrivateInterfaces" => none("GetPrivateInterfaces", Data::Interfaces(routed(true))),
        "GetPublicInterfaces" => none("GetPublicInterfaces", Data::Interfaces(routed(false))),
        "GetInterfaceIP" => Ok(first(&named("GetInterfaceIP")?)),
        "GetInterfaceIPs" => Ok(joined(&named("GetInterfaceIPs")?)),
        "GetPrivateIP" => none("GetPrivateIP", first(&routed(true))),
        "GetPublicIP" => none("GetPublicIP", first(&routed(false))),
        "GetPrivateIPs" => none("GetPrivateIPs", joined(&anywhere(true))),
        "GetPublicIPs" => none("GetPublicIPs", joined(&anywhere(false))),
        other => Err(TemplateError::Function(other.to_owned())),
    }
}

fn first<'a>(found: &[&Interface]) -> Data<'a> {
    Data::Text(found.first().map(|i| i.address.to_string()).unwrap_or_default())
}

fn joined<'a>(found: &[&Interface]) -> Data<'a> {
    let addresses: Vec<_> = found.iter().map(|i| i.address.to_string()).collect();
    Data::Text(addresses.join(" "))
}

/// IPv4 first, then the smallest networks.
fn sorted(mut found: Vec<&Interface>) -> Vec<&Interface> {
    found.sort_by(|a, b| by_type(a, b).then_with(|| by_size(a, b)));
    found
}

fn by_type(a: &Interface, b: &Interface) -> Ordering {
    a.address.is_ipv6().cmp(&b.address.is_ipv6())
}

fn by_size(a: &Interface, b: &Interface) -> Ordering {
    let size = |i: &Interface| {
        if i.address.is_ipv4() { 32 - i.prefix.min(32) } else { 128 - i.prefix.min(128) }
    };
    size(a).cmp(&size(b))
}

/// A step behind the first.
fn filter<'a>(
    function: &str,
    arguments: &[String],
    mut found: Vec<&'a Interface>,
) -> Result<Data<'a>, TemplateError> {
    match (function, arguments) {
        ("include" | "exclude", [criterion, value]) => {
            let test = test(criterion, value)?;
            found.retain(|interface| test(interface) == (function == "include"));
        }
        ("include" | "exclude", _) => {
            return Err(TemplateError::Arguments("include and exclude", "a criterion and a value"));
        }
        ("sort", [criteria]) => sort(&mut found, criteria)?,
        ("limit", [count]) => found.truncate(number(count)?),
        ("offset", [count]) => drop(found.drain(..number(count)?.min(found.len()))),
        ("attr", [name]) => {
            let attribute = attribute("attr", name)?;
            return Ok(Data::Text(found.first().map(|i| attribute(i)).unwrap_or_default()));
        }
        ("join", [name, separator]) => {
            let attribute = attribute("join", name)?;
            let values: Vec<_> = found.iter().map(|i| attribute(i)).collect();
            return Ok(Data::Text(values.join(separator)));
        }
        ("sort" | "limit" | "offset" | "attr", _) => {
            return Err(TemplateError::Arguments("sort, limit, offset and attr", "one argument"));
        }
        ("join", _) => {
            return Err(TemplateError::Arguments("join", "an attribute and a separator"));
        }
        (other, _) => return Err(TemplateError::Function(other.to_owned())),
    }
    Ok(Data::Interfaces(found))
}

fn regular_expression(text: &str) -> Result<Pattern, TemplateError> {
    Pattern::new(text, PATTERN_COST)
        .map_err(|_| TemplateError::Value(text.to_owned(), "regular expression"))
}

fn number(text: &str) -> Result<usize, TemplateError> {
    text.parse().map_err(|_| TemplateError::Value(text.to_owned(), "number"))
}

type Attribute = fn(&Interface) -> String;

fn attribute(function: &'static str, name: &str) -> Result<Attribute, TemplateError> {
    match name {
        "address" => Ok(|i| i.address.to_string()),
        "name" => Ok(|i| i.name.clone()),
        "network" => Ok(Interface::network),
        other => Err(TemplateError::Criterion(function, other.to_owned())),
    }
}

fn sort(found: &mut [&Interface], criteria: &str) -> Result<(), TemplateError> {
    // The last criterion first: sorting keeps the order of equals.
    for criterion in criteria.split(',').rev() {
        let criterion = criterion.trim();
        let (falling, name) = match criterion.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, criterion.strip_prefix('+').unwrap_or(criterion)),
        };
        let compare: fn(&Interface, &Interface) -> Ordering = match name {
            "address" => |a, b| a.address.cmp(&b.address),
            "default" => |a, b| b.default_route.cmp(&a.default_route),
            "name" => |a, b| a.name.cmp(&b.name),
            "size" => by_size,
            "type" => by_type,
            other => return Err(TemplateError::Criterion("sort", other.to_owned())),
        };
        found.sort_by(|a, b| if falling { compare(b, a) } else { compare(a, b) });
    }
    Ok(())
}

type Test = Box<dyn Fn(&Interface) -> bool>;
type Flag = fn(&Interface) -> bool;

/// Whether an interface meets a criterion.
fn test(criterion: &str, value: &str) -> Result<Test, TemplateError> {
    let bad = |what| TemplateError::Value(value.to_owned(), what);
    Ok(match criterion {
        "name" => {
            let pattern = regular_expression(value)?;
            Box::new(move |i| pattern.is_match(&i.name))
        }
        "address" => {
            let pattern = regular_expression(value)?;
            Box::new(move |i| pattern.is_match(&i.address.to_string()))
        }
        "network" => {
            let network: IpNet = value.parse().map_err(|_| bad("network"))?;
            Box::new(move |i| network.contains(&i.address))
        }
        "rfc" | "rfcs" => {
            let mut networks = Vec::new();
            for number in value.split('|') {
                networks.extend_from_slice(
                    networks_of_rfc(number.trim()).ok_or_else(|| bad("number of a known RFC"))?,
                );
            }
            Box::new(move |i| within_any(i.address, &networks))
        }
        "size" => {
            let size: u8 = value.trim_start_matches('/').parse().map_err(|_| bad("prefix"))?;
            Box::new(move |i| i.prefix == size)
        }
        "type" => match value.to_ascii_lowercase().as_str() {
            "ip" => Box::new(|_| true),
            "ipv4" => Box::new(|i| i.address.is_ipv4()),
            "ipv6" => Box::new(|i| i.address.is_ipv6()),
            _ => return Err(bad("type of an address")),
        },
        "flag" | "flags" => {
            let flags = value.split('|').map(|name| flag(name.trim()));
            let flags: Option<Vec<Flag>> = flags.collect();
            let flags = flags.ok_or_else(|| bad("flag of an interface"))?;
            Box::new(move |i| flags.iter().all(|flag| flag(i)))
        }
        other => {
            return Err(TemplateError::Criterion("include and exclude", other.to_owned()));
        }
    })
}

fn flag(name: &str) -> Option<Flag> {
    Some(match name {
        "up" => |i| i.up,
        "down" => |i| !i.up,
        "loopback" => Interface::is_loopback,
        "forwardable" => Interface::is_forwardable,
        "link-local unicast" => |i| match i.address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        },
        "global unicast" => |i| {
            let link_local = within_any(i.address, &["169.254.0.0/16", "fe80::/10"]);
            let elsewhere = i.address.is_loopback() || i.address.is_multicast();
            !(link_local || elsewhere || i.address.is_unspecified())
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
