//! Waiting for children: `wait4(2)`, `waitid(2)`.

use abi::Errno;
use linux_raw_sys::general as linux;

use super::system::ResourceUsage;
use super::{Call, Error, Result};
use crate::process::family::look_at_children;
use crate::process::news::{Clones, Event, Found, Kinds, Report, Wanted, Which};
use crate::process::{PidFd, Thread};
use crate::signal::{Info, Signal};

/// Flags that both calls take.
const COMMON: u32 = linux::WNOHANG | linux::__WNOTHREAD | linux::__WALL | linux::__WCLONE;

/// Waits for news of a child; `None` when there is none yet and `options` say not to wait.
async fn wait(thread: &Thread, wanted: Wanted, options: u32) -> Result<Option<Report>> {
    let changed = &thread.process.kinship.children_changed;
    loop {
        let ticket = changed.ticket();
        match look_at_children(&thread.process, &wanted) {
            Found::News(report) => return Ok(Some(report)),
            Found::Nobody => return Err(Errno::CHILD.into()),
            Found::Nothing if options & linux::WNOHANG != 0 => return Ok(None),
            Found::Nothing => thread.wait(changed.wait(ticket)).await?,
        }
    }
}

/// What the options name. `WUNTRACED` is `WSTOPPED` by another name.
fn kinds(options: u32) -> Kinds {
    let mut kinds = Kinds::empty();
    kinds.set(Kinds::ENDED, options & linux::WEXITED != 0);
    kinds.set(Kinds::STOPPED, options & linux::WSTOPPED != 0);
    kinds.set(Kinds::CONTINUED, options & linux::WCONTINUED != 0);
    kinds
}

fn clones(options: u32) -> Option<Clones> {
    if options & linux::__WALL != 0 {
        Some(Clones::Too)
    } else if options & linux::__WCLONE != 0 {
        Some(Clones::Only)
    } else {
        None
    }
}

/// `wait4(pid, status, options, usage)`
pub(super) async fn wait4(thread: &Thread, call: &Call) -> Result {
    let options = call.unsigned(2);
    if options & !(COMMON | linux::WUNTRACED | linux::WCONTINUED) != 0 {
        return Err(Errno::INVAL.into());
    }
    let which = match call.int(0) {
        // There is no group with this number's opposite.
        i32::MIN => return Err(Errno::SRCH.into()),
        -1 => Which::Any,
        0 => Which::Group(thread.process.kinship.group()),
        pid if pid > 0 => Which::Process(pid),
        group => Which::Group(-group),
    };
    let wanted = Wanted {
        which,
        kinds: Kinds::ENDED | kinds(options),
        keep: false,
        clones: clones(options),
    };
    let Some(report) = wait(thread, wanted, options).await? else {
        return Ok(0);
    };
    if call.word(1) != 0 {
        thread.memory.write(call.word(1), &report.event.wait_status()).await?;
    }
    if call.word(3) != 0 {
        thread
            .memory
            .write(call.word(3), &ResourceUsage::of(report.times))
            .await?;
    }
    Ok(report.pid as usize)
}

/// `waitid(kind, id, info, options, usage)`
pub(super) async fn waitid(thread: &Thread, call: &Call) -> Result {
    let options = call.unsigned(3);
    let events = linux::WEXITED | linux::WSTOPPED | linux::WCONTINUED;
    if options & !(COMMON | events | linux::WNOWAIT) != 0 || options & events == 0 {
        return Err(Errno::INVAL.into());
    }
    let id = call.int(1);
    let mut nonblocking = false;
    let which = match call.unsigned(0) {
        linux::P_PIDFD if id >= 0 => {
            let file = thread.file(id)?;
            nonblocking = file.is_nonblocking();
            let pidfd = file.downcast::<PidFd>().ok_or(Errno::BADF)?;
            // A child that was waited for is a child no more.
            pidfd.process().map_err(|_| Errno::CHILD)?;
            Which::Process(pidfd.pid())
        }
        linux::P_ALL => Which::Any,
        linux::P_PID if id > 0 => Which::Process(id),
        linux::P_PGID if id > 0 => Which::Group(id),
        linux::P_PGID if id == 0 => Which::Group(thread.process.kinship.group()),
        _ => return Err(Errno::INVAL.into()),
    };
    let wanted = Wanted {
        which,
        kinds: kinds(options),
        keep: options & linux::WNOWAIT != 0,
        clones: clones(options),
    };
    let patience = if nonblocking { linux::WNOHANG } else { 0 };
    let report = wait(thread, wanted, options | patience).await?;
    if report.is_none() && options & linux::WNOHANG == 0 {
        return Err(Errno::AGAIN.into());
    }
    if call.word(4) != 0
        && let Some(report) = &report
    {
        thread
            .memory
            .write(call.word(4), &ResourceUsage::of(report.times))
            .await?;
    }
    if call.word(2) != 0 {
        write_info(thread, call.word(2), report.as_ref()).await?;
    }
    Ok(0)
}

/// Writes what `waitid(2)` sets of `siginfo_t`, all zero without news; the rest stays as it is, as on Linux.
async fn write_info(thread: &Thread, address: usize, report: Option<&Report>) -> core::result::Result<(), Error> {
    let signal = |_: &Report| i32::from(Signal::CHLD.number());
    let (code, status) = report.map_or((0, 0), |report| Event::code_and_status(report.event));
    let head = [report.map_or(0, signal), 0, code];
    let tail = [
        report.map_or(0, |report| report.pid),
        report.map_or(0, |report| report.uid as i32),
        status,
    ];
    thread.memory.write(address, &head).await?;
    thread.memory.write(address + Info::FIELDS_AT, &tail).await?;
    Ok(())
}
