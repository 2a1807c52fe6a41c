//! Against images that `mkfs.erofs` makes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use file::{Error, FileType};
use rustix::fs::XattrFlags;

use crate::inode::{Inode, Link};
use crate::testing::{Count, Folder, MemoryDisk, make_image};

fn content(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|place| (place.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect()
}

/// A tree with one of everything.
fn tree() -> Folder {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name);
    for length in [0, 1, 100, 4095, 4096, 4097, 8191, 65_536, 300_001] {
        fs::write(path(&format!("file-{length}")), content(length)).unwrap();
    }
    fs::create_dir_all(path("usr/lib/deep")).unwrap();
    fs::create_dir(path("many")).unwrap();
    for number in 0..700 {
        fs::write(
            path(&format!("many/an-entry-with-number-{number}")),
            format!("{number}\n"),
        )
        .unwrap();
    }
    fs::write(path(&format!("many/{}", "n".repeat(254))), "long").unwrap();
    symlink("usr/lib", path("lib")).unwrap();
    symlink("x".repeat(4000), path("long-link")).unwrap();
    fs::hard_link(path("file-100"), path("usr/second-name")).unwrap();
    fs::set_permissions(path("file-1"), fs::Permissions::from_mode(0o4751)).unwrap();
    for arguments in [["null", "c", "1", "3"], ["disk", "b", "259", "70000"]] {
        let status = Command::new("mknod")
            .arg(path(arguments[0]))
            .args(&arguments[1..])
            .status();
        assert!(status.unwrap().success());
    }
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    // A file system of the host may have no extended attributes.
    let attribute = |name: &str, attribute: &str, value: &str| {
        rustix::fs::lsetxattr(path(name), attribute, value.as_bytes(), XattrFlags::empty()).is_ok()
    };
    if attribute("file-100", "user.colour", "blue") {
        assert!(attribute("file-100", "user.long", &"v".repeat(1000)));
        assert!(attribute("usr", "user.colour", "blue"));
        assert!(attribute("usr/lib/deep", "user.colour", "blue"));
        assert!(attribute("usr/lib/deep", "trusted.overlay.test", "y"));
    }
    folder
}

fn type_of(metadata: &fs::Metadata) -> FileType {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => FileType::Directory,
        () if kind.is_symlink() => FileType::Symlink,
        () if kind.is_char_device() => FileType::CharacterDevice,
        () if kind.is_block_device() => FileType::BlockDevice,
        () if kind.is_fifo() => FileType::Fifo,
        () if kind.is_socket() => FileType::Socket,
        () => FileType::Regular,
    }
}

/// Compares a directory of the image with the folder that it was made of.
fn compare(disk: &MemoryDisk, inode: &Arc<dyn Inode>, path: &Path, inodes: &mut BTreeMap<u64, u64>) {
    let expected = fs::symlink_metadata(path).unwrap();
    let status = inode.status().unwrap();
    assert_eq!(status.file_type, type_of(&expected), "{}", path.display());
    assert_eq!(
        u32::from(status.permissions),
        expected.mode() & 0o7777,
        "{}",
        path.display()
    );
    assert_eq!((status.uid, status.gid), (expected.uid(), expected.gid()));
    assert_eq!(status.special_device, expected.rdev(), "{}", path.display());
    let nlink = u64::from(status.links);
    assert_eq!(nlink, expected.nlink(), "{}", path.display());
    assert_eq!(*inodes.entry(expected.ino()).or_insert(status.inode), status.inode);
    match status.file_type {
        FileType::Regular => {
            assert_eq!(status.size, expected.size());
            assert!(
                disk.read_all(inode).unwrap() == fs::read(path).unwrap(),
                "{}",
                path.display()
            );
        }
        FileType::Symlink => {
            let Link::Path(target) = disk.wait(|| inode.follow()).unwrap() else {
                panic!("a link on a disk leads to a path");
            };
            assert_eq!(target, fs::read_link(path).unwrap().as_os_str().as_bytes());
        }
        FileType::Directory => {
            let listed = disk.list(inode).unwrap();
            let mut names: Vec<_> = listed.iter().map(|(name, ..)| name.clone()).collect();
            let mut expected_names: Vec<_> = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
                .collect();
            names.sort();
            expected_names.sort();
            assert_eq!(names, expected_names, "{}", path.display());
            for (name, file_type, number) in listed {
                let child = disk.wait(|| inode.lookup(&name)).unwrap();
                assert_eq!(child.file_type(), file_type);
                assert_eq!(child.status().unwrap().inode, number);
                compare(disk, &child, &path.join(std::ffi::OsStr::from_bytes(&name)), inodes);
            }
            for missing in [&b"0"[..], b"many/", b"zzzz", b"file-1000"] {
                let error = disk.wait(|| inode.lookup(missing)).err();
                assert!(matches!(error, Some(Error::Errno(abi::Errno::NOENT))), "{error:?}");
            }
        }
        _ => {}
    }
    let mut names = disk.wait(|| inode.xattr_names()).unwrap();
    names.sort();
    let values: Vec<_> = names
        .iter()
        .map(|name| disk.wait(|| inode.xattr(name)).unwrap())
        .collect();
    let mut expected: Vec<(Vec<u8>, Vec<u8>)> = host_xattrs(path);
    expected.sort();
    let ours: Vec<_> = names.into_iter().zip(values).collect();
    assert_eq!(ours, expected, "{}", path.display());
}

fn host_xattrs(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut buffer = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut buffer[..]).unwrap_or(0);
    buffer[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 4096];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            value.truncate(length);
            (name.to_vec(), value)
        })
        .collect()
}

#[test]
fn an_image_of_mkfs_reads_as_the_folder_it_was_made_of() {
    let folder = tree();
    for options in [
        &["-Eforce-inode-extended"][..],
        &["-Eforce-inode-compact"],
        &["-x1"],
        &["-Enoinline_data"],
        &["-Elegacy-compress"],
    ] {
        let disk = MemoryDisk::new(make_image(folder.path(), options));
        let erofs = disk.mount().unwrap_or_else(|error| panic!("{options:?}: {error}"));
        let root = disk.wait(|| erofs.root()).unwrap();
        compare(&disk, &root, folder.path(), &mut BTreeMap::new());
    }
}

#[test]
fn other_disks_are_refused_with_the_reason() {
    let folder = Folder::new();
    fs::write(folder.path().join("file"), content(200_000)).unwrap();
    let image = make_image(folder.path(), &[]);
    let refusal = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = image.clone();
        change(&mut bytes);
        MemoryDisk::new(bytes)
            .mount()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(refusal(&|_| {}), "");
    assert!(refusal(&|bytes| bytes[1024] ^= 1).contains("no EROFS"));
    assert!(refusal(&|bytes| bytes[1024 + 20] ^= 1).contains("checksum"));
    assert!(refusal(&|bytes| bytes[1024 + 80] |= 4).contains("features"));
    assert!(refusal(&|bytes| bytes[1024 + 12] = 9).contains("2^9"));
    assert!(refusal(&|bytes| bytes.truncate(8192)).contains("cut short"));
    assert!(refusal(&|bytes| bytes.clear()).contains("cannot be read"));
}

/// Visits everything that can be reached, within a bound, and ignores all errors.
fn visit(disk: &MemoryDisk, inode: &Arc<dyn Inode>, depth: usize, budget: &mut usize) {
    if depth == 0 || *budget == 0 {
        return;
    }
    *budget -= 1;
    let _ = inode.status();
    let _ = disk.wait(|| inode.follow().map(|_| ()));
    let _ = disk.wait(|| inode.read(0, &mut Count(50_000)));
    let _ = disk.wait(|| inode.read(inode.status()?.size.saturating_sub(5000), &mut Count(50_000)));
    if let Some(pages) = inode.pages() {
        let _ = disk.wait(|| pages.page(0));
    }
    for name in disk.wait(|| inode.xattr_names()).unwrap_or_default() {
        let _ = disk.wait(|| inode.xattr(&name));
    }
    let mut names = vec![b"usr".to_vec(), b"zzz".to_vec(), b"an-entry".to_vec()];
    let mut listed = 0;
    let _ = disk.wait(|| {
        inode.read_directory(0, &mut |entry| {
            listed += 1;
            names.push(entry.name.to_vec());
            listed < 2000
        })
    });
    for name in names.into_iter().take(40) {
        if let Ok(child) = disk.wait(|| inode.lookup(&name)) {
            visit(disk, &child, depth - 1, budget);
        }
    }
}

#[test]
fn no_damage_to_an_image_makes_it_panic_or_loop() {
    let folder = tree();
    let image = make_image(folder.path(), &["-x1"]);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |limit: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % limit as u64) as usize
    };
    // Metadata lies at the front: most damage goes there.
    let metadata = image.len().min(80 * 4096);
    for round in 0..400 {
        let mut bytes = image.clone();
        for _ in 0..=random(24) {
            let place = 1024
                + random(if round % 4 == 0 {
                    image.len() - 1024
                } else {
                    metadata - 1024
                });
            bytes[place] = match random(4) {
                0 => 0,
                1 => 0xff,
                2 => bytes[place].wrapping_add(1),
                _ => random(256) as u8,
            };
        }
        // Keep the door open: the interesting damage lies behind the superblock.
        bytes[1024..1024 + 128].copy_from_slice(&image[1024..1024 + 128]);
        bytes[1024 + 8] &= !1;
        let disk = MemoryDisk::new(bytes);
        let Ok(erofs) = disk.mount() else { continue };
        let Ok(root) = disk.wait(|| erofs.root()) else { continue };
        visit(&disk, &root, 5, &mut 300);
    }
}
