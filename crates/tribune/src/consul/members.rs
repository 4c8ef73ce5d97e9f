//! `consul members`.

use std::collections::BTreeMap;

use client::http::{HttpError, Request};
use gotext::object::Object;
use pattern::Pattern;

use super::Failure;
use super::connection::Agent;
use super::event::PATTERN_COST;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::say;
use crate::table::columns;

/// Exit code when nobody matches.
const NOBODY: i32 = 2;

struct Member {
    name: String,
    address: String,
    status: &'static str,
    tags: BTreeMap<String, String>,
}

impl Member {
    fn read(mut fields: Object) -> Result<Member, HttpError> {
        let (host, port): (String, i64) = (fields.field("Addr")?, fields.field("Port")?);
        let mut tags: BTreeMap<String, String> = fields.field("Tags")?;
        let segment = match tags.get("role").map(String::as_str) {
            Some("consul") => "<all>",
            _ => match tags.get("segment").map(String::as_str) {
                Some(segment) if !segment.is_empty() => segment,
                _ => "<default>",
            },
        };
        let segment = segment.to_owned();
        tags.insert("segment".to_owned(), segment);
        let status = match fields.field::<i64>("Status")? {
            0 => "none",
            1 => "alive",
            2 => "leaving",
            3 => "left",
            4 => "failed",
            _ => "unknown",
        };
        let port = u16::try_from(port).unwrap_or_default();
        let address = gotext::join_host_port(&host, port);
        Ok(Member { name: fields.field("Name")?, address, status, tags })
    }

    fn tag(&self, name: &str) -> &str {
        self.tags.get(name).map(String::as_str).unwrap_or_default()
    }

    fn row(&self) -> Vec<&str> {
        let kind = match self.tag("role") {
            "consul" => "server",
            "node" => "client",
            _ => {
                return vec![&self.name, &self.address, self.status, "unknown", "", "", "", "", ""];
            }
        };
        let build = match self.tag("build") {
            "" => "< 0.3",
            build => build.split(':').next().unwrap_or_default(),
        };
        let partition = match self.tag("ap") {
            "" => "default",
            partition => partition,
        };
        let (protocol, datacenter, segment) =
            (self.tag("vsn"), self.tag("dc"), self.tag("segment"));
        vec![
            &self.name,
            &self.address,
            self.status,
            kind,
            build,
            protocol,
            datacenter,
            partition,
            segment,
        ]
    }
}

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    // Without one, everybody is wanted: to compile one that says so takes longer than to ask.
    let status = parsed.given("status").map(|text| Pattern::new(text, PATTERN_COST)).transpose();
    let status = status.map_err(|error| Failure::of("Failed to compile status regexp", error))?;
    let agent = Agent::connect(parsed)?;
    let mut request = Request::get("/v1/agent/members")
        .with("segment", parsed.text("segment"))
        .with_given("filter", parsed.text("filter"));
    if parsed.on("wan") {
        request = request.with("wan", "1");
    }
    let read = || -> Result<Vec<Member>, HttpError> {
        agent.objects(request)?.into_iter().map(Member::read).collect()
    };
    let mut members = read().map_err(|error| Failure::of("Error retrieving members", error))?;
    members.retain(|member| status.as_ref().is_none_or(|status| status.is_match(member.status)));
    if members.is_empty() {
        return Err(Failure::Silent(NOBODY));
    }
    members.sort_by(|a, b| {
        let key = |member: &Member| {
            let [partition, segment] = ["ap", "segment"].map(|tag| member.tag(tag).to_owned());
            (partition, segment, member.name.clone())
        };
        a.name.cmp(&b.name).then_with(|| key(a).cmp(&key(b)))
    });
    say(if parsed.on("detailed") { detailed(&members) } else { standard(&members) });
    Ok(())
}

fn standard(members: &[Member]) -> String {
    let head = vec![
        "Node",
        "Address",
        "Status",
        "Type",
        "Build",
        "Protocol",
        "DC",
        "Partition",
        "Segment",
    ];
    let rows: Vec<_> = std::iter::once(head).chain(members.iter().map(Member::row)).collect();
    columns(&rows)
}

fn detailed(members: &[Member]) -> String {
    let mut rows = vec![["Node", "Address", "Status", "Tags"].map(str::to_owned).to_vec()];
    for member in members {
        let tags: Vec<_> =
            member.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        rows.push(vec![
            member.name.clone(),
            member.address.clone(),
            member.status.to_owned(),
            tags.join(","),
        ]);
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn member(text: &str) -> Member {
        Member::read(Object::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn tables_are_laid_out_as_recorded() {
        let members = [
            member(
                r#"{"Name":"n1","Addr":"127.0.0.1","Port":8301,"Status":1,"Tags":{"role":"consul",
                    "build":"1.16.4:abc","vsn":"2","dc":"dc1","segment":""}}"#,
            ),
            member(
                r#"{"Name":"n2","Addr":"::1","Port":8301,"Status":4,"Tags":{"role":"node",
                    "build":"1.16.4:","vsn":"2","dc":"dc1","ap":"default"}}"#,
            ),
            member(r#"{"Name":"n3","Addr":"10.0.0.1","Port":1,"Status":3,"Tags":null}"#),
        ];
        assert_eq!(
            standard(&members),
            "Node  Address         Status  Type     Build   Protocol  DC   Partition  Segment\n\
             n1    127.0.0.1:8301  alive   server   1.16.4  2         dc1  default    <all>\n\
             n2    [::1]:8301      failed  client   1.16.4  2         dc1  default    <default>\n\
             n3    10.0.0.1:1      left    unknown                                    "
        );
        assert_eq!(
            detailed(&members[..1]),
            "Node  Address         Status  Tags\n\
             n1    127.0.0.1:8301  alive   build=1.16.4:abc,dc=dc1,role=consul,segment=<all>,vsn=2"
        );
    }
}
