//! Ctrl-C: the first asks the run to stop, a second one stops the process at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::exit::Exit;
use super::trace;

/// True once Ctrl-C was pressed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How long stages have to stop by themselves. Files are renamed into place when they are whole, so
/// that an end at any moment leaves none half-written.
const GRACE: Duration = Duration::from_millis(600);

/// Listens for Ctrl-C from now on.
pub fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            end();
        }
        thread::spawn(|| {
            thread::sleep(GRACE);
            end();
        });
    })
}

/// The flag that stages look at.
pub fn flag() -> &'static AtomicBool {
    &INTERRUPTED
}

/// True once Ctrl-C was pressed.
pub fn happened() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Ends the process without a word: a reader of standard error that does not read would hold it up.
/// What was traced so far is kept.
#[expect(
    clippy::exit,
    reason = "a stage that does not stop must not keep the process alive"
)]
fn end() {
    trace::close();
    std::process::exit(i32::from(Exit::Interrupted.code()));
}
