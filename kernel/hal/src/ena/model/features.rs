//! The commands `GET_FEATURE` and `SET_FEATURE`.

use super::admin::{Command, Outcome, address};
use super::defs::admin;
use super::state::State;
use crate::dma::reach::Reach;
use crate::mem::PAGE_SIZE;

/// The version of `MAX_QUEUES_EXT` and of `LLQ` that there is.
const VERSION_1: u8 = 1;
/// The least that IPv4 asks of a link (RFC 791).
const LEAST_MTU: u32 = 68;

fn of_words(words: &[u32]) -> Outcome {
    let mut outcome = Outcome::from(admin::SUCCESS);
    outcome.response[..words.len()].copy_from_slice(words);
    outcome
}

impl State {
    /// Checks what both commands have in common, and returns the feature and its version; a status when it is not for this device.
    fn feature(&mut self, command: &Command, name: &str) -> Result<(u8, u8), Outcome> {
        let common = command[4];
        let (flags, feature, version) = (common as u8, (common >> 8) as u8, (common >> 16) as u8);
        // The vendor's own drivers leave `select` zero, which the definitions do not name.
        let is_right = self.demand(
            [0, 1, 3].contains(&flags) && common >> 24 == 0,
            format_args!("{name}: the common word {common:#x} has reserved bits"),
        ) & self.demand(
            command[1..4] == [0; 3],
            format_args!("{name}: feature {feature} has a control buffer, and no flag says so"),
        );
        if !is_right {
            return Err(admin::MALFORMED_REQUEST.into());
        }
        if feature != admin::DEVICE_ATTRIBUTES
            && (u32::from(feature) >= u32::BITS || self.configuration.features & 1 << feature == 0)
        {
            // The host's attributes are for the time before the driver knows what there is.
            self.demand(
                !self.settings.attributes_read || feature == admin::HOST_ATTR_CONFIG,
                format_args!("{name}: the attributes do not list feature {feature}"),
            );
            return Err(admin::UNSUPPORTED_OPCODE.into());
        }
        Ok((feature, version))
    }

    pub(super) fn get_feature(&mut self, command: &Command) -> Outcome {
        let (feature, version) = match self.feature(command, "GET_FEATURE") {
            Ok(feature) => feature,
            Err(outcome) => return outcome,
        };
        if !self.demand(
            command[5..] == [0; 11],
            format_args!("GET_FEATURE: feature {feature} comes with data"),
        ) {
            return admin::MALFORMED_REQUEST.into();
        }
        let configuration = &self.configuration;
        match feature {
            admin::DEVICE_ATTRIBUTES => {
                self.settings.attributes_read = true;
                self.attributes()
            }
            admin::MAX_QUEUES_NUM => of_words(&[
                configuration.queues,
                configuration.tx_depth.min(configuration.rx_depth),
                configuration.queues * 2,
                configuration.tx_depth.min(configuration.rx_depth),
                0,
                0,
                configuration.max_tx_header,
                u32::from(configuration.max_tx_descs) | u32::from(configuration.max_rx_descs) << 16,
            ]),
            // Zero: the driver's own values.
            admin::HW_HINTS => of_words(&[0; 8]),
            admin::LLQ => self.llq_feature(),
            admin::MAX_QUEUES_EXT => {
                if version != VERSION_1 {
                    self.violate(format_args!("GET_FEATURE: MAX_QUEUES_EXT has no version {version}"));
                    return admin::ILLEGAL_PARAMETER.into();
                }
                of_words(&[
                    VERSION_1.into(),
                    configuration.queues,
                    configuration.queues,
                    configuration.queues,
                    configuration.queues,
                    configuration.tx_depth,
                    configuration.tx_depth,
                    configuration.rx_depth,
                    configuration.rx_depth,
                    configuration.max_tx_header,
                    u32::from(configuration.max_tx_descs) | u32::from(configuration.max_rx_descs) << 16,
                ])
            }
            admin::STATELESS_OFFLOAD_CONFIG => of_words(&[
                configuration.tx_offloads,
                configuration.rx_offloads,
                configuration.rx_offloads,
            ]),
            // One microsecond.
            admin::INTERRUPT_MODERATION => of_words(&[1]),
            admin::PHC_CONFIG => self.phc_feature(version),
            admin::AENQ_CONFIG => of_words(&[configuration.groups, self.settings.groups]),
            // 10 Gb/s, full duplex.
            admin::LINK_CONFIG => of_words(&[10_000, 8, 0b10]),
            _ => {
                self.violate(format_args!("GET_FEATURE: feature {feature} can only be set"));
                admin::ILLEGAL_PARAMETER.into()
            }
        }
    }

    fn attributes(&self) -> Outcome {
        let configuration = &self.configuration;
        let [m0, m1, m2, m3, m4, m5] = configuration.mac;
        of_words(&[
            1,
            0x1_0000,
            configuration.features,
            configuration.capabilities,
            configuration.address_bits,
            configuration.address_bits,
            u32::from_le_bytes([m0, m1, m2, m3]),
            u32::from_le_bytes([m4, m5, 0, 0]),
            configuration.max_mtu,
        ])
    }

    pub(super) fn set_feature(&mut self, command: &Command) -> Outcome {
        let (feature, _) = match self.feature(command, "SET_FEATURE") {
            Ok(feature) => feature,
            Err(outcome) => return outcome,
        };
        let data = &command[5..];
        let is_set = match feature {
            admin::MTU => self.set_mtu(data),
            admin::AENQ_CONFIG => self.set_groups(data),
            admin::HOST_ATTR_CONFIG => self.set_host_attributes(data),
            admin::LLQ => self.set_llq(data),
            admin::PHC_CONFIG => self.set_phc(data),
            _ => {
                self.violate(format_args!("SET_FEATURE: feature {feature} can only be read"));
                false
            }
        };
        if is_set {
            admin::SUCCESS.into()
        } else {
            admin::ILLEGAL_PARAMETER.into()
        }
    }

    fn set_mtu(&mut self, data: &[u32]) -> bool {
        let mtu = data[0];
        let most = self.configuration.max_mtu;
        let is_right = self.demand(
            (LEAST_MTU..=most).contains(&mtu),
            format_args!("SET_FEATURE: MTU {mtu} is not between {LEAST_MTU} and {most}"),
        );
        if is_right {
            self.settings.mtu = Some(mtu);
        }
        is_right
    }

    fn set_groups(&mut self, data: &[u32]) -> bool {
        let is_right = self.demand(
            data[0] == 0,
            "SET_FEATURE: the supported groups of events are the device's to say",
        ) & self.demand(
            data[1] & !self.configuration.groups == 0,
            format_args!(
                "SET_FEATURE: groups of events {:#x}, which the device does not have all",
                data[1]
            ),
        );
        if is_right {
            self.settings.groups = data[1];
        }
        is_right
    }

    fn set_host_attributes(&mut self, data: &[u32]) -> bool {
        let Some((host_info, debug)) = address(data).zip(address(&data[2..])) else {
            self.violate("SET_FEATURE: an address of the host's attributes has reserved bits");
            return false;
        };
        let size = data[4] as usize;
        self.settings.host_info = None;
        // A device may be told that there is no longer one.
        if host_info != 0 {
            if !self.check_new_range(&"the host information", host_info, PAGE_SIZE, 8) {
                return false;
            }
            self.settings.host_info = Some(host_info);
            self.read_host_info(host_info);
        }
        (debug == 0 && size == 0) || self.check_new_range(&"the debug area", debug, size, 8)
    }

    fn read_host_info(&mut self, host_info: u64) {
        let mut bytes = [0; 256];
        self.fetch(&"the host information", host_info, &mut bytes);
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let at = admin::HOST_INFO_DRIVER_SUPPORTED_FEATURES;
        let features = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let version = half(admin::HOST_INFO_ENA_SPEC_VERSION);
        let cpus = half(admin::HOST_INFO_NUM_CPUS);
        self.demand(
            version == admin::SPEC_VERSION,
            format_args!(
                "the host information is for version {version:#x} of the definitions, not {:#x}",
                admin::SPEC_VERSION
            ),
        );
        self.demand(cpus != 0, "the host information has no CPUs");
        self.demand(
            half(admin::HOST_INFO_NUM_CPUS + 2) == 0 && features & !0x3de == 0,
            "the host information has reserved bits",
        );
        self.settings.driver_features = features;
    }
}
