//! What an operator can do about a member that does not start.

use crate::config::{Failure, Settings, shown};

/// Adds the setting and its value where the text alone does not name them.
pub(super) fn for_start(failure: Failure, settings: &Settings) -> Failure {
    let text = &failure.message;
    let bind = shown(settings.bind);
    let hint = if text.contains("address already in use") {
        format!("another program uses '{bind}'; choose another 'bind' (-bind)")
    } else if text.contains("cannot assign requested address") {
        format!("'bind' (-bind) is '{bind}', which is no address of this machine")
    } else if text.contains("Failed to setup snapshot") {
        let path = settings.snapshot_path.as_deref().unwrap_or_else(|| "".as_ref());
        format!(
            "'snapshot_path' (-snapshot) is '{}'; it must be writable, in a directory that exists",
            path.display()
        )
    } else if text.contains("key size") {
        // The key itself never appears in a text.
        "'encrypt_key' (-encrypt) is 16, 24 or 32 bytes in base64, as 'serf keygen' makes it"
            .to_owned()
    } else {
        return failure;
    };
    failure.hint(hint)
}
