"""Runs a module of CPython's test suite in a process of its own, on a terminal of its own, and prints what became of each test.

    driver.py SECONDS MODULE [RESOURCE...]     resources are what the suite's own driver takes with --use

Lines: "@passed NAME", "@skipped NAME", "@failed NAME", the latter with the end of its traceback behind it, "@broken WHY" when the
module cannot be run, "@timeout" when it takes longer than SECONDS, "@end" at the end.
"""

import fcntl
import os
import sys
import tempfile
import termios
import time
import traceback
import unittest


class Outcomes(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out

    def tell(self, outcome, test, detail=""):
        print(f"@{outcome} {test.id()}", file=self.out)
        for line in detail.rstrip().splitlines()[-12:]:
            print(f"  {line}", file=self.out)
        self.out.flush()

    def addSuccess(self, test):
        self.tell("passed", test)

    def addSkip(self, test, reason):
        self.tell("skipped", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell("failed", test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.tell("failed", test, self.errors[-1][1])

    def addExpectedFailure(self, test, err):
        self.tell("passed", test)

    def addUnexpectedSuccess(self, test):
        self.tell("failed", test, "an unexpected success")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.tell("failed", test, self._exc_info_to_string(err, test))


def run(module, resources, out):
    from test import support

    # Without others no network, no large files, no minutes of CPU time, as the suite's own driver has it by default.
    support.use_resources = resources
    os.chdir(tempfile.mkdtemp())
    suite = unittest.defaultTestLoader.loadTestsFromName("test." + module)
    suite.run(Outcomes(out))


def child(module, resources, terminal, out):
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    os.close(terminal)
    # What tests print themselves is not of interest.
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    try:
        run(module, resources, out)
    except unittest.SkipTest as skipped:
        print(f"@broken {skipped}", file=out)
    except BaseException:
        print(f"@broken {traceback.format_exc().splitlines()[-1]}", file=out)
    finally:
        out.flush()
        os._exit(0)


def main():
    limit, module, resources = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    out = os.fdopen(os.dup(1), "w")
    # Some tests open /dev/tty. Whoever closes the controlling side hangs up: this process keeps it.
    controlling, terminal = os.openpty()
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(controlling)
        child(module, resources, terminal, out)
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() - begun > limit:
            print("@timeout", flush=True)
            break
        time.sleep(0.05)
    print("@end", flush=True)


main()
