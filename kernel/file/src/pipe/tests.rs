use super::*;
use crate::testing::Memory;
use crate::{BytesSink, BytesSource, Error};
use core::sync::atomic::{AtomicBool, Ordering};

fn write(end: &PipeEnd, bytes: &[u8]) -> Result<usize> {
    end.write(0, &mut BytesSource::new(bytes))
}

fn read(end: &PipeEnd, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let count = end.read(0, &mut BytesSink::new(&mut bytes))?;
    bytes.truncate(count);
    Ok(bytes)
}

fn would_block<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::WouldBlock))
}

#[test]
fn bytes_come_out_in_order_across_pages() {
    let (reader, writer) = pipe(false, Owner::default());
    let sent: Vec<u8> = (0..30_000_u32).map(|number| number as u8).collect();
    assert_eq!(write(&writer, &sent).unwrap(), sent.len());
    let mut received = Vec::new();
    while received.len() < sent.len() {
        received.extend(read(&reader, 777).unwrap());
    }
    assert_eq!(received, sent);
    assert!(would_block(&read(&reader, 1)));
}

/// Linux counts pages: the same fills, measured there with `O_NONBLOCK`.
#[test]
fn a_pipe_fills_as_on_linux() {
    for (size, expected) in [
        (1, 65536),
        (1000, 64000),
        (4096, 65536),
        (4097, 45066),
        (5000, 54096),
        (100_000, 65536),
    ] {
        let (_reader, writer) = pipe(false, Owner::default());
        let bytes = vec![1; size];
        let mut total = 0;
        while let Ok(count) = write(&writer, &bytes) {
            total += count;
        }
        assert_eq!(total, expected, "writes of {size}");
        assert_eq!(writer.readiness(), Readiness::empty());
    }
}

#[test]
fn a_small_write_is_whole_or_not_at_all() {
    let (reader, writer) = pipe(false, Owner::default());
    assert_eq!(write(&writer, &vec![1; 65000]).unwrap(), 65000);
    assert!(would_block(&write(&writer, &[2; 1000])));
    assert_eq!(write(&writer, &[2; 536]).unwrap(), 536);
    read(&reader, 4096).unwrap();
    assert_eq!(write(&writer, &[2; 1000]).unwrap(), 1000);
}

#[test]
fn the_ends_see_each_other_go() {
    let (reader, writer) = pipe(false, Owner::default());
    write(&writer, b"rest").unwrap();
    drop(writer);
    assert_eq!(reader.readiness(), Readiness::IN | Readiness::RDNORM | Readiness::HUP);
    assert_eq!(read(&reader, 9).unwrap(), b"rest");
    assert_eq!(read(&reader, 9).unwrap(), b"");
    assert_eq!(reader.readiness(), Readiness::HUP);

    let (reader, writer) = pipe(false, Owner::default());
    drop(reader);
    assert!(matches!(write(&writer, b"x"), Err(Error::Errno(Errno::PIPE))));
    assert!(writer.readiness().contains(Readiness::ERR));
}

#[test]
fn packets_stay_apart() {
    let (reader, writer) = pipe(true, Owner::default());
    write(&writer, b"first").unwrap();
    write(&writer, b"second").unwrap();
    assert_eq!(read(&reader, 3).unwrap(), b"fir");
    assert_eq!(read(&reader, 100).unwrap(), b"second");
}

#[test]
fn the_capacity_changes_in_powers_of_two() {
    let (_reader, writer) = pipe(false, Owner::default());
    assert_eq!(writer.pipe().capacity(), 65536);
    assert_eq!(writer.pipe().set_capacity(5 * PAGE_SIZE), Ok(8 * PAGE_SIZE));
    assert_eq!(writer.pipe().set_capacity(0), Ok(PAGE_SIZE));
    assert_eq!(writer.pipe().set_capacity(2 << 20), Err(Errno::PERM));
    writer.pipe().set_capacity(2 * PAGE_SIZE).unwrap();
    write(&writer, &[0; 8192]).unwrap();
    assert_eq!(writer.pipe().set_capacity(PAGE_SIZE), Err(Errno::BUSY));
}

#[test]
fn a_fifo_waits_for_its_peer() {
    let node: Arc<dyn File> = Arc::new(Memory::default());
    let fifo = Fifo::new();
    let only_write = OpenFlags::WRONLY | OpenFlags::NONBLOCK;
    assert_eq!(fifo.open(only_write, node.clone()).err(), Some(Errno::NXIO));
    let reader = fifo.open(OpenFlags::empty(), node.clone()).unwrap();
    assert!(would_block(&reader.peer_opened()));
    assert_eq!(reader.readiness(), Readiness::empty());
    assert_eq!(read(&reader, 1).unwrap(), b"");
    let writer = fifo.open(only_write, node).unwrap();
    assert!(reader.peer_opened().is_ok());
    assert!(writer.peer_opened().is_ok());
    drop(writer);
    assert_eq!(reader.readiness(), Readiness::HUP);
    assert!(reader.peer_opened().is_ok());
}

#[test]
fn splice_moves_and_tee_copies() {
    let (first_reader, first_writer) = pipe(false, Owner::default());
    let (second_reader, second_writer) = pipe(false, Owner::default());
    write(&first_writer, b"hello world").unwrap();
    assert_eq!(tee(&first_reader, &second_writer, 5).unwrap(), 5);
    assert_eq!(splice_pipes(&first_reader, &second_writer, 6).unwrap(), 6);
    // A page that two pipes share does not grow.
    write(&first_writer, b"!").unwrap();
    write(&second_writer, b"?").unwrap();
    assert_eq!(read(&second_reader, 99).unwrap(), b"hellohello ?");
    assert_eq!(read(&first_reader, 99).unwrap(), b"world!");
    let same = splice_pipes(&first_reader, &first_writer, 1);
    assert!(matches!(same, Err(Error::Errno(Errno::INVAL))));

    let memory = Memory::default();
    memory.set(&[7; 10_000]);
    let count = splice_into_pipe(&first_writer, 9_000, |sink| memory.read(500, sink)).unwrap();
    assert_eq!(count, 9_000);
    let mut taken = take(&first_reader, 5_000).unwrap();
    let mut bytes = [0; 3_000];
    assert_eq!(SegmentSource::new(taken.segments()).read(&mut bytes).unwrap(), 3_000);
    taken.segments()[0].skip(3_000);
    drop(taken);
    assert_eq!(read(&first_reader, 10_000).unwrap(), [7; 6_000]);
}

#[test]
fn bytes_that_come_back_are_read_before_those_behind_them() {
    let (reader, writer) = pipe(false, Owner::default());
    write(&writer, b"abcdef").unwrap();
    let first = take(&reader, 3).unwrap();
    let second = take(&reader, 3);
    drop(first);
    drop(second);
    assert_eq!(read(&reader, 9).unwrap(), b"abcdef");

    write(&writer, b"abcdef").unwrap();
    let first = take(&reader, 3).unwrap();
    assert_eq!(reader.readiness(), Readiness::empty());
    assert!(would_block(&read(&reader, 3)));
    let ticket = reader.pipe.readable.ticket();
    drop(first);
    assert_ne!(reader.pipe.readable.ticket(), ticket, "who waits hears of them");
    assert_eq!(read(&reader, 9).unwrap(), b"abcdef");
}

#[test]
fn bytes_that_are_spliced_out_are_no_end_and_come_back() {
    let (reader, writer) = pipe(false, Owner::default());
    write(&writer, b"bytes").unwrap();
    let taken = take(&reader, 99).unwrap();
    drop(writer);
    assert!(would_block(&read(&reader, 9)));
    assert_eq!(reader.readiness(), Readiness::empty());
    let ticket = reader.pipe.readable.ticket();
    drop(taken);
    assert_ne!(reader.pipe.readable.ticket(), ticket, "who waits hears of them");
    assert_eq!(read(&reader, 9).unwrap(), b"bytes");
    // Who found nothing meanwhile hears of the end, too.
    let taken = take(&reader, 99).unwrap();
    let ticket = reader.pipe.readable.ticket();
    drop(taken);
    assert_ne!(reader.pipe.readable.ticket(), ticket);
    assert_eq!(read(&reader, 9).unwrap(), b"");
}

#[test]
fn two_that_splice_at_once_keep_the_order() {
    const PACKETS: u32 = 20_000;
    let (first_reader, first_writer) = pipe(true, Owner::default());
    let (second_reader, second_writer) = pipe(true, Owner::default());
    let ended = AtomicBool::new(false);
    let received = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let _ = splice_pipes(&first_reader, &second_writer, 4);
                }
            });
        }
        let (mut sent, mut received) = (0_u32, 0_u32);
        while received < PACKETS {
            if write(&first_writer, &sent.to_ne_bytes()).is_ok() {
                sent += 1;
            }
            match read(&second_reader, 4) {
                Ok(packet) if packet == received.to_ne_bytes() => received += 1,
                Ok(_) => break,
                Err(_) => {}
            }
        }
        ended.store(true, Ordering::Relaxed);
        received
    });
    assert_eq!(received, PACKETS);
}

#[test]
fn an_unreachable_source_leaves_the_pipe_as_it_was() {
    /// Claims more bytes than can be reached.
    struct Broken<'a>(BytesSource<'a>);
    impl Source for Broken<'_> {
        fn remaining(&self) -> usize {
            self.0.remaining() + 10
        }
        fn read(&mut self, into: &mut [u8]) -> core::result::Result<usize, crate::Fault> {
            match self.0.read(into)? {
                0 => Err(crate::Fault {
                    address: 0x1000,
                    write: false,
                }),
                count => Ok(count),
            }
        }
    }
    let (reader, writer) = pipe(false, Owner::default());
    write(&writer, b"ab").unwrap();
    let result = writer.write(0, &mut Broken(BytesSource::new(b"cd")));
    assert!(matches!(result, Err(Error::Fault(fault)) if fault.address == 0x1000));
    write(&writer, b"ef").unwrap();
    assert_eq!(read(&reader, 99).unwrap(), b"abef");
}
