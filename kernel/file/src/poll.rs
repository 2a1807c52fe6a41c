//! Waiting for several files at once (`poll(2)`, `select(2)`).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::Poll;
use task::Wait;

use crate::{OpenFile, Readiness};

/// A file of a poll, what is asked of it, and the answer.
pub struct PollEntry {
    /// The file; nothing is ever ready without one.
    pub file: Option<Arc<OpenFile>>,
    /// What is asked for; errors and hang-ups always are.
    pub interest: Readiness,
    /// What was found.
    pub ready: Readiness,
}

/// Looks at every entry without waiting and returns how many are ready.
pub fn poll_now(entries: &mut [PollEntry]) -> usize {
    let mut count = 0;
    for entry in entries {
        entry.ready = match &entry.file {
            Some(file) => file.file().readiness() & (entry.interest | Readiness::ERR | Readiness::HUP),
            None => Readiness::empty(),
        };
        count += usize::from(!entry.ready.is_empty());
    }
    count
}

/// Waits until at least one entry is ready and returns how many are. Never ends when none can become ready.
pub async fn poll(entries: &mut [PollEntry]) -> usize {
    let files: Vec<_> = entries.iter().filter_map(|entry| entry.file.clone()).collect();
    loop {
        let mut waits: Vec<Wait<'_>> = files
            .iter()
            .filter_map(|file| file.file().wait_queue())
            .map(|queue| queue.wait(queue.ticket()))
            .collect();
        let count = poll_now(entries);
        if count > 0 {
            return count;
        }
        poll_fn(|context| {
            let mut ended = false;
            for wait in &mut waits {
                // Every wait is polled: each has to know the waker.
                ended |= Pin::new(wait).poll(context).is_ready();
            }
            if ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::{Owner, pipe};
    use crate::{BytesSource, File};
    use abi::OpenFlags;
    use core::task::{Context, Waker};

    fn entry(file: &Arc<OpenFile>, interest: Readiness) -> PollEntry {
        PollEntry {
            file: Some(file.clone()),
            interest,
            ready: Readiness::empty(),
        }
    }

    #[test]
    fn a_poll_ends_with_the_file_that_becomes_ready() {
        let (first, _first_writer) = pipe(false, Owner::default());
        let (second, second_writer) = pipe(false, Owner::default());
        let files = [first, second].map(|end| OpenFile::new(end, OpenFlags::empty()));
        let mut entries = files.each_ref().map(|file| entry(file, Readiness::IN));
        {
            let mut waiting = core::pin::pin!(poll(&mut entries));
            let mut context = Context::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            second_writer.write(0, &mut BytesSource::new(b"x")).unwrap();
            assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(1));
        }
        assert_eq!(entries[0].ready, Readiness::empty());
        assert_eq!(entries[1].ready, Readiness::IN);
    }

    #[test]
    fn a_hang_up_is_reported_without_being_asked_for() {
        let (reader, writer) = pipe(false, Owner::default());
        drop(writer);
        let _ = reader.readiness();
        let file = OpenFile::new(reader, OpenFlags::empty());
        let mut entries = [entry(&file, Readiness::empty())];
        assert_eq!(poll_now(&mut entries), 1);
        assert_eq!(entries[0].ready, Readiness::HUP);
    }
}
