use super::*;

#[test]
fn health_shows_nothing_of_a_definition() {
    let service = Service { id: "w1".into(), name: "web".into(), ..Service::default() };
    let check = Check {
        node: "n".into(),
        id: "c1".into(),
        name: "<c1>".into(),
        status: "critical".into(),
        service_id: "w1".into(),
        service_name: "web".into(),
        kind: "ttl".into(),
        definition: Some(r#"{"TTL":1}"#.into()),
        ..Check::default()
    };
    let health = AgentHealth {
        status: "critical",
        service: Some(AgentService::new(&service, "dc1", None)),
        checks: vec![&check],
    };
    let shown = concat!(
        r#"{"AggregatedStatus":"critical","Service":{"ID":"w1","Service":"web","Tags":[],"#,
        r#""Meta":{},"Port":0,"Address":"","Weights":{"Passing":0,"Warning":0},"#,
        r#""EnableTagOverride":false,"Datacenter":"dc1"},"Checks":[{"Node":"n","CheckID":"c1","#,
        r#""Name":"\u003cc1\u003e","Status":"critical","Notes":"","Output":"","#,
        r#""ServiceID":"w1","ServiceName":"web","ServiceTags":null,"Type":"","ExposedPort":0,"#,
        r#""Definition":{"Interval":"0s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","#,
        r#""HTTP":"","Header":null,"Method":"","Body":"","TLSServerName":"","#,
        r#""TLSSkipVerify":false,"TCP":"","TCPUseTLS":false,"UDP":"","GRPC":"","OSService":"","#,
        r#""GRPCUseTLS":false},"CreateIndex":0,"ModifyIndex":0}]}"#,
    );
    assert_eq!(String::from_utf8_lossy(&crate::json::encode(&health)), shown);
    let unknown = AgentHealth { status: "critical", service: None, checks: Vec::new() };
    let shown = r#"{"AggregatedStatus":"critical","Service":null,"Checks":null}"#;
    assert_eq!(String::from_utf8_lossy(&crate::json::encode(&unknown)), shown);
}
