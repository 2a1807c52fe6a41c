//! The kernel's file as it lies on a disk: its ELF file, compressed. Nothing in it is believed.
//!
//! See RFC 1952; of its headers the image builder writes the shortest.

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::KernelError;

/// Magic number, deflate, no optional fields.
const START: [u8; 4] = [0x1f, 0x8b, 8, 0];
const HEADER_SIZE: usize = 10;
const TRAILER_SIZE: usize = 8;
/// Deflate cannot do better: 258 bytes of a code of two bits.
const BEST_RATIO: usize = 1032;

/// A table of 1 KiB: the loader for BIOS has little room.
const CHECKSUM: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// A compressed file whose header was found good.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    deflated: &'a [u8],
    checksum: u32,
    size: u32,
}

impl<'a> Packed<'a> {
    /// Reads the header and the trailer of a whole file.
    pub fn parse(file: &'a [u8]) -> Result<Self, KernelError> {
        if !file.starts_with(&START) {
            return Err(KernelError::NoKernel);
        }
        let (rest, size) = file.split_last_chunk().ok_or(KernelError::Corrupt)?;
        let (_, checksum) = rest.split_last_chunk().ok_or(KernelError::Corrupt)?;
        let packed = Self {
            deflated: file
                .get(HEADER_SIZE..file.len() - TRAILER_SIZE)
                .ok_or(KernelError::Corrupt)?,
            checksum: u32::from_le_bytes(*checksum),
            size: u32::from_le_bytes(*size),
        };
        // Else a bit that fell over would be told as a lack of memory.
        if packed.size() / BEST_RATIO > packed.deflated.len() {
            return Err(KernelError::Corrupt);
        }
        Ok(packed)
    }

    /// Bytes of the ELF file.
    pub fn size(&self) -> usize {
        self.size as usize
    }

    /// Writes the ELF file to memory of [`size`](Self::size) bytes.
    pub fn unpack(&self, file: &mut [u8]) -> Result<(), KernelError> {
        let mut state = DecompressorOxide::new();
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = decompress(&mut state, self.deflated, file, 0, flags);
        let whole = status == TINFLStatus::Done && read == self.deflated.len() && written == file.len();
        if whole && CHECKSUM.checksum(file) == self.checksum {
            Ok(())
        } else {
            Err(KernelError::Corrupt)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// Some of it repeats, some does not.
    fn original() -> Vec<u8> {
        (0..100_000_u32)
            .map(|index| (index.wrapping_mul(index / 300) >> 7) as u8)
            .collect()
    }

    /// As the `gzip` of the host makes it.
    fn file() -> Vec<u8> {
        let mut gzip = Command::new("gzip")
            .args(["--no-name", "--stdout"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = gzip.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(&original()).unwrap());
        let output = gzip.wait_with_output().unwrap();
        writer.join().unwrap();
        output.stdout
    }

    fn unpack(file: &[u8]) -> Result<Vec<u8>, KernelError> {
        let packed = Packed::parse(file)?;
        let mut unpacked = vec![0; packed.size()];
        packed.unpack(&mut unpacked)?;
        Ok(unpacked)
    }

    #[test]
    fn what_gzip_has_packed_is_unpacked() {
        let file = file();
        assert!(file.len() < original().len() * 9 / 10, "{} bytes", file.len());
        assert_eq!(unpack(&file), Ok(original()));
    }

    #[test]
    fn what_is_not_packed_is_refused() {
        assert_eq!(unpack(b""), Err(KernelError::NoKernel));
        assert_eq!(unpack(&[0; 4096]), Err(KernelError::NoKernel));
        assert_eq!(unpack(&original()), Err(KernelError::NoKernel));
    }

    #[test]
    fn a_file_that_is_cut_short_is_refused() {
        let file = file();
        for length in (4..64)
            .chain((64..file.len()).step_by(997))
            .chain(file.len() - 12..file.len())
        {
            assert_eq!(unpack(&file[..length]), Err(KernelError::Corrupt), "{length} bytes");
        }
    }

    #[test]
    fn no_bit_that_falls_over_is_missed() {
        let file = file();
        // The header beyond what is checked is a time and a name for the system: nothing depends on them.
        for place in (HEADER_SIZE..file.len())
            .step_by(131)
            .chain(file.len() - TRAILER_SIZE..file.len())
        {
            let mut changed = file.clone();
            changed[place] ^= 1 << (place % 8);
            let result = unpack(&changed);
            assert!(
                result.is_err() || result == Ok(original()),
                "a change of byte {place} gives another file"
            );
        }
        let mut changed = file.clone();
        let place = file.len() / 2;
        changed[place] ^= 1;
        assert_eq!(unpack(&changed), Err(KernelError::Corrupt));
        let end = file.len();
        for place in end - TRAILER_SIZE..end {
            let mut changed = file.clone();
            changed[place] ^= 0x80;
            assert_eq!(unpack(&changed), Err(KernelError::Corrupt), "byte {place}");
        }
    }
}
