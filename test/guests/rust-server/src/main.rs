//! A web server on tokio's multi-threaded runtime and hyper.
//!
//! ```text
//! GET  /             the greeting ($GREETING, "Hello from Rust" without one)
//! GET  /runtime      the threads of the runtime
//! POST /echo         the body
//! GET  /tasks/N      sums up what N tasks send, which sleep, yield and share a lock
//! GET  /blocking     the primes below 200,000, counted by threads beside the runtime's
//! GET  /connections  a server and 50 clients of it, over TCP and over Unix sockets
//! GET  /files        what was written to files at the same time
//! GET  /process      this program as a child of itself
//! GET  /time         time-outs and intervals
//! GET  /panic        a task that panics, seen by the one that waits for it
//! ```
//!
//! Listens on $PORT (8080 without one). SIGTERM lets it answer what it has begun.

mod uses;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

static ANSWERED: AtomicU64 = AtomicU64::new(0);

async fn answer(request: Request<Incoming>) -> Result<String, uses::Failure> {
    let path = request.uri().path().to_owned();
    if let Some(count) = path.strip_prefix("/tasks/") {
        return Ok(uses::tasks(count.parse()?).await?.to_string());
    }
    match (request.method(), path.as_str()) {
        (&Method::GET, "/") => Ok(std::env::var("GREETING").unwrap_or_else(|_| "Hello from Rust".to_owned())),
        (&Method::GET, "/runtime") => Ok(format!(
            "{} workers, {} CPUs",
            Handle::current().metrics().num_workers(),
            std::thread::available_parallelism()?
        )),
        (&Method::POST, "/echo") => Ok(String::from_utf8(request.collect().await?.to_bytes().to_vec())?),
        (&Method::GET, "/blocking") => Ok(uses::blocking().await?.to_string()),
        (&Method::GET, "/connections") => uses::connections().await,
        (&Method::GET, "/files") => uses::files().await,
        (&Method::GET, "/process") => uses::process().await,
        (&Method::GET, "/time") => uses::time().await,
        (&Method::GET, "/panic") => Ok(uses::panic().await),
        _ => Err("there is nothing here".into()),
    }
}

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match answer(request).await {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    ANSWERED.fetch_add(1, Ordering::Relaxed);
    let mut response = Response::new(Full::new(Bytes::from(body + "\n")));
    *response.status_mut() = status;
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), uses::Failure> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        return uses::be_child().await;
    }
    let port = std::env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    println!("rust-server: listening on port {port}");
    let mut terminated = signal(SignalKind::terminate())?;
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = terminated.recv() => break,
        };
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(serve));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                println!("rust-server: a connection broke: {error}");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
    println!("rust-server: answered {} requests", ANSWERED.load(Ordering::Relaxed));
    Ok(())
}
