//! Several CPUs that change the same names at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use abi::{Errno, OpenFlags};
use file::Error;

use super::{Context, OpenRequest};
use crate::inode::{NewKind, RenameMode};
use crate::testing::run_together;
use crate::tmpfs::{Options, Tmpfs};

/// Who changes a file system that is empty.
fn empty() -> Arc<Context> {
    let (_, root) = Tmpfs::create(&Options::default());
    Arc::new(crate::judge::context(&root))
}

/// Moves a name to where there may be none.
fn rename(context: &Context, from: &str, to: &str) {
    context
        .rename(from.as_bytes(), context, to.as_bytes(), RenameMode::Replace)
        .unwrap();
}

/// Makes a directory with a file in it.
fn make_kept(context: &Context, directory: &str) {
    context.make_directory(directory.as_bytes(), 0o755).unwrap();
    let kept = format!("{directory}/kept");
    context.make_node(kept.as_bytes(), NewKind::Regular, 0o644).unwrap();
}

#[test]
fn a_file_moves_out_of_a_directory_that_somebody_tries_to_remove() {
    const ROUNDS: usize = 20_000;
    const DIRECTORIES: usize = 16;
    let context = empty();
    // Some lie before the directory above in memory, some behind it.
    let (before, behind) = (0..DIRECTORIES / 2, DIRECTORIES / 2..DIRECTORIES);
    before
        .clone()
        .for_each(|number| make_kept(&context, &format!("/{number}")));
    context.make_directory(b"/above", 0o755).unwrap();
    before.for_each(|number| rename(&context, &format!("/{number}"), &format!("/above/{number}")));
    behind.for_each(|number| make_kept(&context, &format!("/above/{number}")));
    context.make_node(b"/above/file", NewKind::Regular, 0o644).unwrap();

    let often = |act: fn(&Context, &str)| -> Box<dyn FnOnce() + Send> {
        let context = context.clone();
        Box::new(move || {
            let directories: Vec<_> = (0..DIRECTORIES).map(|number| format!("/above/{number}")).collect();
            for directory in directories.iter().cycle().take(ROUNDS) {
                act(&context, directory);
            }
        })
    };
    let movement = |context: &Context, directory: &str| {
        let inside = format!("{directory}/file");
        rename(context, "/above/file", &inside);
        rename(context, &inside, "/above/file");
    };
    let removal = |context: &Context, directory: &str| {
        let removed = context.remove_directory(directory.as_bytes());
        assert!(matches!(removed, Err(Error::Errno(Errno::NOTEMPTY))));
    };
    run_together([often(movement), often(removal), often(removal)]);
}

#[test]
fn open_finds_or_makes_a_file_whose_name_comes_and_goes() {
    const ROUNDS: usize = 30_000;
    let context = empty();
    let open = |flags| {
        let request = OpenRequest {
            flags,
            mode: 0o644,
            ..OpenRequest::default()
        };
        match context.open(b"/name", request) {
            Ok(_) => None,
            Err(Error::Errno(errno)) => Some(errno),
            Err(error) => panic!("{error:?}"),
        }
    };
    let ended = AtomicBool::new(false);
    let disturb = |act: &dyn Fn() -> file::Result<()>| {
        while !ended.load(Ordering::Relaxed) {
            let _ = act();
        }
    };
    let wrong = std::thread::scope(|scope| {
        scope.spawn(|| disturb(&|| context.unlink(b"/name")));
        scope.spawn(|| disturb(&|| context.rename(b"/name", &context, b"/other", RenameMode::Replace)));
        let create = OpenFlags::CREAT | OpenFlags::RDWR;
        let wrong = (0..ROUNDS).find_map(|round| {
            let plain = open(create);
            let exclusive = open(create | OpenFlags::EXCL).filter(|&errno| errno != Errno::EXIST);
            plain.or(exclusive).map(|errno| (round, errno))
        });
        ended.store(true, Ordering::Relaxed);
        wrong
    });
    assert_eq!(wrong, None);
}
