//! Signal numbers and sets of them.

use abi::Errno;

/// A signal's number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident = $number:literal,)*) => {
        impl Signal {
            $(#[doc = concat!("`SIG", stringify!($name), "`")] pub const $name: Self = Self($number);)*

            /// The name with its leading `SIG`; real-time signals have none.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(concat!("SIG", stringify!($name))),)*
                    _ => None,
                }
            }
        }
    };
}

signals! {
    HUP = 1, INT = 2, QUIT = 3, ILL = 4, TRAP = 5, ABRT = 6, BUS = 7, FPE = 8, KILL = 9, USR1 = 10, SEGV = 11, USR2 = 12, PIPE = 13,
    ALRM = 14, TERM = 15, STKFLT = 16, CHLD = 17, CONT = 18, STOP = 19, TSTP = 20, TTIN = 21, TTOU = 22, URG = 23, XCPU = 24,
    XFSZ = 25, VTALRM = 26, PROF = 27, WINCH = 28, IO = 29, PWR = 30, SYS = 31,
}

impl Signal {
    /// The highest number.
    pub const MAX: u8 = 64;
    /// The first real-time signal that C libraries leave to programs, their `SIGRTMIN`.
    const C_REAL_TIME: i32 = 34;

    /// From the text that stands for it in an image's `StopSignal`: a number, or a name in upper or lower case with or without `SIG`, where `RTMIN`
    /// and `RTMAX` are those of the C library and `RTMIN+3` and `RTMAX-3` count from them.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse() {
            return Self::new(number).ok();
        }
        let text = text.to_ascii_uppercase();
        let name = text.strip_prefix("SIG").unwrap_or(&text);
        let (base, offset) = match name.find(['+', '-']) {
            Some(at) => (&name[..at], name[at..].parse().ok()?),
            None => (name, 0),
        };
        match base {
            "RTMIN" if offset >= 0 => Self::new(Self::C_REAL_TIME.checked_add(offset)?).ok(),
            "RTMAX" if offset <= 0 => Self::new(i32::from(Self::MAX).checked_add(offset)?)
                .ok()
                .filter(|signal| i32::from(signal.0) >= Self::C_REAL_TIME),
            _ if offset != 0 || name.len() != base.len() => None,
            "CLD" => Some(Self::CHLD),
            "IOT" => Some(Self::ABRT),
            "POLL" => Some(Self::IO),
            name => (1..Self::C_REAL_TIME as u8)
                .map(Self)
                .find(|signal| signal.name().and_then(|own| own.strip_prefix("SIG")) == Some(name)),
        }
    }

    /// From a number of the application's.
    pub fn new(number: i32) -> Result<Self, Errno> {
        match u8::try_from(number) {
            Ok(number @ 1..=Self::MAX) => Ok(Self(number)),
            _ => Err(Errno::INVAL),
        }
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether several of it may wait.
    pub const fn is_real_time(self) -> bool {
        self.0 >= 32
    }

    /// Whether an instruction causes it.
    pub fn is_synchronous(self) -> bool {
        matches!(
            self,
            Self::SEGV | Self::BUS | Self::ILL | Self::TRAP | Self::FPE | Self::SYS
        )
    }
}

impl core::fmt::Debug for Signal {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, formatter)
    }
}

impl core::fmt::Display for Signal {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "signal {}", self.0),
        }
    }
}

/// A set of signals, as `sigset_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalSet(u64);

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Those that nobody can block, ignore or handle.
    pub const UNSTOPPABLE: Self = Self(1 << (Signal::KILL.0 - 1) | 1 << (Signal::STOP.0 - 1));

    /// Those that stop a process of themselves.
    pub const STOPS: Self = Self::of(Signal::STOP)
        .with(Self::of(Signal::TSTP))
        .with(Self::of(Signal::TTIN))
        .with(Self::of(Signal::TTOU));

    /// From the application's bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As the application sees it.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set of one.
    pub const fn of(signal: Signal) -> Self {
        Self(1 << (signal.0 - 1))
    }

    /// Whether it holds a signal.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & Self::of(signal).0 != 0
    }

    /// Whether it holds none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// With those of the other.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without those of the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The lowest, synchronous ones first.
    pub fn first(self) -> Option<Signal> {
        const SYNCHRONOUS: u64 = SignalSet::of(Signal::SEGV).0
            | SignalSet::of(Signal::BUS).0
            | SignalSet::of(Signal::ILL).0
            | SignalSet::of(Signal::TRAP).0
            | SignalSet::of(Signal::FPE).0
            | SignalSet::of(Signal::SYS).0;
        let bits = if self.0 & SYNCHRONOUS != 0 {
            self.0 & SYNCHRONOUS
        } else {
            self.0
        };
        (bits != 0).then(|| Signal(bits.trailing_zeros() as u8 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_name_signals_in_several_ways() {
        let number = |text| Signal::parse(text).map(Signal::number);
        for text in ["SIGQUIT", "QUIT", "sigquit", "3"] {
            assert_eq!(number(text), Some(3), "{text}");
        }
        assert_eq!(number("SIGSYS"), Some(31));
        assert_eq!(number("SIGCLD"), Some(17));
        assert_eq!(number("SIGRTMIN"), Some(34));
        assert_eq!(number("RTMIN+3"), Some(37));
        assert_eq!(number("SIGRTMAX-14"), Some(50));
        assert_eq!(number("64"), Some(64));
    }

    #[test]
    fn what_names_no_signal_is_told_from_what_does() {
        for text in [
            "",
            "0",
            "65",
            "-1",
            "SIG",
            "SIGFOO",
            "QUIT+1",
            "QUIT+0",
            "RTMIN-1",
            "RTMIN+31",
            "RTMAX-31",
            "RTMAX+1",
            "RTMIN+",
            "RTMIN+99999999999",
        ] {
            assert_eq!(Signal::parse(text), None, "{text}");
        }
    }
}
