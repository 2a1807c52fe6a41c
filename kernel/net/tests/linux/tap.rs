//! A TAP device in a network namespace, and a thread that drives a stack on it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use net::{Capabilities, Configuration, Device, InterfaceAddress, Received, Stack, Transmit};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use crate::support::RealEnvironment;

/// Linux's address on the link, and the stack's.
pub const LINUX: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Their IPv6 addresses on the link; the stack's is made of its hardware address.
pub const LINUX_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
pub const GUEST_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x00ff, 0xfe00, 0x0077);
/// Linux's address in the network that the stack's gets addresses of.
pub const LINUX_GLOBAL: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
/// The longest packet that the stack's end of the link takes; until somebody tells it of longer ones, it sends as on any Ethernet.
pub const MAX_MTU: usize = 9216;
const VARIABLE: &str = "NET_TEST_NAMESPACE";

/// Runs `body` in a process of its own in a new network namespace.
pub fn in_namespace(test: &str, body: impl FnOnce()) {
    if std::env::var_os(VARIABLE).is_some() {
        return body();
    }
    if let Err(error) = File::options().read(true).write(true).open("/dev/net/tun") {
        return skip(test, &format!("no TAP device can be made: /dev/net/tun: {error}"));
    }
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let run = command
        .args(["--net", "--"])
        .arg(std::env::current_exe().expect("a test has a file"))
        .args(["--exact", test, "--nocapture"])
        .env(VARIABLE, "1")
        .output()
        .expect("util-linux has unshare");
    let errors = String::from_utf8_lossy(&run.stderr);
    if errors.contains("unshare failed") {
        return skip(
            test,
            &format!("no right to make a network namespace: {}", errors.trim_end()),
        );
    }
    assert!(run.status.success(), "{}{errors}", String::from_utf8_lossy(&run.stdout));
    assert!(
        String::from_utf8_lossy(&run.stdout).contains("1 passed"),
        "the child ran no test named {test}"
    );
}

/// Says that a test cannot run here. `npm test` counts these lines, since Rust's own runner knows no test that skips itself.
pub fn skip(test: &str, reason: &str) {
    // `println!` would be captured, and what a test that passes has printed is not shown.
    writeln!(std::io::stdout(), "skipped: {test}: {reason}").expect("somebody listens");
}

/// Runs a command that must succeed.
pub fn run(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().expect("a command has a name"))
        .args(words)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{command}: {error}"));
    assert!(
        output.status.success(),
        "{command}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What goes wrong on the way, in both directions, each in percent.
#[derive(Clone, Copy, Default)]
pub struct Impairment {
    pub loss: u32,
    pub duplication: u32,
    /// Frames that wait until the next one has passed.
    pub reordering: u32,
}

type Waiting = (VecDeque<Vec<u8>>, Option<Vec<u8>>);

struct Tap {
    device: SyncDevice,
    impairment: Impairment,
    /// State of the dice.
    dice: AtomicU32,
    /// Received frames that are still to be handed over, and the one that was held back.
    waiting: Mutex<Waiting>,
    held: Mutex<Option<Vec<u8>>>,
}

impl Tap {
    fn happens(&self, percent: u32) -> bool {
        let step = |state: u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        let state = self.dice.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        (state.unwrap_or(0) >> 8) % 100 < percent
    }

    /// The frames that follow from one on a bad link.
    fn impair(&self, frame: Vec<u8>, held: &mut Option<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        if self.happens(self.impairment.loss) {
            return out;
        }
        if self.happens(self.impairment.duplication) {
            out.push(frame.clone());
        }
        if held.is_none() && self.happens(self.impairment.reordering) {
            *held = Some(frame);
            return out;
        }
        out.push(frame);
        out.extend(held.take());
        out
    }
}

impl Device for Tap {
    fn mac(&self) -> [u8; 6] {
        [0x02, 0, 0, 0, 0, 0x77]
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn max_mtu(&self) -> usize {
        MAX_MTU
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn receive(&self, handler: &mut dyn FnMut(Received<'_>)) -> bool {
        let mut waiting = self.waiting.lock().expect("no test panics with it");
        let mut frame = [0; 14 + MAX_MTU];
        while waiting.0.is_empty() {
            let Ok(length) = self.device.recv(&mut frame) else {
                return false;
            };
            let (queue, held) = &mut *waiting;
            queue.extend(self.impair(frame[..length].to_vec(), held));
        }
        let Some(frame) = waiting.0.pop_front() else {
            return false;
        };
        drop(waiting);
        handler(Received {
            frame: &frame,
            checksum_verified: false,
        });
        true
    }

    fn on_receive(&self, _call: Arc<dyn Fn() + Send + Sync>) {
        // Whoever drives the stack looks by itself.
    }

    fn transmit(&self, frame: &Transmit<'_>) -> bool {
        let mut bytes = vec![0; frame.length()];
        frame.copy_to(&mut bytes);
        let frames = self.impair(bytes, &mut self.held.lock().expect("no test panics with it"));
        frames.iter().all(|frame| self.device.send(frame).is_ok())
    }

    fn flush(&self) {}
}

/// A stack at the other end of the TAP device `tap0`.
pub struct Guest {
    pub stack: Arc<Stack>,
    pub environment: Arc<RealEnvironment>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Guest {
    /// With the static address [`GUEST`].
    pub fn new() -> Self {
        Self::behind(Impairment::default())
    }

    /// With the static address, behind a bad link.
    pub fn behind(impairment: Impairment) -> Self {
        let configuration = Configuration {
            address: Some((
                InterfaceAddress {
                    address: GUEST.into(),
                    prefix_length: 24,
                },
                Some(LINUX.into()),
            )),
            ..Configuration::default()
        };
        Self::with(configuration, impairment)
    }

    /// With an address from a DHCP server.
    pub fn unconfigured(hostname: &str) -> Self {
        let configuration = Configuration {
            hostname: Some(hostname.into()),
            ..Configuration::default()
        };
        Self::with(configuration, Impairment::default())
    }

    pub fn with(configuration: Configuration, impairment: Impairment) -> Self {
        let device = DeviceBuilder::new()
            .name("tap0")
            .layer(Layer::L2)
            .ipv4(LINUX, 24, None)
            .build_sync()
            .expect("root can make a TAP device");
        device.set_nonblocking(true).expect("a TAP device can be non-blocking");
        run("ip link set lo up");
        // Addresses of its own would have to be waited for.
        run("ip link set tap0 addrgenmode none");
        run("ip link set tap0 up");
        run(&format!("ip -6 address add {LINUX_LINK_LOCAL}/64 dev tap0 nodad"));
        run(&format!("ip -6 address add {LINUX_GLOBAL}/64 dev tap0 nodad"));
        let tap = Arc::new(Tap {
            device,
            impairment,
            dice: AtomicU32::new(1),
            waiting: Mutex::default(),
            held: Mutex::default(),
        });
        let environment = Arc::new(RealEnvironment::default());
        let stack = Stack::new(environment.clone(), Some(tap.clone()), configuration);
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (stack, stop) = (stack.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let deadline = stack.poll();
                    let wait = deadline.saturating_sub(hal::time::monotonic()).min(5_000_000);
                    let mut fds = [PollFd::new(tap.device.as_fd(), PollFlags::POLLIN)];
                    let timeout = PollTimeout::try_from(Duration::from_nanos(wait + 999_999)).expect("at most 6 ms");
                    nix::poll::poll(&mut fds, timeout).expect("poll works");
                }
            }
        });
        Self {
            stack,
            environment,
            stop,
            thread: Some(thread),
        }
    }

    /// Waits until an event's text contains `text`.
    pub fn wait_for_event(&self, text: &str) -> String {
        for _ in 0..1000 {
            let events = self.environment.events.lock().expect("no test panics with it");
            if let Some(event) = events.iter().find(|event| event.contains(text)) {
                return event.clone();
            }
            drop(events);
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no event told of {text}");
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
