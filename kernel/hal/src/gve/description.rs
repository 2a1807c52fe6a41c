//! What the device says of itself (`gve_device_descriptor`), with the options behind it (`gve_device_option`).

use super::failure::Failure;

/// Formats of queues that are driven (`gve_queue_format`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// In order, with buffers in registered lists of pages.
    GqiQpl = 2,
    /// Out of order, with buffers anywhere.
    DqoRda = 3,
    /// Out of order, with buffers in registered lists of pages.
    DqoQpl = 4,
}

impl Format {
    pub(super) fn is_in_order(self) -> bool {
        self == Self::GqiQpl
    }

    pub(super) fn has_page_lists(self) -> bool {
        self != Self::DqoRda
    }
}

/// What counts of a device's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) format: Format,
    pub(super) mac: [u8; 6],
    /// The longest packet on the network, as far as a page holds it.
    pub(super) mtu: u16,
    /// The longest one for drivers that take it in several buffers.
    pub(super) max_mtu: u16,
    pub(super) transmit_entries: u16,
    pub(super) receive_entries: u16,
    pub(super) counters: u16,
    /// The most pages in all lists.
    pub(super) most_pages: u64,
}

const HEADER: usize = 40;
const OPTION_HEADER: usize = 8;
/// Options, each with how many bytes it has at least.
const DQO_RDA: (u16, usize) = (0x4, 8);
const DQO_QPL: (u16, usize) = (0x7, 8);
const JUMBO_FRAMES: (u16, usize) = (0x8, 8);
/// In the first word of [`JUMBO_FRAMES`]: they can be had (`GVE_SUP_JUMBO_FRAMES_MASK`).
const HAS_JUMBO_FRAMES: u32 = 1 << 2;

impl Description {
    /// From the page that the device has written. Panics when it is shorter than a header.
    pub(super) fn of(page: &[u8]) -> Result<Self, Failure> {
        let nonsense = Failure::Nonsense("DESCRIBE_DEVICE");
        let half = |at: usize| u16::from_be_bytes([page[at], page[at + 1]]);
        let end = usize::from(half(32));
        let mut rest = page.get(HEADER..end).ok_or(nonsense)?;
        // All devices that say nothing of formats have this one.
        let mut format = Format::GqiQpl;
        let mtu = half(16);
        let mut max_mtu = mtu;
        for _ in 0..half(30) {
            let (header, behind) = rest.split_first_chunk::<OPTION_HEADER>().ok_or(nonsense)?;
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let (body, behind) = behind.split_at_checked(length).ok_or(nonsense)?;
            rest = behind;
            // What a driver must have mended to use the option: there is no such thing yet.
            let wants_nothing = header[4..] == [0; 4];
            let is =
                |option: (u16, usize)| header[..2] == option.0.to_be_bytes() && length >= option.1 && wants_nothing;
            if is(DQO_RDA) {
                format = Format::DqoRda;
            } else if is(DQO_QPL) && format == Format::GqiQpl {
                format = Format::DqoQpl;
            } else if is(JUMBO_FRAMES)
                && let [a, b, c, d, high, low, ..] = *body
                && u32::from_be_bytes([a, b, c, d]) & HAS_JUMBO_FRAMES != 0
            {
                max_mtu = u16::from_be_bytes([high, low]).max(mtu);
            }
        }
        let mut most_pages = [0; 8];
        most_pages.copy_from_slice(&page[..8]);
        let mut mac = [0; 6];
        mac.copy_from_slice(&page[24..30]);
        Ok(Self {
            format,
            mac,
            mtu,
            max_mtu,
            transmit_entries: half(10),
            receive_entries: half(12),
            counters: half(18),
            most_pages: u64::from_be_bytes(most_pages),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::PAGE_SIZE;

    type Options<'a> = [(u16, &'a [u8])];

    fn described(options: &Options<'_>, change: impl FnOnce(&mut [u8; PAGE_SIZE])) -> Result<Description, Failure> {
        let mut page = [0; PAGE_SIZE];
        page[..8].copy_from_slice(&0x1_0000_0002_u64.to_be_bytes());
        let mut at = HEADER;
        for (number, body) in options {
            page[at..at + 2].copy_from_slice(&number.to_be_bytes());
            page[at + 2..at + 4].copy_from_slice(&(body.len() as u16).to_be_bytes());
            page[at + 8..at + 8 + body.len()].copy_from_slice(body);
            at += 8 + body.len();
        }
        let halves = [
            (10, 1024),
            (12, 512),
            (16, 1460),
            (18, 64),
            (30, options.len()),
            (32, at),
        ];
        for (at, value) in halves {
            page[at..at + 2].copy_from_slice(&(value as u16).to_be_bytes());
        }
        page[24..30].copy_from_slice(&[0x42, 1, 10, 128, 0, 2]);
        change(&mut page);
        Description::of(&page)
    }

    #[test]
    fn gve_descriptions_are_read_field_by_field() {
        assert_eq!(
            described(&[], |_| {}),
            Ok(Description {
                format: Format::GqiQpl,
                mac: [0x42, 1, 10, 128, 0, 2],
                mtu: 1460,
                max_mtu: 1460,
                transmit_entries: 1024,
                receive_entries: 512,
                counters: 64,
                most_pages: 0x1_0000_0002,
            })
        );
    }

    #[test]
    fn gve_formats_are_chosen_by_the_options() {
        let format = |options: &Options<'_>| described(options, |_| {}).map(|description| description.format);
        let [qpl, unknown, rda, dqo_qpl]: [(u16, &[u8]); 4] =
            [(3, &[0; 4]), (0x1234, &[0xff; 3]), (4, &[0; 8]), (7, &[0; 8])];
        assert_eq!(format(&[qpl, unknown]), Ok(Format::GqiQpl));
        assert_eq!(format(&[unknown, rda, qpl, dqo_qpl]), Ok(Format::DqoRda));
        assert_eq!(format(&[dqo_qpl, rda]), Ok(Format::DqoRda));
        assert_eq!(format(&[dqo_qpl, qpl]), Ok(Format::DqoQpl));
        assert_eq!(format(&[(4, &[0; 7])]), Ok(Format::GqiQpl), "too short");
        assert_eq!(format(&[(4, &[0; 12])]), Ok(Format::DqoRda), "longer than known");
        let wanting = described(&[rda], |page| page[HEADER + 7] = 1);
        assert_eq!(wanting.map(|description| description.format), Ok(Format::GqiQpl));
    }

    #[test]
    fn gve_jumbo_frames_are_an_option() {
        let most = |body: &[u8]| described(&[(8, body), (3, &[0; 4])], |_| {}).map(|description| description.max_mtu);
        let [high, low] = 8896_u16.to_be_bytes();
        assert_eq!(most(&[0, 0, 0, 4, high, low, 0, 0]), Ok(8896));
        assert_eq!(
            most(&[0, 0, 0, 0x34, high, low, 0, 0, 9]),
            Ok(8896),
            "longer than known"
        );
        assert_eq!(most(&[0, 0, 0, 2, high, low, 0, 0]), Ok(1460), "not this feature");
        assert_eq!(most(&[0, 0, 0, 4, high, low, 0]), Ok(1460), "too short");
        assert_eq!(most(&[0, 0, 0, 4, 0, 68, 0, 0]), Ok(1460), "less than without");
    }

    #[test]
    fn gve_descriptions_end_where_they_say() {
        let nonsense = Err(Failure::Nonsense("DESCRIBE_DEVICE"));
        let option: &Options<'_> = &[(4, &[0; 8])];
        let put =
            |at: usize, value: u16| described(option, |page| page[at..at + 2].copy_from_slice(&value.to_be_bytes()));
        assert_eq!(put(32, 39), nonsense, "shorter than its header");
        assert_eq!(put(32, 4097), nonsense, "longer than its page");
        assert_eq!(put(32, 47), nonsense, "a part of an option's header");
        assert_eq!(put(32, 55), nonsense, "a part of an option");
        assert_eq!(put(30, 2), nonsense, "more options than there are");
        assert_eq!(put(HEADER + 2, 0xffff), nonsense, "an option too long");
        assert!(put(30, 0).is_ok());
    }
}
