//! The same is compared with Linux in `test/guests/conformance/terminal.c`; these are the rules at a glance, and what no input may do.

use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// What is echoed, and what each read gives, when these bytes are typed.
fn typed(discipline: &mut Discipline, bytes: &[u8]) -> (String, Vec<String>) {
    let mut echo = VecDeque::new();
    for &byte in bytes {
        assert!(discipline.takes_another());
        discipline.receive(byte, false, &mut echo);
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let mut reads = Vec::new();
    while discipline.is_readable() {
        reads.push(text(read(discipline, 4096)));
    }
    (text(echo.into()), reads)
}

fn read(discipline: &mut Discipline, most: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    let count = discipline.read(|bytes| {
        let count = bytes.len().min(most - taken.len());
        taken.extend_from_slice(&bytes[..count]);
        Ok::<_, ()>(count)
    });
    assert_eq!(count, Ok(taken.len()));
    taken
}

fn with(change: impl FnOnce(&mut Termios)) -> Discipline {
    let mut settings = default_settings();
    change(&mut settings);
    let mut discipline = Discipline::default();
    discipline.set(settings);
    discipline
}

#[test]
fn a_line_is_edited_and_read_when_it_ends() {
    let mut discipline = Discipline::default();
    assert_eq!(
        typed(&mut discipline, b"helo\x7flo"),
        ("helo\x08 \x08lo".into(), Vec::new())
    );
    assert_eq!(
        typed(&mut discipline, b"\r"),
        ("\r\n".into(), ["hello\n".into()].into())
    );
    let (_, reads) = typed(&mut discipline, b"one two\x17three\nkilled\x15\nend\x04\x04");
    assert_eq!(reads, ["one three\n", "\n", "end", ""]);
}

#[test]
fn signals_take_the_line_with_them() {
    let mut discipline = Discipline::default();
    let mut echo = VecDeque::new();
    for &byte in b"lost" {
        assert_eq!(discipline.receive(byte, false, &mut echo), Reaction::None);
    }
    assert_eq!(discipline.receive(3, false, &mut echo), Reaction::Signal(linux::SIGINT));
    assert_eq!(Vec::from(echo), b"^C");
    assert_eq!(typed(&mut discipline, b"kept\n").1, ["kept\n"]);
}

#[test]
fn raw_input_waits_for_as_many_bytes_as_it_is_told() {
    let mut discipline = with(|settings| {
        settings.local = 0;
        settings.characters[linux::VMIN as usize] = 3;
    });
    assert_eq!(typed(&mut discipline, b"\x03\x04").1, Vec::<String>::new());
    assert!(!discipline.satisfies(3) && discipline.satisfies(2));
    assert_eq!(typed(&mut discipline, b"\n").1, ["\x03\x04\n"]);
}

#[test]
fn what_was_typed_before_a_change_of_mode_stays() {
    let mut discipline = Discipline::default();
    assert_eq!(typed(&mut discipline, b"half").1, Vec::<String>::new());
    let canonical = *discipline.settings();
    discipline.set(Termios { local: 0, ..canonical });
    assert_eq!(typed(&mut discipline, b"").1, ["half"]);
    discipline.receive(b'x', false, &mut VecDeque::new());
    discipline.set(canonical);
    assert_eq!(typed(&mut discipline, b"").1, ["x"]);
}

#[test]
fn a_line_of_any_length_ends() {
    let mut discipline = Discipline::default();
    let mut line = vec![b'x'; 3 * input::LIMIT];
    line.push(b'\n');
    let (_, reads) = typed(&mut discipline, &line);
    assert_eq!((reads.len(), reads[0].len()), (1, input::LIMIT));
    // A second line waits for the first to be read.
    for byte in b"y\nz\n".repeat(input::LIMIT) {
        if discipline.takes_another() {
            discipline.receive(byte, false, &mut VecDeque::new());
        }
    }
    assert!(!discipline.takes_another());
    assert_eq!(read(&mut discipline, 10), b"y\n");
    assert!(discipline.takes_another());
}

proptest! {
    /// Whatever the settings and the bytes: nothing panics, the input stays within its limit, and all of it can be read.
    #[test]
    fn no_input_breaks_it(
        steps in proptest::collection::vec(
            (any::<[u32; 3]>(), any::<[u8; 19]>(), proptest::collection::vec(any::<u8>(), 0..200), 0..300_usize),
            1..8,
        )
    ) {
        let mut discipline = Discipline::default();
        for (flags, characters, bytes, most) in steps {
            discipline.set(Termios {
                input: flags[0], output: flags[1], control: 0, local: flags[2], line: 0, characters,
            });
            let mut out = VecDeque::new();
            for byte in bytes {
                if discipline.takes_another() {
                    discipline.receive(byte, false, &mut out);
                }
                discipline.write(&[byte], &mut out);
            }
            let before = discipline.readable();
            let taken = read(&mut discipline, most).len();
            prop_assert!(taken <= most && discipline.readable() == before - taken);
            prop_assert!(before <= input::LIMIT + 1);
        }
        while discipline.is_canonical() && discipline.input.has_line() {
            read(&mut discipline, 4096);
        }
        prop_assert_eq!(discipline.is_canonical() && discipline.readable() > 0, false);
    }

    /// Raw, nothing is changed on its way.
    #[test]
    fn raw_is_raw(bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        let mut discipline = with(|settings| {
            settings.input = 0;
            settings.output = 0;
            settings.local = 0;
        });
        let mut out = VecDeque::new();
        for &byte in &bytes {
            prop_assert_eq!(discipline.receive(byte, false, &mut out), Reaction::None);
        }
        prop_assert!(out.is_empty());
        discipline.write(&bytes, &mut out);
        prop_assert_eq!(&Vec::from(out), &bytes);
        prop_assert_eq!(read(&mut discipline, 4096), bytes);
    }
}
