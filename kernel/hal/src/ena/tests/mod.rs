//! The driver against the model, which another hand has written from the same definitions.

mod clock;
mod start;
mod traffic;
mod trouble;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::MutexGuard;

use super::card::Ena;
use super::device::Parts;
use super::failure::Failure;
use super::model::{self, Configuration, LlqOffer, RegisterReads};

use crate::block::tests::alone_with_the_clock;
use crate::network::model::{NOTHING, Rig as _, frames};
use crate::network::{Card, Outgoing};
use crate::time;

const SECOND: u64 = 1_000_000_000;
/// `ENA_ADMIN_DISABLE_META_CACHING` and `ENA_ADMIN_LIMIT_TX_BURST`, as bits.
const ACCELERATIONS: u16 = 0b11;

/// A device, its driver, and how often the driver has said that packets have come.
struct Rig {
    device: model::Ena,
    card: Arc<Ena>,
    calls: Arc<AtomicUsize>,
    _alone: MutexGuard<'static, ()>,
}

impl Rig {
    fn new(configuration: &Configuration) -> Self {
        let alone = alone_with_the_clock();
        let device = model::Ena::new(configuration.clone());
        let card =
            start(&device, configuration).unwrap_or_else(|failure| panic!("{failure}: {:?}", device.violations()));
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        card.on_receive(Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        let (hears, notices) = (card.clone(), card.clone());
        device.connect(0, Arc::new(move || hears.hear()));
        device.connect(1, Arc::new(move || notices.notice()));
        // The network looks once, and from then on when it is called.
        assert!(!card.receive(&mut |_, _| {}));
        device.deliver();
        device.assert_obeyed();
        Self {
            device,
            card,
            calls,
            _alone: alone,
        }
    }

    fn host_memory() -> Self {
        Self::new(&host_memory())
    }

    /// Lets time pass until the device was reset and works again; for which reason.
    #[track_caller]
    fn watch_through_reset(&self) -> u32 {
        let resets = self.device.resets().len();
        self.watch_until(|| self.device.resets().len() > resets && self.device.queues() == (2, 2));
        assert_eq!(self.device.resets().len(), resets + 1, "one reset is enough");
        self.device.resets()[resets]
    }
}

impl crate::network::model::Rig for Rig {
    fn card(&self) -> &dyn Card {
        &*self.card
    }

    #[track_caller]
    fn sent(&self) -> Vec<Vec<u8>> {
        self.device.assert_obeyed();
        self.device.sent().into_iter().map(|sent| sent.bytes).collect()
    }

    fn arrive(&self, frame: &[u8]) -> bool {
        let is_taken = self.device.receive(0, frame);
        self.device.deliver();
        is_taken
    }

    fn count_resets(&self) -> usize {
        self.device.resets().len()
    }
}

fn start(device: &model::Ena, configuration: &Configuration) -> Result<Arc<Ena>, Failure> {
    let parts = Parts {
        registers: device.registers(),
        memory: configuration.llq.map(|_| device.llq_memory()),
        address: 0x0028,
        is_readless: configuration.reads != RegisterReads::Loads,
        message: 1,
    };
    Ena::start(String::from("model"), parts)
}

fn host_memory() -> Configuration {
    Configuration {
        llq: None,
        ..Configuration::default()
    }
}

/// Low-latency queues of every kind that is known.
fn low_latency() -> Vec<Configuration> {
    let usual = Configuration::default().llq.expect("low-latency queues by default");
    let offers = [
        usual,
        LlqOffer {
            accelerations: ACCELERATIONS,
            burst_bytes: 1024,
            ..usual
        },
        LlqOffer {
            entry_sizes: 4,
            descs_before_header: 1,
            strides: 1,
            ..usual
        },
        LlqOffer {
            entry_sizes: 2,
            descs_before_header: 4,
            depth: 32,
            ..usual
        },
    ];
    let with = |llq| Configuration {
        llq: Some(llq),
        ..Configuration::default()
    };
    offers.map(with).into()
}
