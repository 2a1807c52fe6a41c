//! What the device says of itself (`ena_admin_*_feature_desc`).

use super::command::{Answer, Command, Feature};
use super::failure::Failure;
use crate::network::Version;

/// The words of an answer that describe the feature.
const AT: usize = 2;

/// `ena_admin_device_attr_feature_desc`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    /// One bit for each [`Feature`].
    features: u32,
    /// It says what has to be zero in completions (`ENA_ADMIN_CDESC_MBZ`).
    pub(super) zeroes_are_kept: bool,
    /// It knows more reasons for a reset than 16 (`ENA_ADMIN_EXTENDED_RESET_REASONS`).
    pub(super) knows_all_reasons: bool,
    pub(super) mac: [u8; 6],
    pub(super) most_mtu: u32,
}

impl Attributes {
    pub(super) fn of(answer: &Answer) -> Self {
        let words = &answer.words[AT..];
        let (low, high) = (words[6].to_le_bytes(), words[7].to_le_bytes());
        Self {
            features: words[2],
            knows_all_reasons: words[3] >> 3 & 1 != 0,
            zeroes_are_kept: words[3] >> 4 & 1 != 0,
            mac: [low[0], low[1], low[2], low[3], high[0], high[1]],
            most_mtu: words[8],
        }
    }

    /// Whether the device knows a feature.
    pub(super) fn has(&self, feature: Feature) -> bool {
        self.features >> feature as u32 & 1 != 0
    }
}

/// The most of the queues: `ena_admin_queue_ext_feature_fields`, or `ena_admin_queue_feature_desc` of older devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queues {
    pub(super) transmit_depth: u32,
    pub(super) receive_depth: u32,
    /// Bytes of headers that a descriptor can tell of.
    pub(super) header: u32,
    /// Descriptors of a packet, one for its metadata included.
    pub(super) transmit_descriptors: u16,
    pub(super) receive_descriptors: u16,
}

impl Queues {
    /// What to ask, as the device's attributes say.
    pub(super) fn command(attributes: &Attributes) -> Command {
        Command::get(if attributes.has(Feature::MaxQueuesExt) {
            Feature::MaxQueuesExt
        } else {
            Feature::MaxQueuesNum
        })
    }

    pub(super) fn of(answer: &Answer, attributes: &Attributes) -> Result<Self, Failure> {
        let words = &answer.words[AT..];
        let (is_enough, queues) = if attributes.has(Feature::MaxQueuesExt) {
            let version = words[0] as u8;
            if version != 1 {
                return Err("describes its queues in another version than 1".into());
            }
            let queues = Self {
                transmit_depth: words[5].min(words[6]),
                receive_depth: words[7].min(words[8]),
                header: words[9],
                transmit_descriptors: words[10] as u16,
                receive_descriptors: (words[10] >> 16) as u16,
            };
            (!words[1..5].contains(&0), queues)
        } else {
            let depth = words[1].min(words[3]);
            let queues = Self {
                transmit_depth: depth,
                receive_depth: depth,
                header: words[6],
                transmit_descriptors: words[7] as u16,
                receive_descriptors: (words[7] >> 16) as u16,
            };
            // Those of both directions together.
            (words[0].min(words[2]) >= 2, queues)
        };
        if !is_enough {
            return Err("has too few queues".into());
        }
        Ok(queues)
    }
}

/// `ena_admin_feature_offload_desc`, as far as it is used, for one version of the Internet Protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offloads {
    /// Completes checksums that hold the sum of the pseudo-header.
    pub(super) checksums: bool,
    /// Cuts TCP into segments, and completes the checksums that these need.
    pub(super) segments: bool,
}

impl Offloads {
    pub(super) fn of(answer: &Answer, version: Version) -> Self {
        const L4_IPV4_CSUM_PART: u32 = 1 << 1;
        const L4_IPV6_CSUM_PART: u32 = 1 << 3;
        const TSO_IPV4: u32 = 1 << 5;
        const TSO_IPV6: u32 = 1 << 6;
        let transmit = answer.words[AT];
        let (checksum, segmentation) = match version {
            Version::V4 => (L4_IPV4_CSUM_PART, TSO_IPV4),
            Version::V6 => (L4_IPV6_CSUM_PART, TSO_IPV6),
        };
        let checksums = transmit & checksum != 0;
        Self {
            checksums,
            segments: checksums && transmit & segmentation != 0,
        }
    }
}

/// Low-latency queues: descriptors and headers in the device's memory (`ena_admin_feature_llq_desc`), as the driver chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LowLatency {
    /// Bytes of an entry.
    pub(super) entry: usize,
    /// Descriptors in the first entry of a packet, before its header.
    pub(super) before_header: usize,
    /// Descriptors in each other entry.
    pub(super) per_entry: usize,
    /// Entries between two rings of the doorbell; none for no limit.
    pub(super) burst: Option<usize>,
    /// Each packet has its metadata with it.
    pub(super) caches_nothing: bool,
    pub(super) depth: u32,
}

impl LowLatency {
    /// What to take of what the device offers, and the command that says so. `None` when it offers no such queue; an error when it offers
    /// only what is not known here.
    pub(super) fn choose(answer: &Answer) -> Result<Option<(Self, Command)>, Failure> {
        const INLINE_HEADER: u32 = 1;
        const SIZE_128: u16 = 1;
        const SIZE_256: u16 = 4;
        const SINGLE: u16 = 1;
        const MULTIPLE: u16 = 2;
        const DISABLE_META_CACHING: u32 = 1 << 0;
        const LIMIT_TX_BURST: u32 = 1 << 1;
        let words = &answer.words[AT..];
        if words[0] == 0 {
            return Ok(None);
        }
        if words[2] & INLINE_HEADER == 0 {
            return Err("has low-latency queues of an unknown kind".into());
        }
        let among = |offered: u32, wanted: &[u16]| wanted.iter().copied().find(|&one| offered as u16 & one != 0);
        let recommended = u16::from((words[6] >> 8) as u8);
        let sizes = if recommended == SIZE_256 {
            [SIZE_256, SIZE_128, 2]
        } else {
            [SIZE_128, 2, SIZE_256]
        };
        let chosen = among(words[3], &sizes)
            .zip(among(words[4], &[2, 1, 4, 8]))
            .zip(among(words[5], &[MULTIPLE, SINGLE]));
        let Some(((size, before_header), stride)) = chosen else {
            return Err("has low-latency queues of an unknown shape".into());
        };
        let entry = match size {
            SIZE_128 => 128,
            SIZE_256 => 256,
            _ => 192,
        };
        let wide_depth = words[6] >> 16;
        // What counts as wide is not said: all that is wider than the usual.
        let depth = match (size, wide_depth) {
            (SIZE_128, _) => words[1],
            (_, 0) => words[1] / 2,
            (_, wide) => wide,
        };
        let burst = (words[7] & LIMIT_TX_BURST != 0).then_some((words[7] >> 16) as usize / entry);
        let chosen = Self {
            entry,
            before_header: before_header.into(),
            per_entry: if stride == MULTIPLE { entry / 16 } else { 1 },
            burst,
            caches_nothing: words[7] & DISABLE_META_CACHING != 0,
            depth,
        };
        if chosen.before_header * 16 >= entry || burst == Some(0) {
            return Err("has low-latency queues with no room for headers".into());
        }
        Ok(Some((chosen, Command::set_llq(size, before_header, stride))))
    }

    /// Bytes of a header in an entry.
    pub(super) fn header(&self) -> usize {
        self.entry - self.before_header * 16
    }

    /// How many entries a packet of so many descriptors takes.
    pub(super) fn entries(&self, descriptors: usize) -> usize {
        1 + descriptors.saturating_sub(self.before_header).div_ceil(self.per_entry)
    }

    /// The most descriptors that may go between two rings of the doorbell.
    pub(super) fn most_descriptors(&self) -> usize {
        let most = |burst: usize| self.before_header + (burst - 1) * self.per_entry;
        self.burst.map_or(usize::MAX, most)
    }
}

/// Times that the device wishes for (`ena_admin_ena_hw_hints`), in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    pub(super) register_read: Option<u64>,
    pub(super) keep_alive: Limit,
    pub(super) transmit_completion: Limit,
    /// Late completions above which the device is reset.
    pub(super) late_completions: Option<u16>,
    pub(super) admin: Option<u64>,
}

/// A time that the device may leave to the driver or wish for, or a wish for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Limit {
    #[default]
    Unsaid,
    None,
    After(u64),
}

impl Limit {
    /// In milliseconds; `ENA_HW_HINTS_NO_TIMEOUT` for none.
    fn of(value: u16) -> Self {
        match value {
            0 => Self::Unsaid,
            u16::MAX => Self::None,
            milliseconds => Self::After(u64::from(milliseconds) * 1_000_000),
        }
    }

    /// The time, when there is a limit.
    pub(super) fn or(self, usual: u64) -> Option<u64> {
        match self {
            Self::Unsaid => Some(usual),
            Self::None => None,
            Self::After(time) => Some(time),
        }
    }
}

impl Hints {
    /// From the words that hold them.
    pub(super) fn of(words: &[u32; 3]) -> Self {
        let (low, high) = (|word: u32| word as u16, |word: u32| (word >> 16) as u16);
        let some = |value: u16| match Limit::of(value) {
            Limit::After(time) => Some(time),
            _ => None,
        };
        Self {
            register_read: some(low(words[0])),
            keep_alive: Limit::of(high(words[0])),
            transmit_completion: Limit::of(low(words[1])),
            late_completions: Some(high(words[1])).filter(|&count| count != 0),
            admin: some(low(words[2])),
        }
    }

    pub(super) fn of_answer(answer: &Answer) -> Self {
        Self::of(&[answer.words[AT], answer.words[AT + 1], answer.words[AT + 2]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(words: &[u32]) -> Answer {
        let mut all = [0; 16];
        all[AT..AT + words.len()].copy_from_slice(words);
        Answer {
            name: "GET_FEATURE",
            words: all,
        }
    }

    fn attributes(features: &[Feature]) -> Attributes {
        let bits = features.iter().fold(0, |bits, &feature| bits | 1 << feature as u32);
        Attributes::of(&answer(&[1, 2, bits, 1 << 4, 48, 48, 0x3322_1102, 0x0000_5544, 9001]))
    }

    #[test]
    fn ena_attributes_are_read_field_by_field() {
        let read = attributes(&[Feature::Mtu, Feature::Llq]);
        assert_eq!(read.mac, [0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);
        assert_eq!(read.most_mtu, 9001);
        assert!(read.zeroes_are_kept && !read.knows_all_reasons);
        assert!(read.has(Feature::Mtu) && read.has(Feature::Llq) && !read.has(Feature::HwHints));
    }

    #[test]
    fn ena_queues_are_described_in_two_ways() {
        let new = attributes(&[Feature::MaxQueuesExt]);
        let words = [1, 1, 1, 1, 1, 1024, 512, 256, 2048, 96, 0x12 | 0x10 << 16];
        let expected = Queues {
            transmit_depth: 512,
            receive_depth: 256,
            header: 96,
            transmit_descriptors: 18,
            receive_descriptors: 16,
        };
        assert_eq!(Queues::of(&answer(&words), &new), Ok(expected));
        assert!(Queues::of(&answer(&[2, 1, 1, 1, 1]), &new).is_err(), "another version");
        assert!(Queues::of(&answer(&[1, 1, 1, 0, 1]), &new).is_err(), "no receive queue");

        let old = attributes(&[]);
        let words = [2, 128, 2, 64, 0, 0, 80, 5 | 3 << 16];
        let expected = Queues {
            transmit_depth: 64,
            receive_depth: 64,
            header: 80,
            transmit_descriptors: 5,
            receive_descriptors: 3,
        };
        assert_eq!(Queues::of(&answer(&words), &old), Ok(expected));
        assert!(
            Queues::of(&answer(&[1, 128, 2, 64]), &old).is_err(),
            "one for both directions"
        );
    }

    #[test]
    fn ena_low_latency_queues_are_chosen_from_what_is_offered() {
        let choose = |words: &[u32]| LowLatency::choose(&answer(words)).map(|chosen| chosen.map(|chosen| chosen.0));
        assert_eq!(choose(&[0]), Ok(None));
        assert!(choose(&[1, 512, 2, 1, 2, 2]).is_err(), "headers in a ring of their own");
        let usual = choose(&[1, 512, 1, 0b101, 0b11, 0b11, 1])
            .expect("known")
            .expect("offered");
        assert_eq!((usual.entry, usual.before_header, usual.per_entry), (128, 2, 8));
        assert_eq!((usual.header(), usual.depth, usual.burst), (96, 512, None));
        assert_eq!([1, 2, 3, 10, 11].map(|count| usual.entries(count)), [1, 1, 2, 2, 3]);
        let wide = choose(&[1, 512, 1, 0b101, 0b10, 0b01, 1 | 4 << 8, 0b11 | 1024 << 16]);
        let wide = wide.expect("known").expect("offered");
        assert_eq!(
            (wide.entry, wide.header(), wide.per_entry, wide.depth),
            (256, 224, 1, 256)
        );
        assert_eq!(
            (wide.burst, wide.most_descriptors(), wide.caches_nothing),
            (Some(4), 5, true)
        );
        assert!(choose(&[1, 512, 1, 1, 8, 2]).is_err(), "descriptors all over the entry");
    }

    #[test]
    fn ena_hints_leave_to_the_driver_what_they_do_not_say() {
        let hints = Hints::of(&[0x32 | 0xffff << 16, 0, 4000]);
        assert_eq!(hints.register_read, Some(50_000_000));
        assert_eq!(hints.keep_alive.or(6), None);
        assert_eq!(hints.transmit_completion.or(5), Some(5));
        assert_eq!(hints.late_completions, None);
        assert_eq!(hints.admin, Some(4_000_000_000));
    }
}
