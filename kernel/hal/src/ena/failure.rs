//! What goes wrong with the device, as a sentence after its name.

use core::fmt;

/// Why a device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Anything that needs no figures.
    Plain(&'static str),
    /// A register could not be read within the time.
    Register(usize),
    /// A command was not answered within the time.
    Silent(&'static str),
    /// A command was refused with this status (`ena_admin_aq_completion_status`).
    Refused(&'static str, u8),
    /// A command was answered with something impossible.
    Nonsense(&'static str),
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
            Self::Register(offset) => write!(formatter, "does not say what is in register {offset:#x}"),
            Self::Silent(command) => write!(formatter, "does not answer the command {command}"),
            Self::Refused(command, status) => {
                let why = match status {
                    1 => "resources used up",
                    2 => "bad opcode",
                    3 => "unsupported opcode",
                    4 => "malformed request",
                    5 => "illegal parameter",
                    7 => "busy",
                    _ => "unknown error",
                };
                write!(formatter, "refuses the command {command} ({why}, status {status})")
            }
            Self::Nonsense(command) => write!(formatter, "answers the command {command} with what cannot be"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ena_failures_are_sentences_after_the_name() {
        let said = alloc::format!("network card ena 00:05.0 {}", Failure::Refused("CREATE_CQ", 5));
        assert_eq!(
            said,
            "network card ena 00:05.0 refuses the command CREATE_CQ (illegal parameter, status 5)"
        );
    }
}
