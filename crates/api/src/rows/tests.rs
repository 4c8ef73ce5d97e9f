use super::*;

#[test]
fn what_is_absent_is_empty_or_null_throughout_an_entry() {
    let node = Node { name: "n".into(), ..Node::default() };
    let service = Service { node: "n".into(), id: "s".into(), ..Service::default() };
    let check = Check { node: "n".into(), id: "c".into(), ..Check::default() };
    for (absent, none) in [(Absent::Empty, "[]"), (Absent::Null, "null")] {
        let shown = |checks| {
            let row =
                EntryRow { node: &node, service: &service, checks, datacenter: "dc1", absent };
            String::from_utf8(crate::json::encode(&row)).expect("JSON is text")
        };
        let without = shown(Vec::new());
        assert!(without.contains(&format!(r#""Tags":{none},"#)), "{without}");
        assert!(without.ends_with(&format!(r#","Checks":{none}}}"#)), "{without}");
        let with = shown(vec![&check]);
        assert!(
            with.contains(&format!(r#""ServiceTags":{none},"Type":"","Interval":"","#)),
            "{with}"
        );
    }
}
