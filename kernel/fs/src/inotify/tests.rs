//! What the application cannot see: that watches end, and keep nothing when they do.

use std::sync::Arc;

use abi::{Errno, OpenFlags};
use file::{BytesSink, Error, File, OpenFile};

use super::{Events, Inotify, MAX_INSTANCES, watch};
use crate::inode::{Inode, RenameMode};
use crate::tmpfs::{Options, Tmpfs};
use crate::vfs::{Context, Credentials, Lookup, Mount, MountFlags, Namespace, OpenRequest};

fn context() -> Context {
    let (_, root) = Tmpfs::create(&Options::default());
    let namespace = Namespace::new(&Mount::new(root, b"tmpfs", MountFlags::empty()));
    let root = namespace.root();
    Context {
        base: root.clone(),
        root,
        namespace,
        credentials: Arc::new(Credentials::root()),
        umask: 0,
    }
}

fn inode(context: &Context, path: &str) -> Arc<dyn Inode> {
    let place = context.resolve(path.as_bytes(), Lookup::empty()).unwrap();
    place.inode().unwrap().clone()
}

/// Watches and masks that wait in an instance.
fn events(instance: &Inotify) -> Vec<(i32, Events)> {
    let mut bytes = [0; 4096];
    let mut sink = BytesSink::new(&mut bytes);
    match instance.read(0, &mut sink) {
        Err(Error::WouldBlock) => return Vec::new(),
        result => result.unwrap(),
    };
    let filled = sink.filled();
    let mut rest = &bytes[..filled];
    let mut events = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| i32::from_ne_bytes(rest[at..at + 4].try_into().unwrap());
        events.push((word(0), Events::from_bits_retain(word(4) as u32)));
        rest = &rest[16 + word(12) as usize..];
    }
    events
}

// A user of its own for each test: they run side by side.

#[test]
fn a_closed_instance_keeps_no_inode() {
    let context = context();
    context.make_directory(b"/d", 0o755).unwrap();
    let directory = inode(&context, "/d");
    let shares = Arc::strong_count(&directory);
    let instance = Inotify::new(1001).unwrap();
    watch(&instance, &directory, Events::ALL).unwrap();
    assert_eq!(Arc::strong_count(&directory), shares + 1);
    drop(OpenFile::new(instance, OpenFlags::empty()));
    assert_eq!(Arc::strong_count(&directory), shares);
}

#[test]
fn the_limit_of_instances_is_each_users() {
    let instances: Vec<_> = (0..MAX_INSTANCES).map(|_| Inotify::new(1002).unwrap()).collect();
    assert_eq!(Inotify::new(1002).err(), Some(Errno::MFILE));
    Inotify::new(1003).unwrap().close();
    for instance in instances {
        instance.close();
    }
    Inotify::new(1002).unwrap().close();
}

#[test]
fn a_removed_file_ends_when_its_last_opening_does() {
    let context = context();
    let request = OpenRequest {
        flags: OpenFlags::CREAT | OpenFlags::RDWR,
        mode: 0o644,
        ..OpenRequest::default()
    };
    let open = context.open(b"/f", request).unwrap();
    let file = inode(&context, "/f");
    let instance = Inotify::new(1004).unwrap();
    let number = watch(&instance, &file, Events::DELETE_SELF).unwrap();
    context.unlink(b"/f").unwrap();
    assert_eq!(events(&instance), []);
    drop(open);
    assert_eq!(
        events(&instance),
        [(number, Events::DELETE_SELF), (number, Events::IGNORED)]
    );
    assert_eq!(instance.remove(number), Err(Errno::INVAL));
    instance.close();
}

#[test]
fn a_removed_directory_ends_though_names_in_it_were_looked_up() {
    let context = context();
    context.make_directory(b"/d", 0o755).unwrap();
    for name in ["/d/missing", "/d/found", "/d/moved"] {
        assert!(context.resolve(name.as_bytes(), Lookup::empty()).is_err());
    }
    context.make_directory(b"/d/found", 0o755).unwrap();
    context
        .rename(b"/d/found", &context, b"/d/moved", RenameMode::Replace)
        .unwrap();
    context.remove_directory(b"/d/moved").unwrap();
    let instance = Inotify::new(1005).unwrap();
    let number = watch(&instance, &inode(&context, "/d"), Events::DELETE_SELF).unwrap();
    context.remove_directory(b"/d").unwrap();
    assert_eq!(
        events(&instance),
        [(number, Events::DELETE_SELF), (number, Events::IGNORED)]
    );
    instance.close();
}
