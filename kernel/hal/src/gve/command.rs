//! Admin commands (`gve_adminq.h`): 16 big-endian words each, with the status in the second.

use super::description::Format;
use crate::mem::PAGE_SIZE;

/// Words of a command.
pub(super) const WORDS: usize = 16;

const DESCRIBE_DEVICE: u32 = 0x1;
const CONFIGURE_DEVICE_RESOURCES: u32 = 0x2;
const REGISTER_PAGE_LIST: u32 = 0x3;
const CREATE_TX_QUEUE: u32 = 0x5;
const CREATE_RX_QUEUE: u32 = 0x6;
const SET_DRIVER_PARAMETER: u32 = 0xb;
const GET_PTYPE_MAP: u32 = 0xe;
const VERIFY_DRIVER_COMPATIBILITY: u32 = 0xf;

/// Bytes from the start of one notification block's doorbell index to the next one's.
pub(super) const STRIDE: usize = 64;
/// Of the one queue of each direction.
const QUEUE: u32 = 0;

/// Which way a queue goes. The numbers are those of its notification block, and of its page list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Transmit = 0,
    Receive = 1,
}

/// Notification blocks: one for each queue.
pub(super) const BLOCKS: u32 = 2;

/// A command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    /// For messages.
    pub(super) name: &'static str,
    pub(super) words: [u32; WORDS],
}

/// Where a queue is that is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Where the device writes the indices of doorbell and counter.
    pub(super) resources: u64,
    /// Where descriptors are that the driver writes.
    pub(super) descriptors: u64,
    /// Where those are that the device writes; 0 when there are none.
    pub(super) completions: u64,
    pub(super) entries: u16,
}

impl Command {
    fn new(name: &'static str, opcode: u32) -> Self {
        let mut words = [0; WORDS];
        words[0] = opcode;
        Self { name, words }
    }

    fn put64(&mut self, at: usize, value: u64) {
        self.words[at] = (value >> 32) as u32;
        self.words[at + 1] = value as u32;
    }

    /// Shows the driver (`gve_driver_info`) to the device.
    pub(super) fn verify_driver_compatibility(length: usize, address: u64) -> Self {
        let mut command = Self::new("VERIFY_DRIVER_COMPATIBILITY", VERIFY_DRIVER_COMPATIBILITY);
        command.put64(2, length as u64);
        command.put64(4, address);
        command
    }

    /// Asks for the device's description, to be written to a page.
    pub(super) fn describe_device(address: u64) -> Self {
        const VERSION: u32 = 1;
        let mut command = Self::new("DESCRIBE_DEVICE", DESCRIBE_DEVICE);
        command.put64(2, address);
        command.words[4] = VERSION;
        command.words[5] = PAGE_SIZE as u32;
        command
    }

    /// Says where counters and indices of interrupts' doorbells are, and of what format queues will be. Notification blocks have messages from
    /// `message` on.
    pub(super) fn configure_device_resources(counters: (u64, u16), indices: u64, message: u16, format: Format) -> Self {
        let mut command = Self::new("CONFIGURE_DEVICE_RESOURCES", CONFIGURE_DEVICE_RESOURCES);
        command.put64(2, counters.0);
        command.put64(4, indices);
        command.words[6] = counters.1.into();
        command.words[7] = BLOCKS;
        command.words[8] = STRIDE as u32;
        command.words[9] = message.into();
        command.words[10] = (format as u32) << 24;
        command
    }

    /// Tells the device of a queue's pages, whose addresses are listed at `address`.
    pub(super) fn register_page_list(direction: Direction, pages: usize, address: u64) -> Self {
        let mut command = Self::new("REGISTER_PAGE_LIST", REGISTER_PAGE_LIST);
        command.words[2] = direction as u32;
        command.words[3] = pages as u32;
        command.put64(4, address);
        command.put64(6, PAGE_SIZE as u64);
        command
    }

    /// Sets the longest packet after the Ethernet header.
    pub(super) fn set_mtu(mtu: u16) -> Self {
        const MTU: u32 = 1;
        let mut command = Self::new("SET_DRIVER_PARAMETER of the MTU", SET_DRIVER_PARAMETER);
        command.words[2] = MTU;
        command.put64(4, mtu.into());
        command
    }

    /// Asks what the packet types of received packets mean (`gve_ptype_map`).
    pub(super) fn get_ptype_map(length: usize, address: u64) -> Self {
        let mut command = Self::new("GET_PTYPE_MAP", GET_PTYPE_MAP);
        command.put64(2, length as u64);
        command.put64(4, address);
        command
    }

    /// Makes the queue for packets to send.
    pub(super) fn create_tx_queue(format: Format, place: Place) -> Self {
        let mut command = Self::new("CREATE_TX_QUEUE", CREATE_TX_QUEUE);
        command.words[2] = QUEUE;
        command.put64(4, place.resources);
        command.put64(6, place.descriptors);
        command.words[8] = page_list(Direction::Transmit, format);
        command.words[9] = Direction::Transmit as u32;
        command.words[12] = u32::from(place.entries) << 16;
        if !format.is_in_order() {
            command.put64(10, place.completions);
            command.words[12] |= u32::from(place.entries);
        }
        command
    }

    /// Makes the queue for received packets, with buffers of a size. There is neither coalescing nor a buffer for headers alone.
    pub(super) fn create_rx_queue(format: Format, place: Place, buffer: u16) -> Self {
        let mut command = Self::new("CREATE_RX_QUEUE", CREATE_RX_QUEUE);
        command.words[2] = QUEUE;
        command.words[3] = QUEUE;
        command.words[5] = Direction::Receive as u32;
        command.put64(6, place.resources);
        command.put64(8, place.completions);
        command.put64(10, place.descriptors);
        command.words[12] = page_list(Direction::Receive, format);
        command.words[13] = u32::from(place.entries) << 16 | u32::from(buffer);
        if !format.is_in_order() {
            command.words[14] = u32::from(place.entries) << 16;
        }
        command
    }
}

/// The number of a queue's page list, or that of none.
fn page_list(direction: Direction, format: Format) -> u32 {
    const RAW_ADDRESSING: u32 = u32::MAX;
    if format.has_page_lists() {
        direction as u32
    } else {
        RAW_ADDRESSING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        resources: 0x1_0000_2000,
        descriptors: 0x2_0000_3000,
        completions: 0x3_0000_4000,
        entries: 1024,
    };

    #[test]
    fn gve_commands_are_encoded_as_the_definitions_have_them() {
        let describe = Command::describe_device(0x5_0000_6000).words;
        assert_eq!(describe[..7], [1, 0, 5, 0x6000, 1, 4096, 0]);
        let configure = Command::configure_device_resources((0x1000, 64), 0x2000, 7, Format::DqoRda).words;
        assert_eq!(configure[..12], [2, 0, 0, 0x1000, 0, 0x2000, 64, 2, 64, 7, 3 << 24, 0]);
        let register = Command::register_page_list(Direction::Receive, 127, 0x9000).words;
        assert_eq!(register[..9], [3, 0, 1, 127, 0, 0x9000, 0, 4096, 0]);
        assert_eq!(Command::set_mtu(1500).words[..7], [0xb, 0, 1, 0, 0, 1500, 0]);
        assert_eq!(
            Command::get_ptype_map(2048, 0x3000).words[..7],
            [0xe, 0, 0, 2048, 0, 0x3000, 0]
        );
        let verify = Command::verify_driver_compatibility(304, 0x3000).words;
        assert_eq!(verify[..7], [0xf, 0, 0, 304, 0, 0x3000, 0]);
    }

    #[test]
    fn gve_queues_are_made_as_their_format_wants() {
        let transmit = |format| Command::create_tx_queue(format, PLACE).words;
        assert_eq!(
            transmit(Format::DqoRda)[..14],
            [
                5,
                0,
                0,
                0,
                1,
                0x2000,
                2,
                0x3000,
                u32::MAX,
                0,
                3,
                0x4000,
                1024 << 16 | 1024,
                0
            ]
        );
        assert_eq!(transmit(Format::DqoQpl)[8], 0);
        assert_eq!(
            transmit(Format::GqiQpl)[..14],
            [5, 0, 0, 0, 1, 0x2000, 2, 0x3000, 0, 0, 0, 0, 1024 << 16, 0]
        );
        let receive = |format| Command::create_rx_queue(format, PLACE, 2048).words;
        let expected = [
            6,
            0,
            0,
            0,
            0,
            1,
            1,
            0x2000,
            3,
            0x4000,
            2,
            0x3000,
            1,
            1024 << 16 | 2048,
            0,
            0,
        ];
        assert_eq!(receive(Format::GqiQpl), expected);
        let dqo = receive(Format::DqoRda);
        assert_eq!(dqo[..12], expected[..12]);
        assert_eq!(dqo[12..], [u32::MAX, 1024 << 16 | 2048, 1024 << 16, 0]);
    }
}
