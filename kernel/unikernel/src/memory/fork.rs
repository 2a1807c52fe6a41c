//! Copying an address space for `fork(2)`.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use super::AddressSpace;
use super::area::AreaFlags;

impl AddressSpace {
    /// A copy for a child process. Both sides keep their private pages in common until one of them writes; those of shared mappings come
    /// back from their file. `None` without memory for the tables.
    pub fn duplicate(&self) -> Option<Arc<Self>> {
        let child = Self::with_layout(self.layout, self.stack_limit.load(Ordering::Relaxed))?;
        let inner = self.inner.lock();
        let (mut pages, mut own) = (0, 0);
        {
            let mut copy = child.inner.lock();
            copy.copy_borders(&inner);
            for (&start, area) in &inner.areas {
                if area.flags.contains(AreaFlags::DONT_FORK) {
                    continue;
                }
                let mut area = area.clone();
                // Locks are not inherited.
                area.flags.remove(AreaFlags::LOCKED);
                let range = start..area.end;
                if !area.flags.intersects(AreaFlags::SHARED | AreaFlags::WIPE_ON_FORK) {
                    let copied = self.table.copy_range(&child.table, range.clone()).ok()?;
                    pages += copied.0;
                    own += copied.1;
                }
                copy.insert(start, area);
            }
            // Before somebody else finds the copied pages, takes them away and counts that.
            child.resident.store(pages, Ordering::Relaxed);
            child.own.store(own, Ordering::Relaxed);
            child.peak.store(pages, Ordering::Relaxed);
            let barriers = self.barriers.load(Ordering::Relaxed);
            child.barriers.store(barriers, Ordering::Relaxed);
        }
        drop(inner);
        Some(child)
    }
}
