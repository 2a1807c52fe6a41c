//! Adapters that SCSI disks hang on (section 5.6).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::device::{Kind, VirtioDevice};
use super::queue::Part;
use super::requests::{RequestQueue, data};
use crate::block::{Channel, Counter, Disk, Driver, Outcome, Place, Protocol, Read, Reason, Unit};
use crate::dma::Buffer;
use crate::mem::PAGE_SIZE;
use crate::{console, scsi, time};

const REQUEST_QUEUE: u16 = 2;
const QUEUE_SIZE: u16 = 256;

/// Offsets in the device's configuration (5.6.4).
mod configuration {
    pub(super) const SEG_MAX: usize = 4;
    pub(super) const MAX_SECTORS: usize = 8;
    pub(super) const CMD_PER_LUN: usize = 12;
    pub(super) const MAX_TARGET: usize = 30;
}

/// Bytes of a request before its data, and of a response (5.6.6.1), with the sizes of command and sense data that hold after a reset.
const REQUEST: usize = 19 + 32;
const RESPONSE: usize = 12 + 96;
/// How a page is cut: request, response, and the data of a command while disks are looked for.
const REQUEST_ROOM: usize = 64;
const RESPONSE_ROOM: usize = 128;
const DATA_ROOM: usize = 64;

/// Targets that are asked at once whether they are there.
const BATCH: u16 = 16;
/// How long all of them may take to answer, in nanoseconds.
const SCAN_TIME: u64 = 5_000_000_000;
/// How often a command is sent while disks are looked for: the first answer after a reset is a unit attention.
const TRIES: usize = 4;

struct Adapter {
    queue: RequestQueue,
    depth: u16,
    most_frames: usize,
}

/// Starts an adapter and looks for its disks: logical unit 0 of every target. None when the device is no adapter or does not work.
pub fn start(mut device: VirtioDevice) -> Vec<Disk> {
    if device.kind() != Kind::Scsi || device.negotiate(0).is_none() {
        return Vec::new();
    }
    let word = |offset: usize| u32::from_le_bytes(device.configuration(offset));
    let parts = word(configuration::SEG_MAX).max(1) as usize;
    let pages = (word(configuration::MAX_SECTORS) as usize / (PAGE_SIZE / 512)).max(1);
    let per_unit = word(configuration::CMD_PER_LUN).clamp(1, u32::from(QUEUE_SIZE)) as u16;
    let last_target = u16::from_le_bytes(device.configuration(configuration::MAX_TARGET)).min(255);
    let name = alloc::format!("virtio-scsi {}", device.place());
    let place = Place::default();
    let Some((queue, notifier)) = device.queue(REQUEST_QUEUE, QUEUE_SIZE, place.handler()) else {
        return Vec::new();
    };
    let limit = queue.limit();
    let adapter = Adapter {
        most_frames: limit.saturating_sub(2).min(parts).min(pages),
        // A request has three parts at least.
        depth: ((limit / 3) as u16).clamp(1, per_unit),
        queue: RequestQueue::new(queue, (REQUEST_ROOM, RESPONSE_ROOM), notifier, device.start()),
    };
    let units = adapter.find_disks(&name, last_target);
    let channel = Channel::new(name, Box::new(adapter));
    place.put(&channel);
    // What came while there was no channel raised an interrupt that nobody saw.
    channel.serve();
    units.into_iter().map(|unit| Disk::new(&channel, unit)).collect()
}

impl Adapter {
    fn find_disks(&self, name: &str, last_target: u16) -> Vec<Unit> {
        let targets: Vec<u16> = (0..=last_target).collect();
        let mut found = Vec::new();
        for batch in targets.chunks(usize::from(BATCH)) {
            let answers = self.execute(batch, scsi::inquiry(), scsi::INQUIRY_LENGTH);
            let Some(answers) = answers else {
                console::write_line(format_args!(
                    "disk controller {name} does not answer; its disks are left out"
                ));
                return found;
            };
            let disks = batch.iter().zip(answers);
            for (&target, _) in disks.filter(|(_, answer)| answer.as_ref().is_some_and(|answer| scsi::is_disk(answer)))
            {
                match self.capacity(target) {
                    Some((blocks, block_shift)) => found.push(Unit {
                        number: u32::from(target),
                        name: alloc::format!("{name} target {target}"),
                        protocol: Protocol::Scsi,
                        block_shift,
                        blocks,
                        counter: Counter::default(),
                    }),
                    None => console::write_line(format_args!(
                        "disk {name} target {target} does not say its size, or has blocks of a size that is not supported"
                    )),
                }
            }
        }
        found
    }

    fn capacity(&self, target: u16) -> Option<(u64, u8)> {
        let ask = |command, length| self.execute(&[target], command, length)?.pop()?;
        // CDs know the short command only.
        ask(scsi::read_capacity_16(), scsi::CAPACITY_16_LENGTH)
            .and_then(|answer| scsi::capacity_16(&answer))
            .or_else(|| scsi::capacity_10(&ask(scsi::read_capacity_10(), scsi::CAPACITY_10_LENGTH)?))
    }

    /// Sends a command to logical unit 0 of each target and waits: the bytes that each answered, `None` for those that did not. `None` when the adapter does not answer at all.
    fn execute(&self, targets: &[u16], command: scsi::Command, length: usize) -> Option<Vec<Option<Vec<u8>>>> {
        let mut answers: Vec<Option<Vec<u8>>> = targets.iter().map(|_| None).collect();
        let mut pending: Vec<usize> = (0..targets.len()).collect();
        for _ in 0..TRIES {
            let again = self.try_execute(targets, &pending, command, length, &mut answers)?;
            if again.is_empty() {
                break;
            }
            pending = again;
        }
        Some(answers)
    }

    /// One try; which of the targets that are `pending` are to be asked again.
    fn try_execute(
        &self,
        targets: &[u16],
        pending: &[usize],
        command: scsi::Command,
        length: usize,
        answers: &mut [Option<Vec<u8>>],
    ) -> Option<Vec<usize>> {
        let mut again = Vec::new();
        for &index in pending {
            let mut requests = self.queue.lock();
            let (mut request, response) = requests.buffers()?;
            let (data, _) = Buffer::page()?.split(DATA_ROOM);
            encode(request.bytes_mut(), targets[index], index as u64, command);
            let written = [Part::Buffer(response, RESPONSE), Part::Buffer(data, length)];
            requests.push(index as u16, Part::Buffer(request, REQUEST), written);
        }
        self.queue.ring();
        let mut requests = self.queue.lock();
        let deadline = time::monotonic() + SCAN_TIME;
        let mut left = pending.len();
        while left > 0 {
            let Some((index, buffers)) = requests.pop() else {
                if time::monotonic() > deadline {
                    return None;
                }
                core::hint::spin_loop();
                continue;
            };
            left -= 1;
            let index = usize::from(index);
            let Ok([request, response, data]) = <[Buffer; 3]>::try_from(buffers) else {
                continue;
            };
            match decode(response.bytes()) {
                Outcome::Done => {
                    let answered = length.saturating_sub(residual(response.bytes()) as usize);
                    answers[index] = Some(data.bytes()[..answered].to_vec());
                }
                Outcome::Retry(_) => again.push(index),
                Outcome::Failed(_) => {}
            }
            requests.give_back(request, response);
        }
        Some(again)
    }
}

/// Writes a request (5.6.6.1).
fn encode(request: &mut [u8], target: u16, id: u64, command: scsi::Command) {
    request.fill(0);
    // Single-level addressing of logical unit 0.
    request[..8].copy_from_slice(&[1, target as u8, 0x40, 0, 0, 0, 0, 0]);
    request[8..16].copy_from_slice(&id.to_le_bytes());
    request[19..19 + scsi::COMMAND_LENGTH].copy_from_slice(&command);
}

fn word_at(response: &[u8], at: usize) -> [u8; 4] {
    core::array::from_fn(|index| response[at + index])
}

/// Reads a response.
fn decode(response: &[u8]) -> Outcome {
    const OK: u8 = 0;
    const OVERRUN: u8 = 1;
    const BAD_TARGET: u8 = 3;
    let (status, code) = (response[10], response[11]);
    match code {
        OK => {
            let length = (u32::from_le_bytes(word_at(response, 0)) as usize).min(RESPONSE - 12);
            scsi::outcome(status, &response[12..12 + length])
        }
        OVERRUN => Outcome::Failed(Reason("more data than asked for", u32::from(code))),
        BAD_TARGET => Outcome::Failed(Reason("no such target", u32::from(code))),
        // Aborted, reset, busy, and failures on the way.
        other => Outcome::Retry(Reason("response", u32::from(other))),
    }
}

/// Bytes that were asked for and not transferred.
fn residual(response: &[u8]) -> u32 {
    u32::from_le_bytes(word_at(response, 4))
}

/// Reads the response to a read, of which nothing may be missing.
fn decode_read(response: &[u8]) -> Outcome {
    match (decode(response), residual(response)) {
        (Outcome::Done, missing @ 1..) => Outcome::Retry(Reason("data is missing", missing)),
        (outcome, _) => outcome,
    }
}

impl Driver for Adapter {
    fn depth(&self) -> u16 {
        self.depth
    }

    fn most_frames(&self) -> usize {
        self.most_frames
    }

    fn start(&self, tag: u16, read: &Read<'_>) -> bool {
        let mut requests = self.queue.lock();
        let Some((mut request, response)) = requests.buffers_for(read) else {
            return false;
        };
        let command = scsi::read(read.block, read.blocks);
        encode(request.bytes_mut(), read.unit.number as u16, u64::from(tag), command);
        let written = core::iter::once(Part::Buffer(response, RESPONSE)).chain(data(read));
        requests.push(tag, Part::Buffer(request, REQUEST), written);
        true
    }

    fn ring(&self) {
        self.queue.ring();
    }

    fn collect(&self) -> Option<(u16, Outcome)> {
        self.queue.collect(decode_read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_target_and_carries_its_command() {
        let mut request = [0xaa; REQUEST_ROOM];
        encode(&mut request, 7, 0x0102, scsi::read(5, 1));
        assert_eq!(request[..8], [1, 7, 0x40, 0, 0, 0, 0, 0]);
        assert_eq!(request[8..16], [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(request[16..19], [0; 3]);
        assert_eq!(request[19..29], [0x28, 0, 0, 0, 0, 5, 0, 0, 1, 0]);
        assert!(request[35..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn responses_are_not_believed_further_than_they_reach() {
        let mut response = [0; RESPONSE_ROOM];
        assert_eq!(decode(&response), Outcome::Done);
        response[10] = 2;
        response[..4].fill(0xff);
        response[12..15].copy_from_slice(&[0x70, 0, 3]);
        assert!(matches!(decode(&response), Outcome::Failed(Reason("medium error", _))));
        response[11] = 3;
        assert!(matches!(
            decode(&response),
            Outcome::Failed(Reason("no such target", 3))
        ));
        assert!(
            matches!(decode(&[0xff; RESPONSE_ROOM]), Outcome::Retry(_)),
            "never written"
        );
    }
}
