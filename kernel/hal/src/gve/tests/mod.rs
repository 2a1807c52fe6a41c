//! The driver against the model, which another hand has written from the same definitions.

mod garbage;
mod start;
mod storm;
mod traffic;
mod trouble;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::MutexGuard;

use super::card::Gve;
use super::device::Parts;
use super::failure::Failure;
use super::model::{self, Configuration, Format};
use super::register;

use crate::block::tests::alone_with_the_clock;
use crate::bus::{Model, Registers};
use crate::network::model::{NOTHING, Rig as _, frames};
use crate::network::{Card, Outgoing};
use crate::time;

const SECOND: u64 = 1_000_000_000;
/// The formats that are driven.
const FORMATS: [Format; 3] = [Format::GqiQpl, Format::DqoRda, Format::DqoQpl];

/// A device, its driver, and how often the driver has said that packets have come.
struct Rig {
    device: model::Gve,
    card: Arc<Gve>,
    calls: Arc<AtomicUsize>,
    _alone: MutexGuard<'static, ()>,
}

impl Rig {
    fn new(configuration: &Configuration) -> Self {
        let alone = alone_with_the_clock();
        let device = model::Gve::new(configuration.clone());
        let card = start(&device).unwrap_or_else(|failure| panic!("{failure}: {:?}", device.violations()));
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        card.on_receive(Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        let handlers: [fn(&Gve); 3] = [Gve::notice_sent, Gve::notice, Gve::hear];
        for (message, handle) in handlers.into_iter().enumerate() {
            let card = card.clone();
            device.connect(message as u16, Arc::new(move || handle(&card)));
        }
        // The network looks once, and from then on when it is called.
        assert!(!card.receive(&mut |_, _| {}));
        device.deliver();
        device.assert_obeyed();
        calls.store(0, Ordering::Relaxed);
        Self {
            device,
            card,
            calls,
            _alone: alone,
        }
    }

    fn of(format: Format) -> Self {
        Self::new(&Configuration::of(format))
    }

    /// Of every format, one after the other.
    fn every() -> impl Iterator<Item = Self> {
        FORMATS.into_iter().map(Self::of)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Waits for one reset, then packets come through again.
    #[track_caller]
    fn recovers(&self) {
        let (resets, calls) = (self.device.resets(), self.calls());
        self.watch_until(|| self.device.resets() > resets && self.device.queues() == (1, 1));
        assert_eq!(self.device.resets(), resets + 1, "one reset is enough");
        assert!(self.calls() > calls, "the network looks again");
        assert_eq!(self.received(), NOTHING);
        self.device.deliver();
        self.check();
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
        self.device.resets()
    }
}

/// Registers that take a millisecond to be read, so that time passes for whoever waits for them.
struct Slow(Registers);

impl Model for Slow {
    fn read(&self, offset: usize, size: usize) -> u64 {
        time::advance(SECOND / 1000);
        assert_eq!(size, 4, "bytes of a register that is read");
        self.0.read32(offset).into()
    }

    fn write(&self, offset: usize, size: usize, value: u64) {
        match size {
            2 => self.0.write16(offset, value as u16),
            _ => self.0.write32(offset, value as u32),
        }
    }
}

fn start(device: &model::Gve) -> Result<Arc<Gve>, Failure> {
    let registers = Box::leak(Box::new(Slow(device.registers())));
    let parts = Parts {
        registers: Registers::of_model(registers, register::LENGTH),
        doorbells: device.doorbells(),
        revision: device.revision(),
        message: 0,
    };
    Gve::start(String::from("model"), parts)
}
