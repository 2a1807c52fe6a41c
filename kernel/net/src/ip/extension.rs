//! IPv6 extension headers (RFC 8200 section 4).

use super::protocol;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const NOTHING: u8 = 59;
const DESTINATION: u8 = 60;

/// Codes of `ICMPv6`'s parameter problem (RFC 4443 section 3.4).
const ERRONEOUS_FIELD: u8 = 0;
const UNKNOWN_HEADER: u8 = 1;
const UNKNOWN_OPTION: u8 = 2;

/// What follows extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A transport protocol, and where its header begins.
    Payload(u8, usize),
    /// A fragment header, and where it begins.
    Fragment(usize),
    /// The sender has to be told of a problem: its code, and the byte that it is in.
    Problem(u8, usize),
    /// Nothing that is wanted.
    Nothing,
}

/// Where the field is that says what the header at `at` is.
#[derive(Clone, Copy)]
struct Place {
    field: usize,
    at: usize,
}

/// Looks behind the extension headers that begin at `at`; the byte at `field` says what the first is.
pub(super) fn skip(bytes: &[u8], field: usize, at: usize, is_group: bool) -> Next {
    let Some(&kind) = bytes.get(field) else {
        return Next::Nothing;
    };
    skip_from(bytes, kind, Place { field, at }, is_group)
}

/// Looks behind the headers of a payload that was put together from fragments, of which the first is `kind`.
pub(super) fn skip_reassembled(bytes: &[u8], kind: u8, is_group: bool) -> Next {
    match skip_from(bytes, kind, Place { field: 0, at: 0 }, is_group) {
        found @ Next::Payload(..) => found,
        // Fragments of fragments serve attacks only, and there is no packet to point into.
        _ => Next::Nothing,
    }
}

fn skip_from(bytes: &[u8], mut kind: u8, mut place: Place, is_group: bool) -> Next {
    let mut is_first = true;
    loop {
        let Place { field, at } = place;
        match kind {
            protocol::TCP | protocol::UDP | protocol::UDP_LITE | protocol::ICMPV6 => return Next::Payload(kind, at),
            FRAGMENT => return Next::Fragment(at),
            NOTHING => return Next::Nothing,
            HOP_BY_HOP if is_first => {}
            DESTINATION | ROUTING => {}
            _ => return Next::Problem(UNKNOWN_HEADER, field),
        }
        is_first = false;
        let Some(&[next, words, _, segments_left]) = bytes.get(at..).and_then(|header| header.first_chunk()) else {
            return Next::Nothing;
        };
        let end = at + 8 + usize::from(words) * 8;
        let Some(header) = bytes.get(at..end) else {
            return Next::Nothing;
        };
        // No type of routing header is known here; one with no segments left is of no consequence.
        if kind == ROUTING && segments_left > 0 {
            return Next::Problem(ERRONEOUS_FIELD, at + 2);
        }
        if kind != ROUTING
            && let Some(stop) = look_at_options(header, at, is_group)
        {
            return stop;
        }
        (kind, place) = (next, Place { field: at, at: end });
    }
}

/// What an option that is not known asks for, if it is more than to skip it (RFC 8200 section 4.2).
fn look_at_options(header: &[u8], at: usize, is_group: bool) -> Option<Next> {
    const PAD_1: u8 = 0;
    const PAD_N: u8 = 1;
    const ROUTER_ALERT: u8 = 5;
    let mut index = 2;
    while let Some(&kind) = header.get(index) {
        if kind == PAD_1 {
            index += 1;
            continue;
        }
        let Some(&length) = header.get(index + 1) else {
            return Some(Next::Nothing);
        };
        if !matches!(kind, PAD_N | ROUTER_ALERT) {
            match kind >> 6 {
                0 => {}
                2 => return Some(Next::Problem(UNKNOWN_OPTION, at + index)),
                3 if !is_group => return Some(Next::Problem(UNKNOWN_OPTION, at + index)),
                _ => return Some(Next::Nothing),
            }
        }
        index += 2 + usize::from(length);
    }
    (index != header.len()).then_some(Next::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PADDED: [u8; 8] = [6, 0, 1, 4, 0, 0, 0, 0];

    fn behind(first: u8, headers: &[&[u8]]) -> Next {
        let mut bytes = alloc::vec![0; 40];
        bytes[6] = first;
        bytes.extend(headers.concat());
        skip(&bytes, 6, 40, false)
    }

    #[test]
    fn what_is_behind_the_headers_is_found() {
        assert_eq!(behind(6, &[]), Next::Payload(6, 40));
        assert_eq!(behind(0, &[&PADDED]), Next::Payload(6, 48));
        assert_eq!(behind(60, &[&PADDED]), Next::Payload(6, 48));
        let routing = [60, 0, 2, 0, 0, 0, 0, 0];
        assert_eq!(behind(43, &[&routing, &PADDED]), Next::Payload(6, 56));
        assert_eq!(behind(44, &[]), Next::Fragment(40));
        assert_eq!(behind(59, &[]), Next::Nothing);
        assert_eq!(behind(60, &[&PADDED[..7]]), Next::Nothing, "cut short");
    }

    #[test]
    fn problems_are_pointed_at() {
        assert_eq!(behind(132, &[]), Next::Problem(UNKNOWN_HEADER, 6));
        let twice = [0, 0, 1, 4, 0, 0, 0, 0];
        assert_eq!(
            behind(0, &[&twice, &PADDED]),
            Next::Problem(UNKNOWN_HEADER, 40),
            "only the first may be hop by hop"
        );
        let through = [6, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(behind(43, &[&through]), Next::Problem(ERRONEOUS_FIELD, 42));
        let option = |kind| behind(60, &[&[6, 0, kind, 0, 1, 2, 0, 0]]);
        assert_eq!(option(0x1e), Next::Payload(6, 48), "may be skipped");
        assert_eq!(option(0x5e), Next::Nothing, "to be dropped");
        assert_eq!(option(0x9e), Next::Problem(UNKNOWN_OPTION, 42));
        assert_eq!(option(0xde), Next::Problem(UNKNOWN_OPTION, 42));
        assert_eq!(
            behind(60, &[&[6, 0, 0x1e, 200, 0, 0, 0, 0]]),
            Next::Nothing,
            "longer than its header"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end_somewhere(bytes: Vec<u8>, kind: u8, is_group: bool) {
            if let Next::Payload(_, at) | Next::Fragment(at) = skip_from(&bytes, kind, Place { field: 0, at: 0 }, is_group) {
                prop_assert!(at <= bytes.len());
            }
        }
    }
}
