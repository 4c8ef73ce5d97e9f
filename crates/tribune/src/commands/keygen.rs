//! `serf keygen`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fail;
use crate::output::say;

pub(crate) fn run() -> i32 {
    let mut key = [0; 32];
    if getrandom::fill(&mut key).is_err() {
        return fail("Error reading random data: the system's generator does not answer");
    }
    say(STANDARD.encode(key));
    0
}
