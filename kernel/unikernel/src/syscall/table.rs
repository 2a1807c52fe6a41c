//! The table of system calls: which exist, how fully they are served, and who serves them.

use abi::Errno;
use abi::general::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CREAT, O_TRUNC, O_WRONLY};
use alloc::sync::Arc;
use fs::vfs::Lookup;

use super::attributes::Subject;
use super::directory::Layout;
use super::identity::Of;
use super::{
    Call, Progress, Result, adjust, aio, attributes, capability, child, clone, compare, descriptor, directory, epoll,
    events, execute, fcntl, futex, group, identity, inotify, ioctl, memory, memory_file, message_queue, path, pidfd,
    poll, posix_queue, scheduling, seccomp, semaphore, shared_memory, signal, socket, splice, stat, storage, system,
    thread, time, timer, transfer, unshare,
};
use crate::process::Thread;

/// How fully a call is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As on Linux.
    Full,
    /// Except for what the note says.
    Partial,
    /// Accepted without effect, as the note says.
    Accepted,
    /// Known, and fails always, for the reason in the note.
    Refused,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Number on x86-64.
    pub number: u32,
    /// Name.
    pub name: &'static str,
    /// How fully it is served.
    pub support: Support,
    /// What differs from Linux.
    pub note: &'static str,
}

/// Builds `quick`, `attempt`, `dispatch` and `SYSTEM_CALLS` from rows `constant: support, "note" => how result;`. A call is served `now`, since it
/// never waits; in a future (`waits`), where the result may await; or by a `first` attempt, whose result is an [`Progress`], and what comes `then` when
/// that leaves it.
macro_rules! system_calls {
    (
        |$thread:ident, $call:ident|
        quick { $($quick:ident => $value:expr;)* }
        $($number:ident: $support:ident, $note:literal => $how:ident $result:expr $(, then $rest:expr)?;)*
    ) => {
        /// The calls that are served, in the order of their rows.
        pub static SYSTEM_CALLS: &[Entry] = &[
            $(Entry {
                number: linux_raw_sys::general::$quick,
                name: stringify!($quick).split_at(5).1,
                support: Support::Full,
                note: "",
            },)*
            $(Entry {
                number: linux_raw_sys::general::$number,
                // The constant's name without its leading `__NR_`.
                name: stringify!($number).split_at(5).1,
                support: Support::$support,
                note: $note,
            },)*
        ];

        /// Serves a call that only looks at its thread, without what surrounds the others: it neither waits nor fails, and changes nothing that
        /// the way to user mode looks at.
        #[inline]
        pub fn quick($thread: &Thread, number: usize) -> Option<usize> {
            match number as u32 {
                $(linux_raw_sys::general::$quick => Some($value),)*
                _ => None,
            }
        }

        /// Serves another call as far as that goes without a future; `ENOSYS` for one that is not in the table.
        pub fn attempt<'a>($thread: &'a Arc<Thread>, $call: &Call) -> Progress<'a> {
            match $call.number as u32 {
                $(linux_raw_sys::general::$number => attempt!($how $result),)*
                _ => Progress::Over(super::unknown::report($call.number)),
            }
        }

        /// Serves a call that [`attempt`] has left.
        pub async fn dispatch($thread: &Arc<Thread>, $call: &Call) -> Result {
            match $call.number as u32 {
                $(linux_raw_sys::general::$number => dispatch!($how $result $(, then $rest)?),)*
                _ => Err(Errno::NOSYS.into()),
            }
        }
    };
}

/// What `attempt` does with a row.
macro_rules! attempt {
    (now $result:expr) => {
        Progress::Over($result)
    };
    (first $result:expr) => {
        $result
    };
    (waits $result:expr) => {
        Progress::Waits
    };
}

/// What `dispatch` does with a row.
macro_rules! dispatch {
    (waits $result:expr) => {
        $result
    };
    (first $result:expr, then $rest:expr) => {
        $rest
    };
    // Served before.
    ($how:ident $result:expr) => {
        Err(Errno::NOSYS.into())
    };
}

// Rows are grouped by the file that serves them, and sorted by name within it.
system_calls! {
    |thread, call|

    quick {
        __NR_getegid => identity::get(thread, Of::Group, true);
        __NR_geteuid => identity::get(thread, Of::User, true);
        __NR_getgid => identity::get(thread, Of::Group, false);
        __NR_getpid => thread.process.pid as usize;
        __NR_getppid => thread.process.kinship.parent() as usize;
        __NR_gettid => thread.tid as usize;
        __NR_getuid => identity::get(thread, Of::User, false);
    }

    // Descriptors.
    __NR_close: Full, "" => now descriptor::close(thread, call);
    __NR_close_range: Full, "" => now descriptor::close_range(thread, call);
    __NR_dup2: Full, "" => now descriptor::dup2(thread, call);
    __NR_dup3: Full, "" => now descriptor::dup3(thread, call);
    __NR_dup: Full, "" => now descriptor::dup(thread, call);
    __NR_fcntl: Partial, "no leases, `F_NOTIFY` of events; no `EDEADLK`" => waits fcntl::fcntl(thread, call).await;
    __NR_flock: Full, "" => waits fcntl::flock(thread, call).await;
    __NR_ioctl: Partial, "what the kind of file knows" => waits ioctl::ioctl(thread, call).await;

    // Files without names.
    __NR_epoll_create1: Full, "" => now events::epoll_create1(thread, call);
    __NR_epoll_create: Full, "" => now events::epoll_create(thread, call);
    __NR_eventfd2: Full, "" => now events::eventfd2(thread, call.unsigned(0), call.unsigned(1));
    __NR_eventfd: Full, "" => now events::eventfd2(thread, call.unsigned(0), 0);
    __NR_inotify_add_watch: Partial, "nothing of reading or closing a FIFO, nor of starting a program; a mapping does not put `IN_CLOSE` off" => waits
        inotify::add_watch(thread, call).await;
    __NR_inotify_init1: Full, "" => now inotify::init1(thread, call.unsigned(0));
    __NR_inotify_init: Full, "" => now inotify::init1(thread, 0);
    __NR_inotify_rm_watch: Full, "" => now inotify::rm_watch(thread, call);
    __NR_memfd_create: Partial, "no huge pages; `F_SEAL_WRITE` does not look for mappings" => waits
        memory_file::memfd_create(thread, call).await;
    __NR_pipe2: Partial, "no `O_NOTIFICATION_PIPE`" => waits events::pipe2(thread, call.word(0), call.unsigned(1)).await;
    __NR_pipe: Full, "" => waits events::pipe2(thread, call.word(0), 0).await;
    __NR_signalfd4: Full, "" => waits events::signalfd4(thread, call, call.unsigned(3)).await;
    __NR_signalfd: Full, "" => waits events::signalfd4(thread, call, 0).await;
    __NR_timerfd_create: Full, "" => now events::timerfd_create(thread, call);
    __NR_timerfd_gettime: Full, "" => waits events::timerfd_gettime(thread, call).await;
    __NR_timerfd_settime: Full, "" => waits events::timerfd_settime(thread, call).await;

    // Futexes.
    __NR_futex: Partial, "no `FUTEX_WAIT_REQUEUE_PI`; `FUTEX_LOCK_PI` does not inherit priorities: there are none" =>
        first futex::attempt(thread, call), then futex::futex(thread, call).await;
    __NR_get_robust_list: Full, "" => waits futex::get_robust_list(thread, call).await;
    __NR_set_robust_list: Full, "" => now futex::set_robust_list(thread, call);

    // Users and groups.
    __NR_capget: Full, "" => waits capability::capget(thread, call).await;
    __NR_capset: Full, "" => waits capability::capset(thread, call).await;
    __NR_getgroups: Full, "" => waits identity::getgroups(thread, call).await;
    __NR_getresgid: Full, "" => waits identity::get_all(thread, Of::Group, call).await;
    __NR_getresuid: Full, "" => waits identity::get_all(thread, Of::User, call).await;
    __NR_setfsgid: Full, "" => now Ok(identity::set_file_system(thread, Of::Group, call));
    __NR_setfsuid: Full, "" => now Ok(identity::set_file_system(thread, Of::User, call));
    __NR_setgid: Partial, "for all threads of the process" => now identity::set_id(thread, Of::Group, call);
    __NR_setgroups: Partial, "for all threads of the process" => waits identity::setgroups(thread, call).await;
    __NR_setregid: Partial, "for all threads of the process" => now identity::set_pair(thread, Of::Group, call);
    __NR_setresgid: Partial, "for all threads of the process" => now identity::set_all(thread, Of::Group, call);
    __NR_setresuid: Partial, "for all threads of the process" => now identity::set_all(thread, Of::User, call);
    __NR_setreuid: Partial, "for all threads of the process" => now identity::set_pair(thread, Of::User, call);
    __NR_setuid: Partial, "for all threads of the process" => now identity::set_id(thread, Of::User, call);

    // Memory.
    __NR_brk: Full, "" => now Ok(memory::brk(thread, call));
    __NR_madvise: Partial, "`MADV_FREE` frees at once; hints have no effect" => waits memory::madvise(thread, call).await;
    __NR_membarrier: Partial, "no `SYNC_CORE`, `GLOBAL_EXPEDITED`" => now memory::membarrier(thread, call);
    __NR_mincore: Full, "" => waits memory::mincore(thread, call).await;
    __NR_mlock2: Full, "" => waits memory::mlock(thread, call, call.unsigned(2)).await;
    __NR_mlock: Full, "" => waits memory::mlock(thread, call, 0).await;
    __NR_mlockall: Full, "" => waits memory::mlockall(thread, call).await;
    __NR_mmap: Partial, "no huge pages" => waits memory::mmap(thread, call).await;
    __NR_mprotect: Full, "" => now memory::mprotect(thread, call);
    __NR_mremap: Full, "" => now memory::mremap(thread, call);
    __NR_msync: Full, "" => now memory::msync(thread, call);
    __NR_munlock: Full, "" => now memory::munlock(thread, call);
    __NR_munlockall: Full, "" => now {
        memory::munlockall(thread);
        Ok(0)
    };
    __NR_munmap: Full, "" => now memory::munmap(thread, call);
    __NR_pkey_mprotect: Full, "" => now memory::pkey_mprotect(thread, call);

    // Paths.
    __NR_access: Full, "" => waits attributes::faccessat2(thread, AT_FDCWD, call.word(0), call.unsigned(1), 0).await;
    __NR_chdir: Full, "" => waits directory::chdir(thread, call).await;
    __NR_chmod: Full, "" => waits attributes::fchmodat2(thread, AT_FDCWD, call.word(0), call.unsigned(1), 0).await;
    __NR_chown: Full, "" => waits
        attributes::fchownat(thread, (AT_FDCWD, call.word(0)), (call.unsigned(1), call.unsigned(2)), 0).await;
    __NR_chroot: Full, "" => waits directory::chroot(thread, call).await;
    __NR_creat: Full, "" => waits
        path::openat(thread, AT_FDCWD, call.word(0), O_CREAT | O_WRONLY | O_TRUNC, call.unsigned(1)).await;
    __NR_faccessat2: Full, "" => waits
        attributes::faccessat2(thread, call.int(0), call.word(1), call.unsigned(2), call.unsigned(3)).await;
    __NR_faccessat: Full, "" => waits attributes::faccessat2(thread, call.int(0), call.word(1), call.unsigned(2), 0).await;
    __NR_fadvise64: Accepted, "the page cache reads ahead of itself" => waits storage::fadvise64(thread, call).await;
    __NR_fallocate: Partial, "the modes of the file system" => waits storage::fallocate(thread, call).await;
    __NR_fchdir: Full, "" => waits directory::fchdir(thread, call).await;
    __NR_fchmod: Full, "" => waits attributes::fchmod(thread, call).await;
    __NR_fchmodat2: Full, "" => waits
        attributes::fchmodat2(thread, call.int(0), call.word(1), call.unsigned(2), call.unsigned(3)).await;
    __NR_fchmodat: Full, "" => waits attributes::fchmodat2(thread, call.int(0), call.word(1), call.unsigned(2), 0).await;
    __NR_fchown: Full, "" => waits attributes::fchown(thread, call).await;
    __NR_fchownat: Full, "" => waits
        attributes::fchownat(thread, (call.int(0), call.word(1)), (call.unsigned(2), call.unsigned(3)), call.unsigned(4)).await;
    __NR_fdatasync: Full, "" => waits storage::fsync(thread, call, true).await;
    __NR_fgetxattr: Full, "" => waits attributes::getxattr(thread, call, Subject::Descriptor).await;
    __NR_flistxattr: Full, "" => waits attributes::listxattr(thread, call, Subject::Descriptor).await;
    __NR_fremovexattr: Full, "" => waits attributes::removexattr(thread, call, Subject::Descriptor).await;
    __NR_fsetxattr: Full, "" => waits attributes::setxattr(thread, call, Subject::Descriptor).await;
    __NR_fstat: Full, "" => first stat::first::fstat(thread, call), then stat::fstat(thread, call).await;
    __NR_fstatfs: Full, "" => waits stat::fstatfs(thread, call).await;
    __NR_fsync: Full, "" => waits storage::fsync(thread, call, false).await;
    __NR_ftruncate: Full, "" => waits attributes::ftruncate(thread, call).await;
    __NR_futimesat: Full, "" => waits attributes::futimesat(thread, call.int(0), call.word(1), call.word(2)).await;
    __NR_getcwd: Full, "" => waits directory::getcwd(thread, call).await;
    __NR_getdents64: Full, "" => waits directory::getdents(thread, call, Layout::Dirent64).await;
    __NR_getdents: Full, "" => waits directory::getdents(thread, call, Layout::Dirent).await;
    __NR_getxattr: Full, "" => waits attributes::getxattr(thread, call, Subject::Path(Lookup::FOLLOW)).await;
    __NR_lchown: Full, "" => waits
        attributes::fchownat(
            thread,
            (AT_FDCWD, call.word(0)),
            (call.unsigned(1), call.unsigned(2)),
            AT_SYMLINK_NOFOLLOW,
        ).await;
    __NR_lgetxattr: Full, "" => waits attributes::getxattr(thread, call, Subject::Path(Lookup::empty())).await;
    __NR_link: Full, "" => waits directory::linkat(thread, (AT_FDCWD, call.word(0)), (AT_FDCWD, call.word(1)), 0).await;
    __NR_linkat: Full, "" => waits
        directory::linkat(thread, (call.int(0), call.word(1)), (call.int(2), call.word(3)), call.unsigned(4)).await;
    __NR_listxattr: Full, "" => waits attributes::listxattr(thread, call, Subject::Path(Lookup::FOLLOW)).await;
    __NR_llistxattr: Full, "" => waits attributes::listxattr(thread, call, Subject::Path(Lookup::empty())).await;
    __NR_lremovexattr: Full, "" => waits attributes::removexattr(thread, call, Subject::Path(Lookup::empty())).await;
    __NR_lsetxattr: Full, "" => waits attributes::setxattr(thread, call, Subject::Path(Lookup::empty())).await;
    __NR_lstat: Full, "" => first stat::first::stat(thread, call, false), then stat::stat(thread, call, false).await;
    __NR_mkdir: Full, "" => waits directory::mkdirat(thread, AT_FDCWD, call.word(0), call.unsigned(1)).await;
    __NR_mkdirat: Full, "" => waits directory::mkdirat(thread, call.int(0), call.word(1), call.unsigned(2)).await;
    __NR_mknod: Full, "" => waits
        directory::mknodat(thread, AT_FDCWD, call.word(0), call.unsigned(1), u64::from(call.unsigned(2))).await;
    __NR_mknodat: Full, "" => waits
        directory::mknodat(thread, call.int(0), call.word(1), call.unsigned(2), u64::from(call.unsigned(3))).await;
    __NR_mount: Refused, "the image's configuration says what is mounted" => now Err(Errno::PERM.into());
    __NR_name_to_handle_at: Refused, "no file system has handles" => now Err(Errno::OPNOTSUPP.into());
    __NR_newfstatat: Full, "" => first stat::first::newfstatat(thread, call), then stat::newfstatat(thread, call).await;
    __NR_open: Full, "" => first path::first::openat(thread, AT_FDCWD, call.word(0), call.unsigned(1)),
        then path::openat(thread, AT_FDCWD, call.word(0), call.unsigned(1), call.unsigned(2)).await;
    __NR_open_by_handle_at: Refused, "no file system has handles" => now Err(Errno::PERM.into());
    __NR_openat2: Full, "" => waits path::openat2(thread, call).await;
    __NR_openat: Full, "" => first path::first::openat(thread, call.int(0), call.word(1), call.unsigned(2)),
        then path::openat(thread, call.int(0), call.word(1), call.unsigned(2), call.unsigned(3)).await;
    __NR_pivot_root: Refused, "the image's configuration says what is mounted" => now Err(Errno::PERM.into());
    __NR_quotactl: Refused, "there are no quotas" => now Err(Errno::NOSYS.into());
    __NR_readahead: Accepted, "the page cache reads ahead of itself" => waits storage::readahead(thread, call).await;
    __NR_readlink: Full, "" => first path::first::readlinkat(thread, AT_FDCWD, call.word(0), call.word(1), call.int(2)),
        then directory::readlinkat(thread, AT_FDCWD, call.word(0), call.word(1), call.int(2)).await;
    __NR_readlinkat: Full, "" => first path::first::readlinkat(thread, call.int(0), call.word(1), call.word(2), call.int(3)),
        then directory::readlinkat(thread, call.int(0), call.word(1), call.word(2), call.int(3)).await;
    __NR_removexattr: Full, "" => waits attributes::removexattr(thread, call, Subject::Path(Lookup::FOLLOW)).await;
    __NR_rename: Full, "" => waits directory::renameat2(thread, (AT_FDCWD, call.word(0)), (AT_FDCWD, call.word(1)), 0).await;
    __NR_renameat2: Partial, "no `RENAME_WHITEOUT`" => waits
        directory::renameat2(thread, (call.int(0), call.word(1)), (call.int(2), call.word(3)), call.unsigned(4)).await;
    __NR_renameat: Full, "" => waits
        directory::renameat2(thread, (call.int(0), call.word(1)), (call.int(2), call.word(3)), 0).await;
    __NR_rmdir: Full, "" => waits directory::unlinkat(thread, AT_FDCWD, call.word(0), abi::general::AT_REMOVEDIR).await;
    __NR_setxattr: Full, "" => waits attributes::setxattr(thread, call, Subject::Path(Lookup::FOLLOW)).await;
    __NR_stat: Full, "" => first stat::first::stat(thread, call, true), then stat::stat(thread, call, true).await;
    __NR_statfs: Full, "" => waits stat::statfs(thread, call).await;
    __NR_statx: Partial, "no time of birth" => waits stat::statx(thread, call).await;
    __NR_swapoff: Refused, "nothing is swapped out" => now Err(Errno::PERM.into());
    __NR_swapon: Refused, "nothing is swapped out" => now Err(Errno::PERM.into());
    __NR_symlink: Full, "" => waits directory::symlinkat(thread, call.word(0), AT_FDCWD, call.word(1)).await;
    __NR_symlinkat: Full, "" => waits directory::symlinkat(thread, call.word(0), call.int(1), call.word(2)).await;
    __NR_sync: Full, "" => now Ok(0);
    __NR_sync_file_range: Full, "" => waits storage::sync_file_range(thread, call).await;
    __NR_syncfs: Full, "" => now storage::syncfs(thread, call);
    __NR_truncate: Full, "" => waits attributes::truncate(thread, call).await;
    __NR_umask: Full, "" => now Ok(directory::umask(thread, call));
    __NR_umount2: Refused, "the image's configuration says what is mounted" => now Err(Errno::PERM.into());
    __NR_unlink: Full, "" => waits directory::unlinkat(thread, AT_FDCWD, call.word(0), 0).await;
    __NR_unlinkat: Full, "" => waits directory::unlinkat(thread, call.int(0), call.word(1), call.unsigned(2)).await;
    __NR_utime: Full, "" => waits attributes::utime(thread, call).await;
    __NR_utimensat: Full, "" => waits attributes::utimensat(thread, call).await;
    __NR_utimes: Full, "" => waits attributes::futimesat(thread, AT_FDCWD, call.word(0), call.word(1)).await;

    // Known and not served, so that programs fall back without a word on the console.
    __NR_fanotify_init: Refused, "not served" => now Err(Errno::NOSYS.into());
    __NR_get_mempolicy: Refused, "there is one memory node" => now Err(Errno::NOSYS.into());
    __NR_io_uring_setup: Refused, "not served" => now Err(Errno::NOSYS.into());
    __NR_mbind: Refused, "there is one memory node" => now Err(Errno::NOSYS.into());
    __NR_pkey_alloc: Refused, "there are no protection keys" => now memory::pkey_alloc(call);
    __NR_pkey_free: Refused, "there are no protection keys" => now Err(Errno::INVAL.into());
    __NR_set_mempolicy: Refused, "there is one memory node" => now Err(Errno::NOSYS.into());

    // Reading and writing.
    __NR_copy_file_range: Full, "" => waits splice::copy_file_range(thread, call).await;
    __NR_lseek: Full, "" => waits transfer::lseek(thread, call).await;
    __NR_pread64: Full, "" => waits transfer::pread(thread, call).await;
    __NR_preadv2: Partial, "`RWF_NOWAIT` only for streams" => waits transfer::preadv2(thread, call).await;
    __NR_preadv: Full, "" => waits transfer::preadv(thread, call).await;
    __NR_pwrite64: Full, "" => waits transfer::pwrite(thread, call).await;
    __NR_pwritev2: Partial, "`RWF_NOWAIT` only for streams" => waits transfer::pwritev2(thread, call).await;
    __NR_pwritev: Full, "" => waits transfer::pwritev(thread, call).await;
    __NR_read: Full, "" => first transfer::begin(thread, call, false);
    __NR_readv: Full, "" => first transfer::begin_vectors(thread, call, false), then transfer::readv(thread, call).await;
    __NR_sendfile: Full, "" => first splice::begin_sendfile(thread, call), then splice::sendfile(thread, call).await;
    __NR_splice: Full, "" => waits splice::splice(thread, call).await;
    __NR_tee: Full, "" => waits splice::tee(thread, call).await;
    __NR_vmsplice: Partial, "copies" => waits splice::vmsplice(thread, call).await;
    __NR_write: Full, "" => first transfer::begin(thread, call, true);
    __NR_writev: Full, "" => first transfer::begin_vectors(thread, call, true), then transfer::writev(thread, call).await;

    // Signals.
    __NR_kill: Full, "" => now signal::kill(thread, call);
    __NR_pause: Full, "" => waits signal::pause(thread).await;
    __NR_rt_sigaction: Full, "" => waits signal::rt_sigaction(thread, call).await;
    __NR_rt_sigpending: Full, "" => waits signal::rt_sigpending(thread, call).await;
    __NR_rt_sigprocmask: Full, "" => waits signal::rt_sigprocmask(thread, call).await;
    __NR_rt_sigqueueinfo: Full, "" => waits signal::rt_sigqueueinfo(thread, call).await;
    __NR_rt_sigreturn: Full, "" => waits signal::rt_sigreturn(thread, call).await;
    __NR_rt_sigsuspend: Full, "" => waits signal::rt_sigsuspend(thread, call).await;
    __NR_rt_sigtimedwait: Full, "" => waits signal::rt_sigtimedwait(thread, call).await;
    __NR_rt_tgsigqueueinfo: Full, "" => waits signal::rt_tgsigqueueinfo(thread, call).await;
    __NR_sigaltstack: Full, "" => waits signal::sigaltstack(thread, call).await;
    __NR_tgkill: Full, "" => now signal::thread_kill(thread, Some(call.int(0)), call.int(1), call.int(2));
    __NR_tkill: Full, "" => now signal::thread_kill(thread, None, call.int(0), call.int(1));

    // Sockets.
    __NR_accept4: Full, "" => waits socket::accept4(thread, call, call.unsigned(3)).await;
    __NR_accept: Full, "" => waits socket::accept4(thread, call, 0).await;
    __NR_bind: Full, "" => waits socket::bind(thread, call).await;
    __NR_connect: Full, "" => waits socket::connect(thread, call).await;
    __NR_getpeername: Full, "" => waits socket::getpeername(thread, call).await;
    __NR_getsockname: Full, "" => waits socket::getsockname(thread, call).await;
    __NR_getsockopt: Partial, "the options of the protocol" => waits socket::getsockopt(thread, call).await;
    __NR_listen: Full, "" => now socket::listen(thread, call);
    __NR_recvfrom: Full, "" => first transfer::begin_message(thread, call, false),
        then socket::message::recvfrom(thread, call).await;
    __NR_recvmmsg: Full, "" => waits socket::message::recvmmsg(thread, call).await;
    __NR_recvmsg: Full, "" => waits socket::message::recvmsg(thread, call).await;
    __NR_sendmmsg: Full, "" => waits socket::message::sendmmsg(thread, call).await;
    __NR_sendmsg: Full, "" => waits socket::message::sendmsg(thread, call).await;
    __NR_sendto: Full, "" => first transfer::begin_message(thread, call, true),
        then socket::message::sendto(thread, call).await;
    __NR_setsockopt: Partial, "the options of the protocol" => first socket::begin_setsockopt(thread, call),
        then socket::setsockopt(thread, call).await;
    __NR_shutdown: Full, "" => now socket::shutdown(thread, call);
    __NR_socket: Partial, "Unix, IPv4, IPv6, netlink" => now socket::socket(thread, call);
    __NR_socketpair: Full, "" => waits socket::socketpair(thread, call).await;

    // The machine and the process as a whole.
    __NR_getpriority: Full, "" => now scheduling::getpriority(thread, call);
    __NR_getrandom: Full, "" => waits system::getrandom(thread, call).await;
    __NR_getrlimit: Full, "" => waits system::getrlimit(thread, call.unsigned(0) as usize, call.word(1)).await;
    __NR_getrusage: Partial, "times, the peak of memory, page faults, changes of threads; of children times" => waits system::getrusage(thread, call).await;
    __NR_personality: Partial, "`ADDR_NO_RANDOMIZE`, and `READ_IMPLIES_EXEC` of new memory; others are kept without effect" => now
        Ok(system::personality(thread, call));
    __NR_prlimit64: Full, "" => waits system::prlimit64(thread, call).await;
    __NR_reboot: Partial, "whoever asks for a restart gets the machine's end" => waits system::reboot(thread, call).await;
    __NR_setdomainname: Full, "" => waits system::setdomainname(thread, call).await;
    __NR_sethostname: Full, "" => waits system::sethostname(thread, call).await;
    __NR_setpriority: Accepted, "kept, but all threads have equal turns" => now scheduling::setpriority(thread, call);
    __NR_setrlimit: Full, "" => waits system::setrlimit(thread, call.unsigned(0) as usize, call.word(1)).await;
    __NR_sysinfo: Full, "" => waits system::sysinfo(thread, call).await;
    __NR_times: Full, "" => waits system::times(thread, call).await;
    __NR_uname: Full, "" => waits system::uname(thread, call).await;

    // Linux's own asynchronous input and output.
    __NR_io_cancel: Full, "" => waits aio::io_cancel(thread, call).await;
    __NR_io_destroy: Full, "" => now aio::io_destroy(thread, call);
    __NR_io_getevents: Full, "" => waits aio::io_getevents(thread, call).await;
    __NR_io_pgetevents: Full, "" => waits aio::io_pgetevents(thread, call).await;
    __NR_io_setup: Full, "" => waits aio::io_setup(thread, call).await;
    __NR_io_submit: Partial, "done before it returns; no polling, no flags" => waits aio::io_submit(thread, call).await;

    // System V shared memory.
    __NR_shmat: Full, "" => now shared_memory::shmat(thread, call);
    __NR_shmctl: Partial, "no `SHM_STAT_ANY`; of detachments, the times of `shmdt`" => waits shared_memory::shmctl(thread, call).await;
    __NR_shmdt: Full, "" => now shared_memory::shmdt(thread, call);
    __NR_shmget: Partial, "no huge pages" => now shared_memory::shmget(thread, call);

    // System V semaphores.
    __NR_semctl: Full, "" => waits semaphore::semctl(thread, call).await;
    __NR_semget: Full, "" => now semaphore::semget(thread, call);
    __NR_semop: Full, "" => waits semaphore::semtimedop(thread, call, 0).await;
    __NR_semtimedop: Full, "" => waits semaphore::semtimedop(thread, call, call.word(3)).await;

    // System V message queues.
    __NR_msgctl: Full, "" => waits message_queue::msgctl(thread, call).await;
    __NR_msgget: Full, "" => now message_queue::msgget(thread, call);
    __NR_msgrcv: Partial, "no `MSG_COPY`" => waits message_queue::msgrcv(thread, call).await;
    __NR_msgsnd: Full, "" => waits message_queue::msgsnd(thread, call).await;

    // POSIX message queues.
    __NR_mq_getsetattr: Full, "" => waits posix_queue::mq_getsetattr(thread, call).await;
    __NR_mq_notify: Full, "" => waits posix_queue::mq_notify(thread, call).await;
    __NR_mq_open: Full, "" => waits posix_queue::mq_open(thread, call).await;
    __NR_mq_timedreceive: Full, "" => waits posix_queue::mq_timedreceive(thread, call).await;
    __NR_mq_timedsend: Full, "" => waits posix_queue::mq_timedsend(thread, call).await;
    __NR_mq_unlink: Full, "" => waits posix_queue::mq_unlink(thread, call).await;

    // Processes.
    __NR_clone3: Partial, "no namespaces; processes share no signal actions" => waits
        clone::clone3(thread, call).await;
    __NR_clone: Partial, "no namespaces; processes share no signal actions" => waits
        clone::clone(thread, call).await;
    __NR_fork: Full, "" => waits clone::fork(thread).await;
    __NR_kcmp: Partial, "no `KCMP_EPOLL_TFD`" => now compare::kcmp(thread, call);
    __NR_getpgid: Full, "" => now group::getpgid(thread, call.int(0));
    __NR_getpgrp: Full, "" => now group::getpgid(thread, 0);
    __NR_getsid: Full, "" => now group::getsid(thread, call.int(0));
    __NR_pidfd_getfd: Full, "" => now pidfd::pidfd_getfd(thread, call);
    __NR_pidfd_open: Partial, "no `PIDFD_THREAD`" => now pidfd::pidfd_open(thread, call);
    __NR_pidfd_send_signal: Partial, "no flags, as before Linux 6.9" => waits pidfd::pidfd_send_signal(thread, call).await;
    __NR_process_mrelease: Full, "" => now pidfd::process_mrelease(thread, call);
    __NR_setpgid: Full, "" => now group::setpgid(thread, call);
    __NR_setsid: Full, "" => now group::setsid(thread);
    __NR_unshare: Partial, "no namespaces" => now unshare::unshare(thread, call);
    __NR_vfork: Full, "" => waits clone::vfork(thread).await;
    __NR_wait4: Partial, "of the usage, times" => waits child::wait4(thread, call).await;
    __NR_waitid: Partial, "of the usage, times" => waits child::waitid(thread, call).await;

    // Threads.
    __NR_arch_prctl: Partial, "the FS and GS bases" => waits thread::arch_prctl(thread, call).await;
    __NR_execve: Full, "" => waits execute::execve(thread, call).await;
    __NR_execveat: Full, "" => waits execute::execveat(thread, call).await;
    __NR_exit: Full, "" => now Ok(thread::exit(thread, call));
    __NR_exit_group: Full, "" => now Ok(thread::exit_group(thread, call));
    __NR_getcpu: Full, "" => waits scheduling::getcpu(thread, call).await;
    __NR_ioprio_get: Full, "" => now scheduling::ioprio_get(thread, call);
    __NR_ioprio_set: Accepted, "kept, but the disk serves all alike" => now scheduling::ioprio_set(thread, call);
    __NR_prctl: Partial, "names, capabilities, `PR_SET_NO_NEW_PRIVS`, `PR_SET_PDEATHSIG`, `PR_SET_CHILD_SUBREAPER`, `PR_SET_SECCOMP`; dumps, slack of timers, huge pages and errors of memory are kept without effect, names of memory and `PR_SET_SECUREBITS` taken without" => waits thread::prctl(thread, call).await;
    __NR_rseq: Full, "" => waits thread::rseq(thread, call).await;
    __NR_sched_get_priority_max: Full, "" => now scheduling::sched_priority(call, 99);
    __NR_sched_get_priority_min: Full, "" => now scheduling::sched_priority(call, 1);
    __NR_sched_getaffinity: Full, "" => waits scheduling::sched_getaffinity(thread, call).await;
    __NR_sched_getattr: Partial, "the first version" => waits scheduling::sched_getattr(thread, call).await;
    __NR_sched_getparam: Full, "" => waits scheduling::sched_getparam(thread, call).await;
    __NR_sched_getscheduler: Full, "" => now scheduling::sched_getscheduler(thread, call);
    __NR_sched_setaffinity: Full, "" => waits scheduling::sched_setaffinity(thread, call).await;
    __NR_sched_rr_get_interval: Full, "" => waits scheduling::sched_rr_get_interval(thread, call).await;
    __NR_sched_setattr: Accepted, "as `sched_setscheduler`" => waits scheduling::sched_setattr(thread, call).await;
    __NR_sched_setparam: Full, "" => waits scheduling::sched_setparam(thread, call).await;
    __NR_sched_setscheduler: Accepted, "kept, but all threads have equal turns; none in real time" => waits scheduling::sched_setscheduler(thread, call).await;
    __NR_sched_yield: Full, "" => waits Ok(scheduling::sched_yield().await);
    __NR_seccomp: Partial, "no listener, no tracer" => waits seccomp::seccomp(thread, call).await;
    __NR_set_tid_address: Full, "" => now Ok(thread::set_tid_address(thread, call));

    // Time.
    __NR_adjtimex: Partial, "offsets go away by 500 parts of a million and leave the frequency; no leap seconds, no pulse" => waits
        adjust::adjtimex(thread, call.word(0)).await;
    __NR_clock_adjtime: Partial, "as `adjtimex`" => waits adjust::clock_adjtime(thread, call).await;
    __NR_clock_getres: Full, "" => waits time::clock_getres(thread, call).await;
    __NR_clock_settime: Full, "" => waits time::clock_settime(thread, call).await;
    __NR_clock_gettime: Full, "" => waits time::clock_gettime(thread, call).await;
    __NR_clock_nanosleep: Full, "" => waits time::clock_nanosleep(thread, call).await;
    __NR_settimeofday: Full, "" => waits time::settimeofday(thread, call).await;
    __NR_gettimeofday: Full, "" => waits time::gettimeofday(thread, call).await;
    __NR_nanosleep: Full, "" => waits time::nanosleep(thread, call).await;
    __NR_time: Full, "" => waits time::time(thread, call).await;

    // Waiting for files.
    __NR_epoll_ctl: Full, "" => waits epoll::ctl(thread, call).await;
    __NR_epoll_pwait2: Full, "" => waits epoll::pwait2(thread, call).await;
    __NR_epoll_pwait: Full, "" => waits epoll::pwait(thread, call).await;
    __NR_epoll_wait: Full, "" => first epoll::begin_wait(thread, call), then epoll::wait(thread, call).await;
    __NR_poll: Full, "" => waits poll::poll_call(thread, call).await;
    __NR_ppoll: Full, "" => waits poll::ppoll(thread, call).await;
    __NR_pselect6: Full, "" => waits poll::pselect6(thread, call).await;
    __NR_select: Full, "" => waits poll::select(thread, call).await;

    // Timers that send signals.
    __NR_alarm: Full, "" => now Ok(timer::alarm(thread, call));
    __NR_getitimer: Full, "" => waits timer::getitimer(thread, call).await;
    __NR_setitimer: Full, "" => waits timer::setitimer(thread, call).await;
    __NR_timer_create: Partial, "CPU time of the own process and its threads" => waits timer::timer_create(thread, call).await;
    __NR_timer_delete: Full, "" => now timer::timer_delete(thread, call);
    __NR_timer_getoverrun: Full, "" => now timer::timer_getoverrun(thread, call);
    __NR_timer_gettime: Full, "" => waits timer::timer_gettime(thread, call).await;
    __NR_timer_settime: Full, "" => waits timer::timer_settime(thread, call).await;
}
