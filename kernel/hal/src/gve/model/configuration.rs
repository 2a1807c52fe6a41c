//! What a device is, before anybody talks to it.

use alloc::vec::Vec;

use super::defs::admin;

/// The descriptors of queues, and how they say where buffers lie (`gve_queue_format`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// GQI, with addresses of memory.
    GqiRda = 1,
    /// GQI, with offsets into lists of pages.
    GqiQpl = 2,
    /// DQO, with addresses of memory.
    DqoRda = 3,
    /// DQO, with addresses in pages of lists.
    DqoQpl = 4,
}

impl Format {
    pub(super) const ALL: [Self; 4] = [Self::GqiRda, Self::GqiQpl, Self::DqoRda, Self::DqoQpl];

    pub(crate) fn is_dqo(self) -> bool {
        matches!(self, Self::DqoRda | Self::DqoQpl)
    }

    pub(crate) fn has_page_lists(self) -> bool {
        matches!(self, Self::GqiQpl | Self::DqoQpl)
    }

    /// The bit that says that a driver knows it (`gve_driver_capbility`).
    pub(super) fn capability(self) -> u32 {
        match self {
            Self::GqiRda => admin::CAPABILITY_GQI_RDA,
            Self::GqiQpl => admin::CAPABILITY_GQI_QPL,
            Self::DqoRda => admin::CAPABILITY_DQO_RDA,
            Self::DqoQpl => admin::CAPABILITY_DQO_QPL,
        }
    }
}

/// What sizes of rings a driver may choose (`gve_device_option_modify_ring`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingSizes {
    /// Entries of a TX ring, least and most.
    pub(crate) tx: (u16, u16),
    /// Entries of an RX ring, least and most.
    pub(crate) rx: (u16, u16),
}

/// A device. The default is a small one with GQI queues in page lists.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// The PCI function's revision: from 1 on there are registers for the admin queue's address and a driver status.
    pub(crate) revision: u8,
    /// The formats that it offers. None is a device from before the options, which has [`Format::GqiQpl`].
    pub(crate) formats: Vec<Format>,
    /// Queues of each direction.
    pub(crate) queues: u32,
    /// `default_num_queues`; 0 leaves it to the driver.
    pub(crate) default_queues: u16,
    /// Entries of a TX ring.
    pub(crate) tx_entries: u16,
    /// Entries of an RX ring.
    pub(crate) rx_entries: u16,
    /// Sizes of rings to choose from, if there is a choice.
    pub(crate) ring_sizes: Option<RingSizes>,
    /// Bytes without the Ethernet header.
    pub(crate) mtu: u16,
    /// As above, for drivers that take frames in several buffers.
    pub(crate) jumbo_mtu: Option<u16>,
    /// `packet_buffer_size` of the option for sizes of buffers, if it is offered.
    pub(crate) buffer_size: Option<u16>,
    /// Event counters.
    pub(crate) counters: u16,
    /// `tx_pages_per_qpl`.
    pub(crate) tx_pages: u16,
    /// `rx_pages_per_qpl`.
    pub(crate) rx_pages: u16,
    /// Pages that may be registered altogether.
    pub(crate) max_pages: u64,
    /// The device's address.
    pub(crate) mac: [u8; 6],
    /// Megabits per second.
    pub(crate) link_speed: u64,
    /// Opcodes that the device does not implement.
    pub(crate) unimplemented: Vec<u32>,
    /// Options beside those that the model knows: identifiers and contents. They come first.
    pub(crate) other_options: Vec<(u16, Vec<u8>)>,
    /// Bytes by which the options that the model knows are longer than the definitions.
    pub(crate) option_growth: usize,
    /// Bytes of the device descriptor that are others than they should be, and where.
    pub(crate) patches: Vec<(usize, Vec<u8>)>,
    /// Messages that the function can send.
    pub(crate) vectors: u16,
    /// Looks at the register that says so, until a reset is over.
    pub(crate) reset_looks: u32,
}

impl Configuration {
    /// The default with another format.
    pub(crate) fn of(format: Format) -> Self {
        Self {
            formats: alloc::vec![format],
            ..Self::default()
        }
    }

    /// The most that the MTU can be.
    pub(super) fn max_mtu(&self) -> u16 {
        self.jumbo_mtu.unwrap_or(self.mtu)
    }
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            revision: 1,
            formats: alloc::vec![Format::GqiQpl],
            queues: 2,
            default_queues: 1,
            tx_entries: 256,
            rx_entries: 128,
            ring_sizes: None,
            mtu: 1460,
            jumbo_mtu: Some(8896),
            buffer_size: None,
            counters: 16,
            tx_pages: 64,
            rx_pages: 128,
            max_pages: 1024,
            mac: [0x42, 0x01, 0x0a, 0x80, 0x00, 0x02],
            link_speed: 10_000,
            unimplemented: Vec::new(),
            other_options: alloc::vec![(0x7f, alloc::vec![0xff; 6])],
            option_growth: 0,
            patches: Vec::new(),
            vectors: 3,
            reset_looks: 2,
        }
    }
}
