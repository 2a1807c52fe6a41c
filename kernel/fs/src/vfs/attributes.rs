//! Changing attributes.

use alloc::vec::Vec;

use abi::Errno;
use file::{FileType, Result, Status};

use super::{Access, Capabilities, Context, Credentials, MountFlags, Place};
use crate::capabilities::{FILE_CAPABILITIES, FileCapabilities};
use crate::inode::{AttributeChange, Inode, Link, XattrMode};
use crate::inotify::{self, Events};
use crate::text::Writing;

const SET_USER_ID: u16 = 0o4000;
const SET_GROUP_ID: u16 = 0o2000;
const STICKY: u16 = 0o1000;
/// Bytes of the longest name of an extended attribute.
const XATTR_NAME_MAX: usize = 255;
/// Bytes of the longest value of an extended attribute.
const XATTR_SIZE_MAX: usize = 65_536;

/// A time for `utimensat(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The present (`UTIME_NOW`).
    Now,
    /// As it is (`UTIME_OMIT`).
    Omit,
    /// Nanoseconds since 1970.
    At(u64),
}

impl Context {
    /// `chmod(2)`.
    pub fn change_mode(&self, place: &Place, mode: u16) -> Result<()> {
        let inode = place.inode()?;
        place.mount.check_writable()?;
        let status = inode.status()?;
        if !self.credentials.owns(&status) {
            return Err(Errno::PERM.into());
        }
        if status.file_type == FileType::Symlink {
            return Err(Errno::OPNOTSUPP.into());
        }
        let mut permissions = mode & 0o7777;
        if !self.credentials.is_member(status.gid) && !self.credentials.can(Capabilities::FSETID) {
            permissions &= !SET_GROUP_ID;
        }
        inode.set_attributes(&AttributeChange {
            permissions: Some(permissions),
            ..AttributeChange::default()
        })?;
        inotify::happened(&place.dentry, Events::ATTRIB);
        Ok(())
    }

    /// `chown(2)`; `None` leaves an ID as it is.
    pub fn change_owner(&self, place: &Place, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        let inode = place.inode()?;
        place.mount.check_writable()?;
        let status = inode.status()?;
        let owner = self.credentials.user == status.uid;
        let may_give = uid.is_none_or(|uid| owner && uid == status.uid);
        let may_regroup = gid.is_none_or(|gid| owner && (gid == status.gid || self.credentials.is_member(gid)));
        let allowed = may_give && may_regroup || self.credentials.can(Capabilities::CHOWN);
        if !allowed {
            return Err(Errno::PERM.into());
        }
        let permissions = without_set_ids(&self.credentials, &status);
        if permissions.is_some() && !self.credentials.owns(&status) {
            return Err(Errno::PERM.into());
        }
        inode.set_attributes(&AttributeChange {
            permissions,
            uid,
            gid,
            ..AttributeChange::default()
        })?;
        if permissions.is_some() || uid.is_some() || gid.is_some() {
            inotify::happened(&place.dentry, Events::ATTRIB);
        }
        Ok(())
    }

    /// `utimensat(2)`.
    pub fn change_times(&self, place: &Place, accessed: Time, modified: Time) -> Result<()> {
        if (accessed, modified) == (Time::Omit, Time::Omit) {
            return Ok(());
        }
        let inode = place.inode()?;
        place.mount.check_writable()?;
        let status = inode.status()?;
        if !self.credentials.owns(&status) {
            if (accessed, modified) != (Time::Now, Time::Now) {
                return Err(Errno::PERM.into());
            }
            self.credentials.check(&status, Access::WRITE)?;
        }
        let resolve = |time| match time {
            Time::Now => Some(hal::time::realtime()),
            Time::Omit => None,
            Time::At(time) => Some(time),
        };
        inode.set_attributes(&AttributeChange {
            accessed: resolve(accessed),
            modified: resolve(modified),
            ..AttributeChange::default()
        })?;
        // One time alone is what reading and writing change.
        let events = match (accessed, modified) {
            (_, Time::Omit) => Events::ACCESS,
            (Time::Omit, _) => Events::MODIFY,
            _ => Events::ATTRIB,
        };
        inotify::happened(&place.dentry, events);
        Ok(())
    }

    /// `truncate(2)`.
    pub fn truncate(&self, place: &Place, size: u64) -> Result<()> {
        let inode = place.inode()?;
        match inode.file_type() {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::ISDIR.into()),
            _ => return Err(Errno::INVAL.into()),
        }
        place.mount.check_writable()?;
        self.credentials.check(&inode.status()?, Access::WRITE)?;
        let _writing = Writing::new(&**inode)?;
        drop_set_ids(&self.credentials, &**inode)?;
        inode.truncate(size)?;
        inotify::happened(&place.dentry, Events::MODIFY);
        Ok(())
    }

    /// `access(2)`: with the real IDs, which the caller puts into the context. No access at all asks only whether the file exists.
    pub fn check_access(&self, place: &Place, access: Access) -> Result<()> {
        let inode = place.inode()?;
        if access.is_empty() {
            return Ok(());
        }
        let file_type = inode.file_type();
        if access.contains(Access::EXECUTE)
            && file_type == FileType::Regular
            && (place.mount.flags().contains(MountFlags::NO_EXECUTE)
                || inode.pages().is_none_or(|pages| !pages.is_executable()))
        {
            return Err(Errno::ACCES.into());
        }
        self.credentials.check(&inode.status()?, access)?;
        let changes = matches!(file_type, FileType::Regular | FileType::Directory | FileType::Symlink);
        if access.contains(Access::WRITE) && changes {
            place.mount.check_writable()?;
        }
        Ok(())
    }

    /// `EACCES` unless the file may be executed.
    pub fn check_execute(&self, place: &Place) -> Result<()> {
        match place.inode()?.file_type() {
            FileType::Regular => self.check_access(place, Access::EXECUTE),
            _ => Err(Errno::ACCES.into()),
        }
    }

    /// `readlink(2)`.
    pub fn read_link(&self, place: &Place) -> Result<Vec<u8>> {
        let inode = place.inode()?;
        if inode.file_type() != FileType::Symlink {
            return Err(Errno::INVAL.into());
        }
        let link = inode.follow()?;
        place.note_access();
        Ok(match link {
            Link::Path(path) => path,
            Link::Place(place) => place.path(&self.root),
        })
    }

    /// `getxattr(2)`.
    pub fn xattr(&self, place: &Place, name: &[u8]) -> Result<Vec<u8>> {
        check_xattr_name(name)?;
        self.check_xattr(place, name, Access::READ)?;
        place.inode()?.xattr(name)
    }

    /// `listxattr(2)`: the names that the caller may know.
    pub fn xattr_names(&self, place: &Place) -> Result<Vec<Vec<u8>>> {
        let mut names = place.inode()?.xattr_names()?;
        if !self.credentials.can(Capabilities::SYS_ADMIN) {
            names.retain(|name| !name.starts_with(b"trusted."));
        }
        Ok(names)
    }

    /// `setxattr(2)`.
    pub fn set_xattr(&self, place: &Place, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        check_xattr_name(name)?;
        if value.len() > XATTR_SIZE_MAX {
            return Err(Errno::TOOBIG.into());
        }
        self.check_xattr_change(place, name)?;
        if name == FILE_CAPABILITIES {
            // What says that it has capabilities gives some.
            FileCapabilities::parse(value)?;
        }
        place.inode()?.set_xattr(name, value, mode)?;
        inotify::happened(&place.dentry, Events::ATTRIB);
        Ok(())
    }

    /// `removexattr(2)`.
    pub fn remove_xattr(&self, place: &Place, name: &[u8]) -> Result<()> {
        check_xattr_name(name)?;
        self.check_xattr_change(place, name)?;
        place.inode()?.remove_xattr(name)?;
        inotify::happened(&place.dentry, Events::ATTRIB);
        Ok(())
    }

    fn check_xattr_change(&self, place: &Place, name: &[u8]) -> Result<()> {
        place.mount.check_writable()?;
        self.check_xattr(place, name, Access::WRITE)
    }

    /// Whether the caller may read or write an extended attribute: each namespace has a rule of its own, see `xattr(7)`.
    fn check_xattr(&self, place: &Place, name: &[u8], access: Access) -> Result<()> {
        let inode = place.inode()?;
        let writes = access == Access::WRITE;
        // What they may not know of is not there.
        let refusal = if writes { Errno::PERM } else { Errno::NODATA };
        let privileged = self.credentials.can(Capabilities::SYS_ADMIN);
        match namespace(name) {
            Namespace::Trusted if !privileged => Err(refusal.into()),
            Namespace::Security if writes && name == FILE_CAPABILITIES => {
                if self.credentials.can(Capabilities::SETFCAP) {
                    Ok(())
                } else {
                    Err(Errno::PERM.into())
                }
            }
            Namespace::Security if writes && !privileged => Err(Errno::PERM.into()),
            Namespace::Trusted | Namespace::Security => Ok(()),
            Namespace::System => Err(Errno::OPNOTSUPP.into()),
            Namespace::User if !has_user_xattrs(inode.file_type()) => Err(refusal.into()),
            Namespace::User => {
                let status = inode.status()?;
                let shared = status.file_type == FileType::Directory && status.permissions & STICKY != 0;
                if writes && shared && !self.credentials.owns(&status) {
                    return Err(Errno::PERM.into());
                }
                Ok(self.credentials.check(&status, access)?)
            }
            Namespace::Unknown => {
                self.credentials.check(&inode.status()?, access)?;
                Err(Errno::OPNOTSUPP.into())
            }
        }
    }
}

enum Namespace {
    User,
    Trusted,
    Security,
    System,
    Unknown,
}

fn namespace(name: &[u8]) -> Namespace {
    match () {
        () if name.starts_with(b"user.") => Namespace::User,
        () if name.starts_with(b"trusted.") => Namespace::Trusted,
        () if name.starts_with(b"security.") => Namespace::Security,
        () if name.starts_with(b"system.") => Namespace::System,
        () => Namespace::Unknown,
    }
}

fn has_user_xattrs(file_type: FileType) -> bool {
    matches!(file_type, FileType::Regular | FileType::Directory)
}

fn check_xattr_name(name: &[u8]) -> core::result::Result<(), Errno> {
    match name.len() {
        1..=XATTR_NAME_MAX => Ok(()),
        _ => Err(Errno::RANGE),
    }
}

/// The permission bits without those that would lend the owner's or the group's rights to what somebody else has changed; `None` when there are none.
fn without_set_ids(credentials: &Credentials, status: &Status) -> Option<u16> {
    let mut dropped = SET_USER_ID;
    // Without the group's execute bit, the set-group-ID bit means something else.
    let privileged = credentials.is_member(status.gid) || credentials.can(Capabilities::FSETID);
    if status.permissions & 0o010 != 0 || !privileged {
        dropped |= SET_GROUP_ID;
    }
    (status.file_type != FileType::Directory && status.permissions & dropped != 0)
        .then_some(status.permissions & !dropped)
}

/// To be called before somebody changes the content of a file.
pub(super) fn drop_set_ids(credentials: &Credentials, inode: &dyn Inode) -> Result<()> {
    if credentials.can(Capabilities::FSETID) || inode.file_type() != FileType::Regular {
        return Ok(());
    }
    let permissions = without_set_ids(credentials, &inode.status()?);
    if permissions.is_some() {
        inode.set_attributes(&AttributeChange {
            permissions,
            ..AttributeChange::default()
        })?;
    }
    Ok(())
}
