//! One download: tries, resumes, and looks every moment at whether it should stop.

use std::future::Future;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::pin::pin;
use std::time::Duration;

use fs_err::File;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::{sleep, timeout};

use super::client::{causes, client};
use super::entry::Part;
use super::{Entry, Network};
use crate::artifacts::Error;
use crate::artifacts::pin::{self, Bytes, CHUNK, HashingWriter};
use crate::artifacts::progress::Progress;
use crate::recipe::Artifact;
use crate::record::{Event, Observer, Stage};

/// How often a wait for the network looks at whether it was interrupted.
const TICK: Duration = Duration::from_millis(50);

/// What a transfer brought.
#[derive(Debug)]
pub(in crate::artifacts) struct Received {
    /// The bytes in the entry's partial file.
    pub bytes: Bytes,
    /// True if some of them were there before.
    pub resumed: bool,
}

/// A download into an entry whose lock is held.
pub(in crate::artifacts) struct Transfer<'a> {
    /// Role of the artifact.
    pub role: &'a str,
    /// What the recipe says of it.
    pub artifact: &'a Artifact,
    /// Where from.
    pub url: &'a Url,
    /// Where to.
    pub entry: &'a Entry,
    /// How patiently.
    pub network: &'a Network,
    /// Who is told.
    pub observer: &'a Observer<'a>,
}

/// Why a try failed.
enum Fault {
    /// Another try may do better.
    Passing(String),
    /// There is no connection; another try may do better.
    NoConnection(String),
    /// The part that is here cannot be continued.
    CannotResume,
    /// Trying again is no use.
    Final(Error),
}

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

impl Transfer<'_> {
    /// Downloads until the partial file is whole.
    pub fn run(&self) -> Result<Received, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let result = runtime.block_on(self.tries());
        // A name that is being looked up on another thread is not waited for.
        runtime.shutdown_background();
        result
    }

    async fn tries(&self) -> Result<Received, Error> {
        let client = client(self.url, self.network)?;
        let mut pauses = self.network.pauses.iter();
        let mut tries = 1;
        loop {
            let mut outcome = self.attempt(&client).await;
            if matches!(outcome, Err(Fault::CannotResume)) {
                self.entry.discard_partial()?;
                outcome = self.attempt(&client).await;
            }
            let is_connected = !matches!(outcome, Err(Fault::NoConnection(_)));
            let problem = match outcome {
                Ok(received) => return Ok(received),
                Err(Fault::Final(error)) => {
                    if matches!(error, Error::Size { .. } | Error::TooLarge { .. }) {
                        self.entry.discard_partial()?;
                    }
                    return Err(error);
                }
                Err(Fault::Passing(problem) | Fault::NoConnection(problem)) => problem,
                Err(Fault::CannotResume) => "the server's answers contradict each other".to_owned(),
            };
            let Some(pause) = pauses.next() else {
                return Err(Error::Network {
                    url: self.url.to_string(),
                    tries,
                    problem,
                    is_connected,
                });
            };
            let note = format!("{}: {problem}; trying again", self.url);
            self.observer.tell(Event::Note(note));
            self.unless_interrupted(sleep(*pause)).await?;
            tries += 1;
        }
    }

    /// One request and its answer.
    async fn attempt(&self, client: &Client) -> Result<Received, Fault> {
        let part = self.entry.part(self.url);
        let (mut writer, here) = match &part {
            Some(_) => self.continued_file()?,
            None => (HashingWriter::new(File::create(self.entry.partial())?), 0),
        };
        if here > 0 && part.as_ref().is_some_and(|part| part.total == Some(here)) {
            return Ok(received(writer, true));
        }
        let mut request = client.get(self.url.clone());
        if let Some(part) = part.as_ref().filter(|_| here > 0) {
            request = request
                .header(RANGE, format!("bytes={here}-"))
                .header(IF_RANGE, &part.etag);
        }
        let answer = self.unless_interrupted(request.send()).await?;
        let answer = answer.map_err(|error| self.fault(&error))?;
        let resumed = here > 0 && answer.status() == StatusCode::PARTIAL_CONTENT;
        let total = match answer.status() {
            StatusCode::OK => answer.content_length(),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if here > 0 => {
                let part = part.as_ref().ok_or(Fault::CannotResume)?;
                Some(continued_total(&answer, part, here).ok_or(Fault::CannotResume)?)
            }
            status if status.is_server_error() => {
                return Err(Fault::Passing(format!("the server answered {status}")));
            }
            status => {
                let status = status.to_string();
                return Err(Error::Status {
                    url: self.url.to_string(),
                    status,
                }
                .into());
            }
        };
        if let Some(total) = total {
            pin::check_size(self.artifact, self.url.as_str(), total)?;
        }
        if !resumed {
            if here > 0 {
                writer = HashingWriter::new(File::create(self.entry.partial())?);
            }
            let part = strong_etag(answer.headers()).map(|etag| Part {
                url: self.url.to_string(),
                etag,
                total,
            });
            self.entry.set_part(part.as_ref())?;
        }
        self.receive(answer, &mut writer, total).await?;
        Ok(received(writer, resumed))
    }

    /// The partial file, hashed again and ready to be continued, and its length.
    fn continued_file(&self) -> Result<(HashingWriter<File>, u64), Error> {
        let mut options = fs_err::OpenOptions::new();
        let mut file = options.read(true).write(true).open(self.entry.partial())?;
        let total = file.metadata()?.len();
        let stage = Stage::Verify(self.role.to_owned());
        let mut progress = Progress::begin(self.observer, stage, Some(total));
        let mut reader = File::open(self.entry.partial())?;
        file.seek(SeekFrom::End(0))?;
        let mut writer = HashingWriter::new(file);
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = reader.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            writer.catch_up(&chunk[..count]);
            progress.advance(count as u64)?;
        }
        progress.finish();
        let length = writer.count();
        Ok((writer, length))
    }

    /// Writes the answer's body as it comes.
    async fn receive(
        &self,
        mut answer: Response,
        writer: &mut HashingWriter<File>,
        total: Option<u64>,
    ) -> Result<(), Fault> {
        let exact = pin::exact_size(self.artifact);
        let limit = total.or(exact).unwrap_or(self.artifact.max_size);
        let stage = Stage::Download(self.role.to_owned());
        let mut progress = Progress::begin(self.observer, stage, total.or(exact));
        progress.advance(writer.count())?;
        loop {
            let chunk = self.unless_interrupted(answer.chunk()).await?;
            let Some(chunk) = chunk.map_err(|error| self.fault(&error))? else {
                break;
            };
            if writer.count() + chunk.len() as u64 > limit {
                return Err(self.too_much(exact, limit).into());
            }
            writer.write_all(&chunk)?;
            progress.advance(chunk.len() as u64)?;
        }
        let count = writer.count();
        if total.is_some_and(|total| total != count) {
            return Err(Fault::Passing(format!(
                "the transfer ended after {count} bytes"
            )));
        }
        progress.finish();
        Ok(())
    }

    fn too_much(&self, exact: Option<u64>, limit: u64) -> Error {
        let from = self.url.to_string();
        match exact {
            Some(expected) => Error::Size {
                from,
                expected,
                got: "more".to_owned(),
            },
            None => pin::too_large(self.artifact, &from, format!("has more than {limit} bytes")),
        }
    }

    /// Waits for `work`, or for the user to lose patience.
    async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let mut work = pin!(work);
        loop {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            if let Ok(result) = timeout(TICK, work.as_mut()).await {
                return Ok(result);
            }
        }
    }

    fn fault(&self, error: &reqwest::Error) -> Fault {
        let url = self.url.to_string();
        if error.is_redirect() {
            Fault::Final(Error::Redirects { url })
        } else if error.is_builder() {
            Fault::Final(Error::Url {
                url,
                problem: causes(error),
            })
        } else if error.is_timeout() && !error.is_connect() {
            let seconds = self.network.read_timeout.as_secs_f64();
            Fault::Passing(format!("nothing came for {seconds} seconds"))
        } else if error.is_connect() {
            Fault::NoConnection(causes(error))
        } else {
            Fault::Passing(causes(error))
        }
    }
}

fn received(writer: HashingWriter<File>, resumed: bool) -> Received {
    let size = writer.count();
    let (_, sha256) = writer.finish();
    Received {
        bytes: Bytes { sha256, size },
        resumed,
    }
}

/// The answer's entity tag, if it promises the same bytes.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    etag.starts_with('"').then(|| etag.to_owned())
}

/// Bytes of the whole, if the answer continues `part` after `here` bytes.
fn continued_total(answer: &Response, part: &Part, here: u64) -> Option<u64> {
    if answer.status() != StatusCode::PARTIAL_CONTENT {
        return None;
    }
    if strong_etag(answer.headers()).is_some_and(|etag| etag != part.etag) {
        return None;
    }
    let range = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total: u64 = total.parse().ok()?;
    let whole =
        first.parse() == Ok(here) && last.parse::<u64>().ok()?.checked_add(1) == Some(total);
    (whole && part.total.is_none_or(|before| before == total)).then_some(total)
}
