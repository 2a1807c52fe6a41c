//! Looking for a byte, eight at a time: names and paths are looked through at each step.

/// Where `byte` is first.
pub fn find_byte(bytes: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let (words, rest) = bytes.as_chunks::<8>();
    let wanted = u64::from(byte) * ONES;
    for (index, word) in words.iter().enumerate() {
        // A byte that is the one is zero here; then its top bit is set below, and maybe that of some above the lowest of these.
        let word = u64::from_le_bytes(*word) ^ wanted;
        let found = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if found != 0 {
            return Some(index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let end = rest.iter().position(|&other| other == byte)?;
    Some(words.len() * 8 + end)
}

#[cfg(test)]
mod tests {
    use super::find_byte;
    use alloc::vec::Vec;

    #[test]
    fn the_first_of_a_byte_is_found_wherever_it_is() {
        for length in 0..40 {
            for byte in [0, 1, b'/', 0x80, 0xff] {
                // The neighbours of a byte are what arithmetic on words confuses with it.
                let mut bytes: Vec<u8> = (0..length).map(|at| byte ^ [1, 0x80, 0x81][at % 3]).collect();
                assert_eq!(find_byte(&bytes, byte), None);
                for at in (0..length).rev() {
                    bytes[at] = byte;
                    assert_eq!(find_byte(&bytes, byte), Some(at), "{bytes:?}");
                }
            }
        }
    }
}
