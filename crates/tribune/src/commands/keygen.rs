//! `serf keygen`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fail;
use crate::output::say;

/// A new key in base64, unless the system has no random bytes.
pub(crate) fn new_key() -> Option<String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).ok()?;
    Some(STANDARD.encode(key))
}

pub(crate) fn run() -> i32 {
    let Some(key) = new_key() else {
        return fail("Error reading random data: the system's generator does not answer");
    };
    say(key);
    0
}
