//! From the first 64-bit instruction to the kernel's.

use core::convert::Infallible;

use loader::Kernel;

use crate::failure::{Failure, report};
use crate::firmware::{Firmware, MOST_SECTORS, Placeable, SECTOR};

/// Called by the assembly in `boot`, once.
#[unsafe(no_mangle)]
extern "C" fn bios_main() -> ! {
    // SAFETY: the only call, in the only function that the assembly enters.
    let Err(failure) = start(unsafe { Firmware::new() });
    report(&failure);
    halt()
}

fn start(mut firmware: Firmware) -> Result<Infallible, Failure> {
    let (first, size) = firmware.kernel_place();
    let memory = firmware.memory_map();
    let sectors = (size as usize).div_ceil(SECTOR);
    let head = firmware.read(first, sectors.min(MOST_SECTORS)).map_err(Failure::Disk)?;
    let kernel = Kernel::parse(head, u64::from(size))?;
    let kernel = Placeable::new(kernel, &memory).ok_or(Failure::Memory)?;
    for done in (0..sectors).step_by(MOST_SECTORS) {
        let count = (sectors - done).min(MOST_SECTORS);
        firmware
            .load(&kernel, first + done as u64, done * SECTOR, count)
            .map_err(Failure::Disk)?;
    }
    Ok(firmware.enter(&kernel, &memory)?)
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
