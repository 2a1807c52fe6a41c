//! The parser against answers as servers give them, and as they should not.

use super::parser::{Malformed, Parser, Response};

const MOST: usize = 1000;

fn parse_in_pieces(bytes: &[u8], pieces: impl Iterator<Item = usize>) -> Result<Response, Malformed> {
    let mut parser = Parser::new(MOST);
    let mut rest = bytes;
    for length in pieces {
        let (piece, behind) = rest.split_at(length.clamp(1, rest.len().max(1)).min(rest.len()));
        rest = behind;
        if piece.is_empty() || parser.feed(piece)? {
            break;
        }
    }
    parser.end()
}

fn parse(text: &str) -> Result<Response, Malformed> {
    let whole = parse_in_pieces(text.as_bytes(), core::iter::once(text.len()));
    let bytes = parse_in_pieces(text.as_bytes(), core::iter::repeat(1));
    assert_eq!(whole, bytes, "however it is cut");
    whole
}

fn body(text: &str) -> Result<(u16, String), Malformed> {
    parse(text).map(|response| (response.status, String::from_utf8(response.body).expect("text")))
}

#[test]
fn bodies_end_where_the_headers_say() {
    let ok = |text: &str| Ok((200, String::from(text)));
    assert_eq!(
        body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"),
        ok("hello")
    );
    assert_eq!(body("HTTP/1.0 200 OK\r\nServer: x\r\n\r\nto the end"), ok("to the end"));
    assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), ok(""));
    assert_eq!(
        body(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n"
        ),
        ok("abc0123456789")
    );
    assert_eq!(
        body("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"),
        Ok((204, String::new()))
    );
    assert_eq!(
        body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n-"),
        Ok((404, String::from("-")))
    );
}

#[test]
fn headers_are_found_in_any_case() {
    let response =
        parse("HTTP/1.1 200 OK\r\nMETADATA-flavor:\t Google \r\nContent-Length: 0\r\n\r\n").expect("an answer");
    assert_eq!(response.header("metadata-flavor"), Some(&b"Google"[..]));
    assert_eq!(response.header("server"), None);
}

#[test]
fn what_is_not_http_is_refused() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 2OO OK\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 20000\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nName : value\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: value\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
    ] {
        assert_eq!(parse(text), Err(Malformed::Head), "{text:?}");
    }
}

#[test]
fn lengths_that_contradict_themselves_are_refused() {
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Content-Length: -1",
        "Content-Length: +1",
        "Content-Length: 1 1",
        "Content-Length:",
        "Content-Length: 0x10",
        "Content-Length: 99999999999999999999999999",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello");
        assert_eq!(parse(&text), Err(Malformed::Length), "{headers:?}");
    }
    for chunks in ["x\r\n", "\r\n", "5\r\nhelloX\r\n", "-1\r\n", "fffffffffffffffff\r\n"] {
        let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(parse(&text), Err(Malformed::Length), "{chunks:?}");
    }
}

#[test]
fn an_answer_that_ends_early_is_cut_short() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "",
    ] {
        let expected = if text.is_empty() || text.contains("100") {
            Malformed::Empty
        } else {
            Malformed::CutShort
        };
        assert_eq!(parse(text), Err(expected), "{text:?}");
    }
}

#[test]
fn nothing_grows_beyond_its_limit() {
    let long = "x".repeat(MOST + 1);
    let line = "y".repeat(20 << 10);
    for text in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MOST + 1),
        format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n",
            long.len()
        ),
        format!("HTTP/1.1 200 OK\r\nA: {line}"),
        format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(10_000)),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
            "A: b\r\n".repeat(10_000)
        ),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(10),
        line,
    ] {
        assert_eq!(parse(&text), Err(Malformed::TooLong), "{text:.80}");
    }
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn mutated_answers_neither_panic_nor_depend_on_how_they_are_cut() {
    let seeds: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nMetadata-Flavor: Google\r\n\r\nhello, world",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n00a\r\n0123456789\r\n0\r\nT: t\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 Not Found\r\nConnection: close\r\n\r\ngone",
        b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
    ];
    const PIECES: [&[u8]; 10] = [
        b"\r\n",
        b"\r",
        b"\n",
        b"0\r\n\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"ffffffffffffffff",
        b": ",
        b"\0",
        b"HTTP/1.1 ",
    ];
    let mut numbers = Numbers(1);
    for round in 0..60_000 {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(bytes.len() + 1);
            match numbers.below(4) {
                0 => bytes.truncate(at),
                1 => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = numbers.below(256) as u8;
                    }
                }
                2 => {
                    let piece = PIECES[numbers.below(PIECES.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
                _ => {
                    let end = (at + numbers.below(20)).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
        }
        let whole = parse_in_pieces(&bytes, core::iter::once(bytes.len().max(1)));
        let mut cuts = Numbers(round as u64);
        let pieces = parse_in_pieces(&bytes, core::iter::from_fn(|| Some(1 + cuts.below(9))));
        assert_eq!(whole, pieces, "{:?}", String::from_utf8_lossy(&bytes));
        if let Ok(response) = whole {
            assert!(response.body.len() <= MOST);
        }
    }
}
