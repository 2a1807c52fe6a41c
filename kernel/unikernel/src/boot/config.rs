//! The configuration: `config.json` of the OCI runtime specification, as far as this kernel reads it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use crate::process::{Limit, Limits, Resource};

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
        self.hostname = instance.hostname.or(self.hostname);
        self.mounts = instance.mounts.or(self.mounts);
        self.annotations.extend(instance.annotations);
        self
    }

    /// The value of a variable of the application's environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.process
            .env
            .iter()
            .find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='))
    }

    /// The limits that the application starts with. Names that Linux does not know are ignored.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        for limit in self.process.rlimits.iter().flatten() {
            if let Some(resource) = Resource::from_name(&limit.kind) {
                let value = Limit {
                    soft: limit.soft.min(limit.hard),
                    hard: limit.hard,
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
    fn limits_are_taken_by_name() {
        let text = br#"{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","soft":64,"hard":128},{"type":"RLIMIT_X","soft":1,"hard":1}]}}"#;
        let limit = Config::parse(text).unwrap().limits().get(Resource::OpenFiles);
        assert_eq!((limit.soft, limit.hard), (64, 128));
    }
}
