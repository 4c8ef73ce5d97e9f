#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn interfaces() -> Vec<Interface> {
    let interface = |name: &str, address: &str, prefix, default_route| Interface {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        prefix,
        up: name != "eth9",
        default_route,
    };
    vec![
        interface("lo", "127.0.0.1", 8, false),
        interface("lo", "::1", 128, false),
        interface("eth0", "fe80::1", 64, true),
        interface("eth0", "10.0.0.5", 8, true),
        interface("eth1", "192.168.1.7", 24, false),
        interface("eth2", "8.8.4.4", 29, true),
        interface("eth9", "172.16.0.1", 12, false),
    ]
}

#[test]
fn values_of_templates() {
    for (text, value) in [
        ("10.1.2.3", "10.1.2.3"),
        ("{{ GetInterfaceIP \"eth0\" }}", "10.0.0.5"),
        ("{{GetInterfaceIP `eth[01]`}}", "192.168.1.7"),
        ("{{ GetInterfaceIPs \"^eth\" }}", "8.8.4.4 192.168.1.7 172.16.0.1 10.0.0.5"),
        ("{{ GetInterfaceIP \"lo\" }}", ""),
        ("{{ GetInterfaceIP \"none\" }}", ""),
        ("{{ GetPrivateIP }}:1", "10.0.0.5:1"),
        ("{{ GetPublicIP }}", "8.8.4.4"),
        ("{{ GetPrivateIPs }}", "192.168.1.7 172.16.0.1 10.0.0.5"),
        ("{{ GetPublicIPs }}", "8.8.4.4"),
        ("a {{ GetPrivateIP }} b {{ GetPublicIP }} c", "a 10.0.0.5 b 8.8.4.4 c"),
        (
            "{{ GetAllInterfaces | include \"network\" \"192.168.0.0/16\" | attr \"address\" }}",
            "192.168.1.7",
        ),
        (
            "{{ GetAllInterfaces | include \"name\" \"^eth\" | exclude \"name\" \"eth0\" | sort \"name\" | limit 1 | attr \"name\" }}",
            "eth1",
        ),
        (
            "{{ GetAllInterfaces | include \"type\" \"ipv4\" | sort \"-address\" | join \"address\" \",\" }}",
            "192.168.1.7,172.16.0.1,127.0.0.1,10.0.0.5,8.8.4.4",
        ),
        (
            "{{ GetAllInterfaces | include \"flags\" \"forwardable|up\" | include \"rfc\" \"1918\" | sort \"size\" | offset 1 | attr \"network\" }}",
            "10.0.0.0/8",
        ),
        (
            "{{ GetAllInterfaces | include \"flag\" \"loopback\" | sort \"type\" | join \"address\" \" \" }}",
            "127.0.0.1 ::1",
        ),
        ("{{ GetDefaultInterfaces | include \"size\" \"29\" | attr \"address\" }}", "8.8.4.4"),
        ("{{ GetPrivateInterfaces | attr \"name\" }}", "eth0"),
        ("{{ GetPublicInterfaces | attr \"address\" }}", "8.8.4.4"),
        (
            "{{ GetAllInterfaces | include \"address\" \"^10\\\\.\" | offset 5 | attr \"address\" }}",
            "",
        ),
    ] {
        assert_eq!(expand(text, &interfaces()).as_deref(), Ok(value), "{text}");
    }
}

#[test]
fn what_is_not_supported_is_said() {
    for (text, error) in [
        ("{{ Nope }}", "there is no function Nope; see the reference page for those there are"),
        ("{{ GetPrivateIP", "the template does not end"),
        ("{{ GetInterfaceIP \"eth0 }}", "the template does not end"),
        ("{{ }}", "a step of the template is empty"),
        ("{{ GetAllInterfaces | }}", "a step of the template is empty"),
        ("{{ GetAllInterfaces }}", "a template takes attr or join at its end"),
        ("{{ GetInterfaceIP }}", "GetInterfaceIP takes the name of an interface"),
        ("{{ GetPrivateIP \"x\" }}", "GetPrivateIP takes no argument"),
        ("{{ GetInterfaceIP \"(\" }}", "\"(\" is no regular expression"),
        (
            "{{ GetPrivateIP | attr \"address\" }}",
            "there is no function attr; see the reference page for those there are",
        ),
        ("{{ GetAllInterfaces | attr \"mtu\" }}", "attr knows nothing of \"mtu\""),
        ("{{ GetAllInterfaces | sort \"mtu\" }}", "sort knows nothing of \"mtu\""),
        ("{{ GetAllInterfaces | include \"rfc\" \"1\" }}", "\"1\" is no number of a known RFC"),
        (
            "{{ GetAllInterfaces | include \"mtu\" \"1\" }}",
            "include and exclude knows nothing of \"mtu\"",
        ),
        ("{{ GetAllInterfaces | limit \"x\" }}", "\"x\" is no number"),
        ("{{ GetAllInterfaces } }}", "GetAllInterfaces takes no argument"),
    ] {
        let found = expand(text, &interfaces()).unwrap_err().to_string();
        assert_eq!(found, error, "{text}");
    }
    let long = format!("{{{{ GetAllInterfaces {} }}}}", "| limit 1 ".repeat(STEPS));
    assert_eq!(expand(&long, &[]), Err(TemplateError::TooLong));
}

proptest! {
    #[test]
    fn never_panics(
        words in prop::collection::vec(
            prop::sample::select(&[
                "{{", "}}", "|", "\"", "`", "\\", " ", "GetAllInterfaces", "include", "\"name\"",
                "\"e\"", "attr", "\"address\"", "limit", "offset", "3", "}", "é",
            ][..]),
            0..20,
        )
    ) {
        let _ = expand(&words.concat(), &interfaces());
    }
}
