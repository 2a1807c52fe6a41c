//! The same operations on our file systems.

use std::sync::Arc;

use abi::{Errno, OpenFlags};
use file::{BytesSink, BytesSource, Error, FileType, OpenFile, Result};

use super::operation::{Action, Operation, Outcome};
use crate::inode::{NewKind, RenameMode, XattrMode};
use crate::testing::MemoryDisk;
use crate::vfs::{Access, Context, Lookup, OpenRequest, Place};

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        match error {
            Error::Errno(errno) => Self::Error(errno.number()),
            other => panic!("{other:?}"),
        }
    }
}

fn done(result: Result<()>) -> Outcome {
    result.map_or_else(Outcome::from, |()| Outcome::Done)
}

fn status(result: Result<file::Status>) -> Outcome {
    result.map_or_else(Outcome::from, |status| Outcome::Status {
        file_type: status.file_type,
        permissions: status.permissions,
        links: status.links,
        uid: status.uid,
        gid: status.gid,
        size: status.size,
        blocks: status.blocks,
    })
}

/// The context with its base at a path.
pub(super) fn enter(disk: &MemoryDisk, context: &Context, path: &[u8]) -> Context {
    let base = disk.wait(|| context.resolve(path, Lookup::FOLLOW)).unwrap();
    Context {
        base,
        ..context.clone()
    }
}

pub(super) fn run(disk: &MemoryDisk, context: &Context, operation: &Operation) -> Outcome {
    let resolve = |path: &String, lookup| disk.wait(|| context.resolve(path.as_bytes(), lookup));
    let at = |path: &String, act: &dyn Fn(&Place) -> Result<()>| match resolve(path, Lookup::FOLLOW) {
        Ok(place) => done(disk.wait(|| act(&place))),
        Err(error) => error.into(),
    };
    match operation {
        Operation::MakeDirectory(path, mode) => done(disk.wait(|| context.make_directory(path.as_bytes(), *mode))),
        Operation::MakeFifo(path, mode) => done(disk.wait(|| context.make_node(path.as_bytes(), NewKind::Fifo, *mode))),
        Operation::Open(path, flags, mode, actions) => {
            let request = OpenRequest {
                flags: *flags,
                mode: *mode,
                ..OpenRequest::default()
            };
            match disk.wait(|| context.open(path.as_bytes(), request)) {
                Ok(file) => {
                    let fifo = file.status().is_ok_and(|status| status.file_type == FileType::Fifo);
                    let open = OpenFile::new(file, *flags);
                    let actions = if fifo { &[][..] } else { actions };
                    Outcome::Actions(actions.iter().map(|action| act(disk, &open, action)).collect())
                }
                Err(error) => error.into(),
            }
        }
        Operation::Unlink(path) => done(disk.wait(|| context.unlink(path.as_bytes()))),
        Operation::RemoveDirectory(path) => done(disk.wait(|| context.remove_directory(path.as_bytes()))),
        Operation::Rename(from, to, flags) => {
            let mode = [RenameMode::Replace, RenameMode::NoReplace, RenameMode::Exchange][*flags as usize];
            done(disk.wait(|| context.rename(from.as_bytes(), context, to.as_bytes(), mode)))
        }
        Operation::Link(from, to, follow) => {
            let lookup = if *follow { Lookup::FOLLOW } else { Lookup::empty() };
            done(disk.wait(|| context.link(from.as_bytes(), lookup, context, to.as_bytes())))
        }
        Operation::Symlink(target, path) => {
            done(disk.wait(|| context.make_symlink(target.as_bytes(), path.as_bytes())))
        }
        Operation::ReadLink(path) => match resolve(path, Lookup::empty()) {
            Ok(place) => disk
                .wait(|| context.read_link(&place))
                .map_or_else(Outcome::from, Outcome::Bytes),
            Err(error) => error.into(),
        },
        Operation::ChangeMode(path, mode) => at(path, &|place| context.change_mode(place, *mode)),
        Operation::ChangeOwner(path, uid, gid, follow) => {
            let lookup = if *follow { Lookup::FOLLOW } else { Lookup::empty() };
            let some = |id: u32| (id > 0).then_some(id);
            match resolve(path, lookup) {
                Ok(place) => done(disk.wait(|| context.change_owner(&place, some(*uid), some(*gid)))),
                Err(error) => error.into(),
            }
        }
        Operation::Truncate(path, size) => at(path, &|place| context.truncate(place, *size)),
        Operation::Status(path, follow) => {
            let lookup = if *follow { Lookup::FOLLOW } else { Lookup::empty() };
            status(resolve(path, lookup).and_then(|place| place.inode()?.status()))
        }
        Operation::Access(path, access) => at(path, &|place| {
            context.check_access(place, Access::from_bits_truncate(*access))
        }),
        Operation::List(path) => {
            let request = OpenRequest {
                flags: OpenFlags::DIRECTORY,
                ..OpenRequest::default()
            };
            match disk.wait(|| context.open(path.as_bytes(), request)) {
                Ok(file) => list(disk, &OpenFile::new(file, OpenFlags::DIRECTORY)),
                Err(error) => error.into(),
            }
        }
        Operation::SetXattr(path, name, how) => {
            let mode = [XattrMode::Set, XattrMode::Create, XattrMode::Replace][usize::from(*how)];
            at(path, &|place| context.set_xattr(place, name.as_bytes(), b"value", mode))
        }
        Operation::Xattr(path, name) => match resolve(path, Lookup::FOLLOW) {
            Ok(place) => disk
                .wait(|| context.xattr(&place, name.as_bytes()))
                .map_or_else(Outcome::from, Outcome::Bytes),
            Err(error) => error.into(),
        },
        Operation::RemoveXattr(path, name) => at(path, &|place| context.remove_xattr(place, name.as_bytes())),
        Operation::XattrNames(path) => match resolve(path, Lookup::FOLLOW) {
            Ok(place) => disk
                .wait(|| context.xattr_names(&place))
                .map_or_else(Outcome::from, |mut names| {
                    names.sort();
                    Outcome::Names(names)
                }),
            Err(error) => error.into(),
        },
    }
}

fn list(disk: &MemoryDisk, directory: &Arc<OpenFile>) -> Outcome {
    let mut names = Vec::new();
    loop {
        let before = names.len();
        let result = disk.wait(|| {
            directory.read_directory(&mut |entry| {
                if names.len() - before == 2 {
                    return false;
                }
                names.push(entry.name.to_vec());
                true
            })
        });
        if let Err(error) = result {
            return error.into();
        }
        if names.len() == before {
            names.sort();
            return Outcome::Names(names);
        }
    }
}

fn act(disk: &MemoryDisk, file: &Arc<OpenFile>, action: &Action) -> Outcome {
    let number = |result: Result<usize>| result.map_or_else(Outcome::from, |count| Outcome::Number(count as u64));
    match action {
        Action::Write(offset, byte, length) => {
            let bytes = vec![*byte; *length];
            number(disk.wait(|| file.write_at(*offset, &mut BytesSource::new(&bytes))))
        }
        Action::Append(byte, length) => {
            let bytes = vec![*byte; *length];
            number(disk.wait(|| {
                if !file.is_path() {
                    file.seek(0, 2)?;
                }
                file.write(&mut BytesSource::new(&bytes))
            }))
        }
        Action::Read(offset, length) => {
            let mut bytes = vec![0; *length];
            let mut count = 0;
            // Linux waits for the disk in the middle of a read, our callers between two.
            loop {
                let rest = &mut bytes[count..];
                match disk.wait(|| file.read_at(*offset + count as u64, &mut BytesSink::new(rest))) {
                    Ok(0) => break,
                    Ok(more) => count += more,
                    Err(error) => return error.into(),
                }
            }
            bytes.truncate(count);
            Outcome::Bytes(bytes)
        }
        Action::Truncate(size) => done(disk.wait(|| {
            if file.is_path() {
                return Err(Errno::BADF.into());
            }
            if !file.flags().writes() || file.file().status()?.file_type == FileType::Directory {
                return Err(Errno::INVAL.into());
            }
            file.file().truncate(*size)
        })),
        Action::Allocate(mode, offset, length) => {
            done(disk.wait(|| crate::vfs::allocate(file, *mode, *offset as i64, *length as i64)))
        }
        Action::Seek(offset, hole) => disk
            .wait(|| file.seek(*offset as i64, if *hole { 4 } else { 3 }))
            .map_or_else(Outcome::from, Outcome::Number),
        Action::Status => status(file.file().status()),
    }
}
