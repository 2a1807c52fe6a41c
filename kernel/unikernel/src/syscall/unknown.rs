//! System calls that are not served.

use abi::Errno;
use alloc::string::String;
use alloc::vec::Vec;

use hal::sync::SpinLock;

use super::Result;

/// How many numbers that have no name are reported: there are more than memory and console can take.
const MOST_NUMBERS: usize = 16;

/// `ENOSYS`, and one line on the console for each call.
pub(super) fn report(number: usize) -> Result {
    static NUMBERS: SpinLock<Vec<usize>> = SpinLock::new(Vec::new());
    match u32::try_from(number).ok().and_then(abi::system_call_name) {
        Some(name) => report_once(name),
        None => {
            let mut numbers = NUMBERS.lock();
            let is_new = numbers.len() < MOST_NUMBERS && !numbers.contains(&number);
            if is_new {
                numbers.push(number);
            }
            drop(numbers);
            if is_new {
                say_missing(&alloc::format!("number {number}"));
            }
        }
    }
    Err(Errno::NOSYS.into())
}

/// Says once that a call is not served.
pub(super) fn report_once(name: &str) {
    static REPORTED: SpinLock<Vec<String>> = SpinLock::new(Vec::new());
    let mut reported = REPORTED.lock();
    let is_new = !reported.iter().any(|other| other == name);
    if is_new {
        reported.push(String::from(name));
    }
    drop(reported);
    if is_new {
        say_missing(name);
    }
}

fn say_missing(name: &str) {
    crate::system::say(&alloc::format!(
        "the application uses the system call {name}, which this kernel does not have"
    ));
}
