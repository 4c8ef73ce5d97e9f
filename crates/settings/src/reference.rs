//! The reference page, made from the table.

use std::fmt::Write;

use crate::schema::{CHECK, Field, SERVICE};
use crate::table::{Effect, Initial, Row, SECTIONS};

const HEAD: &str = "\
# Configuration of the agent

This page is made from the table in `crates/settings`; the test of that crate says how to make it
anew.

Sources, the lowest first: the defaults, `-dev`, flags of lists, the files and directories of
`-config-file` and `-config-dir` in the order of the command line, the other flags, and fragments of
`-hcl`. Of single values the last one counts, lists are joined, maps are merged name by name. Files
are JSON or HCL; a dot in a key below leads into a block. Keys may be written in any case. An
unknown key is an error, beside which the nearest known one is suggested.

A key marked with `R` is taken into use by a reload. Durations are texts such as `1m30s`.

`Effect`: empty, it does what its meaning says; *later*, it is checked and kept, and what it is for
is yet to come; *none*, it is accepted and has nothing to say here.

## Templates

Addresses may be found out on the machine: `{{ GetInterfaceIP \"eth0\" }}`, or
`{{ GetAllInterfaces | include \"network\" \"10.0.0.0/8\" | attr \"address\" }}`.

| Step | What it gives |
| --- | --- |
| `GetPrivateIP`, `GetPublicIP` | the address of the interface with the default route |
| `GetPrivateIPs`, `GetPublicIPs` | all of that kind, separated by spaces |
| `GetInterfaceIP NAME`, `GetInterfaceIPs NAME` | one or all of an interface |
| `GetAllInterfaces`, `GetDefaultInterfaces` | a list for the steps below |
| `GetPrivateInterfaces`, `GetPublicInterfaces` | a list for the steps below |
| `include WHAT VALUE`, `exclude WHAT VALUE` | by `name`, `address` (regular expressions), \
`network`, `rfc`, `size`, `type` (`ipv4`, `ipv6`), `flag` (`up`, `down`, `loopback`, \
`forwardable`, `global unicast`, `link-local unicast`) |
| `sort CRITERIA` | by `address`, `default`, `name`, `size`, `type`; `-` turns one round |
| `limit N`, `offset N` | a part of the list |
| `attr WHAT` | `address`, `name` or `network` of the first |
| `join WHAT SEPARATOR` | the same of all |

What reaches only the machine itself or its own link is never found by the `IP` functions. Of IPv4
and IPv6 the former comes first, and of networks the smallest.
";

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        page.push_str(&format!("\n## {}\n\n", section.title));
        match section.rows.first().map(|row| row.effect) {
            Some(Effect::Replaced(_)) => old_names(&mut page, section.rows),
            _ => table(&mut page, section.rows),
        }
    }
    page.push_str("\n## In a service\n\n");
    fields(&mut page, &SERVICE);
    page.push_str("\n## In a check\n\n");
    fields(&mut page, &CHECK);
    page
}

fn old_names(page: &mut String, rows: &[Row]) {
    page.push_str("Accepted with a warning, as values of the key beside them.\n\n");
    page.push_str("| Key | Use instead |\n| --- | --- |\n");
    for row in rows {
        if let Effect::Replaced(new) = row.effect {
            line(page, &[&format!("`{}`", row.name()), &format!("`{new}`")]);
        }
    }
}

fn table(page: &mut String, rows: &[Row]) {
    page.push_str("| Key | Flag | Type | Default | `-dev` | R | Effect | Meaning |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for row in rows {
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
        let flags: Vec<_> = [row.flag, row.old_flag]
            .into_iter()
            .flatten()
            .map(|flag| code(format!("-{} {}", flag.name, flag.value_name).trim_end()))
            .collect();
        let initial = match row.initial {
            Initial::Empty => String::new(),
            Initial::Is(text) => code(text),
            Initial::Described(words) => words.to_owned(),
        };
        let (effect, help) = match row.effect {
            Effect::Taken | Effect::Replaced(_) => ("", row.help),
            Effect::Kept => ("later", row.help),
            Effect::Without => ("none", row.help),
            Effect::Enterprise(_) => ("none", "Warned about; only Consul Enterprise has it."),
        };
        line(
            page,
            &[
                &code(row.key.unwrap_or_default()),
                &flags.join(", "),
                row.kind.word(),
                &initial,
                &code(row.dev.unwrap_or_default()),
                if row.reloadable { "R" } else { "" },
                effect,
                help,
            ],
        );
    }
}

fn fields(page: &mut String, fields: &[Field]) {
    page.push_str("| Name | Old name | Type |\n| --- | --- | --- |\n");
    for field in fields {
        let alias =
            if field.alias.is_empty() { String::new() } else { format!("`{}`", field.alias) };
        line(page, &[&format!("`{}`", field.name), &alias, field.kind.word()]);
    }
}

fn line(page: &mut String, cells: &[&str]) {
    for cell in cells {
        // Writing to a text cannot fail.
        let _ = write!(page, "| {} ", cell.replace('|', "\\|"));
    }
    page.push_str("|\n");
}
