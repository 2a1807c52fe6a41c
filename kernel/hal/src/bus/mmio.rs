//! Memory-mapped devices: those that the firmware names, and those that the command line names: `virtio_mmio.device=SIZE@ADDRESS:INTERRUPT`, as Linux takes it.

use crate::acpi;
use crate::boot::Boot;

/// Where a virtio-mmio device is.
pub(super) struct Slot {
    pub(super) address: u64,
    pub(super) length: usize,
    /// The input of the interrupt controller.
    pub(super) interrupt: u32,
}

pub(super) fn devices(boot: &Boot) -> impl Iterator<Item = Slot> {
    let named = acpi::mmio_devices()
        .into_iter()
        .map(|device| Slot {
            address: device.address,
            length: device.length,
            interrupt: device.interrupt,
        })
        .filter(Slot::is_plausible);
    named.chain(
        boot.arguments()
            .filter_map(|word| parse(word.strip_prefix("virtio_mmio.device=")?)),
    )
}

impl Slot {
    /// Whether it can be registers: above the first MiB, and no more than a few pages.
    fn is_plausible(&self) -> bool {
        self.address >= 0x10_0000 && (0x100..=0x10_0000).contains(&self.length)
    }
}

fn parse(text: &str) -> Option<Slot> {
    let (length, rest) = text.split_once('@')?;
    let mut rest = rest.split(':');
    let address = number(rest.next()?)?;
    let interrupt = rest.next()?.parse().ok()?;
    let length = match length.as_bytes().last()? {
        b'k' | b'K' => number(&length[..length.len() - 1])? << 10,
        _ => number(length)?,
    };
    let slot = Slot {
        address,
        length: usize::try_from(length).ok()?,
        interrupt,
    };
    slot.is_plausible().then_some(slot)
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
