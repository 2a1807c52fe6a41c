//! Admin commands and their answers (`ena_admin_defs.h`): 16 words each.

use super::failure::Failure;

/// Bytes of a command and of an answer.
pub(super) const SIZE: usize = 64;

/// Features that are asked for and set (`ena_admin_aq_feature_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    DeviceAttributes = 1,
    MaxQueuesNum = 2,
    HwHints = 3,
    Llq = 4,
    MaxQueuesExt = 7,
    StatelessOffloadConfig = 11,
    Mtu = 14,
    AenqConfig = 26,
    HostAttrConfig = 28,
    PhcConfig = 29,
}

impl Feature {
    /// The version of the feature's description that the driver speaks.
    fn version(self) -> u32 {
        u32::from(matches!(self, Self::Llq | Self::MaxQueuesExt))
    }
}

/// Which way a submission queue goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Transmit = 1,
    Receive = 2,
}

/// Where a submission queue is (`ena_admin_placement_policy_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// In the guest's memory, at this address.
    Host(u64),
    /// In the device's memory: a low-latency queue.
    Device,
}

const CREATE_SQ: u32 = 1;
const CREATE_CQ: u32 = 3;
const GET_FEATURE: u32 = 8;
const SET_FEATURE: u32 = 9;

/// A command without identifier and phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    /// For messages.
    pub(super) name: &'static str,
    pub(super) words: [u32; SIZE / 4],
}

impl Command {
    fn new(name: &'static str, opcode: u32) -> Self {
        let mut words = [0; SIZE / 4];
        words[0] = opcode << 16;
        Self { name, words }
    }

    /// `GET_FEATURE`.
    pub(super) fn get(feature: Feature) -> Self {
        let name = match feature {
            Feature::DeviceAttributes => "GET_FEATURE of the device attributes",
            Feature::MaxQueuesNum | Feature::MaxQueuesExt => "GET_FEATURE of the queues",
            Feature::HwHints => "GET_FEATURE of the hints",
            Feature::Llq => "GET_FEATURE of low-latency queues",
            Feature::StatelessOffloadConfig => "GET_FEATURE of the offloads",
            Feature::AenqConfig => "GET_FEATURE of the events",
            Feature::PhcConfig => "GET_FEATURE of the clock",
            Feature::Mtu | Feature::HostAttrConfig => "GET_FEATURE",
        };
        let mut command = Self::new(name, GET_FEATURE);
        command.words[4] = (feature as u32) << 8 | feature.version() << 16;
        command
    }

    fn set(name: &'static str, feature: Feature) -> Self {
        let mut command = Self::new(name, SET_FEATURE);
        command.words[4] = (feature as u32) << 8;
        command
    }

    /// `SET_FEATURE` of the longest packet after the Ethernet header.
    pub(super) fn set_mtu(mtu: u32) -> Self {
        let mut command = Self::set("SET_FEATURE of the MTU", Feature::Mtu);
        command.words[5] = mtu;
        command
    }

    /// `SET_FEATURE` of where the description of the host is; without an area for debugging.
    pub(super) fn set_host_attributes(address: u64) -> Self {
        let mut command = Self::set("SET_FEATURE of the host's attributes", Feature::HostAttrConfig);
        command.put_address(5, address);
        command
    }

    /// `SET_FEATURE` of the groups of events that are wanted.
    pub(super) fn set_events(groups: u32) -> Self {
        let mut command = Self::set("SET_FEATURE of the events", Feature::AenqConfig);
        command.words[6] = groups;
        command
    }

    /// `SET_FEATURE` of where the clock answers, in so many bytes.
    pub(super) fn set_phc(address: u64, length: u32) -> Self {
        let mut command = Self::set("SET_FEATURE of the clock", Feature::PhcConfig);
        command.put_address(9, address);
        command.words[11] = length;
        command
    }

    /// `SET_FEATURE` of low-latency queues: the header in line, of entries of a size (`ena_admin_llq_ring_entry_size`), with so many descriptors
    /// before the header, and a stride (`ena_admin_llq_stride_ctrl`); both accelerations are understood.
    pub(super) fn set_llq(size: u16, before_header: u16, stride: u16) -> Self {
        const INLINE_HEADER: u32 = 1;
        const ACCELERATIONS: u32 = 0b11;
        let mut command = Self::set("SET_FEATURE of low-latency queues", Feature::Llq);
        command.words[7] = INLINE_HEADER << 16;
        command.words[8] = u32::from(size) << 16;
        command.words[9] = u32::from(before_header) << 16;
        command.words[10] = u32::from(stride) << 16;
        command.words[12] = ACCELERATIONS;
        command
    }

    /// `CREATE_CQ` of `entries` of `size` bytes at an address, with an interrupt by message number `message`.
    pub(super) fn create_completion_queue(entries: u16, size: usize, message: u16, address: u64) -> Self {
        const INTERRUPT_MODE: u32 = 1 << 5;
        let mut command = Self::new("CREATE_CQ", CREATE_CQ);
        command.words[1] = INTERRUPT_MODE | (size as u32 / 4) << 8 | u32::from(entries) << 16;
        command.words[2] = u32::from(message);
        command.put_address(3, address);
        command
    }

    /// `CREATE_SQ` of `entries`, with completions in a queue made before.
    pub(super) fn create_submission_queue(
        direction: Direction,
        entries: u16,
        completions: u16,
        place: Placement,
    ) -> Self {
        const PHYSICALLY_CONTIGUOUS: u32 = 1 << 0;
        let mut command = Self::new("CREATE_SQ", CREATE_SQ);
        let policy = match place {
            Placement::Host(address) => {
                command.put_address(3, address);
                1
            }
            Placement::Device => 3,
        };
        command.words[1] = (direction as u32) << 5 | policy << 16 | PHYSICALLY_CONTIGUOUS << 24;
        command.words[2] = u32::from(completions) | u32::from(entries) << 16;
        command
    }

    /// An address of at most 48 bits (`ena_common_mem_addr`).
    fn put_address(&mut self, at: usize, address: u64) {
        self.words[at] = address as u32;
        self.words[at + 1] = (address >> 32) as u32 & 0xffff;
    }
}

/// An answer that says success.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) name: &'static str,
    pub(super) words: [u32; SIZE / 4],
}

/// A completion queue that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CompletionQueue {
    pub(super) number: u16,
    /// Of its register that lets interrupts come.
    pub(super) unmask: usize,
}

/// A submission queue that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubmissionQueue {
    /// Of its doorbell in base address 0.
    pub(super) doorbell: usize,
    /// Of its entries in base address 2, when it is in the device's memory.
    pub(super) entries: usize,
}

impl Answer {
    /// Of `CREATE_CQ`, which asked for so many entries.
    pub(super) fn completion_queue(&self, entries: u16) -> Result<CompletionQueue, Failure> {
        let actual = (self.words[2] >> 16) as u16;
        // A device that says nothing has what it was asked for.
        if actual != entries && actual != 0 {
            return Err(Failure::Nonsense(self.name));
        }
        Ok(CompletionQueue {
            number: self.words[2] as u16,
            unmask: self.words[5] as usize,
        })
    }

    /// Of `CREATE_SQ`.
    pub(super) fn submission_queue(&self) -> SubmissionQueue {
        SubmissionQueue {
            doorbell: self.words[3] as usize,
            entries: self.words[4] as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ena_commands_are_encoded_as_the_definitions_have_them() {
        let get = Command::get(Feature::MaxQueuesExt).words;
        assert_eq!((get[0], get[4]), (0x0008_0000, 0x0001_0700));
        assert_eq!(Command::get(Feature::DeviceAttributes).words[4], 0x0000_0100);
        let host = Command::set_host_attributes(0x1234_5678_9000).words;
        assert_eq!(
            (host[0], host[4], host[5], host[6]),
            (0x0009_0000, 28 << 8, 0x5678_9000, 0x1234)
        );
        let queue = Command::create_completion_queue(256, 16, 1, 0x1_0000_2000).words;
        assert_eq!(queue[..5], [0x0003_0000, 256 << 16 | 4 << 8 | 0x20, 1, 0x2000, 1]);
        let queue = Command::create_submission_queue(Direction::Receive, 128, 7, Placement::Host(0x5000)).words;
        assert_eq!(queue[..5], [0x0001_0000, 0x0101_0040, 128 << 16 | 7, 0x5000, 0]);
        let queue = Command::create_submission_queue(Direction::Transmit, 128, 7, Placement::Device).words;
        assert_eq!(queue[..5], [0x0001_0000, 0x0103_0020, 128 << 16 | 7, 0, 0]);
        let phc = Command::set_phc(0x3_0000_4000, 64).words;
        assert_eq!(phc[4..13], [29 << 8, 0, 0, 0, 0, 0x4000, 3, 64, 0]);
        let llq = Command::set_llq(1, 2, 2).words;
        assert_eq!(llq[7..13], [1 << 16, 1 << 16, 2 << 16, 2 << 16, 0, 3]);
    }

    #[test]
    fn ena_queues_of_another_depth_are_refused() {
        let mut words = [0; 16];
        words[2] = 64 << 16 | 9;
        words[5] = 0x2040;
        let answer = Answer {
            name: "CREATE_CQ",
            words,
        };
        let made = CompletionQueue {
            number: 9,
            unmask: 0x2040,
        };
        assert_eq!(answer.completion_queue(64), Ok(made));
        assert_eq!(answer.completion_queue(128), Err(Failure::Nonsense("CREATE_CQ")));
    }
}
