//! What operations from outside cannot show: sharing of pages, mappings, limits and several CPUs at once.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use abi::{Errno, OpenFlags};
use file::{BytesSink, BytesSource, Error};
use hal::mem::PAGE_SIZE;
use task::Completion;

use super::{Node, Options, Seals, Tmpfs};
use crate::inode::{AttributeChange, Inode, NewInode, NewKind, RenameMode, XattrMode};
use crate::testing::{Folder, MemoryDisk, make_image};
use crate::vfs::Lookup;

const REGULAR: NewInode<'_> = NewInode {
    kind: NewKind::Regular,
    permissions: 0o644,
    uid: 0,
    gid: 0,
};
const DIRECTORY: NewInode<'_> = NewInode {
    kind: NewKind::Directory,
    ..REGULAR
};

/// An overlay over an image with one file of 20 pages, and that file.
fn overlay() -> (Arc<MemoryDisk>, Arc<dyn Inode>, Arc<dyn Inode>) {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("directory")).unwrap();
    std::fs::write(folder.path().join("directory/file"), vec![7; 20 * PAGE_SIZE]).unwrap();
    let disk = MemoryDisk::new(make_image(folder.path(), &[]));
    let erofs = disk.mount().unwrap_or_else(|error| panic!("{error}"));
    let lower = disk.wait(|| erofs.root()).unwrap();
    let (_, root) = Tmpfs::over(&lower, &Options::default()).unwrap();
    let directory = disk.wait(|| root.lookup(b"directory")).unwrap();
    let file = disk.wait(|| directory.lookup(b"file")).unwrap();
    (disk, root, file)
}

fn own_pages(inode: &Arc<dyn Inode>) -> u64 {
    let node = inode.as_any().downcast_ref::<Node>().unwrap();
    node.regular().unwrap().own_pages()
}

/// Whether an inode's content may be executed, now and through a mapping that was made before.
fn is_executable(inode: &Arc<dyn Inode>) -> bool {
    inode.pages().unwrap().is_executable()
}

#[test]
fn a_file_of_the_image_stays_executable_until_it_is_written() {
    type Change = fn(&Arc<dyn Inode>) -> file::Result<()>;
    let attributes = AttributeChange {
        permissions: Some(0o700),
        modified: Some(1),
        ..AttributeChange::default()
    };
    let (_disk, _, file) = overlay();
    assert!(is_executable(&file));
    file.set_attributes(&attributes).unwrap();
    file.set_xattr(b"user.x", b"1", XattrMode::Set).unwrap();
    assert!(is_executable(&file), "changed attributes are no content");
    let changes: [(&str, Change); 6] = [
        ("write", |file| file.write(5, &mut BytesSource::new(b"x")).map(drop)),
        ("append", |file| file.append(&mut BytesSource::new(b"x")).map(drop)),
        ("cut", |file| file.truncate(5)),
        ("grow", |file| file.truncate(1 << 20)),
        ("hole", |file| file.allocate(3, 0, 4096)),
        ("shared mapping", |file| {
            file.pages().unwrap().writable_page(0).map(drop)
        }),
    ];
    for (name, change) in changes {
        let (disk, _, file) = overlay();
        let mapped = file.pages().unwrap();
        disk.wait(|| change(&file)).unwrap();
        assert!(!mapped.is_executable(), "{name}");
    }
}

#[test]
fn a_new_file_is_executable_only_where_that_is_allowed() {
    for allowed in [false, true] {
        let options = Options {
            executes_written: allowed,
            ..Options::default()
        };
        let (file_system, root) = Tmpfs::create(&options);
        let file = root.create(b"new", &REGULAR).unwrap();
        assert_eq!(is_executable(&file), allowed);
        assert_eq!(is_executable(&file_system.memory_file(0o777, false).unwrap()), allowed);
    }
}

#[test]
fn a_file_that_is_held_opens_when_it_is_ready() {
    let (_, root) = Tmpfs::create(&Options::default());
    let file = root.create(b"held", &REGULAR).unwrap();
    let ready = Completion::new();
    file.as_any().downcast_ref::<Node>().unwrap().hold(&ready);
    assert!(matches!(file.open(OpenFlags::empty()), Err(Error::Pending(_))));
    file.status().unwrap();
    ready.complete();
    assert!(matches!(file.open(OpenFlags::empty()), Ok(None)));
}

#[test]
fn pages_in_memory_are_the_own_ones_over_those_of_the_image() {
    let (disk, _, file) = overlay();
    let pages = file.pages().unwrap();
    disk.wait(|| pages.page(0)).unwrap();
    for offset in [3, 19] {
        disk.wait(|| file.write(offset * PAGE_SIZE as u64, &mut BytesSource::new(b"new")))
            .unwrap();
    }
    file.truncate(22 * PAGE_SIZE as u64).unwrap();
    disk.wait(|| pages.page(20)).unwrap();
    let found = |length: usize| {
        let mut found = vec![None; length];
        pages.cached_pages(2, &mut found);
        let first = |frame: &hal::mem::Frame| {
            let mut byte = [0];
            frame.read(0, &mut byte);
            byte[0]
        };
        found.iter().map(|page| page.as_ref().map(first)).collect::<Vec<_>>()
    };
    let image = [Some(7); 15];
    let expected = [&[Some(7), Some(b'n')][..], &image, &[Some(b'n'), Some(0), None, None]].concat();
    assert_eq!(found(21), expected);
    // What is cut off is not found, though its blocks are in memory.
    file.truncate(5 * PAGE_SIZE as u64 - 1).unwrap();
    assert_eq!(found(4), [Some(7), Some(b'n'), Some(7), None]);
}

#[test]
fn a_write_to_a_file_of_the_image_copies_one_page() {
    let (disk, root, file) = overlay();
    let pages = file.pages().unwrap();
    let before = disk.wait(|| pages.page(3)).unwrap();
    let number = file.status().unwrap().inode;
    disk.wait(|| file.write(3 * PAGE_SIZE as u64 + 5, &mut BytesSource::new(b"new")))
        .unwrap();
    assert_eq!(own_pages(&file), 1);
    let after = disk.wait(|| pages.page(3)).unwrap();
    assert_ne!(before, after);
    let mut bytes = [0; 8];
    after.read(4, &mut bytes);
    assert_eq!(&bytes, b"\x07new\x07\x07\x07\x07");
    // The image's page is as it was, and its neighbours are still shared.
    before.read(4, &mut bytes);
    assert_eq!(bytes, [7; 8]);
    drop((file, pages));
    let again = disk.wait(|| root.lookup(b"directory")?.lookup(b"file")).unwrap();
    assert_eq!((own_pages(&again), again.status().unwrap().inode), (1, number));
}

#[test]
fn blocks_count_each_page_once() {
    const PAGE: u64 = PAGE_SIZE as u64;
    let (disk, _, file) = overlay();
    let write = |page: u64| {
        disk.wait(|| file.write(page * PAGE, &mut BytesSource::new(b"x")))
            .map(drop)
    };
    let pages = |after: &str, result: file::Result<()>| {
        result.unwrap_or_else(|error| panic!("{after}: {error:?}"));
        file.status().unwrap().blocks * 512 / PAGE
    };
    assert_eq!(pages("nothing", Ok(())), 20);
    assert_eq!(pages("a write over the image", write(3)), 20);
    assert_eq!(pages("another to the same page", write(3)), 20);
    assert_eq!(pages("a write behind a hole", write(25)), 21);
    assert_eq!(pages("its removal", file.allocate(3, 25 * PAGE, PAGE)), 20);
    // The page that is cut becomes the file's own.
    assert_eq!(pages("a cut", disk.wait(|| file.truncate(5 * PAGE + 1))), 6);
    assert_eq!(pages("a write over what is left", write(2)), 6);
    assert_eq!(pages("a write where the image's page was", write(7)), 7);
    assert_eq!(pages("a cut to nothing", file.truncate(0)), 0);
}

/// What [`crate::set_unmap`] was called with; other tests make calls too.
static UNMAPPED: Mutex<Vec<(usize, u64, u64)>> = Mutex::new(Vec::new());

#[test]
fn mappings_hear_of_pages_that_are_replaced_or_cut() {
    crate::set_unmap(|file, range, _| UNMAPPED.lock().unwrap().push((file, range.start, range.end)));
    let (disk, _, file) = overlay();
    let pages = file.pages().unwrap();
    let identity = pages.identity();
    disk.wait(|| file.write(0, &mut BytesSource::new(b"x"))).unwrap();
    disk.wait(|| file.write(1, &mut BytesSource::new(b"y"))).unwrap();
    disk.wait(|| file.truncate(PAGE_SIZE as u64 + 1)).unwrap();
    let mut calls = UNMAPPED.lock().unwrap().clone();
    calls.retain(|call| call.0 == identity);
    assert_eq!(calls, [(identity, 0, 1), (identity, 1, 2), (identity, 2, u64::MAX)]);
}

#[test]
fn a_shared_mapping_and_the_file_are_one() {
    let (_, root) = Tmpfs::create(&Options::default());
    let file = root.create(b"file", &REGULAR).unwrap();
    file.truncate(2 * PAGE_SIZE as u64 + 10).unwrap();
    let pages = file.pages().unwrap();
    pages.writable_page(1).unwrap().write(0, b"mapped");
    let mut bytes = [0; 6];
    file.read(PAGE_SIZE as u64, &mut BytesSink::new(&mut bytes)).unwrap();
    assert_eq!(&bytes, b"mapped");
    // A hole that was mapped for reading is the page that a later write changes.
    let hole = pages.page(2).unwrap();
    file.write(2 * PAGE_SIZE as u64, &mut BytesSource::new(b"w")).unwrap();
    hole.read(0, &mut bytes[..1]);
    assert_eq!(bytes[0], b'w');
    // What a mapping leaves behind the end is gone when the file grows over it.
    hole.write(100, b"z");
    file.truncate(3 * PAGE_SIZE as u64).unwrap();
    hole.read(100, &mut bytes[..1]);
    assert_eq!(bytes[0], 0);
    assert!(matches!(pages.page(3), Err(Error::Errno(Errno::IO))));
}

#[test]
fn limits_hold_and_come_back() {
    let options = Options {
        size: Some(4 * PAGE_SIZE as u64),
        inodes: Some(3),
        ..Options::default()
    };
    let (file_system, root) = Tmpfs::create(&options);
    let free = || {
        let statistics = crate::inode::FileSystem::statistics(&*file_system);
        (statistics.free_blocks, statistics.free_inodes)
    };
    assert_eq!(free(), (4, 2));
    let file = root.create(b"file", &REGULAR).unwrap();
    root.create(b"other", &REGULAR).unwrap();
    assert!(matches!(
        root.create(b"third", &REGULAR),
        Err(Error::Errno(Errno::NOSPC))
    ));
    let bytes = vec![1; 6 * PAGE_SIZE];
    assert_eq!(file.write(0, &mut BytesSource::new(&bytes)).unwrap(), 4 * PAGE_SIZE);
    let full = file.write(4 * PAGE_SIZE as u64, &mut BytesSource::new(b"x"));
    assert!(matches!(full, Err(Error::Errno(Errno::NOSPC))));
    assert_eq!(free(), (0, 0));
    root.unlink(b"file").unwrap();
    // It lives on while somebody has it open.
    assert_eq!(free(), (0, 0));
    drop(file);
    assert_eq!(free(), (4, 1));
}

#[test]
fn seals_are_kept() {
    let (file_system, root) = Tmpfs::create(&Options::default());
    let plain = root.create(b"file", &REGULAR).unwrap();
    let node = plain.as_any().downcast_ref::<Node>().unwrap();
    assert_eq!(node.add_seals(Seals::GROW), Err(Errno::PERM));
    let file = file_system.memory_file(0o777, true).unwrap();
    let node = file.as_any().downcast_ref::<Node>().unwrap();
    file.truncate(100).unwrap();
    node.add_seals(Seals::GROW | Seals::SHRINK).unwrap();
    let refused = |result: file::Result<()>| matches!(result, Err(Error::Errno(Errno::PERM)));
    assert!(refused(file.truncate(101)) && refused(file.truncate(99)));
    assert!(refused(file.write(99, &mut BytesSource::new(b"ab")).map(|_| ())));
    file.write(99, &mut BytesSource::new(b"a")).unwrap();
    node.add_seals(Seals::WRITE | Seals::SEAL).unwrap();
    assert!(refused(file.write(0, &mut BytesSource::new(b"a")).map(|_| ())));
    assert_eq!(node.add_seals(Seals::EXEC), Err(Errno::PERM));
}

#[test]
fn names_in_memory_stay_those_of_the_file_system_when_several_cpus_change_them() {
    static MOVED: AtomicU64 = AtomicU64::new(0);
    let (_, root) = Tmpfs::create(&Options::default());
    let context = crate::judge::context(&root);
    for name in ["one", "two"] {
        root.create(name.as_bytes(), &DIRECTORY).unwrap();
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let context = context.clone();
            scope.spawn(move || {
                for round in 0..400 {
                    // The directories change places all the time, so any of these may find nothing.
                    let name = format!("/one/{thread}-{}", round % 50);
                    let target = format!("/two/{}", round % 7);
                    let _ = context.make_directory(name.as_bytes(), 0o755);
                    if context
                        .rename(name.as_bytes(), &context, target.as_bytes(), RenameMode::Replace)
                        .is_ok()
                    {
                        MOVED.fetch_add(1, Ordering::Relaxed);
                    }
                    let _ = context.remove_directory(target.as_bytes());
                    context
                        .rename(b"/one", &context, b"/two", RenameMode::Exchange)
                        .unwrap();
                }
            });
        }
    });
    assert!(MOVED.load(Ordering::Relaxed) > 100);
    for directory in ["one", "two"] {
        let inode = root.lookup(directory.as_bytes()).unwrap();
        let names = (0..7).map(|number| number.to_string());
        let made = (0..4).flat_map(|thread| (0..50).map(move |round| format!("{thread}-{round}")));
        let mut found = 0;
        for name in names.chain(made) {
            let path = format!("/{directory}/{name}");
            let known = context.resolve(path.as_bytes(), Lookup::empty());
            let real = inode.lookup(name.as_bytes());
            assert_eq!(known.is_ok(), real.is_ok(), "{path}");
            if let (Ok(known), Ok(real)) = (known, real) {
                assert!(Arc::ptr_eq(known.inode().unwrap(), &real), "{path}");
                assert_eq!(known.path(&context.root), path.as_bytes());
                found += 1;
            }
        }
        assert_eq!(inode.status().unwrap().links, found + 2);
    }
}

#[test]
fn a_file_gets_another_name_or_loses_its_last_one_first() {
    // Seldom do the two meet where it matters, so it takes many files; where others want the CPUs, too, there are fewer.
    const FILES: usize = 10_000;
    const LONGEST: Duration = Duration::from_secs(1);
    let (_, root) = Tmpfs::create(&Options::default());
    let [old, new] = [b"old", b"new"].map(|name| root.create(name, &DIRECTORY).unwrap());
    let files: Vec<_> = (0..FILES)
        .map(|number| {
            let name = number.to_string().into_bytes();
            (old.create(&name, &REGULAR).unwrap(), name)
        })
        .collect();
    let (barrier, end) = (Barrier::new(3), AtomicUsize::new(FILES));
    // Waits for the others, so that all come at once; false when that round is none any more.
    let meet = |round: usize| {
        barrier.wait();
        round < end.load(Ordering::SeqCst)
    };
    let linked: Vec<bool> = std::thread::scope(|scope| {
        scope.spawn(|| {
            for (_, (_, name)) in files.iter().enumerate().take_while(|&(round, _)| meet(round)) {
                old.unlink(name).unwrap();
            }
        });
        // Lets both wait for the file's lock, and have it in turns.
        scope.spawn(|| {
            for (round, (file, _)) in files.iter().enumerate() {
                let node = file.as_any().downcast_ref::<Node>().unwrap();
                let mut attributes = node.attributes.lock();
                if !meet(round) {
                    break;
                }
                for _ in 0..10 {
                    std::thread::yield_now();
                    drop(attributes);
                    attributes = node.attributes.lock();
                }
            }
        });
        let begin = Instant::now();
        let link = |(round, (file, name)): (usize, &(Arc<dyn Inode>, Vec<u8>))| {
            if begin.elapsed() > LONGEST {
                // Before this thread comes, so that the others find it there.
                end.store(round, Ordering::SeqCst);
            }
            meet(round).then(|| new.link(name, file).is_ok())
        };
        files.iter().enumerate().map_while(link).collect()
    });
    for ((file, name), linked) in files.iter().zip(linked) {
        assert_eq!(file.status().unwrap().links, u32::from(linked));
        assert_eq!(new.lookup(name).is_ok(), linked);
    }
}

#[test]
fn a_file_of_the_image_that_changes_while_it_loses_its_last_name_ends() {
    let (disk, root, file) = overlay();
    let directory = disk.wait(|| root.lookup(b"directory")).unwrap();
    disk.wait(|| directory.unlink(b"file")).unwrap();
    let node = file.as_any().downcast_ref::<Node>().unwrap().this.upgrade().unwrap();
    let ended = node.this.clone();
    // As who changes it does, last.
    node.file_system.clone().keep(node);
    drop(file);
    assert!(ended.upgrade().is_none());
}
