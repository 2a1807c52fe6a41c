//! What firmware says of the machine. Programs tell by it in whose cloud they are.

use alloc::vec::Vec;

use crate::generated::Folder;

/// `/sys/class/dmi`: where the device is.
pub(super) fn class(folder: Folder) -> Folder {
    if hal::firmware::identity().is_empty() {
        return folder;
    }
    folder.link("id", "../../devices/virtual/dmi/id")
}

/// `/sys/devices/virtual/dmi`.
pub(super) fn device(folder: Folder) -> Folder {
    let identity = hal::firmware::identity();
    if identity.is_empty() {
        return folder;
    }
    folder.folder("id", |folder| {
        identity.into_iter().fold(folder, |folder, (name, value)| {
            let read = move |out: &mut Vec<u8>| {
                out.extend_from_slice(value.as_bytes());
                out.push(b'\n');
                Ok(())
            };
            // What tells one machine from others is for root alone.
            let is_unique = ["serial", "uuid"].iter().any(|end| name.ends_with(end));
            folder.file_of(name, if is_unique { 0o400 } else { 0o444 }, read)
        })
    })
}
