//! What the firmware says of the machine.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{acpi, smbios};

/// Names of the makers of the machine and its firmware, in no order: the vendor of ACPI's tables, which every firmware has, and the strings of SMBIOS.
pub fn makers() -> Vec<String> {
    let mut found = smbios::makers();
    found.extend(acpi::vendor());
    found
}
