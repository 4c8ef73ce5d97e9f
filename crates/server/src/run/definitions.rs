//! The services and checks of the configuration's files.

use gotext::{multi_error, quote};
use local::{CheckDefinition, ServiceDefinition};
use settings::{Failure, Settings};

/// What files define.
#[derive(Clone, Debug)]
pub(super) struct Definitions {
    pub(super) services: Vec<ServiceDefinition>,
    pub(super) checks: Vec<CheckDefinition>,
}

fn failure(message: String) -> Failure {
    Failure { message, hint: None }
}

impl Definitions {
    /// Gives the definitions their meaning: all that is wrong with values together, else the first
    /// that cannot be run.
    pub(super) fn read(settings: &Settings) -> Result<Self, Failure> {
        let services: Vec<ServiceDefinition> = settings
            .services
            .iter()
            .map(|definition| {
                ServiceDefinition::from_file(definition.object.clone())
                    .map_err(|why| failure(format!("failed to parse {}: {why}", definition.file)))
            })
            .collect::<Result<_, _>>()?;
        let checks: Vec<CheckDefinition> = settings
            .check_definitions
            .iter()
            .map(|definition| {
                CheckDefinition::from_file(definition.object.clone())
                    .map_err(|why| failure(format!("failed to parse {}: {why}", definition.file)))
            })
            .collect::<Result<_, _>>()?;
        let complaints: Vec<String> =
            services.iter().flat_map(ServiceDefinition::complaints).collect();
        if !complaints.is_empty() {
            return Err(failure(multi_error(&complaints)));
        }
        services.iter().try_for_each(|service| service.validate().map_err(failure))?;
        for check in &checks {
            let name = quote(&check.name);
            check.validate().map_err(|why| failure(format!("check {name}: {why}")))?;
        }
        Ok(Self { services, checks })
    }
}
