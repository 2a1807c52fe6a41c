//! QEMU's firmware configuration device: named items from the host (QEMU's `docs/specs/fw_cfg.rst`).

use alloc::vec::Vec;

use crate::arch;
use crate::mem::{Frame, PAGE_SIZE};

/// The most bytes of an item that are taken.
const MAX_ITEM: usize = 1 << 20;

const SIGNATURE: u16 = 0x0000;
const INTERFACE: u16 = 0x0001;
const DIRECTORY: u16 = 0x0019;

const HAS_DMA: u8 = 1 << 1;
const ERROR: u32 = 1 << 0;
const READ: u32 = 1 << 1;
const SELECT: u32 = 1 << 3;

/// Bytes of a directory entry: size, selector, reserved, name.
const ENTRY: usize = 64;

/// The content of an item; `None` when there is no such device or no such item, or it has more than 1 MiB.
pub fn read(name: &str) -> Option<Vec<u8>> {
    let device = Device::open()?;
    let count = u32::from_be_bytes(device.item(DIRECTORY, 4)?.try_into().ok()?) as usize;
    let directory = device.item(DIRECTORY, 4 + count.min(MAX_ITEM / ENTRY) * ENTRY)?;
    let entry = directory[4..].chunks_exact(ENTRY).find(|entry| {
        let length = entry[8..].iter().position(|&byte| byte == 0).unwrap_or(ENTRY - 8);
        &entry[8..8 + length] == name.as_bytes()
    })?;
    let size = u32::from_be_bytes(entry[0..4].try_into().ok()?) as usize;
    let selector = u16::from_be_bytes(entry[4..6].try_into().ok()?);
    if size > MAX_ITEM {
        return None;
    }
    device.item(selector, size)
}

/// The device, and the page that it and the kernel take turns with: the command, then data.
struct Device {
    page: Frame,
}

impl Device {
    fn open() -> Option<Self> {
        let mut signature = [0; 4];
        arch::read_fw_cfg(SIGNATURE, &mut signature);
        let mut interface = [0; 1];
        arch::read_fw_cfg(INTERFACE, &mut interface);
        (signature == *b"QEMU" && interface[0] & HAS_DMA != 0).then_some(())?;
        Some(Self {
            page: Frame::allocate_zeroed()?,
        })
    }

    /// The first `length` bytes of an item.
    fn item(&self, selector: u16, length: usize) -> Option<Vec<u8>> {
        const COMMAND: usize = 16;
        let mut content = alloc::vec![0; length];
        for (index, chunk) in content.chunks_mut(PAGE_SIZE - COMMAND).enumerate() {
            let select = if index == 0 {
                SELECT | u32::from(selector) << 16
            } else {
                0
            };
            let mut command = [0; COMMAND];
            command[0..4].copy_from_slice(&(READ | select).to_be_bytes());
            command[4..8].copy_from_slice(&(chunk.len() as u32).to_be_bytes());
            command[8..16].copy_from_slice(&(self.page.address() + COMMAND as u64).to_be_bytes());
            self.page.write(0, &command);
            // SAFETY: the command makes the device write the rest of this page only.
            unsafe { arch::start_fw_cfg(self.page.address()) };
            loop {
                let mut control = [0; 4];
                self.page.read(0, &mut control);
                match u32::from_be_bytes(control) {
                    0 => break,
                    control if control & ERROR != 0 => return None,
                    _ => core::hint::spin_loop(),
                }
            }
            self.page.read(COMMAND, chunk);
        }
        Some(content)
    }
}
