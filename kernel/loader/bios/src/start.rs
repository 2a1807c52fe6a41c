//! From the first 64-bit instruction to the kernel's.

use core::convert::Infallible;

use loader::{Kernel, MemoryMap, Packed};

use crate::failure::{Failure, report};
use crate::firmware::{Firmware, MOST_SECTORS, SECTOR};

/// Called by the assembly in `boot`, once.
#[unsafe(no_mangle)]
extern "C" fn bios_main() -> ! {
    // SAFETY: the only call, in the only function that the assembly enters.
    let Err(failure) = start(unsafe { Firmware::new() });
    report(&failure);
    halt()
}

fn start(mut firmware: Firmware) -> Result<Infallible, Failure> {
    let memory = firmware.memory_map();
    let packed = Packed::parse(read(&mut firmware, &memory)?)?;
    let file = firmware.room(&memory, packed.size()).ok_or(Failure::Memory)?;
    packed.unpack(file)?;
    let kernel = Kernel::parse(file, file.len() as u64)?;
    let kernel = firmware.place(kernel, file, &memory).ok_or(Failure::Memory)?;
    Ok(firmware.enter(&kernel, &memory)?)
}

/// The kernel's whole file as it is on the disk.
fn read(firmware: &mut Firmware, memory: &MemoryMap) -> Result<&'static [u8], Failure> {
    let (first, size) = firmware.kernel_place();
    let file = firmware.room(memory, size as usize).ok_or(Failure::Memory)?;
    for (index, piece) in file.chunks_mut(MOST_SECTORS * SECTOR).enumerate() {
        let sector = first + (index * MOST_SECTORS) as u64;
        let sectors = firmware
            .read(sector, piece.len().div_ceil(SECTOR))
            .map_err(Failure::Disk)?;
        piece.copy_from_slice(&sectors[..piece.len()]);
    }
    Ok(file)
}

fn halt() -> ! {
    loop {
        // SAFETY: interrupts are off; the CPU stops for good.
        unsafe { core::arch::asm!("hlt", options(nomem, nostack)) }
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    report(&format_args!("the boot loader failed: {}", info.message()));
    halt()
}
