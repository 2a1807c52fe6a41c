//! What the firmware says of the machine.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{acpi, smbios};

/// Names of the makers of the machine and its firmware, in no order: the vendor of ACPI's tables, which every firmware has, and the strings of SMBIOS.
pub fn makers() -> Vec<String> {
    let is_maker = |name: &str| matches!(name, "bios_vendor" | "sys_vendor" | "product_name");
    let named = identity().into_iter().filter(|(name, _)| is_maker(name));
    named.map(|(_, value)| value).chain(acpi::vendor()).collect()
}

/// What SMBIOS says of the machine and its makers, by Linux's names (`/sys/class/dmi/id`); nothing where there are no tables.
pub fn identity() -> Vec<(&'static str, String)> {
    smbios::identity()
}
