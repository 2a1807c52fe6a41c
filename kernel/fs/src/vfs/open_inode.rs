//! Inodes as open files.

use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;

use abi::{Errno, OpenFlags};
use file::{DirectoryEntry, File, FileType, Pages, Readiness, Result, Sink, Source, Status, UserMemory};
use task::WaitQueue;

use super::attributes::drop_set_ids;
use super::{Capabilities, Credentials, Place};
use crate::inode::Inode;
use crate::inotify::{self, Events};
use crate::text::Writing;

/// Positions of `.` and `..`, which come before a directory's entries.
const DOTS: u64 = 2;

/// An inode that was opened by a path.
pub struct OpenInode {
    place: Place,
    inode: Arc<dyn Inode>,
    content: Content,
    /// Who opened it, unless their writes leave set-user-ID bits alone.
    writer: Option<Arc<Credentials>>,
    /// Whether it was opened for writing.
    writes: bool,
    /// Keeps a regular file from being run meanwhile.
    _writing: Option<Writing>,
}

enum Content {
    /// The inode's own operations.
    Inode,
    /// A file that this opening made: a device, or content generated at that moment.
    File(Arc<dyn File>),
    /// None: opened with `O_PATH`.
    None,
}

impl OpenInode {
    /// A handle that stands for the path only (`O_PATH`).
    pub fn path_only(place: &Place) -> core::result::Result<Arc<Self>, Errno> {
        Self::with(place, Content::None, None, OpenFlags::PATH, None)
    }

    pub(super) fn with_inode(
        place: &Place,
        opener: &Arc<Credentials>,
        flags: OpenFlags,
        writing: Option<Writing>,
    ) -> core::result::Result<Arc<Self>, Errno> {
        let writer = (!opener.can(Capabilities::FSETID)).then(|| opener.clone());
        Self::with(place, Content::Inode, writer, flags, writing)
    }

    pub(super) fn with_file(
        place: &Place,
        file: Arc<dyn File>,
        flags: OpenFlags,
    ) -> core::result::Result<Arc<Self>, Errno> {
        Self::with(place, Content::File(file), None, flags, None)
    }

    fn with(
        place: &Place,
        content: Content,
        writer: Option<Arc<Credentials>>,
        flags: OpenFlags,
        writing: Option<Writing>,
    ) -> core::result::Result<Arc<Self>, Errno> {
        Ok(Arc::new(Self {
            inode: place.inode()?.clone(),
            place: place.clone(),
            content,
            writer,
            writes: flags.writes(),
            _writing: writing,
        }))
    }

    /// Where it was found.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What was opened.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        &self.inode
    }

    /// The file behind a device node, or one generated at opening.
    pub fn inner(&self) -> Option<&Arc<dyn File>> {
        match &self.content {
            Content::File(file) => Some(file),
            _ => None,
        }
    }

    /// The inode's own operations, unless another file serves them.
    fn delegate(&self) -> core::result::Result<Option<&Arc<dyn File>>, Errno> {
        match &self.content {
            Content::Inode => Ok(None),
            Content::File(file) => Ok(Some(file)),
            Content::None => Err(Errno::BADF),
        }
    }

    /// Tells who watches the file of a transfer of `count` bytes.
    fn transferred(&self, count: usize, events: Events) {
        if count > 0 {
            inotify::happened(&self.place.dentry, events);
        }
    }

    /// Tells who watches the file that its content changed.
    pub(super) fn modified(&self) {
        inotify::happened(&self.place.dentry, Events::MODIFY);
    }

    /// Gives the entries of a directory.
    fn list(&self, from: u64, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        if self.place.dentry.is_removed() || self.inode.is_gone() {
            return Err(Errno::NOENT.into());
        }
        if !self.dots(from, entry)? {
            return Ok(());
        }
        let mut given = from < DOTS;
        let result = self.inode.read_directory(from.saturating_sub(DOTS), &mut |found| {
            given |= true;
            entry(DirectoryEntry {
                next: found.next + DOTS,
                ..found
            })
        });
        // What was given stands; the reader comes back for the rest.
        if given { Ok(()) } else { result }
    }

    /// To be called before the content changes.
    pub(super) fn before_change(&self) -> Result<()> {
        match &self.writer {
            Some(writer) => drop_set_ids(writer, &*self.inode),
            None => Ok(()),
        }
    }

    fn dots(&self, from: u64, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<bool> {
        let parent = self
            .place
            .dentry
            .parent()
            .or_else(|| self.place.mount.attached()?.dentry.parent());
        for position in from..DOTS {
            let (name, inode): (&[u8], _) = match position {
                0 => (b".", self.inode.status()?.inode),
                _ => match parent.as_ref().and_then(|parent| parent.inode().ok()) {
                    Some(parent) => (b"..", parent.status()?.inode),
                    None => (b"..", self.inode.status()?.inode),
                },
            };
            let fits = entry(DirectoryEntry {
                inode,
                next: position + 1,
                file_type: FileType::Directory,
                name,
            });
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl File for OpenInode {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn status(&self) -> Result<Status> {
        self.inode.status()
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let count = match self.delegate()? {
            Some(file) => file.read(offset, sink),
            None => self.inode.read(offset, sink),
        }?;
        self.transferred(count, Events::ACCESS);
        Ok(count)
    }

    fn read_early(&self, sink: &mut dyn Sink, timed_out: bool) -> Result<usize> {
        match self.delegate()? {
            Some(file) => file.read_early(sink, timed_out),
            None => Err(file::Error::WouldBlock),
        }
    }

    fn time_limit(&self, write: bool) -> Option<u64> {
        self.inner()?.time_limit(write)
    }

    fn write(&self, offset: u64, source: &mut dyn Source) -> Result<usize> {
        let count = match self.delegate()? {
            Some(file) => file.write(offset, source),
            None => {
                if source.remaining() > 0 {
                    self.before_change()?;
                }
                self.inode.write(offset, source)
            }
        }?;
        self.transferred(count, Events::MODIFY);
        Ok(count)
    }

    fn append(&self, source: &mut dyn Source) -> Result<(usize, u64)> {
        let (count, end) = match self.delegate()? {
            Some(file) => file.append(source),
            None => {
                if source.remaining() > 0 {
                    self.before_change()?;
                }
                self.inode.append(source)
            }
        }?;
        self.transferred(count, Events::MODIFY);
        Ok((count, end))
    }

    fn is_seekable(&self) -> bool {
        match &self.content {
            Content::Inode | Content::None => true,
            Content::File(file) => file.is_seekable(),
        }
    }

    fn stays_at_start(&self) -> bool {
        match &self.content {
            Content::Inode | Content::None => false,
            Content::File(file) => file.stays_at_start(),
        }
    }

    fn seek_data(&self, offset: u64, hole: bool) -> Result<u64> {
        match self.delegate()? {
            Some(file) => file.seek_data(offset, hole),
            None => self.inode.seek_data(offset, hole),
        }
    }

    fn readiness(&self) -> Readiness {
        match &self.content {
            Content::File(file) => file.readiness(),
            _ => Readiness::IN | Readiness::OUT | Readiness::RDNORM | Readiness::WRNORM,
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.inner()?.wait_queue()
    }

    fn is_signal_driven(&self) -> bool {
        self.inner().is_some_and(|file| file.is_signal_driven())
    }

    fn pages(&self) -> Option<Arc<dyn Pages>> {
        match self.delegate().ok()? {
            Some(file) => file.pages(),
            None => self.inode.pages(),
        }
    }

    fn read_directory(&self, from: u64, entry: &mut dyn FnMut(DirectoryEntry<'_>) -> bool) -> Result<()> {
        if self.delegate()?.is_some() || self.inode.file_type() != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        self.list(from, entry)?;
        inotify::happened(&self.place.dentry, Events::ACCESS);
        Ok(())
    }

    fn control(&self, command: u32, argument: usize, memory: &mut dyn UserMemory) -> Result<usize> {
        match self.delegate()? {
            Some(file) => file.control(command, argument, memory),
            None => Err(Errno::NOTTY.into()),
        }
    }

    fn note_access(&self) {
        if matches!(self.content, Content::Inode) {
            self.place.note_access();
        }
    }

    fn truncate(&self, size: u64) -> Result<()> {
        match self.delegate()? {
            Some(file) => file.truncate(size),
            None => {
                self.before_change()?;
                self.inode.truncate(size)?;
                self.modified();
                Ok(())
            }
        }
    }

    fn describe(&self, out: &mut String) {
        if let Content::File(file) = &self.content {
            file.describe(out);
        }
    }

    fn sync(&self, data_only: bool) -> Result<()> {
        match self.delegate()? {
            Some(file) => file.sync(data_only),
            // What is written lives in memory only, and what is on the disk is never written.
            None => Ok(()),
        }
    }

    fn close(&self) {
        if let Content::File(file) = &self.content {
            file.close();
        }
        let closed = if self.writes {
            Events::CLOSE_WRITE
        } else {
            Events::CLOSE_NOWRITE
        };
        inotify::happened(&self.place.dentry, closed);
    }
}
