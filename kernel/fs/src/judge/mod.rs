//! Linux as the judge: random sequences of operations run on its tmpfs and overlayfs and on ours, and every result has to be the same.
//!
//! The comparison runs in a process of its own, in a mount namespace, with the judge's file system as its root directory.

mod linux;
mod operation;
mod ours;

use std::process::Command;
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::mount::{MountFlags, mount};

use crate::inode::Inode;
use crate::testing::{MemoryDisk, make_image};
use crate::tmpfs::{Options, Tmpfs};
use crate::vfs::{self, Namespace};
use operation::{Operation, Random};

const SEQUENCES: u64 = 60;
const LENGTH: usize = 400;
/// An ordinary user and their group; files are given to users and groups 0 to 2.
const USER: u32 = 1;
/// Their supplementary group.
const OTHER_GROUP: u32 = 2;

/// Runs the test `name` of this program where it may mount and change its root.
fn run_apart(name: &str) {
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let output = command
        .arg("--mount")
        .arg(program)
        .args(["--exact", name, "--ignored", "--nocapture"])
        .output()
        .expect("unshare of util-linux is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn tmpfs_does_what_linux_does() {
    run_apart("judge::compare_tmpfs");
}

#[test]
fn overlay_does_what_linux_does() {
    run_apart("judge::compare_overlay");
}

fn mount_tmpfs(path: &str) {
    mount("tmpfs", path, "tmpfs", MountFlags::empty(), None).expect("a tmpfs can be mounted");
}

/// Runs `act` with `path` as the root directory and the working directory.
fn with_root<T>(path: &str, act: impl FnOnce() -> T) -> T {
    let outside = std::fs::File::open("/").expect("the root directory can be opened");
    rustix::process::chroot(path).expect("the root directory can be changed");
    rustix::process::chdir("/base").expect("the base exists");
    let result = act();
    rustix::process::fchdir(&outside).expect("the old root directory is still there");
    rustix::process::chroot(".").expect("the root directory can be changed back");
    result
}

#[test]
#[ignore = "changes the root directory: tmpfs_does_what_linux_does runs it"]
fn compare_tmpfs() {
    mount_tmpfs("/tmp");
    let disk = MemoryDisk::new(Vec::new());
    for seed in 1..=SEQUENCES {
        let path = format!("/tmp/{seed}");
        std::fs::create_dir(&path).unwrap();
        mount_tmpfs(&path);
        std::fs::create_dir(format!("{path}/base")).unwrap();
        std::fs::set_permissions(
            format!("{path}/base"),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .unwrap();
        let (_, root) = Tmpfs::create(&Options {
            executes_written: true,
            ..Options::default()
        });
        let context = context(&root);
        context.make_directory(b"/base", 0o777).unwrap();
        let context = ours::enter(&disk, &context, b"/base");
        context.change_mode(&context.base, 0o777).unwrap();
        with_root(&path, || compare(seed, &disk, &context, false));
    }
}

#[test]
#[ignore = "changes the root directory: overlay_does_what_linux_does runs it"]
fn compare_overlay() {
    mount_tmpfs("/tmp");
    std::fs::create_dir_all("/tmp/lower/base").unwrap();
    // The top's attributes are the upper layer's on Linux.
    let mut random = Random::new(99);
    std::fs::create_dir("/tmp/lower/base/base").unwrap();
    with_root("/tmp/lower/base", || {
        for _ in 0..600 {
            linux::run(&Operation::random(&mut random));
        }
    });
    std::fs::set_permissions("/tmp/lower/base", std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let image = make_image("/tmp/lower".as_ref(), &["-Eforce-inode-extended"]);
    for seed in 1..=SEQUENCES {
        for name in ["upper", "work", "merged"] {
            std::fs::create_dir(format!("/tmp/{name}-{seed}")).unwrap();
        }
        let options = format!(
            "lowerdir=/tmp/lower,upperdir=/tmp/upper-{seed},workdir=/tmp/work-{seed},index=on,redirect_dir=on,xino=on"
        );
        let options = std::ffi::CString::new(options).unwrap();
        let merged = format!("/tmp/merged-{seed}");
        mount(
            "overlay",
            &merged,
            "overlay",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .unwrap();
        let disk = MemoryDisk::new(image.clone());
        let erofs = disk.mount().unwrap_or_else(|error| panic!("{error}"));
        let lower = disk.wait(|| erofs.root()).unwrap();
        let (_, root) = Tmpfs::over(
            &lower,
            &Options {
                executes_written: true,
                ..Options::default()
            },
        )
        .unwrap();
        let context = ours::enter(&disk, &context(&root), b"/base");
        with_root(&merged, || compare(seed, &disk, &context, true));
    }
}

pub(crate) fn context(root: &Arc<dyn Inode>) -> vfs::Context {
    let mount = vfs::Mount::new(root.clone(), b"none", vfs::MountFlags::empty());
    let namespace = Namespace::new(&mount);
    vfs::Context {
        root: namespace.root(),
        base: namespace.root(),
        namespace,
        credentials: Arc::new(vfs::Credentials::root()),
        umask: 0o022,
    }
}

fn compare(seed: u64, disk: &MemoryDisk, context: &vfs::Context, overlay: bool) {
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let mut random = Random::new(seed);
    let mut history = Vec::new();
    let user = vfs::Context {
        credentials: Arc::new(vfs::Credentials {
            user: USER,
            group: USER,
            groups: vec![OTHER_GROUP],
            capabilities: vfs::Capabilities::empty(),
        }),
        ..context.clone()
    };
    let users_exist = linux::as_user(USER, OTHER_GROUP, || ()).is_some();
    for step in 0..LENGTH {
        let operation = Operation::random(&mut random);
        let as_user = random.below(3) == 0;
        let (expected, actual) = if as_user && users_exist {
            (
                linux::as_user(USER, OTHER_GROUP, || linux::run(&operation)).expect("it worked before"),
                ours::run(disk, &user, &operation),
            )
        } else {
            (linux::run(&operation), ours::run(disk, context, &operation))
        };
        let who = if as_user { "user" } else { "root" };
        history.push(format!("{who}: {operation:?} -> {expected:?}"));
        if overlay && operation.is_special_on_overlayfs() {
            continue;
        }
        assert!(
            expected.same(&actual, overlay),
            "sequence {seed}, step {step}: {who}: {operation:?}\nLinux: {expected:?}\nours:  {actual:?}\nbefore:\n{}",
            history[history.len().saturating_sub(60)..].join("\n")
        );
    }
}
