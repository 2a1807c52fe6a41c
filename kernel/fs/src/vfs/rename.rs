//! `rename(2)`.

use alloc::sync::Arc;

use abi::Errno;
use file::Result;
use hal::sync::SpinLock;

use super::children::Children;
use super::walk::Last;
use super::{Access, Context, Dentry, Place};
use crate::inode::RenameMode;
use crate::inotify;

/// Held while directories move, so that what lies above what stands still meanwhile.
static MOVING: SpinLock<()> = SpinLock::new(());

/// One end of a rename.
struct End {
    parent: Place,
    name: alloc::vec::Vec<u8>,
    slash: bool,
}

impl Context {
    /// Moves `from` to `to_path`, which starts at `to`'s base.
    pub fn rename(&self, from: &[u8], to: &Context, to_path: &[u8], mode: RenameMode) -> Result<()> {
        let (from_parent, from_last) = self.resolve_parent(from)?;
        let (to_parent, to_last) = to.resolve_parent(to_path)?;
        if !Arc::ptr_eq(&from_parent.mount, &to_parent.mount) {
            return Err(Errno::XDEV.into());
        }
        let Last::Name { name, slash } = from_last else {
            return Err(Errno::BUSY.into());
        };
        let source = End {
            parent: from_parent,
            name,
            slash,
        };
        let Last::Name { name, slash } = to_last else {
            return Err(match mode {
                RenameMode::NoReplace => Errno::EXIST.into(),
                _ => Errno::BUSY.into(),
            });
        };
        let target = End {
            parent: to_parent,
            name,
            slash,
        };
        source.parent.mount.check_writable()?;
        // What is replaced is dropped after all locks.
        let _replaced = {
            let _moving = MOVING.lock();
            Self::lock_both(&source.parent.dentry, &target.parent.dentry, |from, to| {
                self.rename_locked(&source, &target, from, to, mode)
            })?
        };
        Ok(())
    }

    fn rename_locked(
        &self,
        source: &End,
        target: &End,
        from: &mut Children,
        mut to: Option<&mut Children>,
        mode: RenameMode,
    ) -> Result<Option<(Arc<Dentry>, Arc<Dentry>)>> {
        let (above, below) = (&source.parent.dentry, &target.parent.dentry);
        let old = above.child_locked(from, &source.name)?;
        old.inode()?;
        let new = below.child_locked(to.as_deref_mut().unwrap_or(from), &target.name)?;
        let exchange = mode == RenameMode::Exchange;
        match mode {
            RenameMode::NoReplace if new.exists() => return Err(Errno::EXIST.into()),
            RenameMode::Exchange => {
                let inode = new.inode()?;
                if target.slash && inode.file_type() != file::FileType::Directory {
                    return Err(Errno::NOTDIR.into());
                }
            }
            _ => {}
        }
        let directory = old.is_directory();
        if !directory && (source.slash || !exchange && target.slash) {
            return Err(Errno::NOTDIR.into());
        }
        // The source must not move below itself, nor the target be above the source.
        if below.is_within(&old) {
            return Err(Errno::INVAL.into());
        }
        if above.is_within(&new) {
            return Err(if exchange { Errno::INVAL } else { Errno::NOTEMPTY }.into());
        }
        if let (Ok(one), Ok(two)) = (old.inode(), new.inode())
            && Arc::ptr_eq(one, two)
        {
            return Ok(None);
        }
        self.check_delete(&source.parent, &old, directory)?;
        match new.exists() {
            false => self.check_create(&target.parent)?,
            true if exchange => self.check_delete(&target.parent, &new, new.is_directory())?,
            true => self.check_delete(&target.parent, &new, directory)?,
        }
        if to.is_some() {
            // Its entry `..` changes.
            for moving in [Some(&old), exchange.then_some(&new)].into_iter().flatten() {
                if moving.is_directory() {
                    self.credentials.check(&moving.inode()?.status()?, Access::WRITE)?;
                }
            }
        }
        if old.is_mount_point() || new.is_mount_point() {
            return Err(Errno::BUSY.into());
        }
        let _names = {
            let inside = (new.is_directory() && !exchange).then(|| new.lock());
            let target_inode = target.parent.inode()?;
            source
                .parent
                .inode()?
                .rename(&source.name, target_inode, &target.name, mode)?;
            inside.map(|inside| Dentry::forget_all(&inside))
        };
        let (from_inode, to_inode) = (source.parent.inode()?, target.parent.inode()?);
        let (moving, other) = (old.inode()?, new.inode().ok());
        let replaced = other.filter(|_| !exchange);
        inotify::moved(
            (from_inode, &source.name),
            (to_inode, &target.name),
            &**moving,
            replaced.map(|inode| &**inode),
        );
        if let Some(other) = other.filter(|_| exchange) {
            inotify::moved((to_inode, &target.name), (from_inode, &source.name), &**other, None);
        }
        if exchange {
            old.moved(below, &target.name, to.unwrap_or(&mut *from));
            new.moved(above, &source.name, from);
        } else {
            if new.exists() {
                new.remove(to.as_deref_mut().unwrap_or(&mut *from));
            }
            from.remove(&source.name);
            old.moved(below, &target.name, to.unwrap_or(from));
        }
        Ok(Some((old, new)))
    }
}
