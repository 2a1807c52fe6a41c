//! The client against services of this machine: good ones, and every kind of bad one.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Service;
use crate::failure::Failure;
use crate::http::Malformed;
use crate::transport::{Stream, Transport, Trouble};
use crate::{Instance, MOST_CONFIGURATION};

/// Sockets of this machine; they block, so that a future is ready whenever it is asked.
struct Host {
    address: SocketAddr,
    start: Instant,
}

struct HostStream {
    stream: TcpStream,
    start: Instant,
    deadline: u64,
}

fn trouble(error: &std::io::Error) -> Trouble {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => Trouble::TimedOut,
        _ => Trouble::Unreachable,
    }
}

impl Transport for Host {
    type Stream = HostStream;

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    async fn sleep_until(&self, time: u64) {
        std::thread::sleep(Duration::from_nanos(time.saturating_sub(self.now())));
    }

    async fn connect(&self, deadline: u64) -> Result<HostStream, Trouble> {
        let left = Duration::from_nanos(deadline.saturating_sub(self.now()).max(1));
        let stream = TcpStream::connect_timeout(&self.address, left).map_err(|error| trouble(&error))?;
        Ok(HostStream {
            stream,
            start: self.start,
            deadline,
        })
    }
}

impl HostStream {
    fn left(&self) -> Result<Duration, Trouble> {
        let now = self.start.elapsed().as_nanos() as u64;
        let left = self.deadline.checked_sub(now).filter(|&left| left > 0);
        left.map(Duration::from_nanos).ok_or(Trouble::TimedOut)
    }
}

impl Stream for HostStream {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.stream.write_all(bytes).map_err(|error| trouble(&error))
    }

    async fn receive(&mut self, into: &mut [u8]) -> Result<usize, Trouble> {
        let left = self.left()?;
        self.stream
            .set_read_timeout(Some(left))
            .map_err(|error| trouble(&error))?;
        self.stream.read(into).map_err(|error| trouble(&error))
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// What a service does with a request, whose head it has read: the request's first line and headers, and the connection.
type Behaviour = dyn Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// Runs a service; the requests that it got are in the list.
fn serve(behaviour: Arc<Behaviour>) -> (Host, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = requests.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (behaviour, log) = (behaviour.clone(), log.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).expect("a request of text");
                log.lock().expect("the list").push(head.clone());
                // The client may leave at any time.
                let _ = behaviour(&head, &mut stream);
            });
        }
    });
    let host = Host {
        address,
        start: Instant::now(),
    };
    (host, requests)
}

/// The client's verdict on a service, within so many milliseconds.
fn fetch_within(service: Service, behaviour: Arc<Behaviour>, milliseconds: u64) -> Result<Instance, Failure> {
    let (host, _) = serve(behaviour);
    block_on(service.fetch(&host, milliseconds * 1_000_000))
}

fn fetch(service: Service, behaviour: Arc<Behaviour>) -> Result<Instance, Failure> {
    fetch_within(service, behaviour, 5_000)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Amazon's service with this user data.
fn amazon(user_data: Option<&'static str>) -> Arc<Behaviour> {
    Arc::new(move |head, stream| {
        let token = "\r\nX-aws-ec2-metadata-token: AQAAA-secret==\r\n";
        let text = match head.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["PUT", "/latest/api/token"] if head.contains("\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n") => {
                answer("200 OK", "", "AQAAA-secret==")
            }
            ["GET", _] if !head.contains(token) => answer("401 Unauthorized", "", ""),
            ["GET", "/latest/user-data"] => match user_data {
                Some(text) => answer("200 OK", "Content-Type: application/octet-stream\r\n", text),
                None => answer("404 Not Found", "", "<html>"),
            },
            ["GET", "/latest/meta-data/local-hostname"] => answer("200 OK", "", "ip-10-0-0-9.ec2.internal"),
            _ => answer("400 Bad Request", "", ""),
        };
        stream.write_all(text.as_bytes())
    })
}

fn google(head: &str, stream: &mut TcpStream) -> std::io::Result<()> {
    let flavor = "Metadata-Flavor: Google\r\n";
    let text = match head.split(' ').nth(1) {
        _ if !head.contains(flavor) || !head.contains("Host: metadata.google.internal\r\n") => {
            answer("403 Forbidden", flavor, "")
        }
        Some("/computeMetadata/v1/instance/attributes/user-data") => answer("200 OK", flavor, "{}"),
        Some("/computeMetadata/v1/instance/hostname") => answer("200 OK", flavor, "web-1.c.project.internal"),
        _ => answer("404 Not Found", flavor, ""),
    };
    stream.write_all(text.as_bytes())
}

/// One that sends the same whatever it is asked.
fn always(text: impl Into<String>) -> Arc<Behaviour> {
    let text = text.into();
    Arc::new(move |_, stream| stream.write_all(text.as_bytes()))
}

#[test]
fn amazon_gives_user_data_and_name_for_a_token() {
    let found = fetch(Service::Amazon, amazon(Some(r#"{"hostname":"web"}"#))).expect("an answer");
    assert_eq!(found.configuration.as_deref(), Some(&br#"{"hostname":"web"}"#[..]));
    assert_eq!(found.hostname.as_deref(), Some("ip-10-0-0-9"));

    let found = fetch(Service::Amazon, amazon(None)).expect("an answer");
    assert_eq!(found.configuration, None);
    assert_eq!(
        fetch(Service::Amazon, amazon(Some("\n")))
            .expect("an answer")
            .configuration,
        None
    );
}

#[test]
fn amazon_is_asked_nothing_without_a_token() {
    for refusal in ["403 Forbidden", "405 Method Not Allowed", "404 Not Found"] {
        let (host, requests) = serve(always(answer(refusal, "", "")));
        let result = block_on(Service::Amazon.fetch(&host, 5_000_000_000));
        assert!(matches!(result, Err(Failure::NoToken(_))), "{result:?}");
        let requests = requests.lock().expect("the list");
        assert_eq!(requests.len(), 1);
        assert!(requests[0].starts_with("PUT /latest/api/token HTTP/1.1\r\n"));
    }
    for token in ["", "two words", "line\r\nbreak", "\u{fc}"] {
        let result = fetch(Service::Amazon, always(answer("200 OK", "", token)));
        assert_eq!(result, Err(Failure::NoToken(200)), "{token:?}");
    }
}

#[test]
fn google_gives_an_attribute_and_the_name_to_who_asks_as_it_wants() {
    let found = fetch(Service::Google, Arc::new(google)).expect("an answer");
    assert_eq!(found.configuration.as_deref(), Some(&b"{}"[..]));
    assert_eq!(found.hostname.as_deref(), Some("web-1"));
    for status in ["200 OK", "404 Not Found"] {
        let foreign = fetch(Service::Google, always(answer(status, "", "{}")));
        assert_eq!(foreign, Err(Failure::Foreign));
    }
}

#[test]
fn hostile_answers_end_with_a_reason() {
    let endless: Arc<Behaviour> = Arc::new(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 4096])?;
        }
    });
    let cases: [(Arc<Behaviour>, Failure); 6] = [
        (endless, Failure::Malformed(Malformed::TooLong)),
        (always("\x16\x03\x01 garbage\r\n"), Failure::Malformed(Malformed::Head)),
        (
            always(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                MOST_CONFIGURATION + 1
            )),
            Failure::Malformed(Malformed::TooLong),
        ),
        (
            always("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"),
            Failure::Malformed(Malformed::CutShort),
        ),
        (
            always(answer("302 Found", "Location: http://127.0.0.1:1/\r\n", "")),
            Failure::Status {
                path: "/computeMetadata/v1/instance/attributes/user-data",
                status: 302,
            },
        ),
        (
            always(answer("403 Forbidden", "", "")),
            Failure::Status {
                path: "/computeMetadata/v1/instance/attributes/user-data",
                status: 403,
            },
        ),
    ];
    for (behaviour, failure) in cases {
        assert_eq!(fetch_within(Service::Google, behaviour, 1_000), Err(failure));
    }
}

#[test]
fn what_drips_or_says_nothing_ends_with_the_time() {
    let drip: Arc<Behaviour> = Arc::new(|_, stream| {
        loop {
            stream.write_all(b"H")?;
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let silent: Arc<Behaviour> = Arc::new(|_, stream| stream.read(&mut [0; 1]).map(drop));
    for behaviour in [drip, silent] {
        let result = fetch_within(Service::Google, behaviour, 300);
        assert!(matches!(result, Err(Failure::Trouble(Trouble::TimedOut))), "{result:?}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = Host {
        address: listener.local_addr().expect("its address"),
        start: Instant::now(),
    };
    drop(listener);
    let result = block_on(Service::Amazon.fetch(&closed, 200_000_000));
    assert_eq!(result, Err(Failure::Trouble(Trouble::Unreachable)));
}

#[test]
fn what_may_pass_is_asked_again() {
    let count = Arc::new(Mutex::new(0));
    let counter = count.clone();
    let good = amazon(Some("{}"));
    let moody: Arc<Behaviour> = Arc::new(move |head, stream| {
        let number = {
            let mut count = counter.lock().expect("the count");
            *count += 1;
            *count
        };
        match number {
            1 => stream.write_all(answer("500 Internal Server Error", "", "").as_bytes()),
            2 => Ok(()),
            3 => good(head, stream),
            // The token has expired meanwhile.
            4 => stream.write_all(answer("401 Unauthorized", "", "").as_bytes()),
            _ => good(head, stream),
        }
    });
    let found = fetch(Service::Amazon, moody).expect("an answer at last");
    assert_eq!(found.configuration.as_deref(), Some(&b"{}"[..]));
    assert!(*count.lock().expect("the count") >= 6);
}

#[test]
fn an_answer_is_told_rather_than_the_silence_that_follows() {
    let count = Mutex::new(0);
    let falling_silent: Arc<Behaviour> = Arc::new(move |_, stream| {
        *count.lock().expect("the count") += 1;
        if *count.lock().expect("the count") == 1 {
            return stream.write_all(answer("503 Service Unavailable", "", "").as_bytes());
        }
        stream.read(&mut [0; 1]).map(drop)
    });
    assert_eq!(
        fetch_within(Service::Amazon, falling_silent, 300),
        Err(Failure::NoToken(503))
    );
}

#[test]
fn the_makers_name_decides() {
    assert_eq!(Service::of_makers(["", "Amazon EC2 "]), Some(Service::Amazon));
    assert_eq!(Service::of_makers(["BOCHS", "Google"]), Some(Service::Google));
    assert_eq!(
        Service::of_makers(["QEMU", "Standard PC (Q35 + ICH9, 2009)", "not Amazon EC2"]),
        None
    );
}
