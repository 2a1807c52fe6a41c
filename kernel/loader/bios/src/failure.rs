//! Why the kernel cannot be started, as a sentence.

use core::fmt::{self, Write};

use loader::{KernelError, Serial};

use crate::firmware::Screen;

pub(crate) enum Failure {
    /// A read failed with this status of BIOS.
    Disk(u8),
    Kernel(KernelError),
    /// There is no usable memory where the kernel has to be.
    Memory,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(status) => write!(
                out,
                "the kernel cannot be read from the disk (BIOS status {status:#04x})"
            ),
            Self::Kernel(error) => write!(out, "{error}; write the image to the disk again"),
            Self::Memory => write!(
                out,
                "there is too little memory to load the kernel; give the machine more"
            ),
        }
    }
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Self {
        Self::Kernel(error)
    }
}

/// Says it where somebody may look.
pub(crate) fn report(what: &dyn fmt::Display) {
    let _ = write!(Screen, "unikernel: {what}\r\n");
    let _ = write!(Serial::new(), "unikernel: {what}\r\n");
}
