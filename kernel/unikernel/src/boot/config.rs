//! The configuration: `config.json` of the OCI runtime specification, as far as this kernel reads it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use crate::process::{Limit, Limits, Resource};
use crate::signal::Signal;

/// `config.json` of an image, or what an instance changes of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The application.
    pub process: ProcessConfig,
    /// The root file system.
    pub root: Root,
    /// The host name.
    pub hostname: Option<String>,
    /// File systems to mount over the root.
    pub mounts: Option<Vec<Mount>>,
    /// Files to write before the application starts: an extension of the specification's format.
    pub files: Vec<FileConfig>,
    /// Settings by name.
    pub annotations: BTreeMap<String, String>,
}

/// The application.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProcessConfig {
    /// Command line.
    pub args: Option<Vec<String>>,
    /// Environment, `NAME=value`.
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Who it runs as.
    pub user: Option<User>,
    /// Resource limits.
    pub rlimits: Option<Vec<ResourceLimit>>,
    /// Whether no program's file gives the application more rights.
    pub no_new_privileges: bool,
    /// Whether the console is a terminal, and the application's standard streams are that.
    pub terminal: Option<bool>,
    /// The size of that terminal.
    pub console_size: ConsoleSize,
}

/// The size of a terminal, in characters; zeroes when it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ConsoleSize {
    /// From top to bottom.
    pub height: u16,
    /// From left to right.
    pub width: u16,
}

/// Who the application runs as.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct User {
    /// User ID.
    pub uid: u32,
    /// Group ID.
    pub gid: u32,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
    /// File mode creation mask.
    pub umask: Option<u16>,
}

/// A resource limit.
#[derive(Clone, Debug, Deserialize)]
pub struct ResourceLimit {
    /// For example `RLIMIT_NOFILE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What holds.
    pub soft: u64,
    /// What it may be raised to.
    pub hard: u64,
}

/// The root file system.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Root {
    /// The folder of the bundle.
    pub path: Option<String>,
    /// Whether the application cannot write to it.
    pub readonly: bool,
}

/// A file system to mount.
#[derive(Clone, Debug, Deserialize)]
pub struct Mount {
    /// Where.
    pub destination: String,
    /// Its type; `tmpfs` is the only one.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// For example `size=16m`.
    #[serde(default)]
    pub options: Vec<String>,
}

/// A file of the instance's own.
#[derive(Clone, Debug, Deserialize)]
pub struct FileConfig {
    /// Where: an absolute path. What is there is replaced, and directories that are missing are made.
    pub path: String,
    /// What is in it.
    #[serde(default)]
    pub content: String,
    /// How `content` is to be read.
    #[serde(default)]
    pub encoding: Encoding,
    /// Permission bits as octal digits, `0644` unless given.
    pub permissions: Option<String>,
    /// Whose it is; the application's user's unless given.
    pub owner: Option<Owner>,
}

/// How a text stands for bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Encoding {
    /// Its own bytes.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// RFC 4648, section 4.
    #[serde(rename = "base64")]
    Base64,
}

/// User and group of a file.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Owner {
    /// User ID.
    pub uid: u32,
    /// Group ID.
    pub gid: u32,
}

impl FileConfig {
    /// Its bytes; `None` when they are not what the encoding says.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self.encoding {
            Encoding::Utf8 => Some(self.content.clone().into_bytes()),
            Encoding::Base64 => decode_base64(self.content.as_bytes()),
        }
    }

    /// Its permission bits; `None` when they are none.
    pub fn mode(&self) -> Option<u16> {
        const DEFAULT: u16 = 0o644;
        let Some(digits) = &self.permissions else {
            return Some(DEFAULT);
        };
        u16::from_str_radix(digits, 8).ok().filter(|&mode| mode <= 0o777)
    }
}

/// The bytes of base64 with its padding; white space between the characters is passed over, as writers break lines.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let value = |character: u8| match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let (groups, rest) = text.as_chunks::<4>();
    let mut bytes = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let is_last = index + 1 == groups.len();
        let padding = group.iter().rev().take_while(|&&character| character == b'=').count();
        if padding > 2 || (padding > 0 && !is_last) {
            return None;
        }
        let mut word = 0;
        for &character in &group[..4 - padding] {
            word = word << 6 | u32::from(value(character)?);
        }
        let word = word << (6 * padding);
        bytes.extend_from_slice(&word.to_be_bytes()[1..4 - padding]);
    }
    rest.is_empty().then_some(bytes)
}

impl Config {
    /// Reads it.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// With what an instance changes: its environment is merged by name, other fields replace.
    #[must_use]
    pub fn merge(mut self, instance: Self) -> Self {
        for variable in instance.process.env {
            let name = |variable: &str| variable.split('=').next().map(String::from);
            let same = |other: &String| name(other) == name(&variable);
            match self.process.env.iter_mut().find(|other| same(other)) {
                Some(place) => *place = variable,
                None => self.process.env.push(variable),
            }
        }
        let process = &mut self.process;
        process.args = instance.process.args.or(process.args.take());
        process.cwd = instance.process.cwd.or(process.cwd.take());
        process.user = instance.process.user.or(process.user.take());
        process.rlimits = instance.process.rlimits.or(process.rlimits.take());
        process.terminal = instance.process.terminal.or(process.terminal);
        process.no_new_privileges |= instance.process.no_new_privileges;
        if instance.process.console_size != ConsoleSize::default() {
            process.console_size = instance.process.console_size;
        }
        self.hostname = instance.hostname.or(self.hostname);
        self.mounts = instance.mounts.or(self.mounts);
        // In order: a later one of the same path replaces an earlier one when they are written.
        self.files.extend(instance.files);
        self.annotations.extend(instance.annotations);
        self
    }

    /// Whether files that were written at run time may be executed, or mapped to be.
    pub fn allows_exec_written(&self) -> Result<bool, String> {
        self.switch("org.pulumi.unikernel.allow-exec-written")
    }

    /// Whether the application's standard input is the console's; if not, it is empty.
    pub fn attaches_input(&self) -> Result<bool, String> {
        self.switch("org.pulumi.unikernel.attach-input")
    }

    /// What asks the application to end: the image's `StopSignal`, as the OCI image specification has it converted.
    pub fn stop_signal(&self) -> Result<Signal, String> {
        match self.annotations.get("org.opencontainers.image.stopSignal") {
            None => Ok(Signal::TERM),
            Some(text) => Signal::parse(text).ok_or_else(|| {
                alloc::format!(
                    "the image's stop signal \"{text}\" is none; set one such as \"SIGQUIT\" where it is built"
                )
            }),
        }
    }

    /// The value of an annotation that is `true` or `false`; off without it.
    fn switch(&self, name: &str) -> Result<bool, String> {
        match self.annotations.get(name).map(String::as_str) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(alloc::format!(
                "the annotation {name} of the configuration is \"{other}\"; it can be \"true\" or \"false\""
            )),
        }
    }

    /// The value of a variable of the application's environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.process
            .env
            .iter()
            .find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='))
    }

    /// The limits that the application starts with on a machine with `memory` bytes. Names that Linux does not know are ignored.
    pub fn limits(&self, memory: u64) -> Limits {
        let mut limits = Limits::of_memory(memory);
        for limit in self.process.rlimits.iter().flatten() {
            if let Some(resource) = Resource::from_name(&limit.kind) {
                let hard = limit.hard.min(resource.most());
                let value = Limit {
                    soft: limit.soft.min(hard),
                    hard,
                };
                let _ = limits.set_number(resource as usize, value, true);
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_overrides_by_name_and_field() {
        let image = Config::parse(
            br#"{"ociVersion":"1.2.0","process":{"args":["/app"],"env":["A=1","B=2"],"cwd":"/srv","user":{"uid":5,"gid":6}},
                 "root":{"path":"rootfs"},"hostname":"image","linux":{"anything":[1,{}]}}"#,
        )
        .unwrap();
        let instance = Config::parse(br#"{"process":{"env":["B=3=4","C="]},"hostname":"instance"}"#).unwrap();
        let merged = image.merge(instance);
        assert_eq!(merged.process.env, ["A=1", "B=3=4", "C="]);
        assert_eq!(merged.process.args.as_deref(), Some(&[String::from("/app")][..]));
        assert_eq!(merged.process.cwd.as_deref(), Some("/srv"));
        assert_eq!(
            merged.process.user.as_ref().map(|user| (user.uid, user.gid)),
            Some((5, 6))
        );
        assert_eq!(merged.hostname.as_deref(), Some("instance"));
        assert_eq!(merged.variable("B"), Some("3=4"));
    }

    #[test]
    fn files_are_text_or_base64_with_permissions_and_an_owner() {
        let text = br#"{"files":[{"path":"/a","content":"\u00e4"},
            {"path":"/b","content":"AP8Q\n/w==","encoding":"base64","permissions":"0600","owner":{"uid":1,"gid":2}}]}"#;
        let files = Config::parse(text).unwrap().files;
        assert_eq!(
            (files[0].bytes().as_deref(), files[0].mode()),
            (Some("\u{e4}".as_bytes()), Some(0o644))
        );
        assert_eq!(
            (files[1].bytes().as_deref(), files[1].mode()),
            (Some(&[0, 0xff, 0x10, 0xff][..]), Some(0o600))
        );
        assert_eq!(files[1].owner.map(|owner| (owner.uid, owner.gid)), Some((1, 2)));
        assert!(Config::parse(br#"{"files":[{"path":"/a","encoding":"rot13"}]}"#).is_err());
        assert!(Config::parse(br#"{"files":[{"content":"nowhere"}]}"#).is_err());
    }

    #[test]
    fn base64_is_taken_whole_or_not_at_all() {
        assert_eq!(decode_base64(b""), Some(Vec::new()));
        assert_eq!(decode_base64(b"Zg=="), Some(b"f".to_vec()));
        assert_eq!(decode_base64(b"Zm8="), Some(b"fo".to_vec()));
        assert_eq!(decode_base64(b"Zm9v"), Some(b"foo".to_vec()));
        for bad in [
            &b"Z"[..],
            b"Zg",
            b"Zg=",
            b"Z===",
            b"Zg==Zg==",
            b"Zm9*",
            b"====",
            b"Zm-_",
        ] {
            assert_eq!(decode_base64(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_switch_is_true_or_false() {
        let with = |annotations: &str| {
            let text = alloc::format!(r#"{{"annotations":{annotations}}}"#);
            Config::parse(text.as_bytes()).unwrap().allows_exec_written()
        };
        assert_eq!(with("{}"), Ok(false));
        assert_eq!(with(r#"{"org.pulumi.unikernel.allow-exec-written":"true"}"#), Ok(true));
        let sentence = with(r#"{"org.pulumi.unikernel.allow-exec-written":"yes"}"#).unwrap_err();
        assert!(sentence.contains("allow-exec-written") && sentence.contains("yes"));
    }

    #[test]
    fn the_image_names_the_signal_that_ends_the_application() {
        let with = |annotations: &str| {
            let text = alloc::format!(r#"{{"annotations":{annotations}}}"#);
            Config::parse(text.as_bytes()).unwrap().stop_signal()
        };
        assert_eq!(with("{}"), Ok(Signal::TERM));
        assert_eq!(
            with(r#"{"org.opencontainers.image.stopSignal":"SIGQUIT"}"#),
            Ok(Signal::QUIT)
        );
        let sentence = with(r#"{"org.opencontainers.image.stopSignal":"SIGSTOPPED"}"#).unwrap_err();
        assert!(sentence.contains("SIGSTOPPED"));
    }

    #[test]
    fn limits_are_taken_by_name() {
        let text = br#"{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","soft":64,"hard":128},{"type":"RLIMIT_X","soft":1,"hard":1}]}}"#;
        let limit = Config::parse(text).unwrap().limits(1 << 30).get(Resource::OpenFiles);
        assert_eq!((limit.soft, limit.hard), (64, 128));
        // What container runtimes set where the host allows it.
        let text = br#"{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","soft":1073741816,"hard":1073741816}]}}"#;
        let limit = Config::parse(text).unwrap().limits(1 << 30).get(Resource::OpenFiles);
        assert_eq!((limit.soft, limit.hard), (1 << 20, 1 << 20));
    }
}
