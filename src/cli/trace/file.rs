//! The file: a JSON array of events, one a line, in the Trace Event Format.
//!
//! A span is an event `B` where a thread enters it and an event `E` where it leaves, so that what goes on
//! when a command is cut off is there too, as a span without an end.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::whole::Beside;

/// The number by which viewers know the process; there is one.
const PROCESS: &str = r#""pid":1"#;

/// A trace file that is being written.
pub struct TraceFile {
    out: BufWriter<Beside>,
    /// Numbers of the threads whose names are in it.
    named: Vec<u32>,
}

impl TraceFile {
    /// A trace without a span.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut out = BufWriter::new(Beside::create(path)?);
        write!(
            out,
            "[\n{{\"ph\":\"M\",{PROCESS},\"name\":\"process_name\",\"args\":{{\"name\":\"goldrun\"}}}}"
        )?;
        Ok(Self { out, named: vec![] })
    }

    /// This thread enters a span; `span` is `"name":…` and what else is known of it, as JSON.
    pub fn enter(&mut self, span: &str, at: Duration) -> io::Result<()> {
        let thread = self.thread()?;
        let at = microseconds(at);
        write!(
            self.out,
            ",\n{{\"ph\":\"B\",{PROCESS},\"tid\":{thread},\"ts\":{at},{span}}}"
        )
    }

    /// This thread leaves the span that it entered last.
    pub fn leave(&mut self, at: Duration) -> io::Result<()> {
        let thread = self.thread()?;
        let at = microseconds(at);
        write!(
            self.out,
            ",\n{{\"ph\":\"E\",{PROCESS},\"tid\":{thread},\"ts\":{at}}}"
        )
    }

    /// Ends the array and puts the file into its place.
    pub fn keep(mut self) -> io::Result<()> {
        self.out.write_all(b"\n]\n")?;
        let beside = self.out.into_inner();
        beside.map_err(io::IntoInnerError::into_error)?.keep()
    }

    /// The number of this thread, whose name comes before its first event.
    fn thread(&mut self) -> io::Result<u32> {
        let number = thread_number();
        if !self.named.contains(&number) {
            self.named.push(number);
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("without a name");
            let name = serde_json::to_string(name)?;
            write!(
                self.out,
                ",\n{{\"ph\":\"M\",{PROCESS},\"tid\":{number},\"name\":\"thread_name\",\"args\":{{\"name\":{name}}}}}"
            )?;
        }
        Ok(number)
    }
}

/// A number that no other thread of this process has.
fn thread_number() -> u32 {
    static THREADS: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NUMBER: u32 = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

/// Microseconds, exact to a nanosecond.
fn microseconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_micros(), time.subsec_nanos() % 1000)
}
