//! The kernel's heap: objects of up to half a page in slabs of one page each, anything larger in runs of pages, which need not be neighbours.
//! A slab whose last object is freed goes back to the pool, so the heap has no size of its own.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::Ordering;

use super::pool::Need;
use super::{PAGE_SIZE, pool, scattered};
use crate::arch;
use crate::sync::SpinLock;

/// Object sizes. The slab's header takes the end of the page, hence the odd ones; powers of two stay aligned to themselves.
const CLASSES: [u16; 21] = [
    16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 800, 1008, 1344, 2032,
];
const LARGEST: usize = 2032;

/// At the end of each slab.
struct Slab {
    next: *mut Slab,
    previous: *mut Slab,
    /// The first free object, which holds the address of the next.
    free: *mut Object,
    used: u16,
}

struct Object {
    next: *mut Object,
}

/// The slabs of one class that have a free object.
struct Class(*mut Slab);

// SAFETY: slabs belong to the class and are reached only under its lock.
unsafe impl Send for Class {}

struct Heap {
    classes: [SpinLock<Class>; CLASSES.len()],
}

#[global_allocator]
static HEAP: Heap = Heap {
    classes: [const { SpinLock::new(Class(ptr::null_mut())) }; CLASSES.len()],
};

/// The class for each multiple of 16 bytes.
static CLASS_OF: [u8; LARGEST / 16 + 1] = {
    let mut table = [0; LARGEST / 16 + 1];
    let mut class = 0;
    let mut units = 0;
    while units < table.len() {
        if units * 16 > CLASSES[class] as usize {
            class += 1;
        }
        table[units] = class as u8;
        units += 1;
    }
    table
};

#[inline]
fn class_of(layout: &Layout) -> Option<usize> {
    let (size, largest) = if layout.align() > 16 {
        // Classes that are powers of two are aligned to their size.
        (layout.size().max(layout.align()).next_power_of_two(), 512)
    } else {
        (layout.size(), LARGEST)
    };
    (size <= largest).then(|| CLASS_OF[size.div_ceil(16)] as usize)
}

/// `count` pages one behind the other, aligned to a page at least. Neighbours in memory if there are such: they need no entries of their own.
fn take_pages(count: usize) -> Option<*mut u8> {
    let neighbours = if count == 1 {
        pool::allocate(1, Need::Kernel)
    } else {
        pool::allocate_at_once(count, Need::Kernel)
    };
    let start = match neighbours {
        Some(start) => arch::page_pointer(start),
        None if count == 1 => return None,
        None => scattered::allocate(count)?,
    };
    pool::HEAP.fetch_add(count, Ordering::Relaxed);
    Some(start)
}

fn give_pages(start: *mut u8, count: usize) {
    pool::HEAP.fetch_sub(count, Ordering::Relaxed);
    if !scattered::release(start, count) {
        pool::release(arch::page_number(start), count);
    }
}

fn pages_of(layout: &Layout) -> usize {
    layout.size().max(1).div_ceil(PAGE_SIZE)
}

// SAFETY: a slab's objects do not overlap each other nor the header, each is handed out once until it is freed, and classes fit
// the layout's size and alignment; runs of pages are aligned to a page and, when that does not suffice, looked at.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(&layout) else {
            let pages = pages_of(&layout).max(layout.align() / PAGE_SIZE);
            let aligned = |start: &*mut u8| start.addr().is_multiple_of(layout.align());
            return match take_pages(pages) {
                Some(start) if aligned(&start) => start,
                Some(start) => {
                    give_pages(start, pages);
                    ptr::null_mut()
                }
                None => ptr::null_mut(),
            };
        };
        let mut slabs = self.classes[class].lock();
        if slabs.0.is_null() {
            // The pool may call back to free memory, and freeing takes this lock.
            drop(slabs);
            let Some(page) = take_pages(1) else {
                return ptr::null_mut();
            };
            slabs = self.classes[class].lock();
            // SAFETY: the page is fresh.
            unsafe { slabs.add_slab(page, CLASSES[class] as usize) };
        }
        // SAFETY: a slab in the list has a free object.
        unsafe { slabs.take() }
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        let Some(class) = class_of(&layout) else {
            let pages = pages_of(&layout).max(layout.align() / PAGE_SIZE);
            give_pages(object, pages);
            return;
        };
        // SAFETY: the object came from a slab of this class.
        let empty = unsafe { self.classes[class].lock().give(object) };
        if let Some(page) = empty {
            give_pages(page, 1);
        }
    }

    unsafe fn realloc(&self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        let stays = match (class_of(&layout), class_of(&new)) {
            (Some(old), Some(new)) => old == new,
            (None, None) => pages_of(&layout) == pages_of(&new),
            _ => false,
        };
        if stays {
            return object;
        }
        // SAFETY: both layouts are valid; the two objects are distinct.
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                arch::copy_memory(moved, object, size.min(layout.size()));
                self.dealloc(object, layout);
            }
            moved
        }
    }
}

fn header(object: *mut u8) -> *mut Slab {
    object
        .map_addr(|address| (address & !(PAGE_SIZE - 1)) + PAGE_SIZE - size_of::<Slab>())
        .cast()
}

impl Class {
    /// # Safety
    /// `page` is a free page.
    unsafe fn add_slab(&mut self, page: *mut u8, size: usize) {
        let slab = header(page);
        let count = (PAGE_SIZE - size_of::<Slab>()) / size;
        // SAFETY: `count` objects fit before the header.
        unsafe {
            for index in 0..count {
                let object = page.add(index * size).cast::<Object>();
                let next = if index + 1 < count {
                    page.add((index + 1) * size).cast()
                } else {
                    ptr::null_mut()
                };
                object.write(Object { next });
            }
            slab.write(Slab {
                next: ptr::null_mut(),
                previous: ptr::null_mut(),
                free: page.cast(),
                used: 0,
            });
            self.push(slab);
        }
    }

    /// # Safety
    /// The list is not empty.
    unsafe fn take(&mut self) -> *mut u8 {
        let slab = self.0;
        // SAFETY: slabs in the list are alive and have a free object.
        unsafe {
            let object = (*slab).free;
            (*slab).free = (*object).next;
            (*slab).used += 1;
            if (*slab).free.is_null() {
                self.unlink(slab);
            }
            object.cast()
        }
    }

    /// Takes an object back; the page of its slab when that is empty now and not the only one with room.
    ///
    /// # Safety
    /// `object` came from `take` of this class.
    unsafe fn give(&mut self, object: *mut u8) -> Option<*mut u8> {
        let slab = header(object);
        // SAFETY: the slab lives as long as one of its objects.
        unsafe {
            let full = (*slab).free.is_null();
            object.cast::<Object>().write(Object { next: (*slab).free });
            (*slab).free = object.cast();
            (*slab).used -= 1;
            if full {
                self.push(slab);
            }
            let only = self.0 == slab && (*slab).next.is_null();
            if (*slab).used > 0 || only {
                return None;
            }
            self.unlink(slab);
        }
        Some(object)
    }

    /// # Safety
    /// `slab` is alive and in no list.
    unsafe fn push(&mut self, slab: *mut Slab) {
        // SAFETY: the caller's promise; the head is alive.
        unsafe {
            (*slab).next = self.0;
            (*slab).previous = ptr::null_mut();
            if !self.0.is_null() {
                (*self.0).previous = slab;
            }
        }
        self.0 = slab;
    }

    /// # Safety
    /// `slab` is in this list.
    unsafe fn unlink(&mut self, slab: *mut Slab) {
        // SAFETY: neighbours in the list are alive.
        unsafe {
            let (next, previous) = ((*slab).next, (*slab).previous);
            if previous.is_null() {
                self.0 = next;
            } else {
                (*previous).next = next;
            }
            if !next.is_null() {
                (*next).previous = previous;
            }
        }
    }
}
