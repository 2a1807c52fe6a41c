//! What is run on both sides, and what comes of it.

use abi::OpenFlags;
use file::FileType;

/// A generator of numbers that depend only on its seed (xorshift).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    fn path(&mut self) -> String {
        match self.below(60) {
            0 => return String::new(),
            1 => return "n".repeat(256),
            2 => return format!("a/{}", "n".repeat(255)),
            3 => return format!("{}a", "./".repeat(2048)),
            _ => {}
        }
        let mut path = String::new();
        for place in 0..=self.below(3) {
            if place > 0 {
                path.push_str(self.pick(&["/", "/", "/", "//"]));
            }
            path.push_str(self.pick(&["a", "b", "c", "d", "a", "b", "c", "d", "e", ".", ".."]));
        }
        path.push_str(self.pick(&["", "", "", "", "", "", "", "/"]));
        path
    }
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    MakeDirectory(String, u16),
    MakeFifo(String, u16),
    Open(String, OpenFlags, u16, Vec<Action>),
    Unlink(String),
    RemoveDirectory(String),
    Rename(String, String, u32),
    Link(String, String, bool),
    Symlink(String, String),
    ReadLink(String),
    ChangeMode(String, u16),
    ChangeOwner(String, u32, u32, bool),
    Truncate(String, u64),
    Status(String, bool),
    Access(String, u8),
    List(String),
    SetXattr(String, &'static str, u8),
    Xattr(String, &'static str),
    RemoveXattr(String, &'static str),
    XattrNames(String),
}

/// What is done with a file that was opened.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Write(u64, u8, usize),
    Append(u8, usize),
    Read(u64, usize),
    Truncate(u64),
    Allocate(u32, u64, u64),
    Seek(u64, bool),
    Status,
}

impl Operation {
    pub(super) fn random(random: &mut Random) -> Self {
        let path = random.path();
        let mode = random.pick(&[0o755, 0o644, 0o777, 0o700, 0o1777, 0o6755, 0o2775]);
        let attribute = random.pick(&["user.a", "user.b", "trusted.c", "none.d"]);
        match random.below(32) {
            0..=2 => Self::MakeDirectory(path, mode),
            3 => Self::MakeFifo(path, mode),
            4..=11 => {
                let actions = (0..random.below(4)).map(|_| Action::random(random)).collect();
                Self::Open(path, open_flags(random), mode, actions)
            }
            12..=13 => Self::Unlink(path),
            14 => Self::RemoveDirectory(path),
            15..=18 => Self::Rename(path, random.path(), random.pick(&[0, 0, 0, 1, 2])),
            19 => Self::Link(path, random.path(), random.below(2) == 0),
            20..=21 => Self::Symlink(random.path(), path),
            22 => Self::ReadLink(path),
            23 => Self::ChangeMode(path, mode),
            24 => Self::ChangeOwner(
                path,
                random.below(3) as u32,
                random.below(3) as u32,
                random.below(2) == 0,
            ),
            25 => Self::Truncate(path, Action::offset(random)),
            26..=27 => Self::Status(path, random.below(2) == 0),
            28 => Self::Access(path, random.below(8) as u8),
            29 => Self::List(path),
            30 => Self::SetXattr(path, attribute, random.below(3) as u8),
            _ => match random.below(3) {
                0 => Self::Xattr(path, attribute),
                1 => Self::RemoveXattr(path, attribute),
                _ => Self::XattrNames(path),
            },
        }
    }

    /// What overlayfs does in a way of its own, which nobody relies on.
    pub(super) fn is_special_on_overlayfs(&self) -> bool {
        match self {
            // How many blocks of a file are shared with the lower layer is not the same, nor where holes of a copied file are.
            Self::Open(.., actions) => actions
                .iter()
                .any(|action| matches!(action, Action::Seek(..) | Action::Allocate(..))),
            _ => false,
        }
    }
}

fn open_flags(random: &mut Random) -> OpenFlags {
    let mut flags = random.pick(&[OpenFlags::empty(), OpenFlags::WRONLY, OpenFlags::RDWR, OpenFlags::RDWR]);
    for (flag, one_in) in [
        (OpenFlags::CREAT, 2),
        (OpenFlags::EXCL, 6),
        (OpenFlags::TRUNC, 6),
        (OpenFlags::APPEND, 8),
        (OpenFlags::DIRECTORY, 10),
        (OpenFlags::NOFOLLOW, 8),
        (OpenFlags::PATH, 20),
        (OpenFlags::TMPFILE | OpenFlags::DIRECTORY, 25),
    ] {
        flags.set(flag, flags.contains(flag) || random.below(one_in) == 0);
    }
    // Nobody waits for the other end of a FIFO.
    flags | OpenFlags::NONBLOCK
}

impl Action {
    fn random(random: &mut Random) -> Self {
        let (byte, length) = (
            random.below(255) as u8 + 1,
            random.pick(&[0, 1, 100, 4096, 5000, 20_000]),
        );
        match random.below(9) {
            0..=2 => Self::Write(Self::offset(random), byte, length),
            3 => Self::Append(byte, length),
            4..=5 => Self::Read(Self::offset(random), 30_000),
            6 => Self::Truncate(Self::offset(random)),
            7 => match random.below(2) {
                0 => Self::Allocate(
                    random.pick(&[0, 1, 3, 2, 8, 16]),
                    Self::offset(random),
                    Self::offset(random),
                ),
                _ => Self::Seek(Self::offset(random), random.below(2) == 0),
            },
            _ => Self::Status,
        }
    }

    fn offset(random: &mut Random) -> u64 {
        random.pick(&[0, 0, 1, 4095, 4096, 4097, 8192, 10_000, 12_288, 30_000])
    }
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Error(u16),
    Done,
    Number(u64),
    Bytes(Vec<u8>),
    Names(Vec<Vec<u8>>),
    Status {
        file_type: FileType,
        permissions: u16,
        links: u32,
        uid: u32,
        gid: u32,
        size: u64,
        blocks: u64,
    },
    Actions(Vec<Outcome>),
}

impl Outcome {
    pub(super) fn same(&self, other: &Self, overlay: bool) -> bool {
        match (self, other) {
            (Self::Actions(one), Self::Actions(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.same(two, overlay))
            }
            (Self::Status { .. }, Self::Status { .. }) => self.comparable(overlay) == other.comparable(overlay),
            _ => self == other,
        }
    }

    /// Without what the layers of an overlay show in ways of their own.
    fn comparable(&self, overlay: bool) -> Self {
        let mut status = self.clone();
        if !overlay {
            return status;
        }
        if let Self::Status {
            file_type,
            links,
            size,
            blocks,
            ..
        } = &mut status
        {
            *blocks = 0;
            if *file_type == FileType::Directory {
                (*links, *size) = (0, 0);
            }
        }
        status
    }
}
