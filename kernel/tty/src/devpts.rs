//! `/dev/pts`: a file for each pseudo-terminal, and `/dev/tty` and `/dev/ptmx`.

use abi::general::DEVPTS_SUPER_MAGIC;
use abi::{Errno, OpenFlags};
use alloc::format;
use alloc::sync::Arc;
use core::any::Any;
use file::{DirectoryEntry, File, FileType, Result, Status};
use fs::dev::{PTMX, TTY};
use fs::vfs::{Context, MountFlags};
use fs::{AttributeChange, FileSystem, Inode, NewInode, NewKind, Statistics, allocate_device_number, mount_at};

use crate::table::{Attributes, Pair, Terminals};

/// What there is besides the terminals.
const ROOT: u64 = 1;
const PTMX_NODE: u64 = 2;
/// The inode number of the first terminal.
const FIRST: u64 = 3;

/// Mounts `/dev/pts` and makes `/dev/ptmx` and `/dev/tty` lead to terminals. `/dev` is there already.
pub async fn mount(context: &Context, terminals: &Arc<Terminals>) -> core::result::Result<(), Errno> {
    let masters = terminals.clone();
    context
        .namespace
        .register_device(PTMX, Arc::new(move |_| masters.open_master()));
    let own = terminals.clone();
    context
        .namespace
        .register_device(TTY, Arc::new(move |flags| own.open_own(flags)));
    let root = Node {
        file_system: Arc::new(Devpts {
            terminals: terminals.clone(),
            device: allocate_device_number(),
            made: hal::time::realtime(),
        }),
        kind: Kind::Root,
    };
    let flags = MountFlags::NO_SUID | MountFlags::NO_EXECUTE;
    mount_at(context, b"/dev/pts", Arc::new(root), b"devpts", flags).await
}

struct Devpts {
    terminals: Arc<Terminals>,
    device: u64,
    made: u64,
}

impl FileSystem for Devpts {
    fn name(&self) -> &'static str {
        "devpts"
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            magic: DEVPTS_SUPER_MAGIC,
            block_size: 4096,
            name_length: 255,
            ..Statistics::default()
        }
    }
}

/// What an inode of it is.
#[derive(Clone)]
enum Kind {
    Root,
    Ptmx,
    Terminal(Arc<Pair>),
}

struct Node {
    file_system: Arc<Devpts>,
    kind: Kind,
}

impl Node {
    fn number(&self) -> u64 {
        match &self.kind {
            Kind::Root => ROOT,
            Kind::Ptmx => PTMX_NODE,
            Kind::Terminal(pair) => FIRST + u64::from(pair.index),
        }
    }

    fn attributes(&self) -> Attributes {
        let fixed = |permissions| Attributes {
            user: 0,
            group: 0,
            permissions,
            times: [self.file_system.made; 3],
        };
        match &self.kind {
            Kind::Root => fixed(0o755),
            Kind::Ptmx => fixed(0o666),
            Kind::Terminal(pair) => *pair.attributes.lock(),
        }
    }
}

impl Inode for Node {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn file_type(&self) -> FileType {
        match self.kind {
            Kind::Root => FileType::Directory,
            _ => FileType::CharacterDevice,
        }
    }

    fn status(&self) -> Result<Status> {
        let attributes = self.attributes();
        let [accessed, modified, changed] = attributes.times;
        let (special_device, links) = match &self.kind {
            Kind::Root => (0, 2),
            Kind::Ptmx => (PTMX, 1),
            Kind::Terminal(pair) => (pair.terminal.number(), 1),
        };
        Ok(Status {
            device: self.file_system.device,
            inode: self.number(),
            file_type: self.file_type(),
            permissions: attributes.permissions,
            links,
            uid: attributes.user,
            gid: attributes.group,
            special_device,
            size: 0,
            block_size: 1024,
            blocks: 0,
            accessed,
            modified,
            changed,
        })
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.file_system.clone()
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        if !matches!(self.kind, Kind::Root) {
            return Err(Errno::NOTDIR.into());
        }
        let kind = if name == b"ptmx" {
            Kind::Ptmx
        } else {
            let index: u32 = core::str::from_utf8(name)
                .ok()
                .and_then(|text| text.parse().ok())
                .filter(|index| format!("{index}").as_bytes() == name)
                .ok_or(Errno::NOENT)?;
            Kind::Terminal(self.file_system.terminals.get(index).ok_or(Errno::NOENT)?)
        };
        Ok(Arc::new(Self {
            file_system: self.file_system.clone(),
            kind,
        }))
    }

    fn caches_names(&self) -> bool {
        false
    }

    fn create(&self, _name: &[u8], new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        Err(match new.kind {
            NewKind::Regular => Errno::ACCES.into(),
            _ => Errno::PERM.into(),
        })
    }

    fn read_directory(&self, from: u64, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        // The inode numbers are the order, too.
        let mut give = |name: &[u8], inode: u64| {
            entry(DirectoryEntry {
                inode,
                next: inode,
                file_type: FileType::CharacterDevice,
                name,
            })
        };
        if from < PTMX_NODE && !give(b"ptmx", PTMX_NODE) {
            return Ok(());
        }
        let first = (from + 1).saturating_sub(FIRST) as u32;
        for pair in self.file_system.terminals.from(first) {
            if !give(format!("{}", pair.index).as_bytes(), FIRST + u64::from(pair.index)) {
                break;
            }
        }
        Ok(())
    }

    fn open(&self, flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        match &self.kind {
            Kind::Terminal(pair) => pair.terminal.open(flags).map(Some),
            // What has a number of its own is found by that.
            _ => Ok(None),
        }
    }

    fn set_attributes(&self, change: &AttributeChange) -> Result<()> {
        let Kind::Terminal(pair) = &self.kind else {
            return Err(Errno::PERM.into());
        };
        let mut attributes = pair.attributes.lock();
        let [accessed, modified, _] = attributes.times;
        *attributes = Attributes {
            user: change.uid.unwrap_or(attributes.user),
            group: change.gid.unwrap_or(attributes.group),
            permissions: change.permissions.unwrap_or(attributes.permissions),
            times: [
                change.accessed.unwrap_or(accessed),
                change.modified.unwrap_or(modified),
                hal::time::realtime(),
            ],
        };
        Ok(())
    }
}
