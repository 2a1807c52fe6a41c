//! The order of start-up.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};

use abi::{Errno, OpenFlags};
use file::{BytesSink, OpenFile};
use fs::Inode;
use fs::vfs::{Context, Lookup};

use hal::boot::Boot;

use super::devices::{Card, Devices};
use super::{Config, Owner, console, files, instance, root};
use crate::memory::finish;
use crate::process::{Credentials, Paths, Process, Thread, next_tid, start_thread};
use crate::program::{self, ExecuteError};
use crate::signal::{Info, Signal, SignalSet};
use crate::system::{fail, say, set_host_name};

/// Where commands are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest `config.json`.
const MAX_CONFIG: u64 = 1 << 20;

/// Starts the devices, and the application in a task of its own.
pub fn start(boot: &Boot) {
    hal::console::status::write_line(concat!(
        r#"{"event":"boot","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#""}"#
    ));
    // Cached pages give way to whoever needs memory.
    hal::mem::set_reclaim(fs::reclaim);
    fs::set_unmap(crate::memory::unmap);
    hal::time::on_realtime_set(task::realtime_was_set);
    let devices = Devices::find(boot);
    hal::console::set_input_handler(console::collect_input);
    hal::power::set_button_handler(terminate);
    let left_out = hal::cpu::start_others(crate::scheduler::run);
    if left_out > 0 {
        let used = hal::cpu::count();
        let all = used + left_out;
        say(&alloc::format!(
            "{used} of {all} CPUs are used: one did not start within 10 seconds"
        ));
    }
    task::spawn(run(devices));
}

/// The number of the signal by which the application is asked to end.
static STOP_SIGNAL: AtomicU8 = AtomicU8::new(Signal::TERM.number());

/// The power button: the application gets its stop signal, whose default action ends it though it is the first process.
fn terminate() {
    let signal = Signal::new(STOP_SIGNAL.load(Ordering::Relaxed).into()).unwrap_or(Signal::TERM);
    match crate::process::first() {
        Some(process) => {
            process.send_from_outside(signal, Info::kernel(signal));
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

    if let Err(message) = launch(&bundle, &config).await {
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

async fn launch(bundle: &Arc<dyn Inode>, config: &Config) -> Result<(), String> {
    let paths = Paths::new(files::root(bundle, config).await?);
    crate::system::set_exec_written(config.allows_exec_written()?);
    STOP_SIGNAL.store(config.stop_signal()?.number(), Ordering::Relaxed);
    let process = &config.process;
    let arguments = process.args.clone().unwrap_or_default();
    let Some(command) = arguments.first().filter(|command| !command.is_empty()) else {
        return Err("the image names no command to run; set one where it is built".to_string());
    };
    let user = process.user.clone().unwrap_or_default();
    let mut credentials = Credentials::of(user.uid, user.gid, user.additional_gids);
    credentials.no_new_privileges = process.no_new_privileges;
    // The first process needs memory to exist; it gets the program's own below.
    let memory = crate::memory::AddressSpace::new(crate::memory::STACK_LIMIT)
        .ok_or("there is not enough memory for an address space")?;
    let first = Arc::new(Process::new(
        next_tid(),
        memory,
        paths,
        credentials,
        config.limits((hal::mem::usage().total * hal::mem::PAGE_SIZE) as u64),
    ));

    // As root, whoever the application is.
    let privileged = Context {
        credentials: Arc::new(fs::vfs::Credentials::root()),
        ..first.context(None)
    };
    let owner = Owner {
        uid: user.uid,
        gid: user.gid,
    };
    files::furnish(&privileged, config, owner).await?;
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
    let is_terminal = process.terminal == Some(true);
    if is_terminal {
        console::become_terminal(&first, process.console_size);
    }
    open_standard_files(&first, &privileged, is_terminal || config.attaches_input()?);

    let context = first.context(None);
    let environment: Vec<_> = config
        .process
        .env
        .iter()
        .map(|variable| variable.clone().into_bytes())
        .collect();
    let path = config.variable("PATH").unwrap_or(DEFAULT_PATH);
    let prepared = find_and_prepare(&first, &context, command, path, &arguments, &environment)
        .await
        .map_err(|error| error.sentence(command))?;
    first.set_memory(prepared.memory.clone());
    first.update_credentials(|own| *own = prepared.credentials);
    *first.program.lock() = prepared.program;
    let thread = Thread::new(first.pid, first.clone(), prepared.memory, SignalSet::EMPTY);
    thread.set_name(&prepared.name);
    crate::process::set_first(&first);
    start_thread(thread, prepared.context, None);
    Ok(())
}

/// Looks for a command without a slash in the folders of `PATH`, as `execvp(3)` does.
async fn find_and_prepare(
    process: &Process,
    context: &Context,
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
            process,
            context,
            program::Command::at(candidate.as_bytes()),
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

/// Descriptors 0, 1 and 2. As in a container without `-i`, standard input is at its end from the start unless it is attached to the console.
fn open_standard_files(process: &Process, context: &Context, input: bool) {
    const LIMIT: usize = 3;
    console::attach_input(input);
    let first: (&[u8], OpenFlags) = if input {
        (b"/dev/console", OpenFlags::RDWR)
    } else {
        (b"/dev/null", OpenFlags::empty())
    };
    for (path, flags) in [
        first,
        (b"/dev/console", OpenFlags::RDWR),
        (b"/dev/console", OpenFlags::RDWR),
    ] {
        let request = fs::vfs::OpenRequest {
            flags,
            ..fs::vfs::OpenRequest::default()
        };
        // By its path, which `/proc/self/fd/1` shows and leads to.
        let opened = context.open(path, request);
        let opened = opened.or_else(|_| console::open(flags)).ok();
        let file = opened.map(|file| OpenFile::new(file, flags));
        let is_open = file.is_some_and(|file| process.files.insert(file, 0, false, LIMIT).is_ok());
        if !is_open {
            say("the console cannot be opened");
        }
    }
}
