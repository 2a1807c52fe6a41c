//! Checksums of 32 bits by cyclic redundancy, four bits at a time: a table of 64 bytes.

/// A sum of one polynomial.
pub(crate) struct Crc32 {
    /// What four bits do to a sum.
    nibbles: [u32; 16],
}

impl Crc32 {
    /// `polynomial` has its lowest power in the highest bit.
    pub(crate) const fn of(polynomial: u32) -> Self {
        let mut nibbles = [0; 16];
        let mut bits = 0;
        while bits < nibbles.len() {
            let mut sum = bits as u32;
            let mut step = 0;
            while step < 4 {
                sum = (sum >> 1) ^ (polynomial & 0u32.wrapping_sub(sum & 1));
                step += 1;
            }
            nibbles[bits] = sum;
            bits += 1;
        }
        Self { nibbles }
    }

    /// The sum with one more byte.
    pub(crate) fn add(&self, sum: u32, byte: u8) -> u32 {
        let first = sum ^ u32::from(byte);
        let second = (first >> 4) ^ self.nibbles[(first & 15) as usize];
        (second >> 4) ^ self.nibbles[(second & 15) as usize]
    }
}
