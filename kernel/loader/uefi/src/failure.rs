//! Why the kernel cannot be started, as a sentence.

use core::fmt::{self, Write};

use loader::{KernelError, Serial};
use uefi::Status;

pub(crate) enum Failure {
    /// The partition or the kernel in it cannot be read.
    File(Status),
    /// The file is shorter than the firmware says.
    CutShort,
    Kernel(KernelError),
    /// There is no memory for what the loader needs.
    Allocation(Status),
    /// The firmware keeps memory that the kernel needs.
    Memory,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(status) => write!(
                out,
                "the file KERNEL.GZ of the EFI system partition cannot be read ({status}); write the image to the disk again"
            ),
            Self::CutShort => write!(
                out,
                "the file KERNEL.GZ of the EFI system partition is cut short; write the image to the disk again"
            ),
            Self::Kernel(error) => write!(out, "{error}; write the image to the disk again"),
            Self::Allocation(status) => write!(
                out,
                "there is too little memory to load the kernel ({status}); give the machine more"
            ),
            Self::Memory => write!(
                out,
                "the memory where the kernel has to be is not there or kept by the firmware; give the machine more, or another firmware"
            ),
        }
    }
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Self {
        Self::Kernel(error)
    }
}

impl Failure {
    /// Says it where somebody may look: on the firmware's console, and on the serial port, which is not always one.
    pub(crate) fn report(&self) {
        uefi::system::with_stdout(|console| {
            let _ = writeln!(console, "unikernel: {self}");
        });
        let _ = write!(Serial::new(), "unikernel: {self}\r\n");
    }
}
