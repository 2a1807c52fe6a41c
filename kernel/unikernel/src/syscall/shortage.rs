//! Which calls fail first when memory runs out: those that make objects of the kernel's, before the application's own pages.

use abi::Errno;
use linux_raw_sys::general as linux;

use super::{Call, Error, Result};
use crate::memory::{self, Use};

/// Lets a call go on, or not at once: when memory is short, calls that make more objects fail, so that the application can go on with what it has.
#[inline]
pub fn allows(call: &Call) -> bool {
    hal::mem::shortage() == 0 || !is_concerned(call) || memory::relieve(Use::Lasting)
}

/// Lets a call go on that was not [allowed](allows) at once, or fails it with `ENOMEM`: memory may come from a process that is about to end.
pub async fn wait(call: &Call) -> Result<()> {
    if is_concerned(call) && !memory::relieve_in_time(Use::Lasting).await {
        return Err(Error::from(Errno::NOMEM));
    }
    Ok(())
}

fn is_concerned(call: &Call) -> bool {
    let number = call.number as u32;
    // Mappings make no pages: as long as the application's own can be had, so can they.
    makes_objects(number) || makes_mappings(number) && hal::mem::is_used_up()
}

fn makes_mappings(number: u32) -> bool {
    matches!(number, linux::__NR_mmap | linux::__NR_mprotect | linux::__NR_mremap)
}

/// Whether a call makes objects of the kernel's that stay after it.
fn makes_objects(number: u32) -> bool {
    matches!(
        number,
        linux::__NR_accept
            | linux::__NR_accept4
            | linux::__NR_clone
            | linux::__NR_clone3
            | linux::__NR_creat
            | linux::__NR_dup
            | linux::__NR_dup2
            | linux::__NR_dup3
            | linux::__NR_epoll_create
            | linux::__NR_epoll_create1
            | linux::__NR_epoll_ctl
            | linux::__NR_eventfd
            | linux::__NR_eventfd2
            | linux::__NR_execve
            | linux::__NR_execveat
            | linux::__NR_fcntl
            | linux::__NR_fork
            | linux::__NR_inotify_add_watch
            | linux::__NR_inotify_init
            | linux::__NR_inotify_init1
            | linux::__NR_link
            | linux::__NR_linkat
            | linux::__NR_memfd_create
            | linux::__NR_mkdir
            | linux::__NR_mkdirat
            | linux::__NR_mknod
            | linux::__NR_mknodat
            | linux::__NR_open
            | linux::__NR_openat
            | linux::__NR_openat2
            | linux::__NR_pipe
            | linux::__NR_pipe2
            | linux::__NR_rename
            | linux::__NR_renameat
            | linux::__NR_renameat2
            | linux::__NR_sendmsg
            | linux::__NR_setxattr
            | linux::__NR_signalfd
            | linux::__NR_signalfd4
            | linux::__NR_socket
            | linux::__NR_socketpair
            | linux::__NR_symlink
            | linux::__NR_symlinkat
            | linux::__NR_timer_create
            | linux::__NR_timerfd_create
            | linux::__NR_vfork
    )
}
