//! From a path to a program that is ready to run: `execve(2)` without the old program.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::Errno;
use file::FileType;
use fs::vfs::{Context, Lookup, MountFlags, Place};
use fs::{FILE_CAPABILITIES, FileCapabilities};

use super::elf::Malformed;
use super::{Executable, LoadError, Start, build_stack, load, map_vdso, read_exact};
use crate::memory::{AddressSpace, AreaName, Layout, finish};
use crate::process::{Credentials, Grants, Personality, Process, Program, Resource};
use hal::user::UserContext;

/// Scripts whose interpreter is a script, and so on: as many as Linux takes.
const MAX_SCRIPTS: usize = 5;
/// Bytes of a script's first line that count.
const SCRIPT_LINE: usize = 256;

/// What is to be run.
#[derive(Clone, Copy)]
pub struct Command<'a> {
    /// Its path; an empty one means what the context begins at.
    pub path: &'a [u8],
    /// How that is looked up.
    pub lookup: Lookup,
    /// The path by which the program is told of itself, and the interpreter of a script finds it.
    pub told: &'a [u8],
    /// Whether that path leads nowhere by the time the interpreter looks.
    pub is_lost: bool,
}

impl<'a> Command<'a> {
    /// The program at a path.
    pub fn at(path: &'a [u8]) -> Self {
        Self {
            path,
            lookup: Lookup::FOLLOW | Lookup::EMPTY,
            told: path,
            is_lost: false,
        }
    }
}

/// A program in an address space of its own.
pub struct Prepared {
    /// What its first thread is called: the last part of the path, or of the file's own where there is none.
    pub name: Vec<u8>,
    /// Its memory.
    pub memory: Arc<AddressSpace>,
    /// Who it runs as.
    pub credentials: Credentials,
    /// Whether it has rights that its user does not have.
    pub is_secure: bool,
    /// The registers of its first thread.
    pub context: UserContext,
    /// What `/proc` tells of it.
    pub program: Program,
}

/// Why a program cannot be run.
#[derive(Debug)]
pub enum ExecuteError {
    /// The program's own file cannot be had.
    File(Errno),
    /// It is not a program for this machine.
    Malformed(Malformed),
    /// Its interpreter (a dynamic loader, or what a script names) cannot be had.
    Interpreter(Vec<u8>, Errno),
    /// Something else, such as a lack of memory.
    Other(Errno),
}

impl ExecuteError {
    /// What `execve(2)` gives.
    pub fn errno(&self) -> Errno {
        match self {
            Self::File(errno) | Self::Interpreter(_, errno) | Self::Other(errno) => *errno,
            Self::Malformed(_) => Errno::NOEXEC,
        }
    }

    /// A sentence about `command`.
    pub fn sentence(&self, command: &str) -> String {
        match self {
            Self::File(Errno::NOENT) => {
                alloc::format!("{command} is not in the image; check the command and the image's PATH")
            }
            Self::File(Errno::ACCES) => alloc::format!("{command} is not executable; set its execute bit in the image"),
            Self::File(errno) => alloc::format!("{command} cannot be run: {errno:?}"),
            Self::Malformed(Malformed::NotElf) => {
                alloc::format!("{command} is neither an ELF program nor a script that begins with #!")
            }
            Self::Malformed(Malformed::WrongClass) => {
                alloc::format!("{command} is not a 64-bit program; this kernel runs x86-64 programs")
            }
            Self::Malformed(Malformed::WrongMachine(machine)) => {
                alloc::format!(
                    "{command} is built for another machine (ELF machine {machine}); this kernel runs x86-64 programs"
                )
            }
            Self::Malformed(Malformed::NotExecutable) => alloc::format!("{command} is an object file, not a program"),
            Self::Malformed(Malformed::Invalid(why)) => alloc::format!("{command} is damaged: {why}"),
            Self::Interpreter(path, Errno::NOENT) => alloc::format!(
                "{command} needs the interpreter {}, which is not in the image",
                String::from_utf8_lossy(path)
            ),
            Self::Interpreter(path, errno) => alloc::format!(
                "{command} needs the interpreter {}, which cannot be run: {errno:?}",
                String::from_utf8_lossy(path)
            ),
            Self::Other(Errno::NOMEM) => {
                alloc::format!("there is not enough memory to start {command}; give the instance more")
            }
            Self::Other(Errno::TOOBIG) => alloc::format!("the arguments and the environment of {command} are too long"),
            Self::Other(errno) => alloc::format!("{command} cannot be started: {errno:?}"),
        }
    }
}

/// Finds a file that may be executed.
async fn find(context: &Context, path: &[u8], lookup: Lookup) -> Result<(Executable, Place), Errno> {
    let place = finish(|| context.resolve(path, lookup)).await?;
    if place.inode()?.file_type() == FileType::Symlink {
        return Err(Errno::LOOP);
    }
    finish(|| context.check_execute(&place)).await?;
    let inode = place.inode()?.clone();
    let status = finish(|| inode.status()).await?;
    let pages = inode.pages().ok_or(Errno::ACCES)?;
    let name = Arc::new(AreaName {
        path: place.path(&context.root),
        device: status.device,
        inode: status.inode,
    });
    Ok((Executable { pages, name }, place))
}

/// The interpreter and its argument in a script's first line; `None` when the file is no script.
async fn script_line(executable: &Executable) -> Result<Option<(Vec<u8>, Option<Vec<u8>>)>, Errno> {
    let mut line = vec![0; SCRIPT_LINE.min(executable.pages.size() as usize)];
    read_exact(&*executable.pages, 0, &mut line).await?;
    let Some(line) = line.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let end = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
    let line = line[..end].trim_ascii();
    let split = line
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t'))
        .unwrap_or(line.len());
    let (interpreter, argument) = line.split_at(split);
    if interpreter.is_empty() {
        return Err(Errno::NOEXEC);
    }
    let argument = argument.trim_ascii();
    Ok(Some((
        interpreter.to_vec(),
        (!argument.is_empty()).then(|| argument.to_vec()),
    )))
}

/// What a program's file gives who runs it: nothing on a file system that is mounted so.
async fn grants(place: &Place) -> Result<Grants, Errno> {
    const SET_USER_ID: u16 = 0o4000;
    const SET_GROUP_ID: u16 = 0o2010;
    if place.mount.flags().contains(MountFlags::NO_SUID) {
        return Ok(Grants::default());
    }
    let inode = place.inode()?;
    let status = finish(|| inode.status()).await?;
    let has = |bits: u16| status.permissions & bits == bits;
    let capabilities = match finish(|| inode.xattr(FILE_CAPABILITIES)).await {
        Ok(value) => FileCapabilities::parse(&value)?,
        Err(Errno::NODATA | Errno::OPNOTSUPP) => None,
        Err(errno) => return Err(errno),
    };
    Ok(Grants {
        user: has(SET_USER_ID).then_some(status.uid),
        group: has(SET_GROUP_ID).then_some(status.gid),
        capabilities,
    })
}

/// Loads a program that a process is to run.
pub async fn prepare(
    process: &Process,
    context: &Context,
    command: Command<'_>,
    mut arguments: Vec<Vec<u8>>,
    environment: Vec<Vec<u8>>,
) -> Result<Prepared, ExecuteError> {
    let (mut executable, mut place) = find(context, command.path, command.lookup)
        .await
        .map_err(ExecuteError::File)?;
    let mut running = executable.run().map_err(ExecuteError::File)?;
    let name = match command.path.rsplit(|&byte| byte == b'/').next() {
        Some([]) | None => place.dentry.name().into_vec(),
        Some(name) => name.to_vec(),
    };
    let mut run_path = command.told.to_vec();
    for depth in 0.. {
        let Some((interpreter, argument)) = script_line(&executable).await.map_err(ExecuteError::File)? else {
            break;
        };
        if depth == MAX_SCRIPTS {
            return Err(ExecuteError::Other(Errno::LOOP));
        }
        if command.is_lost {
            return Err(ExecuteError::File(Errno::NOENT));
        }
        let mut front = vec![interpreter.clone()];
        front.extend(argument);
        front.push(run_path);
        arguments.splice(..arguments.len().min(1), front);
        let found = find(context, &interpreter, Lookup::FOLLOW).await;
        let failed = |errno| ExecuteError::Interpreter(interpreter.clone(), errno);
        (executable, place) = found.map_err(failed)?;
        running = executable.run().map_err(failed)?;
        run_path = interpreter;
    }

    let own = |error: LoadError| match error {
        LoadError::Malformed(malformed) => ExecuteError::Malformed(malformed),
        LoadError::Errno(errno) => ExecuteError::Other(errno),
    };
    let mut credentials = process.credentials();
    let grants = grants(&place).await.map_err(ExecuteError::Other)?;
    let is_secure = credentials.execute(&grants).map_err(ExecuteError::Other)?;
    let elf = executable.parse().await.map_err(own)?;
    let stack_limit = process.limits.lock().get(Resource::Stack).soft as usize;
    let varies = is_secure || !process.personality().contains(Personality::NO_RANDOMIZE);
    let layout = if varies {
        Layout::random(stack_limit)
    } else {
        Layout::fixed(stack_limit)
    };
    let memory = AddressSpace::with_layout(layout, stack_limit).ok_or(ExecuteError::Other(Errno::NOMEM))?;
    let image = load(&memory, &executable, &elf, Some(memory.layout.program_base))
        .await
        .map_err(own)?;
    memory.set_break_start((image.end + memory.layout.break_gap) & !(hal::mem::PAGE_SIZE - 1));

    let mut entry = image.entry;
    let mut interpreter_base = 0;
    if let Some(path) = executable.interpreter(&elf).await.map_err(own)? {
        let failed = |errno| ExecuteError::Interpreter(path.clone(), errno);
        let (interpreter, _) = find(context, &path, Lookup::FOLLOW).await.map_err(failed)?;
        let elf = interpreter.parse().await.map_err(|error| match error {
            LoadError::Malformed(_) => failed(Errno::LIBBAD),
            LoadError::Errno(errno) => failed(errno),
        })?;
        let loaded = load(&memory, &interpreter, &elf, None)
            .await
            .map_err(|error| failed(error.errno()))?;
        entry = loaded.entry;
        interpreter_base = loaded.base;
    }

    let start = Start {
        program: &image,
        interpreter_base,
        vdso: map_vdso(&memory).map_err(ExecuteError::Other)?,
        path: command.told,
        arguments: &arguments,
        environment: &environment,
        credentials: &credentials,
        is_secure,
        varies,
    };
    let (stack_pointer, auxiliary) = build_stack(&memory, &start).await.map_err(ExecuteError::Other)?;
    let mut registers = UserContext::new();
    registers.set_instruction_pointer(entry);
    registers.set_stack_pointer(stack_pointer);
    Ok(Prepared {
        name,
        memory,
        credentials,
        is_secure,
        context: registers,
        program: Program {
            place: Some(place),
            arguments,
            environment,
            auxiliary,
            running: Some(Arc::new(running)),
        },
    })
}
