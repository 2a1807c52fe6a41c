//! The order of start-up.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::{Errno, OpenFlags};
use file::{BytesSink, OpenFile};
use fs::Inode;
use fs::tmpfs::{Options, Tmpfs};
use fs::vfs::{Context, Lookup, Mount, MountFlags, Namespace};

use hal::boot::Boot;

use super::devices::{Card, Devices};
use super::{Config, Owner, files, instance, provided, root};
use crate::process::{Credentials, Paths, Process, Thread, next_tid, start_thread};
use crate::program::{self, ExecuteError};
use crate::signal::{Info, Signal, SignalSet};
use crate::system::{fail, say, set_host_name};

/// Where commands are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest `config.json`.
const MAX_CONFIG: u64 = 1 << 20;

/// Waits for the disk as often as an operation asks for it.
pub(super) async fn finish<T>(mut operation: impl FnMut() -> file::Result<T>) -> Result<T, Errno> {
    loop {
        match operation() {
            Ok(value) => return Ok(value),
            Err(file::Error::Pending(completion)) => completion.await,
            Err(file::Error::Errno(errno)) => return Err(errno),
            Err(file::Error::WouldBlock | file::Error::Fault(_)) => return Err(Errno::IO),
        }
    }
}

/// Starts the devices, and the application in a task of its own.
pub fn start(boot: &Boot) {
    hal::console::status::write_line(concat!(
        r#"{"event":"boot","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#""}"#
    ));
    // Cached pages give way to whoever needs memory.
    hal::mem::set_reclaim(fs::reclaim);
    let devices = Devices::find(boot);
    hal::console::set_input_handler(files::collect_input);
    hal::power::set_button_handler(terminate);
    hal::cpu::start_others(crate::scheduler::run);
    task::spawn(run(devices));
}

/// The power button: the application gets `SIGTERM`, whose default action ends it though it is the first process.
fn terminate() {
    match crate::process::first() {
        Some(process) => {
            process.send(Signal::TERM, Info::kernel(Signal::TERM));
        }
        None => hal::power::exit(128 + Signal::TERM.number()),
    }
}

/// Runs the application. What goes wrong ends the machine with a sentence.
async fn run(devices: Devices) {
    let file_system = root::mount(devices.disks.clone())
        .await
        .unwrap_or_else(|message| fail(&message));
    let bundle = finish(|| file_system.root())
        .await
        .unwrap_or_else(|errno| fail(&alloc::format!("the image's top directory cannot be read ({errno:?})")));
    let mut config = read_config(&bundle).await;
    let handed_over = instance::handed_over();
    let is_handed_over = handed_over.is_some();
    config = config.merge(handed_over.unwrap_or_default());
    if let Some(name) = &config.hostname {
        set_host_name(name.clone().into_bytes());
    }

    // After the host name, which DHCP tells the network.
    let has_network = devices.network.is_some();
    crate::network::start(devices.network.map(|card| Arc::new(Card(card)) as Arc<dyn net::Device>));
    if !is_handed_over {
        config = config.merge(instance::find(&devices.disks, has_network).await);
        if let Some(name) = &config.hostname {
            set_host_name(name.clone().into_bytes());
        }
    }

    let folder = config
        .root
        .path
        .as_deref()
        .unwrap_or("rootfs")
        .trim_matches('/')
        .to_string();
    let root = finish(|| bundle.lookup(folder.as_bytes())).await.unwrap_or_else(|_| {
        fail(&alloc::format!(
            "the image has no folder /{folder} with the root file system; build it anew"
        ))
    });
    let top = if config.root.readonly {
        root
    } else {
        let over = finish(|| Tmpfs::over(&root, &Options::default())).await;
        over.unwrap_or_else(|errno| fail(&alloc::format!("the root file system cannot be used ({errno:?})")))
            .1
    };
    let flags = if config.root.readonly {
        MountFlags::READ_ONLY
    } else {
        MountFlags::empty()
    };
    let namespace = Namespace::new(&Mount::new(top, b"overlay", flags));
    let paths = Arc::new(Paths::new(namespace));
    if let Err(message) = launch(&config, paths).await {
        fail(&message);
    }
}

async fn read_file(directory: &Arc<dyn Inode>, name: &str) -> Result<Vec<u8>, Errno> {
    let inode = finish(|| directory.lookup(name.as_bytes())).await?;
    let size = finish(|| inode.status()).await?.size;
    if size > MAX_CONFIG {
        return Err(Errno::FBIG);
    }
    let mut content = alloc::vec![0; size as usize];
    let mut done = 0;
    while done < content.len() {
        let read = finish(|| inode.read(done as u64, &mut BytesSink::new(&mut content[done..]))).await?;
        if read == 0 {
            return Err(Errno::IO);
        }
        done += read;
    }
    Ok(content)
}

async fn read_config(bundle: &Arc<dyn Inode>) -> Config {
    let text = read_file(bundle, "config.json").await.unwrap_or_else(|errno| {
        fail(&alloc::format!(
            "the image has no /config.json that can be read ({errno:?}); build it anew"
        ))
    });
    Config::parse(&text).unwrap_or_else(|error| {
        fail(&alloc::format!(
            "the image's config.json is not valid: {error}; build it anew"
        ))
    })
}

async fn launch(config: &Config, paths: Arc<Paths>) -> Result<(), String> {
    let process = &config.process;
    let arguments = process.args.clone().unwrap_or_default();
    let Some(command) = arguments.first().filter(|command| !command.is_empty()) else {
        return Err("the image names no command to run; set one where it is built".to_string());
    };
    let user = process.user.clone().unwrap_or_default();
    let credentials = Credentials::of(user.uid, user.gid, user.additional_gids);
    // The first process needs memory to exist; it gets the program's own below.
    let memory = crate::memory::AddressSpace::new().ok_or("there is not enough memory for an address space")?;
    let first = Arc::new(Process::new(
        next_tid(),
        Arc::new(memory),
        paths,
        credentials.clone(),
        config.limits(),
    ));

    // As root, whoever the application is.
    let privileged = Context {
        credentials: Arc::new(fs::vfs::Credentials::root()),
        ..first.context(None)
    };
    let system: Arc<dyn fs::proc::System> = Arc::new(crate::describe::Machine);
    let console: fs::vfs::Device = Arc::new(|_| Ok(files::console()));
    if let Err(errno) = fs::mount_standard(&privileged, &system, console).await {
        // A read-only root without these directories: the application may still live without them.
        say(&alloc::format!(
            "/dev, /proc and /sys are not all there ({errno:?}); add the directories to the image"
        ));
    }
    let owner = Owner {
        uid: user.uid,
        gid: user.gid,
    };
    provided::write(&config.files, &privileged, owner).await;
    let cwd = process.cwd.as_deref().unwrap_or("/");
    let context = first.context(None);
    match finish(|| context.resolve(cwd.as_bytes(), Lookup::FOLLOW | Lookup::DIRECTORY)).await {
        Ok(place) => first.paths.update(|places| places.working = place),
        Err(errno) => {
            return Err(alloc::format!(
                "the working directory {cwd} is not in the image ({errno:?})"
            ));
        }
    }
    if let Some(umask) = user.umask {
        first.paths.update(|places| places.umask = umask & 0o777);
    }
    open_console(&first, &privileged);

    let context = first.context(None);
    let environment: Vec<_> = config
        .process
        .env
        .iter()
        .map(|variable| variable.clone().into_bytes())
        .collect();
    let path = config.variable("PATH").unwrap_or(DEFAULT_PATH);
    let prepared = find_and_prepare(&context, &credentials, command, path, &arguments, &environment)
        .await
        .map_err(|error| error.sentence(command))?;
    first.set_memory(prepared.memory.clone());
    *first.program.lock() = prepared.program;
    let thread = Thread::new(first.pid, first.clone(), prepared.memory, SignalSet::EMPTY);
    thread.set_name_from_path(&first.program.lock().path);
    crate::process::set_first(&first);
    start_thread(thread, prepared.context, None);
    Ok(())
}

/// Looks for a command without a slash in the folders of `PATH`, as `execvp(3)` does.
async fn find_and_prepare(
    context: &Context,
    credentials: &Credentials,
    command: &str,
    path: &str,
    arguments: &[String],
    environment: &[Vec<u8>],
) -> Result<program::Prepared, ExecuteError> {
    let candidates: Vec<String> = if command.contains('/') {
        [command.to_string()].into()
    } else {
        path.split(':')
            .map(|folder| {
                if folder.is_empty() {
                    command.to_string()
                } else {
                    alloc::format!("{folder}/{command}")
                }
            })
            .collect()
    };
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.clone().into_bytes()).collect();
    let mut failure = ExecuteError::File(Errno::NOENT);
    for candidate in candidates {
        let found = program::prepare(
            context,
            credentials,
            candidate.as_bytes(),
            arguments.clone(),
            environment.to_vec(),
        )
        .await;
        match found {
            Err(ExecuteError::File(errno @ (Errno::NOENT | Errno::NOTDIR | Errno::ACCES))) => {
                if errno == Errno::ACCES {
                    failure = ExecuteError::File(errno);
                }
            }
            result => return result,
        }
    }
    Err(failure)
}

/// Descriptors 0, 1 and 2.
fn open_console(process: &Process, context: &Context) {
    const LIMIT: usize = 3;
    let request = fs::vfs::OpenRequest {
        flags: OpenFlags::RDWR,
        ..fs::vfs::OpenRequest::default()
    };
    for _ in 0..LIMIT {
        // By its path, which `/proc/self/fd/1` shows and leads to.
        let console = context.open(b"/dev/console", request);
        let file = OpenFile::new(console.unwrap_or_else(|_| files::console()), OpenFlags::RDWR);
        if process.files.insert(file, 0, false, LIMIT).is_err() {
            say("the console cannot be opened");
        }
    }
}
