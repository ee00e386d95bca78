//! Downloads: streamed, hashed on the way, resumed where that is safe.
//!
//! What is not whole or not verified is called `partial` and never mistaken for the file.

mod client;
mod entry;
mod transfer;

use std::time::Duration;

pub(super) use self::entry::Entry;
pub(super) use self::transfer::Transfer;

/// How patient a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// For a connection to be made.
    pub connect_timeout: Duration,
    /// For the next bytes to come, the answer's head included.
    pub read_timeout: Duration,
    /// Pauses before each new try after a fault of the network or the server; as many tries as pauses.
    pub pauses: Vec<Duration>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            pauses: [500, 1000, 2000, 4000].map(Duration::from_millis).to_vec(),
        }
    }
}
