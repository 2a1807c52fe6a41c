//! The mounts of a configuration: file systems in memory, with the options of `mount(8)` and `tmpfs(5)`.

use alloc::format;
use alloc::string::String;

use fs::tmpfs::Options;
use fs::vfs::MountFlags;
use hal::mem::PAGE_SIZE;

use super::Mount;

/// Directories whose content is the kernel's.
const RESERVED: [&str; 3] = ["/dev", "/proc", "/sys"];

/// A file system in memory that is to be mounted.
#[derive(Debug)]
pub struct MemoryMount {
    /// What its files may take, and its top directory.
    pub options: Options,
    /// What it forbids. As with `docker run --tmpfs`, nothing in it is executed, no device opens and no set-user-ID bit counts unless the
    /// options say so.
    pub flags: MountFlags,
}

impl MemoryMount {
    /// Reads an entry of `mounts`; the error is a sentence.
    pub fn read(mount: &Mount) -> Result<Self, String> {
        let place = &mount.destination;
        if mount.kind != "tmpfs" {
            return Err(format!(
                "the mount at {place} has the type \"{}\", and this kernel mounts only \"tmpfs\"",
                mount.kind
            ));
        }
        let within = |top: &&str| {
            place
                .strip_prefix(*top)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !place.starts_with('/') || place.split('/').any(|part| part == "..") {
            return Err(format!("the mount at {place} does not go to an absolute path"));
        }
        if place.trim_end_matches('/').is_empty() || RESERVED.iter().any(within) && place != "/dev/shm" {
            return Err(format!("nothing can be mounted at {place}, which is the kernel's own"));
        }
        let mut read = Self {
            options: Options::default(),
            flags: MountFlags::NO_SUID | MountFlags::NO_DEVICES | MountFlags::NO_EXECUTE,
        };
        for option in &mount.options {
            read.apply(option).ok_or_else(|| {
                format!("the mount at {place} has the option \"{option}\", which this kernel does not know")
            })?;
        }
        // Where execution is asked for, it is for what will be written there.
        read.options.executes_written = !read.flags.contains(MountFlags::NO_EXECUTE);
        Ok(read)
    }

    fn apply(&mut self, option: &str) -> Option<()> {
        if let Some((name, value)) = option.split_once('=') {
            let number = || value.parse::<u32>().ok();
            match name {
                "size" => self.options.size = Some(size(value)?),
                "nr_blocks" => self.options.size = Some(quantity(value)?.checked_mul(PAGE_SIZE as u64)?),
                "nr_inodes" => self.options.inodes = Some(quantity(value)?),
                "mode" => {
                    let bits = u16::from_str_radix(value, 8).ok().filter(|bits| bits & !0o7777 == 0)?;
                    self.options.permissions = Some(bits);
                }
                "uid" => self.options.uid = number()?,
                "gid" => self.options.gid = number()?,
                _ => return None,
            }
            return Some(());
        }
        let (flag, on) = match option {
            "ro" => (MountFlags::READ_ONLY, true),
            "rw" => (MountFlags::READ_ONLY, false),
            "noexec" => (MountFlags::NO_EXECUTE, true),
            "exec" => (MountFlags::NO_EXECUTE, false),
            "nosuid" => (MountFlags::NO_SUID, true),
            "suid" => (MountFlags::NO_SUID, false),
            "nodev" => (MountFlags::NO_DEVICES, true),
            "dev" => (MountFlags::NO_DEVICES, false),
            // There is nothing to write back, and access times are kept as `relatime` has them whatever is asked.
            "defaults" | "async" | "sync" | "dirsync" | "relatime" | "atime" | "noatime" | "nodiratime"
            | "strictatime" | "lazytime" | "private" | "rprivate" => return Some(()),
            _ => return None,
        };
        self.flags.set(flag, on);
        Some(())
    }
}

/// A number with a suffix for its power of 1024.
fn quantity(text: &str) -> Option<u64> {
    let shift = match text.bytes().last()?.to_ascii_lowercase() {
        b'k' => 10,
        b'm' => 20,
        b'g' => 30,
        b't' => 40,
        _ => 0,
    };
    let digits = if shift == 0 { text } else { &text[..text.len() - 1] };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Bytes, or a share of the memory: `50%`.
fn size(text: &str) -> Option<u64> {
    match text.strip_suffix('%') {
        Some(share) => {
            let memory = (hal::mem::usage().total * PAGE_SIZE) as u64;
            Some(memory.checked_mul(share.parse().ok()?)? / 100)
        }
        None => quantity(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn mount(kind: &str, place: &str, options: &[&str]) -> Result<MemoryMount, String> {
        MemoryMount::read(&Mount {
            destination: place.to_string(),
            kind: kind.to_string(),
            options: options.iter().map(ToString::to_string).collect(),
        })
    }

    #[test]
    fn options_are_those_of_linux() {
        let options = [
            "size=16m",
            "mode=0750",
            "uid=5",
            "gid=6",
            "nr_inodes=1k",
            "ro",
            "relatime",
        ];
        let MemoryMount { options, flags } = mount("tmpfs", "/run", &options).unwrap();
        assert_eq!((options.size, options.inodes), (Some(16 << 20), Some(1024)));
        assert_eq!((options.permissions, options.uid, options.gid), (Some(0o750), 5, 6));
        assert_eq!(flags, MountFlags::all());
        assert!(!options.executes_written);
    }

    #[test]
    fn the_last_of_two_options_counts_and_execution_is_asked_for() {
        let MemoryMount { options, flags } = mount("tmpfs", "/x", &["noexec", "exec", "dev", "suid"]).unwrap();
        assert_eq!(flags, MountFlags::empty());
        assert!(options.executes_written);
    }

    #[test]
    fn what_cannot_be_served_is_a_sentence() {
        for (kind, place, options, words) in [
            ("bind", "/data", &[][..], "\"bind\""),
            ("tmpfs", "data", &[], "absolute"),
            ("tmpfs", "/a/../proc", &[], "absolute"),
            ("tmpfs", "/", &[], "kernel's own"),
            ("tmpfs", "/proc/sys", &[], "kernel's own"),
            ("tmpfs", "/dev", &[], "kernel's own"),
            ("tmpfs", "/x", &["size=many"], "size=many"),
            ("tmpfs", "/x", &["size=99999999999t"], "size=99999999999t"),
            ("tmpfs", "/x", &["mode=999"], "mode=999"),
            ("tmpfs", "/x", &["uid=-1"], "uid=-1"),
            ("tmpfs", "/x", &["tmpcopyup"], "tmpcopyup"),
        ] {
            let sentence = mount(kind, place, options).unwrap_err();
            assert!(sentence.contains(words), "{sentence}");
        }
        assert!(mount("tmpfs", "/dev/shm", &["size=1g"]).is_ok());
        assert!(mount("tmpfs", "/devices", &[]).is_ok());
    }
}
