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

async fn register(keeper: &Keeper, name: &str) -> Result<(), Refused> {
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
