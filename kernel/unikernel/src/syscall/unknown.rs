//! System calls that are not served.

use abi::Errno;
use alloc::collections::BTreeSet;
use alloc::string::String;

use hal::sync::SpinLock;

use super::Result;

/// `ENOSYS`, and one line on the console for each call.
pub(super) fn report(number: usize) -> Result {
    let name = u32::try_from(number).ok().and_then(abi::system_call_name);
    report_once(&name.map_or_else(|| alloc::format!("number {number}"), String::from));
    Err(Errno::NOSYS.into())
}

/// Says once that a call is not served.
pub(super) fn report_once(name: &str) {
    static REPORTED: SpinLock<BTreeSet<String>> = SpinLock::new(BTreeSet::new());
    if REPORTED.lock().insert(String::from(name)) {
        crate::system::say(&alloc::format!(
            "the application uses the system call {name}, which this kernel does not have"
        ));
    }
}
