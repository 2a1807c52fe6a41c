//! Operations on the host's Linux.

use std::os::fd::OwnedFd;

use file::FileType;
use rustix::fs::{AtFlags, CWD, FallocateFlags, Gid, Mode, OFlags, RenameFlags, SeekFrom, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::operation::{Action, Operation, Outcome};

impl From<Errno> for Outcome {
    fn from(errno: Errno) -> Self {
        Self::Error(errno.raw_os_error() as u16)
    }
}

fn done(result: rustix::io::Result<()>) -> Outcome {
    result.map_or_else(Outcome::from, |()| Outcome::Done)
}

fn mode(mode: u16) -> Mode {
    Mode::from_raw_mode(u32::from(mode))
}

fn status(result: rustix::io::Result<Stat>) -> Outcome {
    match result {
        Err(errno) => errno.into(),
        Ok(stat) => Outcome::Status {
            file_type: match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
                rustix::fs::FileType::Directory => FileType::Directory,
                rustix::fs::FileType::Symlink => FileType::Symlink,
                rustix::fs::FileType::Fifo => FileType::Fifo,
                rustix::fs::FileType::CharacterDevice => FileType::CharacterDevice,
                _ => FileType::Regular,
            },
            permissions: (stat.st_mode & 0o7777) as u16,
            links: stat.st_nlink as u32,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size as u64,
            blocks: stat.st_blocks as u64,
        },
    }
}

/// Runs `act` as an ordinary user; `None` where there is only one user, as in a user namespace.
pub(super) fn as_user<T>(user: u32, other_group: u32, act: impl FnOnce() -> T) -> Option<T> {
    let (root, root_group) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_groups(&[Gid::from_raw(other_group)]).ok()?;
    rustix::thread::set_thread_res_gid(root_group, Gid::from_raw(user), root_group).ok()?;
    rustix::thread::set_thread_res_uid(root, Uid::from_raw(user), root).ok()?;
    let result = act();
    rustix::thread::set_thread_res_uid(root, root, root).expect("back to root");
    rustix::thread::set_thread_res_gid(root_group, root_group, root_group).expect("back to root's group");
    rustix::thread::set_thread_groups(&[]).expect("back to no groups");
    Some(result)
}

#[expect(clippy::too_many_lines, reason = "one arm for each operation")]
pub(super) fn run(operation: &Operation) -> Outcome {
    match operation {
        Operation::MakeDirectory(path, permissions) => done(rustix::fs::mkdir(path, mode(*permissions))),
        Operation::MakeFifo(path, permissions) => done(rustix::fs::mknodat(
            CWD,
            path,
            rustix::fs::FileType::Fifo,
            mode(*permissions),
            0,
        )),
        Operation::Open(path, flags, permissions, actions) => {
            let flags = OFlags::from_bits_retain(flags.bits());
            match rustix::fs::open(path, flags, mode(*permissions)) {
                Ok(file) => {
                    // Reads and writes of a FIFO's end are not what is compared here.
                    let fifo = rustix::fs::fstat(&file).is_ok_and(|stat| {
                        rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Fifo
                    });
                    let actions = if fifo { &[][..] } else { actions };
                    Outcome::Actions(actions.iter().map(|action| act(&file, action, flags)).collect())
                }
                Err(errno) => errno.into(),
            }
        }
        Operation::Unlink(path) => done(rustix::fs::unlink(path)),
        Operation::RemoveDirectory(path) => done(rustix::fs::rmdir(path)),
        Operation::Rename(from, to, flags) => done(rustix::fs::renameat_with(
            CWD,
            from,
            CWD,
            to,
            RenameFlags::from_bits_retain(*flags),
        )),
        Operation::Link(from, to, follow) => {
            let flags = if *follow {
                AtFlags::SYMLINK_FOLLOW
            } else {
                AtFlags::empty()
            };
            done(rustix::fs::linkat(CWD, from, CWD, to, flags))
        }
        Operation::Symlink(target, path) => done(rustix::fs::symlink(target, path)),
        Operation::ReadLink(path) => rustix::fs::readlink(path, Vec::new())
            .map_or_else(Outcome::from, |target| Outcome::Bytes(target.into_bytes())),
        Operation::ChangeMode(path, permissions) => done(rustix::fs::chmod(path, mode(*permissions))),
        Operation::ChangeOwner(path, uid, gid, follow) => {
            let flags = if *follow {
                AtFlags::empty()
            } else {
                AtFlags::SYMLINK_NOFOLLOW
            };
            done(rustix::fs::chownat(
                CWD,
                path,
                (*uid > 0).then(|| Uid::from_raw(*uid)),
                (*gid > 0).then(|| Gid::from_raw(*gid)),
                flags,
            ))
        }
        Operation::Truncate(path, size) => {
            // There is no safe call by path: what opening for writing says comes first.
            match rustix::fs::open(path, OFlags::PATH, Mode::empty()) {
                Err(errno) => errno.into(),
                Ok(handle) => {
                    let kind = rustix::fs::fstat(&handle).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
                    match kind {
                        Ok(rustix::fs::FileType::RegularFile) => {
                            let file = rustix::fs::open(path, OFlags::WRONLY, Mode::empty());
                            done(file.and_then(|file| rustix::fs::ftruncate(file, *size)))
                        }
                        Ok(rustix::fs::FileType::Directory) => Outcome::from(Errno::ISDIR),
                        _ => Outcome::from(Errno::INVAL),
                    }
                }
            }
        }
        Operation::Status(path, follow) => status(if *follow {
            rustix::fs::stat(path)
        } else {
            rustix::fs::lstat(path)
        }),
        Operation::Access(path, access) => done(rustix::fs::accessat(
            CWD,
            path,
            rustix::fs::Access::from_bits_retain(u32::from(*access)),
            AtFlags::EACCESS,
        )),
        Operation::List(path) => list(path).unwrap_or_else(Outcome::from),
        Operation::SetXattr(path, name, how) => {
            let flags = XattrFlags::from_bits_retain(u32::from(*how));
            done(rustix::fs::setxattr(path, *name, b"value", flags))
        }
        Operation::Xattr(path, name) => {
            let mut value = [0; 64];
            rustix::fs::getxattr(path, *name, &mut value[..])
                .map_or_else(Outcome::from, |length| Outcome::Bytes(value[..length].to_vec()))
        }
        Operation::RemoveXattr(path, name) => done(rustix::fs::removexattr(path, *name)),
        Operation::XattrNames(path) => {
            let mut names = vec![0; 4096];
            match rustix::fs::listxattr(path, &mut names[..]) {
                Err(errno) => errno.into(),
                Ok(length) => {
                    let names = names[..length].split(|&byte| byte == 0);
                    let mut names: Vec<_> = names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect();
                    names.sort();
                    Outcome::Names(names)
                }
            }
        }
    }
}

fn list(path: &str) -> rustix::io::Result<Outcome> {
    let directory = rustix::fs::open(path, OFlags::DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(directory)? {
        names.push(entry?.file_name().to_bytes().to_vec());
    }
    names.sort();
    Ok(Outcome::Names(names))
}

fn act(file: &OwnedFd, action: &Action, flags: OFlags) -> Outcome {
    let number =
        |result: rustix::io::Result<usize>| result.map_or_else(Outcome::from, |count| Outcome::Number(count as u64));
    match action {
        Action::Write(offset, byte, length) => number(rustix::io::pwrite(file, &vec![*byte; *length], *offset)),
        Action::Append(byte, length) => {
            if !flags.contains(OFlags::PATH) && rustix::fs::seek(file, SeekFrom::End(0)).is_err() {
                return Outcome::from(Errno::BADF);
            }
            number(rustix::io::write(file, &vec![*byte; *length]))
        }
        Action::Read(offset, length) => {
            let mut bytes = vec![0; *length];
            rustix::io::pread(file, &mut bytes[..], *offset)
                .map_or_else(Outcome::from, |count| Outcome::Bytes(bytes[..count].to_vec()))
        }
        Action::Truncate(size) => done(rustix::fs::ftruncate(file, *size)),
        Action::Allocate(mode, offset, length) => done(rustix::fs::fallocate(
            file,
            FallocateFlags::from_bits_retain(*mode),
            *offset,
            *length,
        )),
        Action::Seek(offset, hole) => {
            let from = if *hole {
                SeekFrom::Hole(*offset)
            } else {
                SeekFrom::Data(*offset)
            };
            rustix::fs::seek(file, from).map_or_else(Outcome::from, Outcome::Number)
        }
        Action::Status => status(rustix::fs::fstat(file)),
    }
}
