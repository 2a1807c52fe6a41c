//! Error numbers, as `errno(3)` lists them.

use core::fmt;

macro_rules! errno {
    ($($name:ident = $number:ident, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self(linux_raw_sys::errno::$number as u16);)*

            /// The name without its leading `E`, or `None` for a number that Linux does not use.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

/// An error number: what a failed system call returns, negated.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(u16);

impl Errno {
    /// The number, 1 to 4095.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// What the system call returns in its result register.
    pub const fn to_return_value(self) -> isize {
        -(self.0 as isize)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(formatter, "E{name}"),
            None => write!(formatter, "Errno({})", self.0),
        }
    }
}

errno! {
    PERM = EPERM, "Operation not permitted.";
    NOENT = ENOENT, "No such file or directory.";
    SRCH = ESRCH, "No such process.";
    INTR = EINTR, "Interrupted system call.";
    IO = EIO, "I/O error.";
    NXIO = ENXIO, "No such device or address.";
    TOOBIG = E2BIG, "Argument list too long.";
    NOEXEC = ENOEXEC, "Exec format error.";
    BADF = EBADF, "Bad file number.";
    CHILD = ECHILD, "No child processes.";
    AGAIN = EAGAIN, "Try again.";
    NOMEM = ENOMEM, "Out of memory.";
    ACCES = EACCES, "Permission denied.";
    FAULT = EFAULT, "Bad address.";
    NOTBLK = ENOTBLK, "Block device required.";
    BUSY = EBUSY, "Device or resource busy.";
    EXIST = EEXIST, "File exists.";
    XDEV = EXDEV, "Cross-device link.";
    NODEV = ENODEV, "No such device.";
    NOTDIR = ENOTDIR, "Not a directory.";
    ISDIR = EISDIR, "Is a directory.";
    INVAL = EINVAL, "Invalid argument.";
    NFILE = ENFILE, "File table overflow.";
    MFILE = EMFILE, "Too many open files.";
    NOTTY = ENOTTY, "Not a typewriter.";
    TXTBSY = ETXTBSY, "Text file busy.";
    FBIG = EFBIG, "File too large.";
    NOSPC = ENOSPC, "No space left on device.";
    SPIPE = ESPIPE, "Illegal seek.";
    ROFS = EROFS, "Read-only file system.";
    MLINK = EMLINK, "Too many links.";
    PIPE = EPIPE, "Broken pipe.";
    DOM = EDOM, "Math argument out of domain of func.";
    RANGE = ERANGE, "Math result not representable.";
    DEADLK = EDEADLK, "Resource deadlock would occur.";
    NAMETOOLONG = ENAMETOOLONG, "File name too long.";
    NOLCK = ENOLCK, "No record locks available.";
    NOSYS = ENOSYS, "Invalid system call number.";
    NOTEMPTY = ENOTEMPTY, "Directory not empty.";
    LOOP = ELOOP, "Too many symbolic links encountered.";
    NOMSG = ENOMSG, "No message of desired type.";
    IDRM = EIDRM, "Identifier removed.";
    CHRNG = ECHRNG, "Channel number out of range.";
    L2NSYNC = EL2NSYNC, "Level 2 not synchronized.";
    L3HLT = EL3HLT, "Level 3 halted.";
    L3RST = EL3RST, "Level 3 reset.";
    LNRNG = ELNRNG, "Link number out of range.";
    UNATCH = EUNATCH, "Protocol driver not attached.";
    NOCSI = ENOCSI, "No CSI structure available.";
    L2HLT = EL2HLT, "Level 2 halted.";
    BADE = EBADE, "Invalid exchange.";
    BADR = EBADR, "Invalid request descriptor.";
    XFULL = EXFULL, "Exchange full.";
    NOANO = ENOANO, "No anode.";
    BADRQC = EBADRQC, "Invalid request code.";
    BADSLT = EBADSLT, "Invalid slot.";
    BFONT = EBFONT, "Bad font file format.";
    NOSTR = ENOSTR, "Device not a stream.";
    NODATA = ENODATA, "No data available.";
    TIME = ETIME, "Timer expired.";
    NOSR = ENOSR, "Out of streams resources.";
    NONET = ENONET, "Machine is not on the network.";
    NOPKG = ENOPKG, "Package not installed.";
    REMOTE = EREMOTE, "Object is remote.";
    NOLINK = ENOLINK, "Link has been severed.";
    ADV = EADV, "Advertise error.";
    SRMNT = ESRMNT, "Srmount error.";
    COMM = ECOMM, "Communication error on send.";
    PROTO = EPROTO, "Protocol error.";
    MULTIHOP = EMULTIHOP, "Multihop attempted.";
    DOTDOT = EDOTDOT, "RFS specific error.";
    BADMSG = EBADMSG, "Not a data message.";
    OVERFLOW = EOVERFLOW, "Value too large for defined data type.";
    NOTUNIQ = ENOTUNIQ, "Name not unique on network.";
    BADFD = EBADFD, "File descriptor in bad state.";
    REMCHG = EREMCHG, "Remote address changed.";
    LIBACC = ELIBACC, "Can not access a needed shared library.";
    LIBBAD = ELIBBAD, "Accessing a corrupted shared library.";
    LIBSCN = ELIBSCN, ".lib section in a.out corrupted.";
    LIBMAX = ELIBMAX, "Attempting to link in too many shared libraries.";
    LIBEXEC = ELIBEXEC, "Cannot exec a shared library directly.";
    ILSEQ = EILSEQ, "Illegal byte sequence.";
    RESTART = ERESTART, "Interrupted system call should be restarted.";
    STRPIPE = ESTRPIPE, "Streams pipe error.";
    USERS = EUSERS, "Too many users.";
    NOTSOCK = ENOTSOCK, "Socket operation on non-socket.";
    DESTADDRREQ = EDESTADDRREQ, "Destination address required.";
    MSGSIZE = EMSGSIZE, "Message too long.";
    PROTOTYPE = EPROTOTYPE, "Protocol wrong type for socket.";
    NOPROTOOPT = ENOPROTOOPT, "Protocol not available.";
    PROTONOSUPPORT = EPROTONOSUPPORT, "Protocol not supported.";
    SOCKTNOSUPPORT = ESOCKTNOSUPPORT, "Socket type not supported.";
    OPNOTSUPP = EOPNOTSUPP, "Operation not supported on transport endpoint.";
    PFNOSUPPORT = EPFNOSUPPORT, "Protocol family not supported.";
    AFNOSUPPORT = EAFNOSUPPORT, "Address family not supported by protocol.";
    ADDRINUSE = EADDRINUSE, "Address already in use.";
    ADDRNOTAVAIL = EADDRNOTAVAIL, "Cannot assign requested address.";
    NETDOWN = ENETDOWN, "Network is down.";
    NETUNREACH = ENETUNREACH, "Network is unreachable.";
    NETRESET = ENETRESET, "Network dropped connection because of reset.";
    CONNABORTED = ECONNABORTED, "Software caused connection abort.";
    CONNRESET = ECONNRESET, "Connection reset by peer.";
    NOBUFS = ENOBUFS, "No buffer space available.";
    ISCONN = EISCONN, "Transport endpoint is already connected.";
    NOTCONN = ENOTCONN, "Transport endpoint is not connected.";
    SHUTDOWN = ESHUTDOWN, "Cannot send after transport endpoint shutdown.";
    TOOMANYREFS = ETOOMANYREFS, "Too many references: cannot splice.";
    TIMEDOUT = ETIMEDOUT, "Connection timed out.";
    CONNREFUSED = ECONNREFUSED, "Connection refused.";
    HOSTDOWN = EHOSTDOWN, "Host is down.";
    HOSTUNREACH = EHOSTUNREACH, "No route to host.";
    ALREADY = EALREADY, "Operation already in progress.";
    INPROGRESS = EINPROGRESS, "Operation now in progress.";
    STALE = ESTALE, "Stale file handle.";
    UCLEAN = EUCLEAN, "Structure needs cleaning.";
    NOTNAM = ENOTNAM, "Not a XENIX named type file.";
    NAVAIL = ENAVAIL, "No XENIX semaphores available.";
    ISNAM = EISNAM, "Is a named type file.";
    REMOTEIO = EREMOTEIO, "Remote I/O error.";
    DQUOT = EDQUOT, "Quota exceeded.";
    NOMEDIUM = ENOMEDIUM, "No medium found.";
    MEDIUMTYPE = EMEDIUMTYPE, "Wrong medium type.";
    CANCELED = ECANCELED, "Operation Canceled.";
    NOKEY = ENOKEY, "Required key not available.";
    KEYEXPIRED = EKEYEXPIRED, "Key has expired.";
    KEYREVOKED = EKEYREVOKED, "Key has been revoked.";
    KEYREJECTED = EKEYREJECTED, "Key was rejected by service.";
    OWNERDEAD = EOWNERDEAD, "Owner died.";
    NOTRECOVERABLE = ENOTRECOVERABLE, "State not recoverable.";
    RFKILL = ERFKILL, "Operation not possible due to RF-kill.";
    HWPOISON = EHWPOISON, "Memory page has hardware error.";
}
