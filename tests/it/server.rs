//! A real HTTP server on loopback that misbehaves on demand, on threads of std.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a client asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which request of the server's life, from 0.
    pub number: usize,
    /// Path, or whole url if the client takes this server for a proxy.
    pub target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// First byte of an open range.
    pub fn range_start(&self) -> Option<usize> {
        self.header("range")?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
    etag: Option<String>,
    ranges: bool,
    length: Option<usize>,
    with_length: bool,
    cut: Option<usize>,
    stall: bool,
    pause: Option<(usize, Duration)>,
}

impl Answer {
    /// The whole body, whatever range was asked.
    pub fn whole(body: &[u8]) -> Self {
        Self {
            status: 200,
            body: body.to_vec(),
            headers: Vec::new(),
            etag: None,
            ranges: false,
            length: None,
            with_length: true,
            cut: None,
            stall: false,
            pause: None,
        }
    }

    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::whole(b"")
        }
    }

    /// A redirection.
    pub fn redirect(to: &str) -> Self {
        let mut answer = Self::status(302);
        answer.headers.push(("location", to.to_owned()));
        answer
    }

    /// With an entity tag, quotes included.
    pub fn etag(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self
    }

    /// Serves ranges, if the condition on the entity tag holds.
    pub fn ranges(mut self) -> Self {
        self.ranges = true;
        self
    }

    /// Serves ranges whatever the condition says.
    pub fn careless_ranges(mut self) -> Self {
        self.ranges = true;
        self.headers.push(("x-careless", "yes".to_owned()));
        self
    }

    /// Claims another length.
    pub fn claiming(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    /// Says no length: the body ends with the connection.
    pub fn without_length(mut self) -> Self {
        self.with_length = false;
        self
    }

    /// Hangs up after so many bytes of the body.
    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    /// Sends nothing more after so many bytes of the body, and does not hang up.
    pub fn stall(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self.stall = true;
        self
    }

    /// Sends so many bytes at a time, with a pause between.
    pub fn slow(mut self, bytes: usize, pause: Duration) -> Self {
        self.pause = Some((bytes, pause));
        self
    }

    fn send(&self, request: &Request, stream: &mut TcpStream, stop: &AtomicBool) {
        let careless = self.headers.iter().any(|(name, _)| *name == "x-careless");
        let condition = request.header("if-range");
        let same = careless || condition.is_none_or(|tag| self.etag.as_deref() == Some(tag));
        let start = request.range_start().filter(|_| self.ranges && same);
        let body = &self.body[start.unwrap_or(0).min(self.body.len())..];
        let status = if start.is_some() { 206 } else { self.status };
        let mut head = vec![
            format!("HTTP/1.1 {status} Said"),
            "connection: close".to_owned(),
        ];
        if self.with_length {
            head.push(format!(
                "content-length: {}",
                self.length.unwrap_or(body.len())
            ));
        }
        if let Some(start) = start {
            let total = self.body.len();
            head.push(format!(
                "content-range: bytes {start}-{}/{total}",
                total - 1
            ));
        }
        for (name, value) in &self.headers {
            head.push(format!("{name}: {value}"));
        }
        if let Some(etag) = &self.etag {
            head.push(format!("etag: {etag}"));
        }
        let body = &body[..self.cut.unwrap_or(body.len()).min(body.len())];
        // A client that has hung up is no fault of the test.
        let _ = stream.write_all(format!("{}\r\n\r\n", head.join("\r\n")).as_bytes());
        match self.pause {
            None => {
                let _ = stream.write_all(body);
            }
            Some((bytes, pause)) => {
                for piece in body.chunks(bytes) {
                    let _ = stream.write_all(piece);
                    std::thread::sleep(pause);
                }
            }
        }
        while self.stall && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The server; it stops when dropped.
pub struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server that answers as `behaviour` says.
    pub fn start(behaviour: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let behaviour = Arc::new(behaviour);
        let thread = std::thread::spawn({
            let (requests, stop) = (Arc::clone(&requests), Arc::clone(&stop));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    let requests = Arc::clone(&requests);
                    let (stop, behaviour) = (Arc::clone(&stop), Arc::clone(&behaviour));
                    std::thread::spawn(move || serve(stream, &requests, &stop, &*behaviour));
                }
            }
        });
        Self {
            address,
            requests,
            stop,
            thread: Some(thread),
        }
    }

    /// Starts a server that gives these answers one after the other, and the last one again.
    pub fn answering(answers: Vec<Answer>) -> Self {
        Self::start(move |request| answers[request.number.min(answers.len() - 1)].clone())
    }

    /// The url of a path, which starts with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<Request>>,
    stop: &AtomicBool,
    behaviour: &dyn Fn(&Request) -> Answer,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let Ok(line) = line else { return };
        match line.split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    let request = {
        let mut requests = requests.lock().unwrap();
        let request = Request {
            number: requests.len(),
            target,
            headers,
        };
        requests.push(request.clone());
        request
    };
    behaviour(&request).send(&request, &mut stream, stop);
}
