//! What goes wrong with the device, as a sentence after its name.

use core::fmt;

/// Why a device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Anything that needs no figures.
    Plain(&'static str),
    /// A command was not answered within the time.
    Silent(&'static str),
    /// A command was refused with this status (`gve_adminq_statuses`).
    Refused(&'static str, u32),
    /// A command was answered with something impossible.
    Nonsense(&'static str),
}

impl Failure {
    /// Whether the device does not know the command.
    pub(super) fn is_unimplemented(self) -> bool {
        matches!(self, Self::Refused(_, 0xffff_fffe))
    }
}

impl From<&'static str> for Failure {
    fn from(sentence: &'static str) -> Self {
        Self::Plain(sentence)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Plain(sentence) => formatter.write_str(sentence),
            Self::Silent(command) => write!(formatter, "does not answer the command {command}"),
            Self::Refused(command, status) => {
                let why = match status {
                    0xffff_fff0 => "aborted",
                    0xffff_fff1 => "already exists",
                    0xffff_fff2 => "cancelled",
                    0xffff_fff3 => "data loss",
                    0xffff_fff4 => "deadline exceeded",
                    0xffff_fff5 => "failed precondition",
                    0xffff_fff6 => "internal error",
                    0xffff_fff7 => "invalid argument",
                    0xffff_fff8 => "not found",
                    0xffff_fff9 => "out of range",
                    0xffff_fffa => "permission denied",
                    0xffff_fffb => "unauthenticated",
                    0xffff_fffc => "resource exhausted",
                    0xffff_fffd => "unavailable",
                    0xffff_fffe => "unimplemented",
                    _ => "unknown error",
                };
                write!(formatter, "refuses the command {command} ({why}, status {status:#x})")
            }
            Self::Nonsense(command) => write!(formatter, "answers the command {command} with what cannot be"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gve_failures_are_sentences_after_the_name() {
        let refused = Failure::Refused("CREATE_TX_QUEUE", 0xffff_fff7);
        assert_eq!(
            alloc::format!("network card gve 00:04.0 {refused}"),
            "network card gve 00:04.0 refuses the command CREATE_TX_QUEUE (invalid argument, status 0xfffffff7)"
        );
        assert!(!refused.is_unimplemented());
        assert!(Failure::Refused("VERIFY_DRIVER_COMPATIBILITY", 0xffff_fffe).is_unimplemented());
    }
}
