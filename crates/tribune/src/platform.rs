//! What differs between systems: signals.

/// Ends the process as a program ends whose reader has gone.
pub(crate) fn die_of_pipe() -> ! {
    #[cfg(unix)]
    {
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
    }
    std::process::exit(1)
}

/// Calls `handle` on a thread of its own each time the user interrupts the program, from now on.
#[cfg(unix)]
pub(crate) fn on_interrupt(mut handle: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    use std::io::Read;

    let (mut receiver, sender) = std::os::unix::net::UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGINT, sender)?;
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        let mut byte = [0];
        while receiver.read_exact(&mut byte).is_ok() {
            handle();
        }
    })?;
    Ok(())
}

/// Calls `handle` on a thread of its own each time the user interrupts the program, from now on.
///
/// Without Unix signals the system's own handling is left as it is: it ends the program.
#[cfg(not(unix))]
pub(crate) fn on_interrupt(_: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    Ok(())
}
