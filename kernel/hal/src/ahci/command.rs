//! What goes to a disk: frame information structures (Serial ATA 3.1, 10.5.5), and how AHCI describes them in memory (section 4.2).

/// Bytes of a command header.
pub(super) const HEADER: usize = 32;
/// Bytes of a command table before its regions.
pub(super) const TABLE: usize = 0x80;
/// Bytes of an entry of the table of regions.
pub(super) const REGION: usize = 16;
/// Double words of a register frame from host to device.
pub(super) const FRAME: usize = 5;

const IDENTIFY_DEVICE: u8 = 0xec;
const READ_DMA_EXT: u8 = 0x25;
const REGISTERS_HOST_TO_DEVICE: u8 = 0x27;
/// The frame carries a command.
const IS_COMMAND: u8 = 1 << 7;
const LBA: u8 = 1 << 6;

/// A register frame from host to device.
type Frame = [u32; FRAME];

fn frame(command: u8, block: u64, count: u16, device: u8) -> Frame {
    let block = block.to_le_bytes();
    let count = count.to_le_bytes();
    [
        [REGISTERS_HOST_TO_DEVICE, IS_COMMAND, command, 0],
        [block[0], block[1], block[2], device],
        [block[3], block[4], block[5], 0],
        [count[0], count[1], 0, 0],
        [0; 4],
    ]
    .map(u32::from_le_bytes)
}

/// `IDENTIFY DEVICE` (ACS-3, 7.12).
pub(super) fn identify() -> Frame {
    frame(IDENTIFY_DEVICE, 0, 0, 0)
}

/// `READ DMA EXT` (ACS-3, 7.23) of 1 to 65,535 blocks.
pub(super) fn read(block: u64, blocks: u16) -> Frame {
    frame(READ_DMA_EXT, block, blocks, LBA)
}

/// The header of a command that reads into `regions` regions, with its table at `table`.
pub(super) fn header(regions: usize, table: u64) -> [u32; 4] {
    [
        FRAME as u32 | (regions as u32) << 16,
        0,
        table as u32,
        (table >> 32) as u32,
    ]
}

/// A region of memory that bytes go to: `length` is even.
pub(super) fn region(address: u64, length: usize) -> [u32; 4] {
    [address as u32, (address >> 32) as u32, 0, length as u32 - 1]
}

/// The size of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) blocks: u64,
    pub(super) block_shift: u8,
}

/// From the answer to `IDENTIFY DEVICE`; `None` for disks without 48-bit addresses or with blocks that are not of 512 to 4096 bytes.
pub(super) fn shape(identity: &[u8; 512]) -> Option<Shape> {
    let word = |index: usize| u16::from_le_bytes([identity[2 * index], identity[2 * index + 1]]);
    let is_valid = |word: u16| word & 0xc000 == 0x4000;
    let has_48_bits = is_valid(word(83)) && word(83) & 1 << 10 != 0;
    let blocks = (100..104)
        .rev()
        .fold(0, |blocks, index| blocks << 16 | u64::from(word(index)));
    let long_blocks = is_valid(word(106)) && word(106) & 1 << 12 != 0;
    let size = if long_blocks {
        2 * (u32::from(word(118)) << 16 | u32::from(word(117)))
    } else {
        512
    };
    let fits = size.is_power_of_two() && (512..=4096).contains(&size);
    (has_48_bits && blocks != 0 && fits).then_some(Shape {
        blocks,
        block_shift: size.ilog2() as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_encoded_as_the_specification_has_them() {
        let bytes: alloc::vec::Vec<u8> = read(0x0605_0403_0201, 0x0807)
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        assert_eq!(
            bytes,
            [0x27, 0x80, 0x25, 0, 1, 2, 3, 0x40, 4, 5, 6, 0, 7, 8, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(identify()[0], 0x00ec_8027);
        assert_eq!(header(3, 0x1_0000_0080), [3 << 16 | 5, 0, 0x80, 1]);
        assert_eq!(region(0x2_0000_1000, 4096), [0x1000, 2, 0, 4095]);
    }

    #[test]
    fn a_disk_says_its_size() {
        let mut identity = [0; 512];
        let mut set =
            |index: usize, value: u16| identity[2 * index..2 * index + 2].copy_from_slice(&value.to_le_bytes());
        set(83, 0x4400);
        set(100, 0x1234);
        set(102, 1);
        let expected = Shape {
            blocks: 0x1_0000_1234,
            block_shift: 9,
        };
        assert_eq!(shape(&identity), Some(expected));
        let mut set =
            |index: usize, value: u16| identity[2 * index..2 * index + 2].copy_from_slice(&value.to_le_bytes());
        set(106, 0x5000);
        set(117, 2048);
        assert_eq!(shape(&identity).map(|shape| shape.block_shift), Some(12));
        let mut set =
            |index: usize, value: u16| identity[2 * index..2 * index + 2].copy_from_slice(&value.to_le_bytes());
        set(117, 260);
        assert_eq!(shape(&identity), None, "520 bytes");
        assert_eq!(shape(&[0; 512]), None);
        assert_eq!(shape(&[0xff; 512]), None, "not valid");
    }
}
