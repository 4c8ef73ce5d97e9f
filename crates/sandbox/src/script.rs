//! What can be done to a cluster, as words of a script.

use std::time::Duration;

/// A node, by its number or by its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Number K.
    Node(usize),
    /// Whoever is primary.
    Primary,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// SIGKILL.
    Kill(Target),
    /// A graceful leave.
    Stop(Target),
    /// SIGSTOP.
    Pause(Target),
    /// SIGCONT to all that are paused, and a new start of all that have ended.
    Heal,
    /// One more node.
    Add,
    /// Wait for this long.
    Sleep(Duration),
    /// Wait until all running nodes agree: all alive, one primary; at most a minute.
    Wait,
    /// Clean up and end.
    Quit,
}

/// A word that is no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no step of a script; steps are separated by ';' and are: kill NODE, stop NODE, \
     pause NODE, heal, add, sleep SECONDS, wait, quit, with NODE a number or 'primary'"
)]
pub struct ScriptError(String);

/// The steps of a script such as `wait; kill primary; wait; heal; wait; quit`.
pub fn parse(script: &str) -> Result<Vec<Action>, ScriptError> {
    let steps = script.split(';').map(str::trim).filter(|step| !step.is_empty());
    steps.map(parse_step).collect()
}

fn parse_step(step: &str) -> Result<Action, ScriptError> {
    let wrong = || ScriptError(step.to_owned());
    let target = |text: &str| match text {
        "primary" => Ok(Target::Primary),
        number => number.parse().map(Target::Node).map_err(|_| wrong()),
    };
    let words: Vec<&str> = step.split_whitespace().collect();
    match words.as_slice() {
        ["kill", node] => Ok(Action::Kill(target(node)?)),
        ["stop", node] => Ok(Action::Stop(target(node)?)),
        ["pause", node] => Ok(Action::Pause(target(node)?)),
        ["heal"] => Ok(Action::Heal),
        ["add"] => Ok(Action::Add),
        ["sleep", seconds] => {
            let seconds: f64 = seconds.trim_end_matches('s').parse().map_err(|_| wrong())?;
            Duration::try_from_secs_f64(seconds).map(Action::Sleep).map_err(|_| wrong())
        }
        ["wait"] => Ok(Action::Wait),
        ["quit"] => Ok(Action::Quit),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn steps_and_their_targets() {
        let steps =
            parse("wait; kill primary ;pause 3;sleep 1.5s; heal;add; stop 0; quit;").unwrap();
        assert_eq!(
            steps,
            [
                Action::Wait,
                Action::Kill(Target::Primary),
                Action::Pause(Target::Node(3)),
                Action::Sleep(Duration::from_millis(1500)),
                Action::Heal,
                Action::Add,
                Action::Stop(Target::Node(0)),
                Action::Quit,
            ]
        );
        for wrong in ["kill", "kill x", "sleep -1", "sleep", "dance", "heal 1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
