//! `/proc/PID/mounts` and `/proc/PID/mountinfo`.

use alloc::vec::Vec;

use super::format::split_device;
use super::process::escape_name;
use crate::vfs::{Context, Mount, MountFlags, Place};

fn options(mount: &Mount) -> Vec<u8> {
    let flags = mount.flags();
    let mut text = Vec::new();
    text.extend_from_slice(if flags.contains(MountFlags::READ_ONLY) {
        b"ro"
    } else {
        b"rw"
    });
    for (flag, name) in [
        (MountFlags::NO_SUID, ",nosuid"),
        (MountFlags::NO_DEVICES, ",nodev"),
        (MountFlags::NO_EXECUTE, ",noexec"),
    ] {
        if flags.contains(flag) {
            text.extend_from_slice(name.as_bytes());
        }
    }
    text.extend_from_slice(b",relatime");
    text
}

/// Calls `line` with each mount that can be reached from the root, and its path.
fn visit(context: &Context, line: &mut dyn FnMut(&Mount, &[u8])) {
    for mount in context.namespace.mounts() {
        let path = Place::top(&mount).path(&context.root);
        if path.starts_with(b"/") {
            line(&mount, &path);
        }
    }
}

pub(super) fn mounts(out: &mut Vec<u8>, context: &Context) {
    visit(context, &mut |mount, path| {
        escape_name(out, &mount.source);
        out.push(b' ');
        escape_name(out, path);
        out.push(b' ');
        out.extend_from_slice(mount.file_system.name().as_bytes());
        out.push(b' ');
        out.extend_from_slice(&options(mount));
        out.extend_from_slice(b" 0 0\n");
    });
}

pub(super) fn mount_information(out: &mut Vec<u8>, context: &Context) {
    visit(context, &mut |mount, path| {
        let parent = mount.attached().map_or(0, |place| place.mount.id);
        let device = mount.root.inode().ok().and_then(|inode| inode.status().ok());
        let (major, minor) = split_device(device.map_or(0, |status| status.device));
        out.extend_from_slice(alloc::format!("{} {parent} {major}:{minor} / ", mount.id).as_bytes());
        escape_name(out, path);
        out.push(b' ');
        out.extend_from_slice(&options(mount));
        out.extend_from_slice(b" - ");
        out.extend_from_slice(mount.file_system.name().as_bytes());
        out.push(b' ');
        escape_name(out, &mount.source);
        let read_only = mount.flags().contains(MountFlags::READ_ONLY);
        out.extend_from_slice(if read_only { b" ro\n" } else { b" rw\n" });
    });
}
