//! A request and its answer.

use alloc::string::String;
use core::fmt::Write;

use super::parser::{Parser, Response};
use crate::failure::Failure;
use crate::transport::{Stream, Transport};

/// A request without a body.
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) host: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: &'a [(&'static str, &'a str)],
    /// The most bytes of the answer's body.
    pub(crate) most: usize,
}

impl Request<'_> {
    fn encode(&self) -> String {
        let mut text = String::new();
        let _ = write!(
            text,
            "{} {} HTTP/1.1\r\nHost: {}\r\n",
            self.method, self.path, self.host
        );
        for (name, value) in self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if self.method == "PUT" {
            text.push_str("Content-Length: 0\r\n");
        }
        text.push_str("Accept: */*\r\nUser-Agent: pulumi-unikernel\r\nConnection: close\r\n\r\n");
        text
    }
}

/// Sends a request on a connection of its own and takes the whole answer, until `deadline`.
pub(crate) async fn exchange<T: Transport>(
    transport: &T,
    request: &Request<'_>,
    deadline: u64,
) -> Result<Response, Failure> {
    let mut stream = transport.connect(deadline).await?;
    stream.send(request.encode().as_bytes()).await?;
    let mut parser = Parser::new(request.most);
    let mut bytes = [0; 1024];
    loop {
        let count = stream.receive(&mut bytes).await?;
        let done = match bytes.get(..count) {
            None | Some([]) => return Ok(parser.end()?),
            Some(received) => parser.feed(received)?,
        };
        if done {
            return Ok(parser.end()?);
        }
    }
}
