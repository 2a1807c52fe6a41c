//! Addresses for functions that the firmware gave none, as qboot does. What the firmware has placed stays where it is.

use alloc::vec::Vec;
use core::ops::Range;

use super::HEADER_TYPE;
use super::base_address::{BaseAddress, COUNT, Configuration};
use crate::mem::PAGE_SIZE;

/// Where every PC has its first I/O APIC: memory of PCI ends below it.
const INTERRUPT_CONTROLLER: u64 = 0xfec0_0000;
/// Ports of PCI. QEMU has its hot-plug and power management below.
const PORTS: Range<u64> = 0xc000..0x1_0000;

/// In bridges (PCI-to-PCI Bridge Architecture Specification 1.2, section 3.2.5).
const PORT_WINDOW: u8 = 0x1c;
const MEMORY_WINDOW: u8 = 0x20;
const PREFETCHABLE_WINDOW: u8 = 0x24;

/// The addresses between what a memory map has and the interrupt controller, where PCs decode PCI. The map's entries may be in any order, and overlap.
pub(crate) fn window(map: impl Iterator<Item = Range<u64>> + Clone) -> Range<u64> {
    let mut end = INTERRUPT_CONTROLLER;
    while let Some(entry) = map.clone().find(|entry| entry.start < end && end <= entry.end) {
        end = entry.start;
    }
    let start = map.filter(|entry| entry.start < end).map(|entry| entry.end).max();
    start.unwrap_or(0).min(end)..end
}

/// Whether the firmware has given a function no memory at all. One that it has given some is its business.
pub(super) fn is_untouched(space: &impl Configuration) -> bool {
    is_endpoint(space) && BaseAddress::all(space, COUNT).all(|register| !register.is_memory() || register.address == 0)
}

fn header_type(space: &impl Configuration) -> u32 {
    space.read(HEADER_TYPE) >> 16 & 0x7f
}

fn is_endpoint(space: &impl Configuration) -> bool {
    header_type(space) == 0
}

/// What is still free.
pub(super) struct Resources {
    memory: Space,
    ports: Space,
}

impl Resources {
    /// What the functions leave of the window.
    pub(super) fn new(window: Range<u64>, functions: &[impl Configuration]) -> Self {
        let mut all = Self {
            memory: Space::new(window, PAGE_SIZE as u64),
            ports: Space::new(PORTS, 1),
        };
        for function in functions {
            all.exclude(function);
        }
        all
    }

    fn exclude(&mut self, function: &impl Configuration) {
        let registers = match header_type(function) {
            0 => COUNT,
            1 => {
                self.exclude_windows(function);
                2
            }
            _ => return,
        };
        for register in BaseAddress::all(function, registers).filter(|register| register.address != 0) {
            let length = register.length(function).unwrap_or(1);
            self.space(register)
                .taken
                .push(register.address..register.address.saturating_add(length));
        }
    }

    /// What lies behind a bridge.
    fn exclude_windows(&mut self, bridge: &impl Configuration) {
        for offset in [MEMORY_WINDOW, PREFETCHABLE_WINDOW] {
            let both = u64::from(bridge.read(offset));
            self.memory
                .taken
                .push((both & 0xfff0) << 16..((both >> 16 & 0xfff0) << 16) + 0x10_0000);
        }
        let both = u64::from(bridge.read(PORT_WINDOW));
        self.ports.taken.push((both & 0xf0) << 8..(both & 0xf000) + 0x1000);
    }

    fn space(&mut self, register: BaseAddress) -> &mut Space {
        if register.is_memory() {
            &mut self.memory
        } else {
            &mut self.ports
        }
    }

    /// Gives every base address register of an untouched function an address.
    pub(super) fn assign(&mut self, function: &impl Configuration) -> Result<(), &'static str> {
        for register in BaseAddress::all(function, COUNT).filter(|register| register.address == 0) {
            let Some(length) = register.length(function) else {
                continue;
            };
            let address = self
                .space(register)
                .take(length)
                .ok_or("there is no room for its registers")?;
            if !register.place(function, address) {
                return Err("it takes none");
            }
        }
        Ok(())
    }
}

/// A range of addresses, and what is in use, of it or elsewhere.
struct Space {
    whole: Range<u64>,
    taken: Vec<Range<u64>>,
    /// The least that is given out, so that no two functions share a page.
    least: u64,
}

impl Space {
    fn new(whole: Range<u64>, least: u64) -> Self {
        Self {
            whole,
            taken: Vec::new(),
            least,
        }
    }

    /// The lowest free range of a length, a power of two, which it is aligned to.
    fn take(&mut self, length: u64) -> Option<u64> {
        let length = length.max(self.least);
        let mut start = self.whole.start;
        loop {
            start = start.checked_next_multiple_of(length)?;
            let end = start.checked_add(length)?;
            if end > self.whole.end {
                return None;
            }
            let Some(other) = self.taken.iter().find(|other| other.start < end && start < other.end) else {
                self.taken.push(start..end);
                return Some(start);
            };
            start = other.end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{COMMAND, IO_SPACE, MEMORY_SPACE};
    use super::*;
    use core::cell::RefCell;

    const WINDOW: Range<u64> = 0xc000_0000..0xfec0_0000;
    const BASE_ADDRESSES: usize = 0x10 / 4;
    const WIDE: u32 = 0b100;
    const PREFETCHABLE: u32 = 0b1000;
    const PORTS_FLAG: u32 = 0b01;

    /// A function's configuration space: base address registers with bits that can be written, and bits that cannot.
    struct Model {
        words: RefCell<[u32; 16]>,
        writable: [u32; 6],
    }

    impl Model {
        /// Registers by their writable bits and their flags.
        fn new(registers: &[(u32, u32)]) -> Self {
            let mut words = [0; 16];
            let mut writable = [0; 6];
            for (number, &(bits, flags)) in registers.iter().enumerate() {
                words[BASE_ADDRESSES + number] = flags;
                writable[number] = bits;
            }
            Self {
                words: RefCell::new(words),
                writable,
            }
        }

        fn with(self, offset: u8, value: u32) -> Self {
            self.words.borrow_mut()[usize::from(offset) / 4] |= value;
            self
        }

        fn address(&self, number: usize) -> u32 {
            self.words.borrow()[BASE_ADDRESSES + number]
        }
    }

    impl Configuration for Model {
        fn read(&self, offset: u8) -> u32 {
            self.words.borrow()[usize::from(offset) / 4]
        }

        fn write(&self, offset: u8, value: u32) {
            let mut words = self.words.borrow_mut();
            let number = usize::from(offset) / 4;
            if offset == COMMAND {
                assert_eq!(value >> 16, 0, "bits of the status are cleared");
                words[number] = words[number] & 0xffff_0000 | value;
                return;
            }
            let decoding = words[usize::from(COMMAND) / 4] & (IO_SPACE | MEMORY_SPACE);
            assert_eq!(decoding, 0, "a register is changed while the function answers at it");
            let writable = self.writable[number - BASE_ADDRESSES];
            words[number] = words[number] & !writable | value & writable;
        }
    }

    /// As much memory as a power of two has bytes.
    const fn bytes(length: u32) -> u32 {
        length.wrapping_neg()
    }

    fn empty() -> Resources {
        Resources::new(WINDOW, &[] as &[Model])
    }

    #[test]
    fn the_window_lies_between_the_memory_map_and_the_interrupt_controller() {
        let qboot = [
            0..0x9_fc00,
            0xf_0000..0x10_0000,
            0xb000_0000..0xc000_0000,
            0x10_0000..0x1000_0000,
        ];
        assert_eq!(window(qboot.iter().cloned()), WINDOW);
        let pc = [0..0xe000_0000, 0x1_0000_0000..0x2_0000_0000];
        assert_eq!(window(pc.iter().cloned()), 0xe000_0000..0xfec0_0000);
        let reserved = [0..0x1000_0000, 0xfe70_0000..0xfe90_0000, 0xfe80_0000..0x1_0000_0000];
        assert_eq!(window(reserved.iter().cloned()), 0x1000_0000..0xfe70_0000);
        assert!(window(core::iter::once(0..u64::MAX)).is_empty());
        let damaged = [(0xd000_0000, 0xc000_0000), (u64::MAX, 0)].map(|(start, end)| Range { start, end });
        assert_eq!(window(damaged.iter().cloned()), 0xc000_0000..0xfec0_0000);
    }

    #[test]
    fn every_register_gets_an_aligned_address_of_its_own() {
        // As QEMU's transitional virtio devices have them: ports, the table of messages, and a wide one.
        let function = Model::new(&[
            (bytes(0x40), PORTS_FLAG),
            (bytes(0x1000), 0),
            (0, 0),
            (0, 0),
            (bytes(0x4000), WIDE | PREFETCHABLE),
            (!0, 0),
        ]);
        assert!(is_untouched(&function));

        let mut resources = empty();
        assert_eq!(resources.assign(&function), Ok(()));
        let given = [0, 1, 2, 3, 4, 5].map(|number| function.address(number));
        assert_eq!(given, [0xc001, 0xc000_0000, 0, 0, 0xc000_400c, 0]);
        assert!(!is_untouched(&function));

        let other = Model::new(&[(bytes(0x10), 0), (bytes(0x20), PORTS_FLAG), (bytes(0x100), 0)]);
        assert_eq!(resources.assign(&other), Ok(()));
        let given = [0, 1, 2].map(|number| other.address(number));
        assert_eq!(given, [0xc000_1000, 0xc041, 0xc000_2000], "no two share a page");
    }

    #[test]
    fn what_the_firmware_has_placed_stays_and_is_not_given_again() {
        let low = Model::new(&[(bytes(0x1_0000), 0xc000_0000)]).with(COMMAND, 0xffff_0007);
        let high = Model::new(&[(bytes(0x4000), WIDE), (!0, 0x80)]);
        let ports = Model::new(&[(bytes(0x100), 0xc000 | PORTS_FLAG), (bytes(0x1000), 0xc001_0000)]);
        // Its windows: memory from 0xc0200000 to 0xc03fffff, prefetchable memory and ports of 0xc000 to 0xcfff.
        let bridge = Model::new(&[])
            .with(HEADER_TYPE, 0x01_0000)
            .with(MEMORY_WINDOW, 0xc030_c020)
            .with(PREFETCHABLE_WINDOW, 0xc041_c041)
            .with(PORT_WINDOW, 0xc1c1);
        let all = [low, high, ports, bridge];
        assert!(all.iter().all(|function| !is_untouched(function)));
        let before = all.each_ref().map(|function| *function.words.borrow());

        let mut resources = Resources::new(WINDOW, &all);
        let function = Model::new(&[(bytes(0x1000), 0), (bytes(0x20_0000), 0), (bytes(0x20), PORTS_FLAG)]);
        assert_eq!(resources.assign(&function), Ok(()));
        assert_eq!(function.address(0), 0xc001_1000);
        assert_eq!(function.address(1), 0xc060_0000);
        assert_eq!(function.address(2), 0xd001);
        assert_eq!(all.map(|function| *function.words.borrow()), before);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let no_room = Err("there is no room for its registers");
        // A GiB, where there is a little less.
        assert_eq!(empty().assign(&Model::new(&[(bytes(1 << 30), 0)])), no_room);
        // 8 GiB, and half of everything.
        assert_eq!(empty().assign(&Model::new(&[(0, WIDE), (bytes(2), 0)])), no_room);
        assert_eq!(empty().assign(&Model::new(&[(0, WIDE), (1 << 31, 0)])), no_room);
        assert_eq!(empty().assign(&Model::new(&[(bytes(0x8000), PORTS_FLAG)])), no_room);
        let mut nothing = Resources::new(0..0, &[] as &[Model]);
        assert_eq!(nothing.assign(&Model::new(&[(bytes(16), 0)])), no_room);
    }

    #[test]
    fn registers_that_make_no_sense_get_nothing() {
        // Bits with holes: the lowest says how much, and the address does not stay.
        assert_eq!(empty().assign(&Model::new(&[(0x0fff_f000, 0)])), Err("it takes none"));
        // Of the old kind below 1 MiB, and a wide one with nowhere to put its upper half.
        let odd = Model::new(&[(bytes(16), 0b010), (0, 0), (0, 0), (0, 0), (0, 0), (bytes(16), WIDE)]);
        assert_eq!(empty().assign(&odd), Ok(()));
        assert_eq!([odd.address(0), odd.address(5)], [0b010, WIDE]);
        // All bits are one and stay so: the function has gone.
        let gone = Model::new(&[(0, !0); 6]);
        assert_eq!(empty().assign(&gone), Ok(()));
    }

    #[test]
    fn a_function_that_the_firmware_gave_a_part_is_left_to_it() {
        assert!(!is_untouched(&Model::new(&[
            (bytes(0x1000), 0xe000_0000),
            (bytes(0x1000), 0)
        ])));
        assert!(!is_untouched(&Model::new(&[]).with(HEADER_TYPE, 0x81_0000)));
        // Ports alone say nothing: an address of theirs is that of before PCI.
        assert!(is_untouched(
            &Model::new(&[(bytes(8), 0x1f1), (bytes(0x1000), 0)]).with(HEADER_TYPE, 0x80_0000)
        ));
    }
}
