//! `/proc/PID` and `/proc/PID/task/TID`.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt::Write as _;

use abi::general::RLIMIT_RSS;
use abi::{Errno, OpenFlags};
use file::{FileType, Result};

use super::anonymous::Anonymous;
use super::format::{area, escape};
use super::provider::{Identity, Process, Usage};
use super::{Shared, memory, mounts, status};
use crate::generated::{Directory, GeneratedInode, Reader, Target, Writer, number};
use crate::inode::{Inode, Link};
use crate::vfs::{OpenInode, Place};

/// Files that both a process and each of its threads have.
const FILES: &[&str] = &[
    "auxv",
    "cgroup",
    "cmdline",
    "comm",
    "coredump_filter",
    "cpuset",
    "environ",
    "gid_map",
    "io",
    "limits",
    "loginuid",
    "maps",
    "mountinfo",
    "mounts",
    "oom_score",
    "oom_score_adj",
    "personality",
    "schedstat",
    "sessionid",
    "setgroups",
    "smaps",
    "smaps_rollup",
    "stat",
    "statm",
    "status",
    "uid_map",
    "wchan",
];
const LINKS: &[&str] = &["cwd", "exe", "root"];
const DIRECTORIES: &[&str] = &["fd", "fdinfo", "net", "ns"];
/// Namespaces: there is one of each.
const NAMESPACES: &[&str] = &["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
const FIRST_NAMESPACE: u64 = 4_026_531_834;

/// The directory of a process, or of one of its threads.
#[derive(Clone)]
pub(super) struct ProcessDirectory {
    shared: Arc<Shared>,
    /// Kept alive by nobody who looks at it: it may itself have its working directory in here.
    process: Weak<dyn Process>,
    tid: i32,
    /// Whether this is the process's, which also lists its threads.
    whole: bool,
    owner: (u32, u32),
    path: Vec<u8>,
}

impl ProcessDirectory {
    pub(super) fn inode(shared: &Arc<Shared>, process: &Arc<dyn Process>, pid: i32) -> Result<Arc<dyn Inode>> {
        Self::inode_at(shared, process, pid, true, alloc::format!("/{pid}"))
    }

    fn inode_at(
        shared: &Arc<Shared>,
        process: &Arc<dyn Process>,
        tid: i32,
        whole: bool,
        path: alloc::string::String,
    ) -> Result<Arc<dyn Inode>> {
        let identity = process.identity(tid).ok_or(Errno::NOENT)?;
        let owner = (identity.uid[1], identity.gid[1]);
        let directory = Self {
            shared: shared.clone(),
            process: Arc::downgrade(process),
            tid,
            whole,
            owner,
            path: path.into_bytes(),
        };
        let number = number(&directory.path, b"");
        Ok(GeneratedInode::directory(
            &shared.file_system,
            number,
            owner,
            0o555,
            Box::new(directory),
        ))
    }

    /// The ID of the process that this is the directory of: `EBADF` for a thread's, `ESRCH` when it is gone.
    pub(super) fn pid(&self) -> core::result::Result<i32, Errno> {
        let process = self.process.upgrade().ok_or(Errno::SRCH)?;
        let identity = process.identity(self.tid).ok_or(Errno::SRCH)?;
        if self.whole { Ok(identity.pid) } else { Err(Errno::BADF) }
    }

    fn number(&self, name: &[u8]) -> u64 {
        number(&self.path, name)
    }

    /// `ESRCH` when it is gone: it has ended, and its parent knows.
    fn process(&self) -> Result<Arc<dyn Process>> {
        Ok(self.process.upgrade().ok_or(Errno::SRCH)?)
    }

    fn is_gone(&self) -> bool {
        self.process.strong_count() == 0
    }

    fn identity(&self) -> Result<Identity> {
        Ok(self.process()?.identity(self.tid).ok_or(Errno::SRCH)?)
    }

    /// What the process has used, or the thread.
    fn usage(&self, process: &dyn Process) -> Usage {
        process.usage((!self.whole).then_some(self.tid))
    }

    /// The children of the process, which are listed with its first thread, whichever started them.
    fn children(&self) -> Result<Vec<i32>> {
        let Identity { pid, tid, .. } = self.identity()?;
        let system = &self.shared.system;
        let is_child = |child: &i32| {
            let identity = system.process(*child).and_then(|process| process.identity(*child));
            tid == pid && identity.is_some_and(|identity| identity.parent == pid)
        };
        Ok(system.processes().into_iter().filter(is_child).collect())
    }

    fn directory(&self, name: &str, permissions: u16, directory: Box<dyn Directory>) -> Arc<dyn Inode> {
        let number = self.number(name.as_bytes());
        GeneratedInode::directory(&self.shared.file_system, number, self.owner, permissions, directory)
    }

    fn link(
        &self,
        name: &str,
        place: impl Fn(&dyn Process) -> Option<Place> + Send + Sync + 'static,
    ) -> Arc<dyn Inode> {
        let process = self.process.clone();
        let target: Target = Arc::new(move || {
            let process = process
                .upgrade()
                .filter(|process| !process.has_ended())
                .ok_or(Errno::NOENT)?;
            Ok(Link::Place(place(&*process).ok_or(Errno::NOENT)?))
        });
        let number = self.number(name.as_bytes());
        GeneratedInode::owned_link(&self.shared.file_system, number, self.owner, target)
    }

    fn file(&self, name: &'static str) -> Arc<dyn Inode> {
        let this = self.clone();
        let read: Reader = Arc::new(move |out| this.read(name, out));
        let this = self.clone();
        let write: Option<Writer> = ["comm", "oom_score_adj", "coredump_filter", "loginuid"]
            .contains(&name)
            .then(|| Arc::new(move |bytes: &[u8]| this.write(name, bytes)) as Writer);
        let permissions = match name {
            "auxv" | "environ" | "io" | "personality" => 0o400,
            _ if write.is_some() => 0o644,
            _ => 0o444,
        };
        let number = self.number(name.as_bytes());
        GeneratedInode::owned_file(&self.shared.file_system, number, self.owner, permissions, read, write)
    }

    fn read(&self, name: &str, out: &mut Vec<u8>) -> Result<()> {
        let process = match self.process() {
            // What belongs to its memory is empty without it.
            Err(_) if matches!(name, "auxv" | "environ") => return Ok(()),
            found => &*found?,
        };
        let mut text = alloc::string::String::new();
        match name {
            "auxv" => out.extend(process.auxiliary()),
            "cmdline" => out.extend(process.arguments()),
            "environ" => out.extend(process.environment()),
            "comm" => {
                out.extend(self.identity()?.name);
                out.push(b'\n');
            }
            "cpuset" => text.push_str("/\n"),
            "cgroup" => text.push_str("0::/\n"),
            "coredump_filter" => text.push_str("00000033\n"),
            "uid_map" | "gid_map" => text.push_str("         0          0 4294967295\n"),
            "io" => status::io(&mut text, &self.usage(process)),
            "limits" => status::limits(&mut text, &process.limits()),
            "loginuid" | "sessionid" => text.push_str("4294967295"),
            "maps" => process.areas().iter().for_each(|part| area(out, part)),
            "smaps" => memory::smaps(out, &process.areas()),
            "smaps_rollup" => memory::smaps_rollup(out, &process.areas()),
            "mounts" => mounts::mounts(out, &process.context()),
            "mountinfo" => mounts::mount_information(out, &process.context()),
            "oom_score" => {
                let _ = writeln!(text, "{}", process.oom_score());
            }
            "oom_score_adj" => {
                let _ = writeln!(text, "{}", process.oom_adjustment());
            }
            "children" => {
                for child in self.children()? {
                    let _ = write!(text, "{child} ");
                }
            }
            "schedstat" => {
                let usage = process.usage(Some(self.tid));
                let (given_up, lost) = self.identity()?.switches;
                // How long it waited for a CPU is not measured.
                let _ = writeln!(text, "{} 0 {}", usage.user + usage.system, given_up + lost + 1);
            }
            "personality" => text.push_str("00000000\n"),
            "setgroups" => text.push_str("allow\n"),
            "stat" => {
                let threads = process.threads().len();
                status::stat(
                    out,
                    &self.identity()?,
                    &self.usage(process),
                    threads,
                    process.limits()[RLIMIT_RSS as usize].0,
                );
            }
            "statm" => status::statm(&mut text, &self.usage(process)),
            "status" => status::status(out, &self.identity()?, &self.usage(process), process.threads().len()),
            "wchan" => text.push('0'),
            _ => return Err(Errno::NOENT.into()),
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let text = core::str::from_utf8(line).unwrap_or_default().trim();
        match name {
            "comm" => self.process()?.set_name(self.tid, &line[..line.len().min(15)]),
            "oom_score_adj" => {
                let value = text.parse().map_err(|_| Errno::INVAL)?;
                if !(-1000..=1000).contains(&value) {
                    return Err(Errno::INVAL.into());
                }
                self.process()?.set_oom_adjustment(value)?;
            }
            // There are no core dumps and no audit to set anything for.
            _ => {}
        }
        Ok(())
    }
}

impl Directory for ProcessDirectory {
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let name = core::str::from_utf8(name).map_err(|_| Errno::NOENT)?;
        self.process()?;
        if let Some(name) = FILES.iter().find(|file| **file == name) {
            return Ok(self.file(name));
        }
        Ok(match name {
            "cwd" => self.link(name, |process| process.working()),
            "exe" => self.link(name, |process| process.executable()),
            "root" => self.link(name, |process| Some(process.context().root)),
            "fd" => self.directory(
                name,
                0o500,
                Box::new(Descriptors {
                    of: self.clone(),
                    information: false,
                }),
            ),
            "fdinfo" => self.directory(
                name,
                0o555,
                Box::new(Descriptors {
                    of: self.clone(),
                    information: true,
                }),
            ),
            "net" => self.shared.network.clone(),
            "ns" => self.directory(name, 0o511, Box::new(Namespaces(self.clone()))),
            "children" if !self.whole => self.file("children"),
            "task" if self.whole => self.directory(name, 0o555, Box::new(Threads(self.clone()))),
            _ => return Err(Errno::NOENT.into()),
        })
    }

    fn names(&self) -> Vec<Vec<u8>> {
        let own: &[&str] = if self.whole { &["task"] } else { &["children"] };
        [FILES, LINKS, DIRECTORIES, own]
            .iter()
            .flat_map(|names| names.iter().map(|name| name.as_bytes().to_vec()))
            .collect()
    }

    fn is_gone(&self) -> bool {
        Self::is_gone(self)
    }
}

/// `/proc/PID/task`.
struct Threads(ProcessDirectory);

impl Directory for Threads {
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let tid = super::parse_number(name).ok_or(Errno::NOENT)?;
        let ProcessDirectory {
            shared, process, path, ..
        } = &self.0;
        let path = alloc::format!("{}/task/{tid}", alloc::string::String::from_utf8_lossy(path));
        let process = process.upgrade().ok_or(Errno::SRCH)?;
        ProcessDirectory::inode_at(shared, &process, tid, false, path)
    }

    fn names(&self) -> Vec<Vec<u8>> {
        let threads = self
            .0
            .process()
            .map_or_else(|_| Vec::new(), |process| process.threads());
        threads.iter().map(|tid| tid.to_string().into_bytes()).collect()
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}

/// `/proc/PID/ns`.
struct Namespaces(ProcessDirectory);

impl Directory for Namespaces {
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let place = NAMESPACES
            .iter()
            .position(|namespace| namespace.as_bytes() == name)
            .ok_or(Errno::NOENT)?;
        let text = alloc::format!("{}:[{}]", NAMESPACES[place], FIRST_NAMESPACE + place as u64);
        let target: Target = Arc::new(move || Ok(Link::Path(text.clone().into_bytes())));
        let number = self.0.number(name);
        Ok(GeneratedInode::owned_link(
            &self.0.shared.file_system,
            number,
            self.0.owner,
            target,
        ))
    }

    fn names(&self) -> Vec<Vec<u8>> {
        NAMESPACES.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}

/// `/proc/PID/fd` and `/proc/PID/fdinfo`.
struct Descriptors {
    of: ProcessDirectory,
    information: bool,
}

impl Directory for Descriptors {
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let descriptor = super::parse_number(name)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or(Errno::NOENT)?;
        let process = self.of.process.clone();
        let find = move || process.upgrade()?.descriptor(descriptor);
        find().ok_or(Errno::NOENT)?;
        let kind: &[u8] = if self.information { b"fdinfo/" } else { b"fd/" };
        let number = self.of.number(&[kind, name].concat());
        let file_system = &self.of.shared.file_system;
        if self.information {
            let read: Reader = Arc::new(move |out| {
                let (file, closes) = find().ok_or(Errno::NOENT)?;
                describe(out, &file, closes)
            });
            return Ok(GeneratedInode::owned_file(
                file_system,
                number,
                self.of.owner,
                0o400,
                read,
                None,
            ));
        }
        let target: Target = Arc::new(move || {
            let (file, _) = find().ok_or(Errno::NOENT)?;
            Ok(Link::Place(match place_of(&file) {
                Some(place) => place,
                None => Anonymous::place(&file)?,
            }))
        });
        Ok(GeneratedInode::owned_link(file_system, number, self.of.owner, target))
    }

    fn names(&self) -> Vec<Vec<u8>> {
        let numbers = self
            .of
            .process()
            .map_or_else(|_| Vec::new(), |process| process.descriptors());
        numbers.iter().map(|number| number.to_string().into_bytes()).collect()
    }

    fn is_gone(&self) -> bool {
        self.of.is_gone()
    }
}

/// Where an open file was found, if it was opened by a path.
pub(super) fn place_of(file: &file::OpenFile) -> Option<Place> {
    Some(file.downcast::<OpenInode>()?.place().clone())
}

fn describe(out: &mut Vec<u8>, file: &file::OpenFile, closes: bool) -> Result<()> {
    let flags = file.flags().bits() | if closes { OpenFlags::CLOEXEC.bits() } else { 0 };
    let mount = place_of(file).map_or(0, |place| place.mount.id);
    let status = file.file().status()?;
    let position = match status.file_type {
        FileType::Regular | FileType::Directory => file.position(),
        _ => 0,
    };
    let mut text = alloc::format!(
        "pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{}\n",
        status.inode
    );
    file.file().describe(&mut text);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// A name as the tables of mounts have it.
pub(super) fn escape_name(out: &mut Vec<u8>, name: &[u8]) {
    escape(out, name, b" \t\n\\#");
}
