//! What the file of a program gives who runs it, as `capabilities(7)` has it.

use abi::Errno;

/// The extended attribute that holds it.
pub const FILE_CAPABILITIES: &[u8] = b"security.capability";

/// The capabilities of a program's file (`security.capability`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCapabilities {
    /// What who runs it gets, within the bounding set.
    pub permitted: u64,
    /// What stays of what is inheritable.
    pub inheritable: u64,
    /// Whether what it gives is effective from the start.
    pub effective: bool,
}

impl FileCapabilities {
    /// From `struct vfs_cap_data` of revision 2, or of 3 which names the root user of a user namespace: `None` when that is not this one's. `EINVAL`
    /// when it is neither.
    pub fn parse(value: &[u8]) -> Result<Option<Self>, Errno> {
        const REVISION_2: u32 = 2 << 24;
        const REVISION_3: u32 = 3 << 24;
        const EFFECTIVE: u32 = 1;
        /// All up to the last one, number 40.
        const ALL: u64 = (2 << 40) - 1;
        let chunks = value.as_chunks::<4>().0;
        let word = |index: usize| chunks.get(index).map_or(0, |&chunk| u32::from_le_bytes(chunk));
        let magic = word(0);
        if !matches!((magic & !EFFECTIVE, value.len()), (REVISION_2, 20) | (REVISION_3, 24)) {
            return Err(Errno::INVAL);
        }
        let set = |low: usize| (u64::from(word(low + 2)) << 32 | u64::from(word(low))) & ALL;
        // The root user is the last word of revision 3.
        Ok((word(5) == 0).then(|| Self {
            permitted: set(1),
            inheritable: set(2),
            effective: magic & EFFECTIVE != 0,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_gives_is_read_from_either_revision() {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        let two = FileCapabilities::parse(&words(&[0x0200_0001, 1 << 14, 0, 0, 1 << 7]));
        let expected = FileCapabilities {
            permitted: 1 << 14,
            inheritable: 1 << 39,
            effective: true,
        };
        assert_eq!(two, Ok(Some(expected)));
        let three = |root| FileCapabilities::parse(&words(&[0x0300_0001, 1 << 14, 0, 0, 1 << 7, root]));
        assert_eq!(three(0), Ok(Some(expected)));
        assert_eq!(three(1000), Ok(None));
        for wrong in [
            &[][..],
            &[0x0200_0001, 0, 0, 0],
            &[0x0200_0000; 6],
            &[0x0300_0000; 5],
            &[0x0100_0000; 3],
        ] {
            assert_eq!(FileCapabilities::parse(&words(wrong)), Err(Errno::INVAL));
        }
    }
}
