//! Volumes as the usual tools make them, and damaged ones.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use super::{Problem, Unreadable, Volume, name_in, read};
use crate::Instance;

struct Memory {
    bytes: Vec<u8>,
    /// Bytes that were read.
    read: Mutex<usize>,
}

impl Volume for Memory {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Unreadable> {
        let start = usize::try_from(offset).map_err(|_| Unreadable)?;
        *self.read.lock().expect("the count") += into.len();
        into.copy_from_slice(self.bytes.get(start..start + into.len()).expect("a range inside"));
        Ok(())
    }
}

fn read_bytes(bytes: Vec<u8>) -> (Result<Option<Instance>, Problem>, usize) {
    let volume = Memory {
        bytes,
        read: Mutex::new(0),
    };
    let result = {
        let mut future = pin!(read(&volume));
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("memory does not wait"),
        }
    };
    (result, volume.read.into_inner().expect("the count"))
}

/// A folder of its own, gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cidata-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

const META_DATA: &[u8] = b"instance-id: i-1\nlocal-hostname: web.example\n";

/// A configuration of more than one cluster.
fn user_data() -> Vec<u8> {
    let env: Vec<String> = (0..2000).map(|number| format!("\"V{number}=x\"")).collect();
    format!(r#"{{"process":{{"env":[{}]}}}}"#, env.join(",")).into_bytes()
}

fn expected() -> Instance {
    Instance {
        configuration: Some(user_data()),
        hostname: Some("web".into()),
    }
}

/// A FAT file system with both files, by dosfstools and mtools.
fn fat(name: &str, bits: &str, kibibytes: &str, label: &str) -> Vec<u8> {
    let folder = Folder::new(name);
    let image = folder.0.join("image");
    let image = image.to_str().expect("a path of text");
    run("/usr/sbin/mkfs.fat", &["-C", "-F", bits, "-n", label, image, kibibytes]);
    for (name, content) in [("user-data", &user_data()[..]), ("meta-data", META_DATA)] {
        let file = folder.file(name, content);
        run(
            "mcopy",
            &[
                "-i",
                image,
                file.to_str().expect("a path of text"),
                &format!("::{name}"),
            ],
        );
    }
    std::fs::read(image).expect("the image")
}

fn iso(name: &str, options: &[&str]) -> Vec<u8> {
    let folder = Folder::new(name);
    let files = Folder::new(&format!("{name}-files"));
    files.file("user-data", &user_data());
    files.file("meta-data", META_DATA);
    let image = folder.0.join("image");
    let path = |path: &Path| path.to_str().expect("a path of text").to_owned();
    let (image, files) = (path(&image), path(&files.0));
    let arguments: Vec<&str> = ["-quiet", "-o", &image, "-V", "cidata"]
        .into_iter()
        .chain(options.iter().copied())
        .chain([&files[..]])
        .collect();
    run("genisoimage", &arguments);
    std::fs::read(&image).expect("the image")
}

#[test]
fn fat_of_every_width_is_read() {
    for (bits, size) in [("12", "1440"), ("16", "20000"), ("32", "70000")] {
        let image = fat(&format!("fat{bits}"), bits, size, "CIDATA");
        assert_eq!(read_bytes(image.clone()).0, Ok(Some(expected())), "FAT{bits}");
        // In a partition.
        let mut disk = vec![0; 512 * 63];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk[450] = 0x0c;
        disk[454] = 63;
        disk.extend(image);
        assert_eq!(read_bytes(disk).0, Ok(Some(expected())), "FAT{bits} in a partition");
    }
}

#[test]
fn iso_9660_is_read_by_either_kind_of_long_names() {
    for (name, options) in [
        ("both", &["-joliet", "-rock"][..]),
        ("joliet", &["-joliet"]),
        ("rock", &["-rock"]),
    ] {
        assert_eq!(read_bytes(iso(name, options)).0, Ok(Some(expected())), "{name}");
    }
}

#[test]
fn other_volumes_are_none_and_cost_little() {
    let (result, cost) = read_bytes(fat("other", "16", "20000", "BACKUP"));
    assert_eq!(result, Ok(None));
    assert!(cost < 64 << 10, "{cost} bytes were read");
    for bytes in [vec![], vec![0; 100], vec![0; 1 << 20], vec![0xff; 1 << 20]] {
        let (result, cost) = read_bytes(bytes);
        assert_eq!(result, Ok(None));
        assert!(cost <= 4096, "{cost} bytes were read");
    }
}

#[test]
fn a_file_that_is_missing_or_empty_is_no_configuration() {
    let folder = Folder::new("empty");
    let image = folder.0.join("image");
    let image = image.to_str().expect("a path of text");
    run("/usr/sbin/mkfs.fat", &["-C", "-n", "cidata", image, "1440"]);
    let file = folder.file("user-data", b"\n");
    run(
        "mcopy",
        &["-i", image, file.to_str().expect("a path of text"), "::user-data"],
    );
    let bytes = std::fs::read(image).expect("the image");
    assert_eq!(read_bytes(bytes).0, Ok(Some(Instance::default())));
}

#[test]
fn damaged_volumes_neither_panic_nor_loop() {
    let mut seed = 1u64;
    let mut below = |limit: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    let originals = [
        fat("damaged", "12", "160", "CIDATA"),
        iso("damaged-iso", &["-joliet", "-rock"]),
    ];
    for round in 0..4000 {
        let mut bytes = originals[round % 2].clone();
        for _ in 0..=below(6) {
            // Where the structures are: the start, and behind the first 16 sectors of a CD.
            let area = if round % 2 == 0 {
                0..8192
            } else {
                32768..(32768 + 24 * 2048).min(bytes.len())
            };
            let at = area.start + below(area.len());
            bytes[at] = below(256) as u8;
        }
        if below(8) == 0 {
            bytes.truncate(below(originals[round % 2].len()));
        }
        let (_, cost) = read_bytes(bytes);
        assert!(cost < 2 << 20, "{cost} bytes were read");
    }
}

#[test]
fn the_name_is_found_in_yaml_and_in_json() {
    let name = |text: &str| name_in(text.as_bytes());
    assert_eq!(name("local-hostname: 'db'\n").as_deref(), Some("db"));
    assert_eq!(
        name(r#"{"instance-id": "i", "local-hostname": "db"}"#).as_deref(),
        Some("db")
    );
    assert_eq!(name("# local-hostname\ninstance-id: x\n"), None);
    assert_eq!(name("local-hostname:\n"), None);
}
