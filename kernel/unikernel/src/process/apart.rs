//! What a thread has apart from its process: descriptors (without `CLONE_FILES`), and where it stands among names (without `CLONE_FS`).

use alloc::boxed::Box;

use file::DescriptorTable;
use fs::vfs::{Context, Place};

use super::{Paths, Thread};

impl Thread {
    /// Its descriptors.
    #[inline]
    pub fn files(&self) -> &DescriptorTable {
        self.own_files.get().unwrap_or(&self.process.files)
    }

    /// Its working directory, root and umask.
    #[inline]
    pub fn paths(&self) -> &Paths {
        self.own_paths.get().unwrap_or(&self.process.paths)
    }

    /// To look up paths: relative ones begin at `base`, or at the working directory when that is `None`.
    pub fn context(&self, base: Option<Place>) -> Context {
        self.process.context_at(self.paths(), base)
    }

    /// The descriptors of a new thread or process, shared or copied.
    pub fn files_for_another(&self, share: bool) -> DescriptorTable {
        if share {
            self.files().share()
        } else {
            self.files().fork()
        }
    }

    /// The paths of a new thread or process, shared or copied.
    pub fn paths_for_another(&self, share: bool) -> Paths {
        self.paths().for_another(share)
    }

    /// Gives a new thread what it does not have from its process: what its maker has apart, or copies. Each has a holder of its own, since any of
    /// them may end the sharing.
    pub fn set_apart(&self, maker: &Self, shares_files: bool, shares_paths: bool) {
        if !shares_files || maker.own_files.get().is_some() {
            let _ = self.own_files.set(Box::new(maker.files_for_another(shares_files)));
        }
        if !shares_paths || maker.own_paths.get().is_some() {
            let _ = self.own_paths.set(Box::new(maker.paths_for_another(shares_paths)));
        }
    }

    /// Shares its descriptors with nobody from now on (`unshare(2)`).
    pub fn unshare_files(&self) {
        if self.own_files.get().is_none() && self.process.thread_count() > 1 {
            let _ = self.own_files.set(Box::new(self.files().fork()));
        } else {
            self.files().unshare();
        }
    }

    /// Shares its paths with nobody from now on.
    pub fn unshare_paths(&self) {
        if self.own_paths.get().is_none() && self.process.thread_count() > 1 {
            let _ = self.own_paths.set(Box::new(self.paths_for_another(false)));
        } else {
            self.paths().unshare();
        }
    }

    /// Gives up what it has apart, at its end.
    pub(super) fn end_apart(&self) {
        if let Some(files) = self.own_files.get() {
            self.process.note_all_closed(files.release());
        }
    }

    /// It is the only thread of its process, and runs another program: what it has becomes the process's, which shares no descriptors.
    pub fn rejoin(&self) {
        match self.own_files.get() {
            Some(own) => self.process.note_all_closed(self.process.files.become_copy_of(own)),
            None => self.process.files.unshare(),
        }
        if let Some(own) = self.own_paths.get() {
            self.process.paths.become_copy_of(own);
        }
    }
}
