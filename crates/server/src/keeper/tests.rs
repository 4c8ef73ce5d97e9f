#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::store::with_store;

fn directory(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tribune-keeper-{name}-{}", std::process::id()))
}

fn machine() -> Local {
    let node = catalog::Node { name: "n1".into(), ..catalog::Node::default() };
    Local::new(local::Config::new(node), now(), SmallRng::seed_from_u64(1))
}

fn keeper(store: Store, directory: &Path, local: Local) -> Keeper {
    let (environment, log) = (checks::Environment::default(), agent::log::Log::silent());
    Keeper::start(store, Some(directory.to_owned()), environment, local, log).0
}

async fn register(keeper: &Keeper, name: &str) -> Result<(), NotChanged> {
    let body = format!(r#"{{"Name":"{name}","Port":80}}"#);
    let service = local::ServiceDefinition::parse(body.as_bytes()).unwrap();
    let source = local::Source::Request;
    let change =
        move |local: &mut Local, now| local.register_service(now, service, source, "t", false);
    keeper.change(change).await
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_somebody_has_not_written_to_its_end_goes_at_the_start() {
    let directory = directory("unfinished");
    std::fs::create_dir_all(directory.join("services")).unwrap();
    std::fs::write(directory.join("services/x.tmp"), r#"{"Token":"secret""#).unwrap();
    with_store(async |store| {
        let mut local = machine();
        local.load(now(), saved(&directory));
        let keeper = keeper(store, &directory, local);
        register(&keeper, "web").await.unwrap();
    });
    let services = names(&directory.join("services"));
    assert_eq!(services.len(), 1);
    assert!(!services[0].ends_with(".tmp"));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn who_changes_something_hears_that_its_file_cannot_be_written_and_nobody_else_does() {
    let directory = directory("unwritten");
    let services = directory.join("services");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(&services, "").unwrap();
    with_store(async |store| {
        let keeper = keeper(store, &directory, machine());
        let check = CheckDefinition::parse(br#"{"Name":"c","TTL":"1h"}"#).unwrap();
        let source = local::Source::Request;
        let check = keeper.change(move |local, now| local.register_check(now, check, source, "t"));
        let (service, check) = tokio::join!(register(&keeper, "web"), check);
        check.unwrap();
        let why = service.unwrap_err().to_string();
        assert!(why.starts_with("failed to write services/"), "{why}");
        assert!(why.ends_with(": not a directory"), "{why}");
        let is_there = |local: &mut Local, _| local.service(&"web".into()).is_some();
        assert_eq!(keeper.look(is_there).await, Some(true));
        // The same again is kept as soon as it can be.
        std::fs::remove_file(&services).unwrap();
        register(&keeper, "web").await.unwrap();
    });
    assert_eq!(names(&services).len(), 1);
    assert_eq!(names(&directory.join("checks")).len(), 1);
    std::fs::remove_dir_all(&directory).unwrap();
}
