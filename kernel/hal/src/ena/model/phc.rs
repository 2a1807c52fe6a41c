//! The PTP hardware clock: its feature, and the time that it tells.

use super::Ena;
use super::admin::Outcome;
use super::defs::admin;
use super::state::State;
use crate::dma::reach::Reach;
use crate::time::monotonic;

/// Where its doorbell lies: no queue's registers do.
const DOORBELL: usize = 0x3f00;

/// What the clock is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PhcOffer {
    pub(crate) version: u8,
    /// Microseconds that an answer may take, and that nothing may be asked after one that did not come; 0 leaves it to the driver.
    pub(crate) expire_timeout: u32,
    pub(crate) block_timeout: u32,
    /// Instead of where it lies.
    pub(crate) wild_doorbell: Option<u32>,
}

/// What the clock tells.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PhcTime {
    /// Nanoseconds since 1970 at the tests' monotonic clock's zero, with which it goes on.
    pub(crate) origin: u64,
    /// It shows the origin for ever.
    pub(crate) stands_still: bool,
    pub(crate) error_bound: u32,
    /// `ena_admin_phc_error_flags`.
    pub(crate) error_flags: u32,
    /// It answers another request.
    pub(crate) is_of_another: bool,
    /// It does not answer.
    pub(crate) is_mute: bool,
}

#[derive(Default)]
pub(super) struct Phc {
    /// Where it answers.
    pub(super) output: Option<u64>,
    pub(super) time: PhcTime,
    pub(super) requests: usize,
}

impl Ena {
    /// What the clock tells from now on.
    pub(crate) fn set_phc_time(&self, time: PhcTime) {
        self.state().phc.time = time;
    }

    /// How often the clock was asked.
    pub(crate) fn phc_requests(&self) -> usize {
        self.state().phc.requests
    }
}

impl State {
    pub(super) fn phc_feature(&mut self, version: u8) -> Outcome {
        let Some(offer) = self.configuration.phc else {
            return admin::UNSUPPORTED_OPCODE.into();
        };
        self.demand(
            version == 0,
            format_args!("GET_FEATURE: PHC_CONFIG has no version {version}"),
        );
        let doorbell = offer.wild_doorbell.unwrap_or(DOORBELL as u32);
        let mut outcome = Outcome::from(admin::SUCCESS);
        let words = [
            offer.version.into(),
            doorbell,
            offer.expire_timeout,
            offer.block_timeout,
        ];
        outcome.response[..words.len()].copy_from_slice(&words);
        outcome
    }

    pub(super) fn set_phc(&mut self, data: &[u32]) -> bool {
        let address = u64::from(data[4]) | u64::from(data[5] & 0xffff) << 32;
        let size = admin::PHC_RESP_SIZE;
        let is_right = self.demand(
            data[..4] == [0; 4] && data[5] >> 16 == 0,
            "SET_FEATURE: of PHC_CONFIG only the output is the driver's to set",
        ) & self.demand(
            data[6] as usize == size,
            format_args!("SET_FEATURE: the clock's output has {} bytes, not {size}", data[6]),
        ) & self.demand(
            self.settings.driver_features & admin::HOST_INFO_PHC != 0,
            "SET_FEATURE: the host information does not say that the driver knows PHC_CONFIG",
        ) & self.check_new_range(&"the clock's output", address, size, 8);
        if is_right {
            self.phc.output = Some(address);
        }
        is_right
    }

    /// A store to the clock's doorbell; false when it is another register.
    pub(super) fn ring_phc(&mut self, offset: usize, value: u32) -> bool {
        let Some(output) = self.phc.output.filter(|_| offset == DOORBELL) else {
            return false;
        };
        self.phc.requests += 1;
        let mut former = [0; 2];
        self.fetch(&"the clock's output", output, &mut former);
        let number = value as u16;
        self.demand(
            value <= u16::MAX.into() && u16::from_le_bytes(former) != number,
            format_args!("the clock is asked with the number {value:#x}, and the output holds it already"),
        );
        let time = self.phc.time;
        if !self.is_alive() || time.is_mute {
            return true;
        }
        let passed = if time.stands_still { 0 } else { monotonic() };
        let timestamp = time.origin.wrapping_add(passed);
        let mut answer = [0; admin::PHC_RESP_SIZE];
        let number = if time.is_of_another {
            number.wrapping_add(1)
        } else {
            number
        };
        answer[..2].copy_from_slice(&number.to_le_bytes());
        for (at, bytes) in [
            (admin::PHC_RESP_TIMESTAMP, &timestamp.to_le_bytes()[..]),
            (admin::PHC_RESP_ERROR_BOUND, &time.error_bound.to_le_bytes()),
            (admin::PHC_RESP_ERROR_FLAGS, &time.error_flags.to_le_bytes()),
        ] {
            answer[at..at + bytes.len()].copy_from_slice(bytes);
        }
        self.publish(&"the clock's output", output, &answer, 0);
        true
    }
}
