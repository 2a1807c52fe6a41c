// CPython's own test suite, from Debian's packages.
import { inRoot } from "../../../scripts/lib/paths.mjs";

export const title = "CPython 3.11";

/** Name of the container below. */
export const container = "cpython";

/** What a module says that it needs, where all that it needs is here: the network is the loopback interface. */
const resources = { test_socketserver: ["network"] };

/** The arguments of a container that runs a module. */
export const args = (module) => [String(limit), module, ...(resources[module] ?? [])];

/** What a line of the driver says. */
export function read(line) {
  const [, what, rest] = /^@(\w+) ?(.*)$/.exec(line) ?? [];
  if (what === "passed" || what === "failed") return [what, rest];
  if (what === "broken") return ["trouble", rest];
  if (what === "timeout") return ["trouble", "it takes too long"];
  if (what === "end") return ["end"];
}

/** The container with it: see test/guests/containers. */
export const definitions = {
  packageSets: {
    cpython: {
      packages: [
        ...["coreutils", "dash", "netbase", "openssl", "python3", "libpython3.11-testsuite", "tzdata"],
        // test_ssl and test_httplib want names of hosts that the system knows.
        "ca-certificates",
      ],
      users: ["tester"],
      folders: ["var/lib/tester"],
      commands: [
        [
          ...["/usr/bin/python3", "-m", "compileall", "-q", "-x", "lib2to3/tests|bad_coding|badsyntax"],
          ...["--invalidation-mode", "unchecked-hash", "/usr/lib/python3.11"],
        ],
      ],
    },
  },
  containers: {
    cpython: {
      packages: "cpython",
      config: {
        Entrypoint: ["python3", "/driver.py"],
        Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/tmp"],
        WorkingDir: "/tmp",
        User: "tester",
      },
    },
  },
  files: inRoot("test/suites/images"),
};

/** Seconds that a module may take in a guest. */
export const limit = 3600;

/** What has to do with the operating system. */
export const modules = [
  ...["test__xxsubinterpreters", "test_asynchat", "test_asyncio", "test_asyncore", "test_atexit", "test_builtin"],
  ...["test_cmd_line", "test_compileall", "test_concurrent_futures", "test_ctypes", "test_dbm", "test_dbm_dumb"],
  ...["test_docxmlrpc", "test_eintr", "test_epoll", "test_faulthandler", "test_fcntl", "test_file"],
  ...["test_file_eintr", "test_filecmp", "test_fileio", "test_fork1", "test_ftplib", "test_genericpath"],
  ...["test_getpass", "test_glob", "test_grp", "test_httplib", "test_httpservers", "test_imaplib", "test_io"],
  ...["test_ioctl", "test_largefile", "test_logging", "test_mailbox", "test_mmap", "test_multiprocessing_fork"],
  ...["test_multiprocessing_forkserver", "test_multiprocessing_main_handling", "test_multiprocessing_spawn"],
  ...["test_nntplib", "test_openpty", "test_os", "test_pathlib", "test_pipes", "test_poll", "test_popen"],
  ...["test_poplib", "test_posix", "test_posixpath", "test_pty", "test_pwd", "test_queue", "test_readline"],
  ...["test_resource", "test_sched", "test_select", "test_selectors", "test_shelve", "test_shutil", "test_signal"],
  ...["test_smtpd", "test_smtplib", "test_socket", "test_socketserver", "test_ssl", "test_stat", "test_subprocess"],
  ...["test_sys", "test_syslog", "test_tarfile", "test_telnetlib", "test_tempfile", "test_thread"],
  ...["test_threadedtempfile", "test_threading", "test_threading_local", "test_threadsignals", "test_time"],
  ...["test_timeout", "test_urllib2_localnet", "test_uuid", "test_wait3", "test_wait4", "test_wsgiref"],
  ...["test_xmlrpc", "test_zipfile"],
];

/** Why tests that pass on Linux do not here: the beginning of their names → the reason. */
export const exceptions = {
  ...Object.fromEntries(
    ["ProcessTestCase", "ProcessTestCaseNoPoll"].map((name) => [
      `test.test_subprocess.${name}.test_no_leaking`,
      "It skips itself where more than 1,026 files may be open, as here and in a container.",
    ]),
  ),
};
