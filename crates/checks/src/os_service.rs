//! A unit of systemd, by `systemctl is-active`: its first line is the unit's state.
//!
//! (The original has this kind on Windows alone; there, too, a manager that cannot be asked is a
//! warning.)

use crate::environment::Environment;
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::script::{self, End};

/// One run of a check.
pub(crate) async fn check(name: &str, limits: Limits, environment: &Environment) -> Outcome {
    let args = [&environment.systemctl, "is-active", "--", name].map(str::to_owned);
    // States are words.
    let bounded = Limits { output_max_bytes: limits.output_max_bytes.min(1024), ..limits };
    let (end, output) = match script::run(&args, bounded).await {
        Ok(ran) => ran,
        Err(error) => return Outcome::warning(unknown(name, &error.to_string())),
    };
    let End::Exited(status) = end else {
        return script::timed_out(limits.timeout, &output);
    };
    let text = output.text();
    let state = text.trim();
    match status.code() {
        Some(0) => Outcome::passing(format!("Service \"{name}\" is healthy")),
        // 3: not active (or about to be); 4: there is no such unit.
        Some(3 | 4) if is_word(state) => {
            Outcome::critical(format!("Service \"{name}\" is {state}"))
        }
        _ => Outcome::warning(unknown(name, state)),
    }
}

fn unknown(name: &str, why: &str) -> String {
    format!("State of service \"{name}\" is not known: {why}")
}

fn is_word(state: &str) -> bool {
    !state.is_empty() && state.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

#[cfg(all(test, unix))]
mod tests;
