//! What the driver and the device tell each other of themselves.

use alloc::vec::Vec;

use super::admin::Outcome;
use super::configuration::{Configuration, Format};
use super::defs::admin;
use super::fields::{be32, be64, is_zero};
use super::state::State;
use crate::dma::reach::Reach;
use crate::mem::PAGE_SIZE;

/// Commands' data begin with a page: so is all memory of the vendor's drivers, and devices are said to take no other.
const ALIGNMENT: u64 = PAGE_SIZE as u64;
/// The least that IPv4 asks of a link (RFC 791).
const LEAST_MTU: u16 = 68;

/// What the device calls kinds of packets, as 10 bits; others are unknown.
pub(super) const PACKET_TYPES: [(u16, u8, u8); 8] = [
    (0x01b, admin::L3_TYPE_OTHER, admin::L4_TYPE_OTHER),
    (0x2a6, admin::L3_TYPE_IPV4, admin::L4_TYPE_OTHER),
    (0x2a7, admin::L3_TYPE_IPV4, admin::L4_TYPE_TCP),
    (0x1c3, admin::L3_TYPE_IPV4, admin::L4_TYPE_UDP),
    (0x300, admin::L3_TYPE_IPV6, admin::L4_TYPE_OTHER),
    (0x3ff, admin::L3_TYPE_IPV6, admin::L4_TYPE_TCP),
    (0x0f1, admin::L3_TYPE_IPV6, admin::L4_TYPE_UDP),
    // Of an IPv4 fragment, whose L4 nobody knows.
    (0x055, admin::L3_TYPE_IPV4, 0),
];

/// An option behind the device descriptor.
fn push_option(options: &mut Vec<u8>, identifier: u16, content: &[u8], growth: usize) {
    options.extend(identifier.to_be_bytes());
    options.extend(((content.len() + growth) as u16).to_be_bytes());
    // No option has features that a driver must know.
    options.extend([0; 4]);
    options.extend(content);
    options.extend(core::iter::repeat_n(0xee, growth));
}

/// The device descriptor (`gve_device_descriptor`) with its options.
fn descriptor(configuration: &Configuration) -> Vec<u8> {
    let mut features = 0;
    let mut options = Vec::new();
    let mut count = configuration.other_options.len();
    for (identifier, content) in &configuration.other_options {
        push_option(&mut options, *identifier, content, 0);
    }
    let growth = configuration.option_growth;
    let mut add = |options: &mut Vec<u8>, identifier: u16, feature: u32, content: &[u16]| {
        let mut bytes = feature.to_be_bytes().to_vec();
        bytes.extend(content.iter().flat_map(|half| half.to_be_bytes()));
        push_option(options, identifier, &bytes, growth);
        count += 1;
    };
    if let Some(sizes) = configuration.ring_sizes {
        features |= admin::SUP_MODIFY_RING;
        let content = [sizes.rx.1, sizes.tx.1, sizes.rx.0, sizes.tx.0];
        add(&mut options, admin::OPT_MODIFY_RING, admin::SUP_MODIFY_RING, &content);
    }
    if let Some(mtu) = configuration.jumbo_mtu {
        features |= admin::SUP_JUMBO_FRAMES;
        add(
            &mut options,
            admin::OPT_JUMBO_FRAMES,
            admin::SUP_JUMBO_FRAMES,
            &[mtu, 0],
        );
    }
    if let Some(size) = configuration.buffer_size {
        features |= admin::SUP_BUFFER_SIZES;
        add(
            &mut options,
            admin::OPT_BUFFER_SIZES,
            admin::SUP_BUFFER_SIZES,
            &[size, 0],
        );
    }
    for format in &configuration.formats {
        match format {
            Format::GqiRda => add(&mut options, admin::OPT_GQI_RDA, features, &[]),
            Format::GqiQpl => add(&mut options, admin::OPT_GQI_QPL, features, &[]),
            Format::DqoRda => add(&mut options, admin::OPT_DQO_RDA, features, &[0, 0]),
            Format::DqoQpl => {
                let pages = [configuration.tx_pages, configuration.rx_pages];
                add(&mut options, admin::OPT_DQO_QPL, features, &pages);
            }
        }
    }
    let mut bytes = configuration.max_pages.to_be_bytes().to_vec();
    let halves = [
        0,
        configuration.tx_entries,
        configuration.rx_entries,
        configuration.default_queues,
        configuration.mtu,
        configuration.counters,
        configuration.tx_pages,
        configuration.rx_pages,
    ];
    bytes.extend(halves.iter().flat_map(|half| half.to_be_bytes()));
    bytes.extend(configuration.mac);
    bytes.extend((count as u16).to_be_bytes());
    bytes.extend(((admin::DEVICE_DESCRIPTOR_SIZE + options.len()) as u16).to_be_bytes());
    bytes.extend([0; 6]);
    bytes.extend(options);
    for (at, patch) in &configuration.patches {
        bytes[*at..at + patch.len()].copy_from_slice(patch);
    }
    bytes
}

impl State {
    /// `DESCRIBE_DEVICE`.
    pub(super) fn describe(&mut self, parameters: &[u8]) -> Outcome {
        let (address, version, available) = (be64(parameters, 0), be32(parameters, 8), be32(parameters, 12));
        let bytes = descriptor(&self.configuration);
        let is_right = self.demand(
            version == admin::DEVICE_DESCRIPTOR_VERSION,
            format_args!("DESCRIBE_DEVICE: version {version} of the device descriptor; there is 1"),
        ) & self.demand(
            available as usize >= bytes.len(),
            format_args!(
                "DESCRIBE_DEVICE: {available} bytes for a descriptor and options of {}",
                bytes.len()
            ),
        );
        let what = "DESCRIBE_DEVICE: the place for the descriptor";
        if !is_right || !self.check_new_range(&what, address, available as usize, ALIGNMENT) {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        self.store(&what, address, &bytes);
        self.is_described = true;
        Ok(())
    }

    /// `VERIFY_DRIVER_COMPATIBILITY`.
    pub(super) fn verify_compatibility(&mut self, parameters: &[u8]) -> Outcome {
        let (length, address) = (be64(parameters, 0), be64(parameters, 8));
        let what = "VERIFY_DRIVER_COMPATIBILITY: the driver's information";
        let is_right = self.demand(
            length == admin::DRIVER_INFO_SIZE as u64,
            format_args!(
                "{what} has {length} bytes; gve_driver_info has {}",
                admin::DRIVER_INFO_SIZE
            ),
        );
        if !is_right || !self.check_new_range(&what, address, admin::DRIVER_INFO_SIZE, ALIGNMENT) {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        let mut info = [0; admin::DRIVER_INFO_SIZE];
        self.fetch(&what, address, &mut info);
        self.demand(info[0] != 0, format_args!("{what} has no os_type"));
        for string in info[admin::DRIVER_INFO_STRINGS..].chunks(admin::VERSION_STR_LEN) {
            self.demand(string.contains(&0), format_args!("{what} has a text without end"));
        }
        let flags = [0, 1, 2, 3].map(|index| be64(&info, admin::DRIVER_INFO_CAPABILITIES + index * 8));
        let knows = |format: &Format| flags[0] >> format.capability() & 1 != 0;
        let formats = &self.configuration.formats;
        let is_compatible = formats.is_empty() || formats.iter().any(knows);
        self.settings.capabilities = Some(flags);
        if is_compatible {
            Ok(())
        } else {
            Err(admin::ERROR_FAILED_PRECONDITION)
        }
    }

    /// Whether the driver said that it has a capability.
    pub(super) fn is_capable(&self, capability: u32) -> bool {
        let flags = self.settings.capabilities.unwrap_or_default();
        flags[0] >> capability & 1 != 0
    }

    /// `SET_DRIVER_PARAMETER`.
    pub(super) fn set_parameter(&mut self, parameters: &[u8]) -> Outcome {
        let (kind, value) = (be32(parameters, 0), be64(parameters, 8));
        let most = self.configuration.max_mtu();
        let is_right = self.demand(
            kind == admin::SET_PARAM_MTU && is_zero(&parameters[4..8]),
            format_args!("SET_DRIVER_PARAMETER: type {kind}, or reserved bytes; there is GVE_SET_PARAM_MTU"),
        ) && self.demand(
            (LEAST_MTU.into()..=most.into()).contains(&value),
            format_args!("SET_DRIVER_PARAMETER: MTU {value} is not between {LEAST_MTU} and {most}"),
        );
        if !is_right {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        self.settings.mtu = Some(value as u16);
        Ok(())
    }

    /// `REPORT_STATS`.
    pub(super) fn set_statistics(&mut self, parameters: &[u8]) -> Outcome {
        let (length, address) = (be64(parameters, 0), be64(parameters, 8));
        self.settings.statistics = None;
        if length == 0 && address == 0 {
            return Ok(());
        }
        let what = "REPORT_STATS: the place for statistics";
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !self.check_new_range(&what, address, length, ALIGNMENT) {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        self.settings.statistics = Some((address, length));
        Ok(())
    }

    /// `REPORT_LINK_SPEED`.
    pub(super) fn report_link_speed(&mut self, parameters: &[u8]) -> Outcome {
        let address = be64(parameters, 0);
        let what = "REPORT_LINK_SPEED: the place for the speed";
        if !self.check_new_range(&what, address, 8, ALIGNMENT) {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        let speed = self.configuration.link_speed.to_be_bytes();
        self.store(&what, address, &speed);
        Ok(())
    }

    /// `GET_PTYPE_MAP`.
    pub(super) fn report_packet_types(&mut self, parameters: &[u8]) -> Outcome {
        let (length, address) = (be64(parameters, 0), be64(parameters, 8));
        let what = "GET_PTYPE_MAP: the place for the map";
        let is_right = self.demand(
            length == admin::PTYPE_MAP_SIZE as u64,
            format_args!("{what} has {length} bytes; gve_ptype_map has {}", admin::PTYPE_MAP_SIZE),
        ) & self.demand(
            self.format().is_some_and(Format::is_dqo),
            "GET_PTYPE_MAP: packet types are of DQO, which was not chosen by CONFIGURE_DEVICE_RESOURCES",
        );
        if !is_right || !self.check_new_range(&what, address, admin::PTYPE_MAP_SIZE, ALIGNMENT) {
            return Err(admin::ERROR_INVALID_ARGUMENT);
        }
        let mut map = [0; admin::PTYPE_MAP_SIZE];
        for (packet_type, l3, l4) in PACKET_TYPES {
            let at = usize::from(packet_type) * 2;
            map[at..at + 2].copy_from_slice(&[l3, l4]);
        }
        self.store(&what, address, &map);
        Ok(())
    }
}
