//! Why nothing was found, as the end of a sentence about the service.

use core::fmt;

use crate::http::Malformed;
use crate::transport::Trouble;

/// Why a service gave nothing. It reads on from a subject: "the metadata service … cannot be reached".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No way there, or no answer in time.
    Trouble(Trouble),
    /// It answers something that is not HTTP, or too much.
    Malformed(Malformed),
    /// It answers with a status that means nothing here.
    Status {
        /// What was asked for.
        path: &'static str,
        /// The status.
        status: u16,
    },
    /// It grants no token (Amazon): the instance's options turn the service off, or allow only its version 1.
    NoToken(u16),
    /// It does not show that it is the service (Google).
    Foreign,
}

impl Failure {
    /// Whether asking again may help.
    pub(crate) fn may_pass(self) -> bool {
        match self {
            Self::Trouble(_) | Self::Malformed(Malformed::CutShort | Malformed::Empty) => true,
            // 401 is a token that has expired meanwhile.
            Self::Status { status, .. } | Self::NoToken(status) => matches!(status, 401 | 429 | 500..),
            Self::Malformed(_) | Self::Foreign => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trouble(trouble) => trouble.fmt(formatter),
            Self::Malformed(malformed) => malformed.fmt(formatter),
            Self::Status { path, status } if (300..400).contains(status) => {
                write!(
                    formatter,
                    "sends {path} elsewhere (status {status}), where this kernel does not follow"
                )
            }
            Self::Status { path, status } => write!(formatter, "answers {path} with status {status}"),
            Self::NoToken(status) => write!(
                formatter,
                "grants no token (status {status}); allow IMDSv2 in the instance's metadata options"
            ),
            Self::Foreign => formatter.write_str("does not say that it is Google's"),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}
