//! The table of system calls: which exist, how fully they are served, and who serves them.

use abi::Errno;
use abi::general::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CREAT, O_TRUNC, O_WRONLY};
use alloc::sync::Arc;
use fs::vfs::Lookup;

use super::attributes::Subject;
use super::directory::Layout;
use super::identity::Of;
use super::{
    Call, Result, aio, attributes, capability, child, clone, compare, descriptor, directory, epoll, events, execute,
    fcntl, futex, group, identity, inotify, ioctl, memory, memory_file, message_queue, path, pidfd, poll, scheduling,
    semaphore, shared_memory, signal, socket, splice, stat, storage, system, thread, time, timer, transfer,
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

/// Builds `dispatch` and `SYSTEM_CALLS` from rows `constant: support, "note" => result;`, where a result may await.
macro_rules! system_calls {
    (
        |$thread:ident, $call:ident|
        quick { $($quick:ident => $value:expr;)* }
        $($number:ident: $support:ident, $note:literal => $result:expr;)*
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

        /// Serves another call; `ENOSYS` for one that is not in the table.
        pub async fn dispatch($thread: &Arc<Thread>, $call: &Call) -> Result {
            match $call.number as u32 {
                $(linux_raw_sys::general::$number => $result,)*
                _ => super::unknown::report($call.number),
            }
        }
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
    __NR_close: Full, "" => descriptor::close(thread, call);
    __NR_close_range: Full, "" => descriptor::close_range(thread, call);
    __NR_dup2: Full, "" => descriptor::dup2(thread, call);
    __NR_dup3: Full, "" => descriptor::dup3(thread, call);
    __NR_dup: Full, "" => descriptor::dup(thread, call);
    __NR_fcntl: Partial, "no leases, `F_NOTIFY`, `F_SETSIG`; `SIGIO` is not sent; no `EDEADLK`" => fcntl::fcntl(thread, call).await;
    __NR_flock: Full, "" => fcntl::flock(thread, call).await;
    __NR_ioctl: Partial, "what the kind of file knows; `SIGIO` is not sent" => ioctl::ioctl(thread, call).await;

    // Files without names.
    __NR_epoll_create1: Full, "" => events::epoll_create1(thread, call);
    __NR_epoll_create: Full, "" => events::epoll_create(thread, call);
    __NR_eventfd2: Full, "" => events::eventfd2(thread, call.unsigned(0), call.unsigned(1));
    __NR_eventfd: Full, "" => events::eventfd2(thread, call.unsigned(0), 0);
    __NR_inotify_add_watch: Partial, "nothing of reading or closing a FIFO, nor of starting a program; a mapping does not put `IN_CLOSE` off" =>
        inotify::add_watch(thread, call).await;
    __NR_inotify_init1: Full, "" => inotify::init1(thread, call.unsigned(0));
    __NR_inotify_init: Full, "" => inotify::init1(thread, 0);
    __NR_inotify_rm_watch: Full, "" => inotify::rm_watch(thread, call);
    __NR_memfd_create: Partial, "no huge pages; `F_SEAL_WRITE` does not look for mappings" =>
        memory_file::memfd_create(thread, call).await;
    __NR_pipe2: Partial, "no `O_NOTIFICATION_PIPE`" => events::pipe2(thread, call.word(0), call.unsigned(1)).await;
    __NR_pipe: Full, "" => events::pipe2(thread, call.word(0), 0).await;
    __NR_signalfd4: Full, "" => events::signalfd4(thread, call, call.unsigned(3)).await;
    __NR_signalfd: Full, "" => events::signalfd4(thread, call, 0).await;
    __NR_timerfd_create: Full, "" => events::timerfd_create(thread, call);
    __NR_timerfd_gettime: Full, "" => events::timerfd_gettime(thread, call).await;
    __NR_timerfd_settime: Full, "" => events::timerfd_settime(thread, call).await;

    // Futexes.
    __NR_futex: Partial, "no `FUTEX_WAIT_REQUEUE_PI`; `FUTEX_LOCK_PI` does not inherit priorities: there are none" =>
        futex::futex(thread, call).await;
    __NR_get_robust_list: Full, "" => futex::get_robust_list(thread, call).await;
    __NR_set_robust_list: Full, "" => futex::set_robust_list(thread, call);

    // Users and groups.
    __NR_capget: Full, "" => capability::capget(thread, call).await;
    __NR_capset: Full, "" => capability::capset(thread, call).await;
    __NR_getgroups: Full, "" => identity::getgroups(thread, call).await;
    __NR_getresgid: Full, "" => identity::get_all(thread, Of::Group, call).await;
    __NR_getresuid: Full, "" => identity::get_all(thread, Of::User, call).await;
    __NR_setfsgid: Full, "" => Ok(identity::set_file_system(thread, Of::Group, call));
    __NR_setfsuid: Full, "" => Ok(identity::set_file_system(thread, Of::User, call));
    __NR_setgid: Partial, "for all threads of the process" => identity::set_id(thread, Of::Group, call);
    __NR_setgroups: Partial, "for all threads of the process" => identity::setgroups(thread, call).await;
    __NR_setregid: Partial, "for all threads of the process" => identity::set_pair(thread, Of::Group, call);
    __NR_setresgid: Partial, "for all threads of the process" => identity::set_all(thread, Of::Group, call);
    __NR_setresuid: Partial, "for all threads of the process" => identity::set_all(thread, Of::User, call);
    __NR_setreuid: Partial, "for all threads of the process" => identity::set_pair(thread, Of::User, call);
    __NR_setuid: Partial, "for all threads of the process" => identity::set_id(thread, Of::User, call);

    // Memory.
    __NR_brk: Full, "" => Ok(memory::brk(thread, call));
    __NR_madvise: Partial, "`MADV_FREE` frees at once; hints have no effect" => memory::madvise(thread, call).await;
    __NR_membarrier: Partial, "no `SYNC_CORE`, `RSEQ`" => memory::membarrier(call);
    __NR_mincore: Full, "" => memory::mincore(thread, call).await;
    __NR_mlock2: Full, "" => memory::mlock(thread, call, call.unsigned(2)).await;
    __NR_mlock: Full, "" => memory::mlock(thread, call, 0).await;
    __NR_mlockall: Full, "" => memory::mlockall(thread, call).await;
    __NR_mmap: Partial, "no huge pages" => memory::mmap(thread, call).await;
    __NR_mprotect: Full, "" => memory::mprotect(thread, call);
    __NR_mremap: Full, "" => memory::mremap(thread, call);
    __NR_msync: Full, "" => memory::msync(thread, call);
    __NR_munlock: Full, "" => memory::munlock(thread, call);
    __NR_munlockall: Full, "" => {
        memory::munlockall(thread);
        Ok(0)
    };
    __NR_munmap: Full, "" => memory::munmap(thread, call);

    // Paths.
    __NR_access: Full, "" => attributes::faccessat2(thread, AT_FDCWD, call.word(0), call.unsigned(1), 0).await;
    __NR_chdir: Full, "" => directory::chdir(thread, call).await;
    __NR_chmod: Full, "" => attributes::fchmodat2(thread, AT_FDCWD, call.word(0), call.unsigned(1), 0).await;
    __NR_chown: Full, "" =>
        attributes::fchownat(thread, (AT_FDCWD, call.word(0)), (call.unsigned(1), call.unsigned(2)), 0).await;
    __NR_chroot: Full, "" => directory::chroot(thread, call).await;
    __NR_creat: Full, "" =>
        path::openat(thread, AT_FDCWD, call.word(0), O_CREAT | O_WRONLY | O_TRUNC, call.unsigned(1)).await;
    __NR_faccessat2: Full, "" =>
        attributes::faccessat2(thread, call.int(0), call.word(1), call.unsigned(2), call.unsigned(3)).await;
    __NR_faccessat: Full, "" => attributes::faccessat2(thread, call.int(0), call.word(1), call.unsigned(2), 0).await;
    __NR_fadvise64: Accepted, "the page cache reads ahead of itself" => storage::fadvise64(thread, call).await;
    __NR_fallocate: Partial, "the modes of the file system" => storage::fallocate(thread, call).await;
    __NR_fchdir: Full, "" => directory::fchdir(thread, call).await;
    __NR_fchmod: Full, "" => attributes::fchmod(thread, call).await;
    __NR_fchmodat2: Full, "" =>
        attributes::fchmodat2(thread, call.int(0), call.word(1), call.unsigned(2), call.unsigned(3)).await;
    __NR_fchmodat: Full, "" => attributes::fchmodat2(thread, call.int(0), call.word(1), call.unsigned(2), 0).await;
    __NR_fchown: Full, "" => attributes::fchown(thread, call).await;
    __NR_fchownat: Full, "" =>
        attributes::fchownat(thread, (call.int(0), call.word(1)), (call.unsigned(2), call.unsigned(3)), call.unsigned(4)).await;
    __NR_fdatasync: Full, "" => storage::fsync(thread, call, true).await;
    __NR_fgetxattr: Full, "" => attributes::getxattr(thread, call, Subject::Descriptor).await;
    __NR_flistxattr: Full, "" => attributes::listxattr(thread, call, Subject::Descriptor).await;
    __NR_fremovexattr: Full, "" => attributes::removexattr(thread, call, Subject::Descriptor).await;
    __NR_fsetxattr: Full, "" => attributes::setxattr(thread, call, Subject::Descriptor).await;
    __NR_fstat: Full, "" => stat::fstat(thread, call).await;
    __NR_fstatfs: Full, "" => stat::fstatfs(thread, call).await;
    __NR_fsync: Full, "" => storage::fsync(thread, call, false).await;
    __NR_ftruncate: Full, "" => attributes::ftruncate(thread, call).await;
    __NR_futimesat: Full, "" => attributes::futimesat(thread, call.int(0), call.word(1), call.word(2)).await;
    __NR_getcwd: Full, "" => directory::getcwd(thread, call).await;
    __NR_getdents64: Full, "" => directory::getdents(thread, call, Layout::Dirent64).await;
    __NR_getdents: Full, "" => directory::getdents(thread, call, Layout::Dirent).await;
    __NR_getxattr: Full, "" => attributes::getxattr(thread, call, Subject::Path(Lookup::FOLLOW)).await;
    __NR_lchown: Full, "" =>
        attributes::fchownat(
            thread,
            (AT_FDCWD, call.word(0)),
            (call.unsigned(1), call.unsigned(2)),
            AT_SYMLINK_NOFOLLOW,
        ).await;
    __NR_lgetxattr: Full, "" => attributes::getxattr(thread, call, Subject::Path(Lookup::empty())).await;
    __NR_link: Full, "" => directory::linkat(thread, (AT_FDCWD, call.word(0)), (AT_FDCWD, call.word(1)), 0).await;
    __NR_linkat: Full, "" =>
        directory::linkat(thread, (call.int(0), call.word(1)), (call.int(2), call.word(3)), call.unsigned(4)).await;
    __NR_listxattr: Full, "" => attributes::listxattr(thread, call, Subject::Path(Lookup::FOLLOW)).await;
    __NR_llistxattr: Full, "" => attributes::listxattr(thread, call, Subject::Path(Lookup::empty())).await;
    __NR_lremovexattr: Full, "" => attributes::removexattr(thread, call, Subject::Path(Lookup::empty())).await;
    __NR_lsetxattr: Full, "" => attributes::setxattr(thread, call, Subject::Path(Lookup::empty())).await;
    __NR_lstat: Full, "" => stat::stat(thread, call, false).await;
    __NR_mkdir: Full, "" => directory::mkdirat(thread, AT_FDCWD, call.word(0), call.unsigned(1)).await;
    __NR_mkdirat: Full, "" => directory::mkdirat(thread, call.int(0), call.word(1), call.unsigned(2)).await;
    __NR_mknod: Full, "" =>
        directory::mknodat(thread, AT_FDCWD, call.word(0), call.unsigned(1), u64::from(call.unsigned(2))).await;
    __NR_mknodat: Full, "" =>
        directory::mknodat(thread, call.int(0), call.word(1), call.unsigned(2), u64::from(call.unsigned(3))).await;
    __NR_mount: Refused, "the image's configuration says what is mounted" => Err(Errno::PERM.into());
    __NR_name_to_handle_at: Refused, "no file system has handles" => Err(Errno::OPNOTSUPP.into());
    __NR_newfstatat: Full, "" => stat::newfstatat(thread, call).await;
    __NR_open: Full, "" => path::openat(thread, AT_FDCWD, call.word(0), call.unsigned(1), call.unsigned(2)).await;
    __NR_open_by_handle_at: Refused, "no file system has handles" => Err(Errno::PERM.into());
    __NR_openat2: Full, "" => path::openat2(thread, call).await;
    __NR_openat: Full, "" => path::openat(thread, call.int(0), call.word(1), call.unsigned(2), call.unsigned(3)).await;
    __NR_pivot_root: Refused, "the image's configuration says what is mounted" => Err(Errno::PERM.into());
    __NR_quotactl: Refused, "there are no quotas" => Err(Errno::NOSYS.into());
    __NR_readahead: Accepted, "the page cache reads ahead of itself" => storage::readahead(thread, call).await;
    __NR_readlink: Full, "" => directory::readlinkat(thread, AT_FDCWD, call.word(0), call.word(1), call.int(2)).await;
    __NR_readlinkat: Full, "" =>
        directory::readlinkat(thread, call.int(0), call.word(1), call.word(2), call.int(3)).await;
    __NR_removexattr: Full, "" => attributes::removexattr(thread, call, Subject::Path(Lookup::FOLLOW)).await;
    __NR_rename: Full, "" => directory::renameat2(thread, (AT_FDCWD, call.word(0)), (AT_FDCWD, call.word(1)), 0).await;
    __NR_renameat2: Partial, "no `RENAME_WHITEOUT`" =>
        directory::renameat2(thread, (call.int(0), call.word(1)), (call.int(2), call.word(3)), call.unsigned(4)).await;
    __NR_renameat: Full, "" =>
        directory::renameat2(thread, (call.int(0), call.word(1)), (call.int(2), call.word(3)), 0).await;
    __NR_rmdir: Full, "" => directory::unlinkat(thread, AT_FDCWD, call.word(0), abi::general::AT_REMOVEDIR).await;
    __NR_setxattr: Full, "" => attributes::setxattr(thread, call, Subject::Path(Lookup::FOLLOW)).await;
    __NR_stat: Full, "" => stat::stat(thread, call, true).await;
    __NR_statfs: Full, "" => stat::statfs(thread, call).await;
    __NR_statx: Partial, "no time of birth" => stat::statx(thread, call).await;
    __NR_swapoff: Refused, "nothing is swapped out" => Err(Errno::PERM.into());
    __NR_swapon: Refused, "nothing is swapped out" => Err(Errno::PERM.into());
    __NR_symlink: Full, "" => directory::symlinkat(thread, call.word(0), AT_FDCWD, call.word(1)).await;
    __NR_symlinkat: Full, "" => directory::symlinkat(thread, call.word(0), call.int(1), call.word(2)).await;
    __NR_sync: Full, "" => Ok(0);
    __NR_sync_file_range: Full, "" => storage::sync_file_range(thread, call).await;
    __NR_syncfs: Full, "" => storage::syncfs(thread, call);
    __NR_truncate: Full, "" => attributes::truncate(thread, call).await;
    __NR_umask: Full, "" => Ok(directory::umask(thread, call));
    __NR_umount2: Refused, "the image's configuration says what is mounted" => Err(Errno::PERM.into());
    __NR_unlink: Full, "" => directory::unlinkat(thread, AT_FDCWD, call.word(0), 0).await;
    __NR_unlinkat: Full, "" => directory::unlinkat(thread, call.int(0), call.word(1), call.unsigned(2)).await;
    __NR_utime: Full, "" => attributes::utime(thread, call).await;
    __NR_utimensat: Full, "" => attributes::utimensat(thread, call).await;
    __NR_utimes: Full, "" => attributes::futimesat(thread, AT_FDCWD, call.word(0), call.word(1)).await;

    // Known and not served, so that programs fall back without a word on the console.
    __NR_fanotify_init: Refused, "not served" => Err(Errno::NOSYS.into());
    __NR_get_mempolicy: Refused, "there is one memory node" => Err(Errno::NOSYS.into());
    __NR_io_uring_setup: Refused, "not served" => Err(Errno::NOSYS.into());
    __NR_mbind: Refused, "there is one memory node" => Err(Errno::NOSYS.into());
    __NR_pkey_alloc: Refused, "there are no protection keys" => Err(Errno::NOSPC.into());
    __NR_pkey_free: Refused, "there are no protection keys" => Err(Errno::INVAL.into());
    __NR_set_mempolicy: Refused, "there is one memory node" => Err(Errno::NOSYS.into());

    // Reading and writing.
    __NR_copy_file_range: Full, "" => splice::copy_file_range(thread, call).await;
    __NR_lseek: Full, "" => transfer::lseek(thread, call).await;
    __NR_pread64: Full, "" => transfer::pread(thread, call).await;
    __NR_preadv2: Partial, "`RWF_NOWAIT` only for streams" => transfer::preadv2(thread, call).await;
    __NR_preadv: Full, "" => transfer::preadv(thread, call).await;
    __NR_pwrite64: Full, "" => transfer::pwrite(thread, call).await;
    __NR_pwritev2: Partial, "`RWF_NOWAIT` only for streams" => transfer::pwritev2(thread, call).await;
    __NR_pwritev: Full, "" => transfer::pwritev(thread, call).await;
    __NR_read: Full, "" => transfer::read(thread, call).await;
    __NR_readv: Full, "" => transfer::readv(thread, call).await;
    __NR_sendfile: Full, "" => splice::sendfile(thread, call).await;
    __NR_splice: Full, "" => splice::splice(thread, call).await;
    __NR_tee: Full, "" => splice::tee(thread, call).await;
    __NR_vmsplice: Partial, "copies" => splice::vmsplice(thread, call).await;
    __NR_write: Full, "" => transfer::write(thread, call).await;
    __NR_writev: Full, "" => transfer::writev(thread, call).await;

    // Signals.
    __NR_kill: Full, "" => signal::kill(thread, call);
    __NR_pause: Full, "" => signal::pause(thread).await;
    __NR_rt_sigaction: Full, "" => signal::rt_sigaction(thread, call).await;
    __NR_rt_sigpending: Full, "" => signal::rt_sigpending(thread, call).await;
    __NR_rt_sigprocmask: Full, "" => signal::rt_sigprocmask(thread, call).await;
    __NR_rt_sigqueueinfo: Full, "" => signal::rt_sigqueueinfo(thread, call).await;
    __NR_rt_sigreturn: Full, "" => signal::rt_sigreturn(thread, call).await;
    __NR_rt_sigsuspend: Full, "" => signal::rt_sigsuspend(thread, call).await;
    __NR_rt_sigtimedwait: Full, "" => signal::rt_sigtimedwait(thread, call).await;
    __NR_rt_tgsigqueueinfo: Full, "" => signal::rt_tgsigqueueinfo(thread, call).await;
    __NR_sigaltstack: Full, "" => signal::sigaltstack(thread, call).await;
    __NR_tgkill: Full, "" => signal::thread_kill(thread, Some(call.int(0)), call.int(1), call.int(2));
    __NR_tkill: Full, "" => signal::thread_kill(thread, None, call.int(0), call.int(1));

    // Sockets.
    __NR_accept4: Full, "" => socket::accept4(thread, call, call.unsigned(3)).await;
    __NR_accept: Full, "" => socket::accept4(thread, call, 0).await;
    __NR_bind: Full, "" => socket::bind(thread, call).await;
    __NR_connect: Full, "" => socket::connect(thread, call).await;
    __NR_getpeername: Full, "" => socket::getpeername(thread, call).await;
    __NR_getsockname: Full, "" => socket::getsockname(thread, call).await;
    __NR_getsockopt: Partial, "the options of the protocol" => socket::getsockopt(thread, call).await;
    __NR_listen: Full, "" => socket::listen(thread, call);
    __NR_recvfrom: Full, "" => socket::message::recvfrom(thread, call).await;
    __NR_recvmmsg: Full, "" => socket::message::recvmmsg(thread, call).await;
    __NR_recvmsg: Full, "" => socket::message::recvmsg(thread, call).await;
    __NR_sendmmsg: Full, "" => socket::message::sendmmsg(thread, call).await;
    __NR_sendmsg: Full, "" => socket::message::sendmsg(thread, call).await;
    __NR_sendto: Full, "" => socket::message::sendto(thread, call).await;
    __NR_setsockopt: Partial, "the options of the protocol" => socket::setsockopt(thread, call).await;
    __NR_shutdown: Full, "" => socket::shutdown(thread, call);
    __NR_socket: Partial, "Unix, IPv4, IPv6, netlink" => socket::socket(thread, call);
    __NR_socketpair: Full, "" => socket::socketpair(thread, call).await;

    // The machine and the process as a whole.
    __NR_getpriority: Full, "" => scheduling::getpriority(thread, call);
    __NR_getrandom: Full, "" => system::getrandom(thread, call).await;
    __NR_getrlimit: Full, "" => system::getrlimit(thread, call.unsigned(0) as usize, call.word(1)).await;
    __NR_getrusage: Partial, "times, and the peak of memory" => system::getrusage(thread, call).await;
    __NR_personality: Partial, "Linux's own" => system::personality(call);
    __NR_prlimit64: Full, "" => system::prlimit64(thread, call).await;
    __NR_reboot: Partial, "whoever asks for a restart gets the machine's end" => system::reboot(thread, call).await;
    __NR_setdomainname: Full, "" => system::setdomainname(thread, call).await;
    __NR_sethostname: Full, "" => system::sethostname(thread, call).await;
    __NR_setpriority: Accepted, "kept, but all threads have equal turns" => scheduling::setpriority(thread, call);
    __NR_setrlimit: Full, "" => system::setrlimit(thread, call.unsigned(0) as usize, call.word(1)).await;
    __NR_sysinfo: Full, "" => system::sysinfo(thread, call).await;
    __NR_times: Full, "" => system::times(thread, call).await;
    __NR_uname: Full, "" => system::uname(thread, call).await;

    // Linux's own asynchronous input and output.
    __NR_io_cancel: Full, "" => aio::io_cancel(thread, call).await;
    __NR_io_destroy: Full, "" => aio::io_destroy(thread, call);
    __NR_io_getevents: Full, "" => aio::io_getevents(thread, call).await;
    __NR_io_pgetevents: Full, "" => aio::io_pgetevents(thread, call).await;
    __NR_io_setup: Full, "" => aio::io_setup(thread, call).await;
    __NR_io_submit: Partial, "done before it returns; no polling, no flags" => aio::io_submit(thread, call).await;

    // System V shared memory.
    __NR_shmat: Full, "" => shared_memory::shmat(thread, call);
    __NR_shmctl: Partial, "no `SHM_STAT_ANY`; of detachments, the times of `shmdt`" => shared_memory::shmctl(thread, call).await;
    __NR_shmdt: Full, "" => shared_memory::shmdt(thread, call);
    __NR_shmget: Partial, "no huge pages" => shared_memory::shmget(thread, call);

    // System V semaphores.
    __NR_semctl: Full, "" => semaphore::semctl(thread, call).await;
    __NR_semget: Full, "" => semaphore::semget(thread, call);
    __NR_semop: Full, "" => semaphore::semtimedop(thread, call, 0).await;
    __NR_semtimedop: Full, "" => semaphore::semtimedop(thread, call, call.word(3)).await;

    // System V message queues.
    __NR_msgctl: Full, "" => message_queue::msgctl(thread, call).await;
    __NR_msgget: Full, "" => message_queue::msgget(thread, call);
    __NR_msgrcv: Partial, "no `MSG_COPY`" => message_queue::msgrcv(thread, call).await;
    __NR_msgsnd: Full, "" => message_queue::msgsnd(thread, call).await;

    // Processes.
    __NR_clone3: Partial, "no namespaces; processes share no descriptors or signal actions" =>
        clone::clone3(thread, call).await;
    __NR_clone: Partial, "no namespaces; processes share no descriptors or signal actions" =>
        clone::clone(thread, call).await;
    __NR_fork: Full, "" => clone::fork(thread).await;
    __NR_kcmp: Partial, "no `KCMP_EPOLL_TFD`" => compare::kcmp(thread, call);
    __NR_getpgid: Full, "" => group::getpgid(thread, call.int(0));
    __NR_getpgrp: Full, "" => group::getpgid(thread, 0);
    __NR_getsid: Full, "" => group::getsid(thread, call.int(0));
    __NR_pidfd_getfd: Full, "" => pidfd::pidfd_getfd(thread, call);
    __NR_pidfd_open: Partial, "no `PIDFD_THREAD`" => pidfd::pidfd_open(thread, call);
    __NR_pidfd_send_signal: Partial, "no flags, as before Linux 6.9" => pidfd::pidfd_send_signal(thread, call).await;
    __NR_setpgid: Full, "" => group::setpgid(thread, call);
    __NR_setsid: Full, "" => group::setsid(thread);
    __NR_vfork: Full, "" => clone::vfork(thread).await;
    __NR_wait4: Partial, "of the usage, times" => child::wait4(thread, call).await;
    __NR_waitid: Partial, "of the usage, times" => child::waitid(thread, call).await;

    // Threads.
    __NR_arch_prctl: Partial, "the FS and GS bases" => thread::arch_prctl(thread, call).await;
    __NR_execve: Partial, "set-user-ID bits have no effect" => execute::execve(thread, call).await;
    __NR_execveat: Partial, "set-user-ID bits have no effect" => execute::execveat(thread, call).await;
    __NR_exit: Full, "" => Ok(thread::exit(thread, call));
    __NR_exit_group: Full, "" => Ok(thread::exit_group(thread, call));
    __NR_getcpu: Full, "" => scheduling::getcpu(thread, call).await;
    __NR_ioprio_get: Full, "" => scheduling::ioprio_get(thread, call);
    __NR_ioprio_set: Accepted, "kept, but the disk serves all alike" => scheduling::ioprio_set(thread, call);
    __NR_prctl: Partial, "names; other settings are taken without effect" => thread::prctl(thread, call).await;
    __NR_rseq: Full, "" => thread::rseq(thread, call).await;
    __NR_sched_get_priority_max: Full, "" => scheduling::sched_priority(call, 99);
    __NR_sched_get_priority_min: Full, "" => scheduling::sched_priority(call, 1);
    __NR_sched_getaffinity: Full, "" => scheduling::sched_getaffinity(thread, call).await;
    __NR_sched_getattr: Partial, "the first version" => scheduling::sched_getattr(thread, call).await;
    __NR_sched_getparam: Full, "" => scheduling::sched_getparam(thread, call).await;
    __NR_sched_getscheduler: Full, "" => scheduling::sched_getscheduler(thread, call);
    __NR_sched_setaffinity: Accepted, "threads move as CPUs are free" => scheduling::sched_setaffinity(thread, call).await;
    __NR_sched_rr_get_interval: Full, "" => scheduling::sched_rr_get_interval(thread, call).await;
    __NR_sched_setattr: Accepted, "as `sched_setscheduler`" => scheduling::sched_setattr(thread, call).await;
    __NR_sched_setparam: Full, "" => scheduling::sched_setparam(thread, call).await;
    __NR_sched_setscheduler: Accepted, "kept, but all threads have equal turns; none in real time" => scheduling::sched_setscheduler(thread, call).await;
    __NR_sched_yield: Full, "" => Ok(scheduling::sched_yield().await);
    __NR_set_tid_address: Full, "" => Ok(thread::set_tid_address(thread, call));

    // Time.
    __NR_clock_getres: Full, "" => time::clock_getres(thread, call).await;
    __NR_clock_settime: Partial, "sleeps and timers that wait for a time of day keep to the clock as it was" => time::clock_settime(thread, call).await;
    __NR_clock_gettime: Full, "" => time::clock_gettime(thread, call).await;
    __NR_clock_nanosleep: Full, "" => time::clock_nanosleep(thread, call).await;
    __NR_settimeofday: Partial, "as `clock_settime`" => time::settimeofday(thread, call).await;
    __NR_gettimeofday: Full, "" => time::gettimeofday(thread, call).await;
    __NR_nanosleep: Full, "" => time::nanosleep(thread, call).await;
    __NR_time: Full, "" => time::time(thread, call).await;

    // Waiting for files.
    __NR_epoll_ctl: Full, "" => epoll::ctl(thread, call).await;
    __NR_epoll_pwait2: Full, "" => epoll::pwait2(thread, call).await;
    __NR_epoll_pwait: Full, "" => epoll::pwait(thread, call).await;
    __NR_epoll_wait: Full, "" => epoll::wait(thread, call).await;
    __NR_poll: Full, "" => poll::poll_call(thread, call).await;
    __NR_ppoll: Full, "" => poll::ppoll(thread, call).await;
    __NR_pselect6: Full, "" => poll::pselect6(thread, call).await;
    __NR_select: Full, "" => poll::select(thread, call).await;

    // Timers that send signals.
    __NR_alarm: Full, "" => Ok(timer::alarm(thread, call));
    __NR_getitimer: Full, "" => timer::getitimer(thread, call).await;
    __NR_setitimer: Full, "" => timer::setitimer(thread, call).await;
    __NR_timer_create: Partial, "CPU time of the own process and its threads" => timer::timer_create(thread, call).await;
    __NR_timer_delete: Full, "" => timer::timer_delete(thread, call);
    __NR_timer_getoverrun: Full, "" => timer::timer_getoverrun(thread, call);
    __NR_timer_gettime: Full, "" => timer::timer_gettime(thread, call).await;
    __NR_timer_settime: Full, "" => timer::timer_settime(thread, call).await;
}
