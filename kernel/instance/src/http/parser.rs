//! Reading an answer, in pieces of any length.

use alloc::vec::Vec;
use core::fmt;

/// The most bytes of a status line and headers together.
const MOST_HEAD: usize = 16 << 10;
/// The longest line that begins a chunk.
const MOST_CHUNK_LINE: usize = 256;
/// Interim answers (status 1xx) before the final one.
const MOST_INTERIM: usize = 4;

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It does not begin as HTTP does, or a header is none.
    Head,
    /// What it says of the body's length contradicts itself.
    Length,
    /// It ends before it has begun.
    Empty,
    /// It ends before the body does.
    CutShort,
    /// It is longer than anything that is asked for.
    TooLong,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Head => "answers something that is not HTTP",
            Self::Length => "answers with a length that makes no sense",
            Self::Empty => "answers nothing",
            Self::CutShort => "ends its answer before all of it has come",
            Self::TooLong => "answers with more than an instance's configuration can be",
        })
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header; its name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        headers
            .find(|header| header.0 == name.as_bytes())
            .map(|header| &header.1[..])
    }
}

enum State {
    /// Lines until an empty one.
    Head,
    /// So many bytes are missing.
    Sized(usize),
    /// Bytes until the connection ends.
    Unsized,
    /// A line with the length of the next chunk.
    ChunkLine,
    /// So many bytes of the chunk are missing.
    Chunk(usize),
    /// The end of line behind a chunk.
    ChunkEnd,
    /// Lines until an empty one, behind the last chunk.
    Trailer,
    Done,
}

/// Takes an answer in.
pub(super) struct Parser {
    state: State,
    /// The line that is being received.
    line: Vec<u8>,
    /// Bytes of the head, or of the trailer, so far.
    head: usize,
    interim: usize,
    response: Option<Response>,
    most: usize,
}

impl Parser {
    /// For a body of at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            state: State::Head,
            line: Vec::new(),
            head: 0,
            interim: 0,
            response: None,
            most,
        }
    }

    /// Takes the next bytes; true when the answer is whole. What comes behind it is passed over.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<bool, Malformed> {
        while !bytes.is_empty() && !matches!(self.state, State::Done) {
            bytes = match self.state {
                State::Sized(left) => {
                    let rest = self.take_body(bytes, left)?;
                    self.advance(left - (bytes.len() - rest.len()), State::Sized, State::Done);
                    rest
                }
                State::Chunk(left) => {
                    let rest = self.take_body(bytes, left)?;
                    self.advance(left - (bytes.len() - rest.len()), State::Chunk, State::ChunkEnd);
                    rest
                }
                State::Unsized => self.take_body(bytes, usize::MAX)?,
                State::Head | State::ChunkLine | State::ChunkEnd | State::Trailer | State::Done => {
                    self.take_line(bytes)?
                }
            };
        }
        Ok(matches!(self.state, State::Done))
    }

    /// The connection has ended, or the answer is whole.
    pub(super) fn end(self) -> Result<Response, Malformed> {
        match (self.state, self.response) {
            (State::Done | State::Unsized, Some(response)) => Ok(response),
            (State::Head, _) if self.head == 0 => Err(Malformed::Empty),
            _ => Err(Malformed::CutShort),
        }
    }

    fn advance(&mut self, left: usize, unfinished: fn(usize) -> State, finished: State) {
        self.state = if left == 0 { finished } else { unfinished(left) };
    }

    /// Adds up to `left` bytes to the body; the bytes behind them.
    fn take_body<'a>(&mut self, bytes: &'a [u8], left: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = bytes.split_at(bytes.len().min(left));
        let response = self.response.as_mut().ok_or(Malformed::Head)?;
        if taken.len() > self.most - response.body.len().min(self.most) {
            return Err(Malformed::TooLong);
        }
        response.body.extend_from_slice(taken);
        Ok(rest)
    }

    /// Adds bytes to the line, and takes it when it is whole; the bytes behind it.
    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        self.line.extend_from_slice(part);
        let in_head = matches!(self.state, State::Head | State::Trailer);
        let most = if in_head { MOST_HEAD } else { MOST_CHUNK_LINE };
        self.head += part.len();
        if self.line.len() > most || (in_head && self.head > MOST_HEAD) {
            return Err(if in_head { Malformed::TooLong } else { Malformed::Length });
        }
        if end.is_some() {
            let line = core::mem::take(&mut self.line);
            // RFC 9112 section 2.2 lets a recipient take a line feed alone for an end of line. There is no reason to.
            let line = line.strip_suffix(b"\r\n").ok_or(Malformed::Head)?;
            self.line_came(line)?;
        }
        Ok(rest)
    }

    fn line_came(&mut self, line: &[u8]) -> Result<(), Malformed> {
        match self.state {
            State::Head => match &mut self.response {
                None => {
                    self.response = Some(Response {
                        status: status(line)?,
                        headers: Vec::new(),
                        body: Vec::new(),
                    });
                }
                Some(response) if !line.is_empty() => response.headers.push(header(line)?),
                Some(_) => self.head_came()?,
            },
            State::ChunkLine => {
                self.head = 0;
                let left = chunk_length(line)?;
                self.advance(left, State::Chunk, State::Trailer);
            }
            State::ChunkEnd if line.is_empty() => self.state = State::ChunkLine,
            State::ChunkEnd => return Err(Malformed::Length),
            State::Trailer if line.is_empty() => self.state = State::Done,
            _ => {}
        }
        Ok(())
    }

    /// Finds out how the body is delimited (RFC 9112 section 6.3).
    fn head_came(&mut self) -> Result<(), Malformed> {
        self.head = 0;
        let response = self.response.as_ref().ok_or(Malformed::Head)?;
        if response.status < 200 {
            self.interim += 1;
            self.response = None;
            return if self.interim > MOST_INTERIM {
                Err(Malformed::TooLong)
            } else {
                Ok(())
            };
        }
        let all = |name: &'static [u8]| {
            let named = response.headers.iter().filter(move |header| header.0 == name);
            named.map(|header| &header.1[..])
        };
        let mut lengths = all(b"content-length");
        let length = lengths.next();
        if lengths.any(|other| Some(other) != length) {
            return Err(Malformed::Length);
        }
        let mut encodings = all(b"transfer-encoding");
        let encoding = encodings.next();
        self.state = match (length, encoding) {
            // Their bodies are empty, whatever their headers say.
            _ if matches!(response.status, 204 | 304) => State::Done,
            (None, None) => State::Unsized,
            (None, Some(encoding)) if encoding.eq_ignore_ascii_case(b"chunked") && encodings.next().is_none() => {
                State::ChunkLine
            }
            // Both, or an encoding that was not asked for: what one takes for the body's end, another does not.
            (_, Some(_)) => return Err(Malformed::Length),
            (Some(length), None) => match number(length, 10).ok_or(Malformed::Length)? {
                0 => State::Done,
                length if length > self.most => return Err(Malformed::TooLong),
                length => State::Sized(length),
            },
        };
        Ok(())
    }
}

/// The status of a status line.
fn status(line: &[u8]) -> Result<u16, Malformed> {
    let rest = line.strip_prefix(b"HTTP/1.").ok_or(Malformed::Head)?;
    let [b'0' | b'1', b' ', code @ ..] = rest else {
        return Err(Malformed::Head);
    };
    let (code, reason) = code.split_at_checked(3).ok_or(Malformed::Head)?;
    if !matches!(reason, [] | [b' ', ..]) {
        return Err(Malformed::Head);
    }
    let status = number(code, 10).filter(|status| (100..1000).contains(status));
    status.map(|status| status as u16).ok_or(Malformed::Head)
}

/// Name, in lower case, and value of a header line.
fn header(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let colon = line.iter().position(|&byte| byte == b':').ok_or(Malformed::Head)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    // A line that goes on with the header before it begins with a space, which is no token.
    if name.is_empty() || !name.iter().all(is_token) || value.iter().any(|&byte| byte == 0 || byte == b'\r') {
        return Err(Malformed::Head);
    }
    Ok((name.to_ascii_lowercase(), value.trim_ascii().to_vec()))
}

/// The length in a chunk's line; extensions behind it are passed over.
fn chunk_length(line: &[u8]) -> Result<usize, Malformed> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    number(digits.trim_ascii_end(), 16).ok_or(Malformed::Length)
}

/// A number of digits only; `None` when it is none or too large for any body.
fn number(digits: &[u8], base: u32) -> Option<usize> {
    const LARGEST: usize = 1 << 40;
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0usize, |value, &digit| {
        let value = value * base as usize + char::from(digit).to_digit(base)? as usize;
        (value < LARGEST).then_some(value)
    })
}
