//! The metadata services of clouds, at 169.254.169.254.

use alloc::vec::Vec;

use crate::failure::Failure;
use crate::http::{Request, Response, exchange};
use crate::transport::Transport;
use crate::{Instance, MOST_CONFIGURATION, host_name};

#[cfg(test)]
mod tests;

const MILLISECOND: u64 = 1_000_000;
/// How long one request may take, in nanoseconds: what hangs is asked again while there is time.
const MOST_EXCHANGE: u64 = 2_000 * MILLISECOND;
/// The pauses between tries.
const FIRST_PAUSE: u64 = 50 * MILLISECOND;
const LONGEST_PAUSE: u64 = 1_000 * MILLISECOND;

/// The most bytes of a host name's answer, and of a token.
const MOST_NAME: usize = 1024;
const MOST_TOKEN: usize = 512;

/// Whose service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Amazon's instance metadata service, version 2: the configuration is the instance's user data.
    Amazon,
    /// Google's metadata server: the configuration is the attribute `user-data`.
    Google,
}

impl Service {
    /// Its name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amazon => "Amazon's metadata service (IMDSv2)",
            Self::Google => "Google's metadata server",
        }
    }

    /// Whose cloud the machine runs in, by what firmware says of its maker: SMBIOS's strings, or the vendor of ACPI's tables.
    pub fn of_makers<'a>(makers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        makers.into_iter().find_map(|maker| match maker.trim() {
            "Amazon EC2" | "AMAZON" => Some(Self::Amazon),
            "Google" | "Google Compute Engine" => Some(Self::Google),
            _ => None,
        })
    }

    /// Asks the service for what the instance has. What may pass is asked again until `deadline`.
    ///
    /// Of the failures of all tries the last that came as an answer is told: the deadline cuts a try short, and says nothing about the service.
    pub async fn fetch<T: Transport>(self, transport: &T, deadline: u64) -> Result<Instance, Failure> {
        let mut pause = FIRST_PAUSE;
        let mut answered = None;
        loop {
            let failure = match self.try_fetch(transport, deadline).await {
                Ok(instance) => return Ok(instance),
                Err(failure) => failure,
            };
            if !matches!(failure, Failure::Trouble(_)) {
                answered = Some(failure);
            }
            let next = transport.now() + pause;
            if !failure.may_pass() || next >= deadline {
                return Err(answered.unwrap_or(failure));
            }
            transport.sleep_until(next).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_fetch<T: Transport>(self, transport: &T, deadline: u64) -> Result<Instance, Failure> {
        let session = Session { transport, deadline };
        match self {
            Self::Amazon => session.ask_amazon().await,
            Self::Google => session.ask_google().await,
        }
    }
}

/// What the requests of one try share.
struct Session<'a, T> {
    transport: &'a T,
    deadline: u64,
}

impl<T: Transport> Session<'_, T> {
    async fn exchange(&self, request: Request<'_>) -> Result<Response, Failure> {
        let deadline = self.deadline.min(self.transport.now() + MOST_EXCHANGE);
        exchange(self.transport, &request, deadline).await
    }

    /// Version 2 of Amazon's service: nothing is asked without a token, so that a proxy or a confused application cannot be made to ask.
    async fn ask_amazon(&self) -> Result<Instance, Failure> {
        const HOST: &str = "169.254.169.254";
        let token = self
            .exchange(Request {
                method: "PUT",
                host: HOST,
                path: "/latest/api/token",
                headers: &[("X-aws-ec2-metadata-token-ttl-seconds", "60")],
                most: MOST_TOKEN,
            })
            .await?;
        let text = core::str::from_utf8(&token.body).unwrap_or_default();
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if token.status != 200 || !is_token {
            return Err(Failure::NoToken(token.status));
        }
        let headers = [("X-aws-ec2-metadata-token", text)];
        let ask = |path, most| Request {
            method: "GET",
            host: HOST,
            path,
            headers: &headers,
            most,
        };
        self.ask_both(
            ask("/latest/user-data", MOST_CONFIGURATION),
            ask("/latest/meta-data/local-hostname", MOST_NAME),
            |_| true,
        )
        .await
    }

    async fn ask_google(&self) -> Result<Instance, Failure> {
        const FLAVOR: &str = "Metadata-Flavor";
        const GOOGLE: &str = "Google";
        let ask = |path, most| Request {
            method: "GET",
            host: "metadata.google.internal",
            path,
            headers: &[(FLAVOR, GOOGLE)],
            most,
        };
        self.ask_both(
            ask("/computeMetadata/v1/instance/attributes/user-data", MOST_CONFIGURATION),
            ask("/computeMetadata/v1/instance/hostname", MOST_NAME),
            |response| response.header("metadata-flavor") == Some(GOOGLE.as_bytes()),
        )
        .await
    }

    /// Asks for the configuration, which need not be there, and for the name, without which an instance can live.
    async fn ask_both(
        &self,
        configuration: Request<'_>,
        name: Request<'_>,
        is_genuine: impl Fn(&Response) -> bool,
    ) -> Result<Instance, Failure> {
        let path = configuration.path;
        let answer = self.exchange(configuration).await?;
        let configuration: Option<Vec<u8>> = match answer.status {
            200 | 404 if !is_genuine(&answer) => return Err(Failure::Foreign),
            200 => Some(answer.body).filter(|body| !body.trim_ascii().is_empty()),
            404 => None,
            status => return Err(Failure::Status { path, status }),
        };
        let name = self
            .exchange(name)
            .await
            .ok()
            .filter(|answer| answer.status == 200 && is_genuine(answer));
        Ok(Instance {
            configuration,
            hostname: name.and_then(|answer| host_name(&answer.body)),
        })
    }
}
