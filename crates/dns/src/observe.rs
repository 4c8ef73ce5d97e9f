//! Explanations: what was decided on the way to an answer, step by step.

use std::fmt;

use catalog::Check;

/// Who is told of every step. `()` wants to know nothing, and costs nothing.
pub trait Observer {
    /// Whether steps are wanted.
    const ON: bool;

    /// Takes one step.
    fn step(&mut self, step: Step);

    /// Makes a step if one is wanted.
    fn note(&mut self, make: impl FnOnce() -> Step)
    where
        Self: Sized,
    {
        if Self::ON {
            self.step(make());
        }
    }
}

impl Observer for () {
    const ON: bool = false;

    fn step(&mut self, _: Step) {}
}

/// Most steps that a [`Trace`] keeps, besides those at its end.
pub const STEPS: usize = 10_000;

/// Keeps the first [`STEPS`] steps, and those that say what came of it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// In their order.
    pub steps: Vec<Step>,
    /// Those since then.
    left_out: usize,
}

impl Observer for Trace {
    const ON: bool = true;

    fn step(&mut self, step: Step) {
        let ends = matches!(step, Step::Replied { .. } | Step::Passed | Step::Silent);
        if !ends && self.steps.len() >= STEPS {
            self.left_out += 1;
            return;
        }
        if let steps @ 1.. = std::mem::take(&mut self.left_out) {
            self.steps.push(Step::LeftOut { steps });
        }
        self.steps.push(step);
    }
}

/// One step on the way to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// What was asked.
    Asked {
        /// The name.
        name: String,
        /// The type.
        rtype: String,
        /// Most bytes of the reply.
        limit: usize,
    },
    /// What the name means.
    Meant {
        /// The form: `node`, `service`, …
        form: &'static str,
        /// What is looked up, in small letters.
        name: String,
        /// The tag that instances must have.
        tag: Option<String>,
    },
    /// The name has nothing of the type.
    Nothing {
        /// Why.
        why: &'static str,
    },
    /// The name means nothing here.
    Meaningless {
        /// Why.
        why: &'static str,
    },
    /// It cannot be said.
    Failed {
        /// Why.
        why: String,
    },
    /// A prepared query was read.
    Query {
        /// Its name; a template's is the beginning of others.
        name: String,
        /// The service that it is for.
        service: String,
    },
    /// The query would ask a datacenter or peer that is not known.
    Elsewhere {
        /// Its name.
        place: String,
    },
    /// The instances of a query were sorted by distance.
    Sorted {
        /// The node that it is measured from.
        near: String,
    },
    /// The instances of a query were not sorted, though it names a node.
    Unsorted {
        /// The node, or what stands for it.
        near: String,
        /// Why.
        why: &'static str,
    },
    /// Whose an address is was looked up.
    Owner {
        /// `node` or `service`.
        form: &'static str,
        /// Its name.
        name: String,
        /// The address.
        address: String,
    },
    /// A node's row was read.
    Node {
        /// Its name.
        node: String,
        /// Its address.
        address: String,
    },
    /// A row of an instance was read.
    Instance {
        /// Its node.
        node: String,
        /// Its ID.
        id: String,
        /// Its address, empty for the node's.
        address: String,
        /// Its port.
        port: i64,
    },
    /// The instance that was read last is not in the answer.
    Dropped {
        /// Why.
        why: Drop,
    },
    /// Enough were found: so many instances were not looked at.
    Enough {
        /// How many are left.
        unread: usize,
        /// What says that it is enough, if not the room that there is.
        limit: Option<Limit>,
    },
    /// A name in an answer was looked up in turn.
    Chased {
        /// The name.
        name: String,
        /// Whether it is for the recursors.
        foreign: bool,
    },
    /// A name that might have been an answer, or led to one, was not looked up.
    Unfollowed {
        /// The name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// Answers were left out, or what goes along with them.
    Cut {
        /// How many were made of what was read.
        from: usize,
        /// How many are left.
        to: usize,
        /// Why.
        why: Limit,
    },
    /// So many steps were not kept.
    LeftOut {
        /// How many.
        steps: usize,
    },
    /// The reply. Always the last step.
    Replied {
        /// The response code's name.
        rcode: &'static str,
        /// Whether it says that it was cut.
        truncated: bool,
        /// The answers as text: owner, TTL, type, data.
        answers: Vec<String>,
        /// How many records stand in the authority section.
        authority: usize,
        /// How many in the additional section.
        additional: usize,
    },
    /// The question is for the recursors. What they say is theirs: [`crate::said`] makes the last
    /// step of it.
    Passed,
    /// No reply. Always the last step.
    Silent,
}

/// Why an instance is not in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drop {
    /// It has not the tag.
    Tag,
    /// A check of it or of its node.
    Check {
        /// The check.
        check: String,
        /// Its status.
        status: String,
    },
    /// What a prepared query wants of it, besides its checks.
    Unlike {
        /// What of it.
        what: &'static str,
    },
    /// Its address is of the other family.
    Family {
        /// The address.
        address: String,
    },
    /// Its name or that of its node.
    Name {
        /// The name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// Another one gave the same record.
    Duplicate,
    /// No message can hold its name or address.
    Unwritable {
        /// The name or address.
        name: String,
    },
}

impl Drop {
    pub(crate) fn of_check(check: Option<&Check>) -> Self {
        let (id, status) = check.map_or(("", ""), |it| (it.id.as_str(), &*it.status));
        Self::Check { check: id.to_owned(), status: status.to_owned() }
    }
}

/// Why answers were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `udp_answer_limit`.
    UdpAnswers,
    /// `a_record_limit`.
    Addresses,
    /// The most records of one reply.
    Records,
    /// The bytes that the asker takes.
    Bytes,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { name, rtype, limit } => {
                write!(f, "asked for {rtype} of {name}, at most {limit} bytes")
            }
            Self::Meant { form, name, tag: None } => write!(f, "means the {form} {name}"),
            Self::Meant { form, name, tag: Some(tag) } => {
                write!(f, "means the {form} {name} with the tag {tag}")
            }
            Self::Nothing { why } => write!(f, "has nothing: {why}"),
            Self::Meaningless { why } => write!(f, "means nothing: {why}"),
            Self::Failed { why } => write!(f, "cannot say: {why}"),
            Self::Query { name, service } => write!(f, "read query {name:?}: service {service}"),
            Self::Elsewhere { place } => write!(f, "would ask {place}, which is not known"),
            Self::Sorted { near } => write!(f, "sorted by distance from {near}"),
            Self::Unsorted { near, why } => write!(f, "not sorted by distance from {near}: {why}"),
            Self::Owner { form, name, address } => {
                write!(f, "{address} is that of the {form} {name}")
            }
            Self::Node { node, address } => write!(f, "read node {node} at {address}"),
            Self::Instance { node, id, address, port } => {
                let address = if address.is_empty() { "its node's address" } else { address };
                write!(f, "read instance {id} on {node}: {address}, port {port}")
            }
            Self::Dropped { why } => write!(f, "  dropped: {why}"),
            Self::Enough { unread, limit } => {
                write!(f, "enough")?;
                limit.iter().try_for_each(|limit| write!(f, " for {limit}"))?;
                write!(f, "; {unread} more were not looked at")
            }
            Self::Chased { name, foreign: false } => write!(f, "followed {name}"),
            Self::Chased { name, foreign: true } => write!(f, "followed {name} to the recursors"),
            Self::Unfollowed { name, why } => write!(f, "did not follow {name}: {why}"),
            Self::Cut { from, to, why } if from == to => {
                write!(f, "cut to the {to} answers alone, without metadata and EDNS: {why}")
            }
            Self::Cut { from, to, why } => write!(f, "cut from {from} answers to {to}: {why}"),
            Self::LeftOut { steps } => write!(f, "{steps} more steps"),
            Self::Replied { rcode, truncated, answers, authority, additional } => {
                let tc = if *truncated { ", truncated" } else { "" };
                let n = answers.len();
                write!(f, "replied {rcode}{tc}: {n} answers, {authority} authority, ")?;
                write!(f, "{additional} additional")?;
                answers.iter().try_for_each(|answer| write!(f, "\n  {answer}"))
            }
            Self::Passed => f.write_str("passed on to the recursors"),
            Self::Silent => f.write_str("not replied to"),
        }
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag => f.write_str("it has not the tag"),
            Self::Check { check, status } => write!(f, "check {check} is {status}"),
            Self::Unlike { what } => write!(f, "{what} is not what the query wants"),
            Self::Family { address } => write!(f, "{address} is not of the type asked for"),
            Self::Name { name, why } => write!(f, "{name} {why}"),
            Self::Duplicate => f.write_str("another instance gives the same record"),
            Self::Unwritable { name } => write!(f, "no message can hold {name:?}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UdpAnswers => "udp_answer_limit",
            Self::Addresses => "a_record_limit",
            Self::Records => "the most records of one reply",
            Self::Bytes => "the bytes that the asker takes",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_an_end_whatever_came_before() {
        for (steps, kept) in [(STEPS, STEPS + 1), (STEPS + 7, STEPS + 2)] {
            let mut trace = Trace::default();
            for _ in 0..steps {
                trace.step(Step::Dropped { why: Drop::Duplicate });
            }
            trace.step(Step::Silent);
            assert_eq!((trace.steps.len(), trace.steps.last()), (kept, Some(&Step::Silent)));
            let told = trace.steps.contains(&Step::LeftOut { steps: 7 });
            assert_eq!(told, steps > STEPS);
        }
    }
}
