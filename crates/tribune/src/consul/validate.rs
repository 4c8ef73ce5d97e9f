//! `consul validate`.

use settings::{FlagSetting, Format};

use super::Failure;
use crate::command::Command;
use crate::flags::Parsed;
use crate::output::{complain, say};

pub(super) fn run(_: &Command, parsed: &Parsed) -> Result<(), Failure> {
    let format = parsed.text("config-format");
    if !format.is_empty() && Format::called(&format).is_none() {
        // The quote is left open where scripts look for it, too.
        return Err(Failure::said("-config-format must be either 'hcl' or 'json"));
    }
    let paths = parsed.words();
    if paths.is_empty() {
        return Err(Failure::said("Must specify at least one config file or directory"));
    }
    let setting = |name: &str, value: &str| FlagSetting { name: name.into(), value: value.into() };
    let paths = paths.iter().map(|path| setting("config-file", path));
    let flags: Vec<_> = std::iter::once(setting("config-format", &format)).chain(paths).collect();
    match server::validate(&flags) {
        Ok(warnings) => {
            warnings.iter().for_each(complain);
            if !parsed.on("quiet") {
                say("Configuration is valid!");
            }
            Ok(())
        }
        Err(failure) => {
            complain(format!("Config validation failed: {failure}"));
            failure.hint.iter().for_each(|hint| complain(format!("    {hint}")));
            Err(Failure::Silent(1))
        }
    }
}
