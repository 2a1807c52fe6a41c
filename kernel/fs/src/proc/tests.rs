//! Formats against the host's own files; the trees through paths.

use core::pin::pin;
use core::task::{Context as TaskContext, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use abi::{Errno, OpenFlags};
use file::{BytesSink, BytesSource, Error, File, FileType, OpenFile};

use super::provider::{Area, Identity, Interface, Limit, Process, System, Usage};
use super::{format, memory, status};
use crate::testing::run_together;
use crate::tmpfs::{Options, Tmpfs};
use crate::vfs::{Context, Credentials, Lookup, Mount, MountFlags, Namespace, OpenInode, OpenRequest, Place};

fn host(name: &str) -> String {
    std::fs::read_to_string(format!("/proc/self/{name}")).unwrap()
}

fn text(make: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    make(&mut out);
    String::from_utf8(out).unwrap()
}

/// Reads a table of mappings as programs do.
fn parse_areas(maps: &str) -> Vec<Area> {
    maps.lines()
        .map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (start, end) = fields.next().unwrap().split_once('-').unwrap();
            let access = fields.next().unwrap().as_bytes();
            let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
            let offset = hex(fields.next().unwrap());
            let (major, minor) = fields.next().unwrap().split_once(':').unwrap();
            let inode = fields.next().unwrap().parse().unwrap();
            let (major, minor) = (hex(major), hex(minor));
            Area {
                start: hex(start),
                end: hex(end),
                access: (access[0] == b'r', access[1] == b'w', access[2] == b'x'),
                shared: access[3] == b's',
                offset,
                file: ((minor & 0xff) | major << 8 | (minor & !0xff) << 12, inode),
                name: fields.collect::<Vec<_>>().join(" ").into_bytes(),
                ..Area::default()
            }
        })
        .collect()
}

#[test]
fn maps_are_byte_for_byte_as_linux_writes_them() {
    let expected = host("maps");
    let areas = parse_areas(&expected);
    assert!(areas.len() > 10);
    let ours = text(|out| areas.iter().for_each(|part| format::area(out, part)));
    // The kernel marks its own calls with an area that no process can have.
    let without = |maps: &str| {
        maps.lines()
            .filter(|line| !line.contains("vsyscall"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(without(&ours), without(&expected));
}

#[test]
fn smaps_has_linux_keys_in_its_order_and_columns() {
    let shape = |smaps: &str| {
        let block: Vec<_> = smaps.lines().skip(1).take_while(|line| !line.contains('-')).collect();
        let lines = block
            .iter()
            .filter(|line| !line.starts_with("VmFlags") && !line.starts_with("ProtectionKey"));
        lines
            .map(|line| (line.split(':').next().unwrap().to_string(), line.len()))
            .collect::<Vec<_>>()
    };
    let areas = parse_areas(&host("maps"));
    let (mut ours, mut theirs) = (shape(&text(|out| memory::smaps(out, &areas))), shape(&host("smaps")));
    // Versions of Linux differ in some keys.
    let common: Vec<_> = ours.iter().filter(|line| theirs.contains(line)).cloned().collect();
    assert!(common.len() >= 15, "{common:?}");
    ours.retain(|line| common.contains(line));
    theirs.retain(|line| common.contains(line));
    assert_eq!(ours, theirs);
    assert_eq!(shape(&text(|out| memory::smaps_rollup(out, &areas)))[0].0, "Rss");
}

#[test]
fn limits_are_byte_for_byte_as_linux_writes_them() {
    let expected = host("limits");
    let mut values = [(0, 0); 16];
    for (line, value) in expected.lines().skip(1).zip(&mut values) {
        let number = |text: &str| match text.trim() {
            "unlimited" => u64::MAX,
            text => text.parse().unwrap(),
        };
        *value = (number(&line[26..46]), number(&line[47..67]));
    }
    let mut ours = String::new();
    status::limits(&mut ours, &values);
    assert_eq!(ours, expected);
}

#[test]
fn status_has_linux_keys_in_its_order() {
    let expected = host("status");
    let field = |name: &str| {
        let line = expected.lines().find(|line| line.starts_with(&format!("{name}:")));
        line.unwrap().split_once(":\t").unwrap().1.to_string()
    };
    let number = |name: &str| field(name).parse::<i32>().unwrap();
    let mask = |name: &str| u64::from_str_radix(&field(name), 16).unwrap();
    let four = |name: &str| {
        let values: Vec<u32> = field(name).split('\t').map(|id| id.parse().unwrap()).collect();
        [values[0], values[1], values[2], values[3]]
    };
    let identity = Identity {
        pid: number("Tgid"),
        tid: number("Pid"),
        parent: number("PPid"),
        group: number("NSpgid"),
        session: number("NSsid"),
        name: field("Name").into_bytes(),
        state: field("State").chars().next().unwrap(),
        uid: four("Uid"),
        gid: four("Gid"),
        groups: field("Groups")
            .split_ascii_whitespace()
            .map(|group| group.parse().unwrap())
            .collect(),
        umask: u16::from_str_radix(&field("Umask"), 8).unwrap(),
        signals: ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"].map(mask),
        capabilities: ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(mask),
        cpus: mask("Cpus_allowed"),
        ..Identity::default()
    };
    let ours = text(|out| status::status(out, &identity, &Usage::default(), number("Threads") as usize));
    let differing = [
        "Vm",
        "Rss",
        "FDSize",
        "SigQ",
        "Speculation",
        "Mems",
        "voluntary",
        "nonvoluntary",
        "THP",
        "NoNewPrivs",
    ];
    let mut rest = expected.lines();
    for line in ours.lines() {
        let key = line.split(':').next().unwrap();
        // Versions of Linux differ in some keys.
        if !expected.contains(&format!("\n{key}:")) && key != "Name" {
            continue;
        }
        let Some(theirs) = rest.find(|theirs| theirs.split(':').next() == Some(key)) else {
            panic!("{key} is not where Linux has it");
        };
        if !differing.iter().any(|prefix| key.starts_with(prefix)) {
            assert_eq!(line, theirs);
        }
    }
}

#[test]
fn stat_has_linux_fields() {
    let expected = host("stat");
    let (head, tail) = expected.rsplit_once(')').unwrap();
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |place: usize| fields[place - 3].parse::<i64>().unwrap();
    let (tid, name) = head.split_once(" (").unwrap();
    let identity = Identity {
        tid: tid.parse().unwrap(),
        name: name.as_bytes().to_vec(),
        state: fields[0].chars().next().unwrap(),
        parent: number(4) as i32,
        group: number(5) as i32,
        session: number(6) as i32,
        nice: number(19) as i32,
        cpu: number(39) as usize,
        signals: [number(31), number(31), number(32), number(33), number(34)].map(|set| set as u64),
        ..Identity::default()
    };
    let usage = Usage {
        faults: (number(10) as u64, number(12) as u64),
        user: number(14) as u64 * 10_000_000,
        system: number(15) as u64 * 10_000_000,
        started: number(22) as u64 * 10_000_000,
        virtual_memory: (number(23) as u64, 0),
        resident: (number(24) as u64 * 4096, 0),
        code: (number(26) as u64, number(27) as u64),
        stack: number(28) as u64,
        data: (number(45) as u64, number(46) as u64),
        heap: (number(47) as u64, 0),
        arguments: (number(48) as u64, number(49) as u64),
        environment: (number(50) as u64, number(51) as u64),
        ..Usage::default()
    };
    let ours = text(|out| status::stat(out, &identity, &usage, number(20) as usize, u64::MAX));
    let own_fields: Vec<&str> = ours.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    assert_eq!(own_fields.len(), 50);
    for (place, (ours, theirs)) in own_fields.iter().zip(&fields).enumerate() {
        // Terminal, flags, children's faults and times, and the signal that ends it are not taken over here.
        if ![7, 8, 9, 11, 13, 16, 17, 38, 42, 43, 44].contains(&(place + 3)) {
            assert_eq!(ours, theirs, "field {}", place + 3);
        }
    }
}

#[test]
fn lists_of_cpus_are_ranges() {
    assert_eq!(format::ranges(0), "");
    assert_eq!(format::ranges(1), "0");
    assert_eq!(format::ranges(0b10_1111), "0-3,5");
    assert_eq!(format::ranges(u64::MAX), "0-63");
}

/// A kernel with one process of two threads.
struct Machine {
    files: Mutex<BTreeMap<u32, Arc<OpenFile>>>,
    context: Mutex<Option<Context>>,
    host_name: Mutex<Vec<u8>>,
    limits: Mutex<BTreeMap<Limit, u64>>,
    name: Mutex<Vec<u8>>,
    /// `None` once it has ended and its parent knows.
    process: Mutex<Option<Arc<dyn Process>>>,
}

struct Application(Arc<Machine>);

struct Kernel(Arc<Machine>);

impl System for Kernel {
    fn current(&self) -> Option<(i32, i32)> {
        Some((1, 2))
    }
    fn processes(&self) -> Vec<i32> {
        vec![1]
    }
    fn process(&self, pid: i32) -> Option<Arc<dyn Process>> {
        self.0.process.lock().unwrap().clone().filter(|_| pid == 1)
    }
    fn host_name(&self) -> Vec<u8> {
        self.0.host_name.lock().unwrap().clone()
    }
    fn set_host_name(&self, name: &[u8]) {
        *self.0.host_name.lock().unwrap() = name.to_vec();
    }
    fn release(&self) -> &'static str {
        "6.1.0-test"
    }
    fn version(&self) -> &'static str {
        "#1 SMP"
    }
    fn limit(&self, limit: Limit) -> u64 {
        self.0.limits.lock().unwrap().get(&limit).copied().unwrap_or(7)
    }
    fn set_limit(&self, limit: Limit, value: u64) {
        self.0.limits.lock().unwrap().insert(limit, value);
    }
    fn interfaces(&self) -> Vec<Interface> {
        let interface = |name, index, hardware| Interface {
            name,
            index,
            flags: 0x1003,
            mtu: 1500,
            hardware,
            traffic: [1, 2, 3, 4],
        };
        vec![
            interface("lo", 1, (772, [0; 6])),
            interface("eth0", 2, (1, [0x52, 0x54, 0, 0x12, 0x34, 0x56])),
        ]
    }
}

impl Process for Application {
    fn identity(&self, tid: i32) -> Option<Identity> {
        (1..=2).contains(&tid).then(|| Identity {
            pid: 1,
            tid,
            name: self.0.name.lock().unwrap().clone(),
            state: 'R',
            ..Identity::default()
        })
    }
    fn threads(&self) -> Vec<i32> {
        vec![1, 2]
    }
    fn usage(&self, _tid: Option<i32>) -> Usage {
        Usage::default()
    }
    fn arguments(&self) -> Vec<u8> {
        b"app\0--flag\0".to_vec()
    }
    fn environment(&self) -> Vec<u8> {
        b"A=b\0".to_vec()
    }
    fn auxiliary(&self) -> Vec<u8> {
        vec![0; 16]
    }
    fn executable(&self) -> Option<Place> {
        self.context().resolve(b"/bin/app", Lookup::FOLLOW).ok()
    }
    fn working(&self) -> Option<Place> {
        self.context().resolve(b"/bin", Lookup::FOLLOW).ok()
    }
    fn has_ended(&self) -> bool {
        false
    }
    fn oom_score(&self) -> i64 {
        667
    }
    fn oom_adjustment(&self) -> i32 {
        0
    }
    fn set_oom_adjustment(&self, _value: i32) -> Result<(), Errno> {
        Err(Errno::ACCES)
    }
    fn context(&self) -> Context {
        self.0.context.lock().unwrap().clone().unwrap()
    }
    fn descriptors(&self) -> Vec<u32> {
        self.0.files.lock().unwrap().keys().copied().collect()
    }
    fn descriptor(&self, number: u32) -> Option<(Arc<OpenFile>, bool)> {
        Some((self.0.files.lock().unwrap().get(&number)?.clone(), number > 2))
    }
    fn areas(&self) -> Vec<Area> {
        vec![Area {
            start: 0x1000,
            end: 0x3000,
            access: (true, false, true),
            name: b"/bin/app".to_vec(),
            ..Area::default()
        }]
    }
    fn limits(&self) -> [(u64, u64); 16] {
        [(1, u64::MAX); 16]
    }
}

/// What was written to the console.
#[derive(Default)]
struct Console(Mutex<Vec<u8>>);

impl File for Console {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
    fn status(&self) -> file::Result<file::Status> {
        Ok(file::Status::anonymous(0, FileType::CharacterDevice, 0o600))
    }
    fn write(&self, _offset: u64, source: &mut dyn file::Source) -> file::Result<usize> {
        let mut bytes = vec![0; source.remaining()];
        let count = source.read(&mut bytes)?;
        self.0.lock().unwrap().extend(&bytes[..count]);
        Ok(count)
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn machine() -> (Arc<Machine>, Context, Arc<Console>) {
    let (_, root) = Tmpfs::create(&Options::default());
    let namespace = Namespace::new(&Mount::new(root, b"overlay", MountFlags::empty()));
    let context = Context {
        root: namespace.root(),
        base: namespace.root(),
        namespace,
        credentials: Arc::new(Credentials::root()),
        umask: 0o022,
    };
    context.make_directory(b"/bin", 0o755).unwrap();
    let create = OpenRequest {
        flags: OpenFlags::CREAT,
        mode: 0o755,
        ..OpenRequest::default()
    };
    context.open(b"/bin/app", create).unwrap();
    let machine = Arc::new(Machine {
        files: Mutex::default(),
        context: Mutex::new(Some(context.clone())),
        host_name: Mutex::new(b"box".to_vec()),
        limits: Mutex::default(),
        name: Mutex::new(b"app".to_vec()),
        process: Mutex::default(),
    });
    *machine.process.lock().unwrap() = Some(Arc::new(Application(machine.clone())));
    let system: Arc<dyn System> = Arc::new(Kernel(machine.clone()));
    let console = Arc::new(Console::default());
    let device = console.clone();
    let open = Arc::new(move |_: OpenFlags| Ok(device.clone() as Arc<dyn File>));
    ready(crate::mount_standard(&context, &system, open)).unwrap();
    (machine, context, console)
}

fn open(context: &Context, path: &str, flags: OpenFlags) -> Result<Arc<OpenFile>, Errno> {
    let request = OpenRequest {
        flags,
        ..OpenRequest::default()
    };
    match context.open(path.as_bytes(), request) {
        Ok(file) => Ok(OpenFile::new(file, flags)),
        Err(Error::Errno(errno)) => Err(errno),
        Err(error) => panic!("{error:?}"),
    }
}

fn read(context: &Context, path: &str) -> String {
    let file = open(context, path, OpenFlags::empty()).unwrap_or_else(|errno| panic!("{path}: {errno:?}"));
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 100];
        match file.read(&mut BytesSink::new(&mut chunk)).unwrap() {
            0 => return String::from_utf8_lossy(&bytes).into_owned(),
            count => bytes.extend(&chunk[..count]),
        }
    }
}

fn link(context: &Context, path: &str) -> String {
    let place = context.resolve(path.as_bytes(), Lookup::empty()).unwrap();
    String::from_utf8(context.read_link(&place).unwrap()).unwrap()
}

#[test]
fn a_process_finds_itself() {
    let (machine, context, _) = machine();
    assert_eq!(link(&context, "/proc/self"), "1");
    assert_eq!(link(&context, "/proc/thread-self"), "1/task/2");
    assert_eq!(link(&context, "/proc/self/exe"), "/bin/app");
    assert_eq!(link(&context, "/proc/self/cwd"), "/bin");
    assert_eq!(link(&context, "/proc/1/root"), "/");
    assert_eq!(read(&context, "/proc/self/cmdline"), "app\0--flag\0");
    assert!(read(&context, "/proc/thread-self/status").contains("\nPid:\t2\n"));
    assert_eq!(
        open(&context, "/proc/2/status", OpenFlags::empty()).unwrap_err(),
        Errno::NOENT
    );
    assert_eq!(
        open(&context, "/proc/01/status", OpenFlags::empty()).unwrap_err(),
        Errno::NOENT
    );
    let comm = open(&context, "/proc/self/comm", OpenFlags::WRONLY).unwrap();
    comm.write(&mut BytesSource::new(b"a-name-longer-than-it-may-be\n"))
        .unwrap();
    assert_eq!(machine.name.lock().unwrap().as_slice(), b"app");
}

#[test]
fn a_process_that_is_gone_is_not_kept_by_who_looks_at_it() {
    let (machine, mut context, _) = machine();
    let stat = open(&context, "/proc/1/stat", OpenFlags::empty()).unwrap();
    let stands_in = context.resolve(b"/proc/1", Lookup::FOLLOW).unwrap();
    let gone = Arc::downgrade(&machine.process.lock().unwrap().take().unwrap());
    assert!(gone.upgrade().is_none());

    let error = stat.read(&mut BytesSink::new(&mut [0; 100])).unwrap_err();
    assert!(matches!(error, Error::Errno(Errno::SRCH)));
    assert_eq!(open(&context, "/proc/1", OpenFlags::empty()).unwrap_err(), Errno::NOENT);
    context.base = stands_in;
    for name in ["stat", "task", "fd", "cwd"] {
        assert_eq!(open(&context, name, OpenFlags::empty()).unwrap_err(), Errno::SRCH);
    }
}

#[test]
fn mounts_are_listed_as_programs_parse_them() {
    let (_, context, _) = machine();
    let mounts = read(&context, "/proc/mounts");
    let lines: Vec<_> = mounts.lines().collect();
    assert_eq!(lines[0], "overlay / tmpfs rw,relatime 0 0");
    assert!(lines.contains(&"proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0"));
    assert!(lines.contains(&"tmpfs /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime 0 0"));
    for line in read(&context, "/proc/self/mountinfo").lines() {
        let (left, right) = line.split_once(" - ").unwrap();
        assert_eq!((left.split(' ').count(), right.split(' ').count()), (6, 3), "{line}");
    }
}

#[test]
fn names_that_nobody_would_find_again_are_not_kept() {
    let (_, context, _) = machine();
    let known = |path: &[u8]| Arc::downgrade(&context.resolve(path, Lookup::empty()).unwrap().dentry);
    for path in [&b"/proc/1/net/tcp"[..], b"/proc/sys/fs/file-nr"] {
        assert!(known(path).upgrade().is_none());
    }
    let kept = known(b"/dev/shm");
    assert!(Weak::ptr_eq(&kept, &known(b"/dev/shm")) && kept.upgrade().is_some());
}

#[test]
fn descriptors_are_links_that_open_again() {
    let (machine, context, console) = machine();
    let terminal = open(&context, "/dev/console", OpenFlags::RDWR).unwrap();
    let (reader, writer) = file::pipe::pipe(false, file::pipe::Owner::default());
    let writer = OpenFile::new(writer, OpenFlags::WRONLY);
    let number = writer.file().status().unwrap().inode;
    machine.files.lock().unwrap().extend([(1, terminal), (7, writer)]);

    assert_eq!(link(&context, "/proc/self/fd/1"), "/dev/console");
    assert_eq!(link(&context, "/proc/self/fd/7"), format!("pipe:[{number}]"));
    assert!(read(&context, "/proc/self/fdinfo/7").starts_with("pos:\t0\nflags:\t02000001\n"));

    let output = open(&context, "/dev/stdout", OpenFlags::WRONLY).unwrap();
    output.write(&mut BytesSource::new(b"hello")).unwrap();
    assert_eq!(console.0.lock().unwrap().as_slice(), b"hello");

    // Closing one of two openings leaves the pipe open.
    let again = open(&context, "/proc/self/fd/7", OpenFlags::WRONLY).unwrap();
    again.write(&mut BytesSource::new(b"x")).unwrap();
    drop(again);
    machine.files.lock().unwrap()[&7]
        .write(&mut BytesSource::new(b"y"))
        .unwrap();
    let mut bytes = [0; 8];
    assert_eq!(reader.read(0, &mut BytesSink::new(&mut bytes)).unwrap(), 2);
}

#[test]
fn a_descriptor_describes_itself_while_it_is_read() {
    let (machine, context, _) = machine();
    let open = |number: u32, path: &str| {
        let file = open(&context, path, OpenFlags::empty()).unwrap();
        machine.files.lock().unwrap().insert(number, file.clone());
        file
    };
    open(5, "/bin/app");
    open(6, "/bin/app");
    // The first is found by its own number, the others by each other's.
    let own = open(5, "/proc/self/fdinfo/5");
    let first = open(6, "/proc/self/fdinfo/5");
    let second = open(5, "/proc/self/fdinfo/6");
    let read_often = |file: Arc<OpenFile>| -> Box<dyn FnOnce() + Send> {
        Box::new(move || {
            for _ in 0..10_000 {
                file.set_position(0);
                assert!(file.read(&mut BytesSink::new(&mut [0; 100])).unwrap() > 0);
            }
        })
    };
    run_together([read_often(first), read_often(second)]);
    machine.files.lock().unwrap().insert(5, own.clone());
    run_together([read_often(own)]);
}

#[test]
fn settings_read_and_the_host_name_is_written() {
    let (_, context, _) = machine();
    let name = open(&context, "/proc/sys/kernel/hostname", OpenFlags::RDWR).unwrap();
    name.write(&mut BytesSource::new(b"other\n")).unwrap();
    assert_eq!(read(&context, "/proc/sys/kernel/hostname"), "other\n");
    assert_eq!(read(&context, "/proc/sys/kernel/osrelease"), "6.1.0-test\n");
    let boot = read(&context, "/proc/sys/kernel/random/boot_id");
    assert_eq!(boot, read(&context, "/proc/sys/kernel/random/boot_id"));
    assert_ne!(boot, read(&context, "/proc/sys/kernel/random/uuid"));
    assert_eq!((boot.len(), boot.as_bytes()[14]), (37, b'4'));
    let files = read(&context, "/proc/sys/fs/file-nr");
    let open = files.split('\t').next().map(str::parse::<usize>);
    assert!(matches!(open, Some(Ok(2..))), "{files}");
}

#[test]
fn settings_keep_numbers_that_are_written_and_refuse_what_is_none() {
    let (_, context, _) = machine();
    let write = |name: &str, text: &str| {
        let file = open(&context, &format!("/proc/sys/{name}"), OpenFlags::RDWR).unwrap();
        file.write(&mut BytesSource::new(text.as_bytes()))
            .map_err(|error| match error {
                Error::Errno(errno) => errno,
                _ => Errno::IO,
            })
    };
    for (name, text) in [
        ("vm/max_map_count", "262144\n"),
        ("vm/swappiness", "10\n"),
        ("kernel/sem", "1\t2\t3\t4\n"),
    ] {
        assert_eq!(write(name, text), Ok(text.len()), "{name}");
        assert_eq!(read(&context, &format!("/proc/sys/{name}")), text);
    }
    for text in ["\n", "many", "-1", "1 2", "0x", "2147483648"] {
        assert_eq!(write("vm/max_map_count", text), Err(Errno::INVAL), "{text}");
    }
    assert_eq!(write("kernel/sem", "1 2 3"), Err(Errno::INVAL));
    assert_eq!(write("vm/overcommit_memory", "3"), Err(Errno::INVAL));
    assert_eq!(read(&context, "/proc/self/cpuset"), "/\n");
}

#[test]
fn memory_is_reported_in_linux_columns() {
    let (_, context, _) = machine();
    let columns = |text: &str| -> BTreeMap<String, usize> {
        let lines = text
            .lines()
            .filter(|line| line.split_ascii_whitespace().nth(1).unwrap().len() <= 8);
        lines
            .map(|line| (line.split(':').next().unwrap().to_string(), line.len()))
            .collect()
    };
    let (ours, theirs) = (
        columns(&read(&context, "/proc/meminfo")),
        columns(&std::fs::read_to_string("/proc/meminfo").unwrap()),
    );
    for key in [
        "MemTotal",
        "MemFree",
        "MemAvailable",
        "Cached",
        "SwapTotal",
        "HugePages_Total",
        "Hugepagesize",
    ] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
}

#[test]
fn a_cpu_has_one_frequency() {
    let (_, context, _) = machine();
    for limits in [
        "cpuinfo_max",
        "cpuinfo_min",
        "scaling_max",
        "scaling_min",
        "scaling_cur",
    ] {
        let path = format!("/sys/devices/system/cpu/cpu0/cpufreq/{limits}_freq");
        assert_eq!(read(&context, &path), "1000000\n", "{path}");
    }
}

#[test]
fn caches_are_described() {
    let (_, context, _) = machine();
    let told = |name: &str| read(&context, &format!("/sys/devices/system/cpu/cpu0/cache/index0/{name}"));
    for (name, text) in [
        ("level", "1"),
        ("type", "Data"),
        ("size", "32K"),
        ("coherency_line_size", "64"),
        ("ways_of_associativity", "8"),
        ("number_of_sets", "64"),
        ("shared_cpu_map", "1"),
        ("shared_cpu_list", "0"),
    ] {
        assert_eq!(told(name), format!("{text}\n"), "{name}");
    }
}

#[test]
fn memory_devices_behave() {
    let (_, context, _) = machine();
    assert_eq!(read(&context, "/dev/null"), "");
    let zero = open(&context, "/dev/zero", OpenFlags::RDWR).unwrap();
    let mut bytes = [1; 1000];
    assert_eq!(zero.read(&mut BytesSink::new(&mut bytes)).unwrap(), 1000);
    assert_eq!(bytes, [0; 1000]);
    let random = open(&context, "/dev/urandom", OpenFlags::empty()).unwrap();
    random.read(&mut BytesSink::new(&mut bytes)).unwrap();
    assert_ne!(bytes[..16], [0; 16]);
    assert_ne!(bytes[..16], bytes[16..32]);
    let full = open(&context, "/dev/full", OpenFlags::WRONLY).unwrap();
    let error = full.write(&mut BytesSource::new(b"x")).unwrap_err();
    assert!(matches!(error, Error::Errno(Errno::NOSPC)));
    let pages = zero.file().pages().unwrap();
    assert_eq!(pages.page(1 << 30).unwrap(), pages.writable_page(1 << 30).unwrap());
}

/// Lists and reads everything below a directory; returns how many files there were.
fn visit(context: &Context, path: &str, files: &mut usize) {
    let directory = open(context, path, OpenFlags::DIRECTORY).unwrap_or_else(|errno| panic!("{path}: {errno:?}"));
    let mut entries = Vec::new();
    directory
        .read_directory(&mut |entry| {
            entries.push((
                String::from_utf8(entry.name.to_vec()).unwrap(),
                entry.file_type,
                entry.inode,
            ));
            true
        })
        .unwrap();
    for (name, file_type, inode) in entries {
        let path = format!("{path}/{name}");
        let place = context
            .resolve(path.as_bytes(), Lookup::empty())
            .unwrap_or_else(|error| panic!("{path}: {error:?}"));
        if name != ".." {
            assert_eq!(place.inode().unwrap().status().unwrap().inode, inode, "{path}");
        }
        match file_type {
            FileType::Directory if !name.starts_with('.') => visit(context, &path, files),
            // What the loopback interface does not have.
            FileType::Regular if matches!(&*path, "/sys/class/net/lo/duplex" | "/sys/class/net/lo/speed") => {}
            FileType::Regular => {
                read(context, &path);
                *files += 1;
            }
            FileType::Symlink => drop(link(context, &path)),
            _ => {}
        }
    }
}

#[test]
fn directories_of_processes_tell_whose_they_are() {
    let (machine, context, _) = machine();
    let place = |path: &str| context.resolve(path.as_bytes(), Lookup::empty()).unwrap();
    let process_of = |place: &Place| super::process_of(&**place.inode().unwrap());
    let own = place("/proc/1");
    assert_eq!(process_of(&own), Ok(1));
    for other in ["/proc", "/proc/1/task", "/proc/1/task/1", "/proc/1/status", "/bin"] {
        assert_eq!(process_of(&place(other)), Err(Errno::BADF), "{other}");
    }
    *machine.process.lock().unwrap() = None;
    assert_eq!(process_of(&own), Err(Errno::SRCH));
}

#[test]
fn everything_that_is_listed_can_be_read() {
    let (machine, context, _) = machine();
    let file = open(&context, "/bin/app", OpenFlags::empty()).unwrap();
    assert!(file.downcast::<OpenInode>().is_some());
    machine.files.lock().unwrap().insert(3, file);
    let mut files = 0;
    visit(&context, "/proc", &mut files);
    visit(&context, "/sys", &mut files);
    assert!(files > 150, "{files}");
}

#[test]
fn each_interface_has_its_files() {
    let (_, context, _) = machine();
    let of = |interface: &str, file: &str| read(&context, &format!("/sys/class/net/{interface}/{file}"));
    assert_eq!(of("eth0", "address"), "52:54:00:12:34:56\n");
    assert_eq!(of("lo", "broadcast"), "00:00:00:00:00:00\n");
    assert_eq!(of("eth0", "flags"), "0x1003\n");
    assert_eq!(of("eth0", "ifindex"), "2\n");
    assert_eq!(of("eth0", "statistics/tx_packets"), "4\n");
    assert_eq!(
        (of("lo", "operstate"), of("eth0", "operstate")),
        ("unknown\n".into(), "up\n".into())
    );
    assert_eq!(of("eth0", "speed"), "-1\n");
    let speed = open(&context, "/sys/class/net/lo/speed", OpenFlags::empty()).unwrap();
    let error = speed.read(&mut BytesSink::new(&mut [0; 8])).unwrap_err();
    assert!(matches!(error, Error::Errno(Errno::INVAL)));
    for name in ["all", "default", "lo", "eth0"] {
        assert_eq!(
            read(&context, &format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6")),
            "0\n"
        );
    }
}
