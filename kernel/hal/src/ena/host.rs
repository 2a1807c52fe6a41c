//! What the device is told of its host (`ena_admin_host_info`): a page that it reads for its maker's statistics.

use core::sync::atomic::Ordering;

use crate::cpu;
use crate::dma::Shared;
use crate::mem::PAGE_SIZE;

/// Linux: there is no number for others, and it is what the application takes this for.
const OS_TYPE: u32 = 1;
const NAME: &[u8] = b"pulumi-unikernel";
/// Version 2.0 of the definitions.
const SPECIFICATION: u32 = 2 << 8;
/// Packets may begin behind the start of their first buffer.
const RX_OFFSET: u32 = 1 << 1;
/// The card's clock is asked for the time.
const PHC: u32 = 1 << 8;

const OS_DIST_STR: usize = 4;
const KERNEL_VER_STR: usize = 136;
const KERNEL_VER_STR_LENGTH: usize = 32;
const DRIVER_VERSION: usize = 172;
const SPEC_VERSION_AND_BDF: usize = 184;
const NUM_CPUS: usize = 188;
const DRIVER_SUPPORTED_FEATURES: usize = 192;

/// The page for the function at a PCI address.
pub(super) fn page(address: u16) -> Option<Shared> {
    let page = Shared::allocate(PAGE_SIZE)?;
    let put = |at: usize, value: u32| page.set32(at, value, Ordering::Relaxed);
    put(0, OS_TYPE);
    page.write(OS_DIST_STR, NAME);
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    page.write(KERNEL_VER_STR, &version[..version.len().min(KERNEL_VER_STR_LENGTH - 1)]);
    let mut numbers = version.split(|&byte| byte == b'.').map(|digits| {
        let text = core::str::from_utf8(digits).ok();
        text.and_then(|text| text.parse::<u8>().ok()).unwrap_or(0)
    });
    let mut number = || u32::from(numbers.next().unwrap_or(0));
    put(DRIVER_VERSION, number() | number() << 8 | number() << 16);
    put(SPEC_VERSION_AND_BDF, SPECIFICATION | u32::from(address) << 16);
    put(NUM_CPUS, cpu::count() as u32);
    put(DRIVER_SUPPORTED_FEATURES, RX_OFFSET | PHC);
    Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ena_hosts_are_described_where_the_definitions_say() {
        let page = page(0x0028).expect("memory");
        let mut bytes = [0; 196];
        page.read(0, &mut bytes);
        assert_eq!(bytes[..4], [1, 0, 0, 0]);
        assert_eq!(bytes[4..21], *b"pulumi-unikernel\0");
        assert_eq!(bytes[136..142], *b"0.1.0\0");
        assert_eq!(bytes[172..176], [0, 1, 0, 0]);
        assert_eq!(bytes[184..188], [0, 2, 0x28, 0]);
        assert_ne!(bytes[188], 0, "CPUs");
        assert_eq!(bytes[192..], [2, 1, 0, 0]);
    }
}
