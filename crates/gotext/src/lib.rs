//! Go's text conventions, as the `serf` and `consul` programs show them.
//!
//! Scripts and configuration files of Serf's users hold durations like `1h30m`, match on error
//! lines like `dial tcp 127.0.0.9:7373: connect: connection refused`, and compare JSON byte for
//! byte. Those texts come from Go's standard library; this crate makes and reads the same ones.
//! Pure functions over the standard library: no files, no sockets.
//!
//! ```
//! assert_eq!(gotext::GoDuration::parse("1.5s").unwrap().to_string(), "1.5s");
//! assert_eq!(gotext::quote("a\tb"), r#""a\tb""#);
//! assert_eq!(gotext::split_host_port("127.0.0.9").unwrap_err().to_string(),
//!            "address 127.0.0.9: missing port in address");
//! ```

mod base64;
pub mod decode;
mod duration;
pub mod json;
mod network;
mod number;
pub mod object;
mod process;
mod quote;

pub use base64::{Base64Error, decode_base64};
pub use duration::{DurationError, GoDuration};
pub use json::Json;
pub use network::{
    AddressError, dial_error, errno_text, join_host_port, listen_error, multi_error, parse_port,
    path_error, split_host_port,
};
pub use number::{NumberError, parse_bool, parse_int, parse_unsigned};
pub use process::exit_failure;
pub use quote::{is_printable, quote, quote_bytes};
