//! What the instance changes of its image's configuration, wherever the machine runs: handed over by the hypervisor, else from the cloud's
//! metadata service, else from a volume.

use alloc::sync::Arc;
use alloc::vec::Vec;

use fs::{BlockDevice, CachedPages};
use instance::volume::{self, Unreadable, Volume};
use instance::{Instance, Service};

use super::Config;
use super::metadata::Link;
use crate::memory::finish;
use crate::system::{fail, say};

/// How long the application waits for a metadata service, the network's own start included, in nanoseconds.
const PATIENCE: u64 = 10_000_000_000;

/// What the hypervisor hands over. Who hands something over means it: what cannot be read ends the machine.
pub(super) fn handed_over() -> Option<Config> {
    let text = hal::fw_cfg::read("opt/org.pulumi.unikernel/config.json")?;
    match Config::parse(&text) {
        Ok(config) => Some(config),
        Err(error) => fail(&alloc::format!("the instance's configuration is not valid: {error}")),
    }
}

/// What the instance has where nothing was handed over. Whatever goes wrong costs a line on the console and no more than its time.
pub(super) async fn find(disks: &[Arc<dyn BlockDevice>], has_network: bool) -> Config {
    let makers = if has_network {
        hal::firmware::makers()
    } else {
        Vec::new()
    };
    if let Some(service) = Service::of_makers(makers.iter().map(|maker| &**maker)) {
        return from_service(service).await;
    }
    // The first is the image's.
    if disks.len() > 1 {
        for disk in disks {
            if let Some(config) = from_volume(disk).await {
                return config;
            }
        }
    }
    Config::default()
}

async fn from_service(service: Service) -> Config {
    let deadline = hal::time::monotonic() + PATIENCE;
    match service.fetch(&Link::new(), deadline).await {
        Ok(found) => read(found, service.name()),
        Err(failure) => {
            say(&alloc::format!(
                "{} {failure}; the application starts with the image's own configuration",
                service.name()
            ));
            Config::default()
        }
    }
}

async fn from_volume(disk: &Arc<dyn BlockDevice>) -> Option<Config> {
    const NAME: &str = "the volume cidata";
    match volume::read(&Pages(CachedPages::of_device(disk.clone()))).await {
        Ok(found) => found.map(|found| read(found, NAME)),
        Err(problem) => {
            say(&alloc::format!(
                "{NAME} {problem}; the application starts with the image's own configuration"
            ));
            None
        }
    }
}

/// The configuration in what was found. The name counts only where the configuration says none.
fn read(found: Instance, source: &str) -> Config {
    let mut config = match found.configuration.map(|text| Config::parse(&text)) {
        None => Config::default(),
        Some(Ok(config)) => config,
        Some(Err(error)) => {
            say(&alloc::format!(
                "the user data of {source} is not an instance's configuration ({error}); the application starts with the image's own"
            ));
            Config::default()
        }
    };
    config.hostname = config.hostname.or(found.hostname);
    config
}

/// A disk as a volume.
struct Pages(Arc<CachedPages>);

impl Volume for Pages {
    fn size(&self) -> u64 {
        file::Pages::size(&*self.0)
    }

    async fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Unreadable> {
        finish(|| self.0.read_exact(offset, into)).await.map_err(|_| Unreadable)
    }
}
