//! What the device is told of its driver (`gve_driver_info`).

use crate::dma::Shared;

/// Linux: there is no number for others, and it is what the application takes this for.
const OS_TYPE: u8 = 1;
const NAME: &[u8] = b"pulumi-unikernel";
/// The formats that are driven (`gve_driver_capbility`): GQI-QPL, DQO-QPL and DQO-RDA.
const CAPABILITIES: u64 = 1 << 0 | 1 << 2 | 1 << 3;

const DRIVER_CAPABILITY_FLAGS: usize = 16;
const OS_VERSION_STR: usize = 48;
/// Bytes of all.
pub(super) const LENGTH: usize = 304;

/// Writes it to a page of zeroes.
pub(super) fn introduce(page: &Shared) {
    let mut numbers = env!("CARGO_PKG_VERSION")
        .split('.')
        .map(|digits| digits.parse().unwrap_or(0));
    let version: [u8; 3] = core::array::from_fn(|_| numbers.next().unwrap_or(0));
    let [major, minor, sub] = version;
    page.write(0, &[OS_TYPE, major, minor, sub]);
    for (index, number) in version.into_iter().enumerate() {
        page.write(4 + index * 4, &u32::from(number).to_be_bytes());
    }
    page.write(DRIVER_CAPABILITY_FLAGS, &CAPABILITIES.to_be_bytes());
    page.write(OS_VERSION_STR, NAME);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gve_drivers_are_described_where_the_definitions_say() {
        let page = Shared::allocate(LENGTH).expect("memory");
        introduce(&page);
        let mut bytes = [0; LENGTH];
        page.read(0, &mut bytes);
        assert_eq!(bytes[..16], [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(bytes[16..24], [0, 0, 0, 0, 0, 0, 0, 0b1101]);
        assert_eq!(bytes[24..48], [0; 24]);
        assert_eq!(bytes[48..65], *b"pulumi-unikernel\0");
        assert_eq!(bytes[176..], [0; 128]);
    }
}
