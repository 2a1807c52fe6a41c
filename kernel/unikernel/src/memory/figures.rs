//! What the guest's memory is used for.

use core::fmt;

use hal::mem::{PAGE_SIZE, Usage};

/// Pages by what they are used for. It reads counters only, so it can be asked in whatever state the kernel is.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// All that the kernel manages.
    pub total: usize,
    /// Used for nothing.
    pub free: usize,
    /// Of the application alone.
    pub application: usize,
    /// Of files that were written, and shared memory.
    pub written: usize,
    /// Of files of the image, which can be read again.
    pub cached: usize,
    /// Of page tables.
    pub tables: usize,
    /// Of devices: rings, packets on their way.
    pub devices: usize,
    /// Of the kernel's objects, buffers of sockets among them.
    pub kernel: usize,
}

impl Figures {
    /// At this moment.
    pub fn now() -> Self {
        let (written, cached) = (fs::tmpfs::written_pages(), fs::resident_pages());
        let (devices, kernel) = (hal::mem::device_pages(), hal::mem::heap_pages());
        let tables = hal::user::table_pages();
        let Usage { total, used } = hal::mem::usage();
        Self {
            total,
            free: total - used,
            application: used.saturating_sub(written + cached + tables + devices + kernel),
            written,
            cached,
            tables,
            devices,
            kernel,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}, the application uses {}, files that it wrote {}, files of the image {}, page tables {}, the kernel {}, devices {}, and {} are free",
            Pages(self.total),
            Pages(self.application),
            Pages(self.written),
            Pages(self.cached),
            Pages(self.tables),
            Pages(self.kernel),
            Pages(self.devices),
            Pages(self.free),
        )
    }
}

/// Pages, as a person reads them.
pub struct Pages(pub usize);

impl fmt::Display for Pages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kibibytes = (self.0 * PAGE_SIZE) >> 10;
        match kibibytes {
            0..1024 => write!(out, "{kibibytes} KiB"),
            _ => write!(out, "{}.{} MiB", kibibytes >> 10, ((kibibytes & 1023) * 10) >> 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let sizes = [0, 1, 255, 256, 300, 12_800].map(|pages| alloc::format!("{}", Pages(pages)));
        assert_eq!(sizes, ["0 KiB", "4 KiB", "1020 KiB", "1.0 MiB", "1.1 MiB", "50.0 MiB"]);
    }
}
