//! The card as the network sees it, and what looks after the device: events, late completions, resets.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use super::command::Direction;
use super::device::{Abilities, Device, Parts};
use super::event::Event;
use super::failure::Failure;
use super::feature::Hints;
use super::receiver::Receiver;
use super::register::Reason;
use super::ring;
use super::sender::Sender;
use crate::network::{Card, ETHERNET_MTU, Offloads, Outgoing, Version};
use crate::sync::SpinLock;
use crate::wall_clock::WallClock;
use crate::{console, time};

/// How often a device that works is looked after, in nanoseconds.
const LOOK: u64 = 1_000_000_000;
/// How often a reset is.
const RESET_STEP: u64 = 10_000_000;
/// How long after a reset that failed the next one is tried.
const RESET_PAUSE: u64 = 10_000_000_000;
/// How long a device may say nothing, and a packet may take, unless it wishes otherwise.
const KEEP_ALIVE_TIME: u64 = 6_000_000_000;
const COMPLETION_TIME: u64 = 5_000_000_000;
/// Messages after which only every 2^n-th is shown.
const MESSAGES: u32 = 8;

pub(super) struct Ena {
    name: String,
    abilities: Abilities,
    life: SpinLock<Life>,
    receiver: SpinLock<Receiver>,
    sender: SpinLock<Sender>,
    on_receive: SpinLock<Option<Arc<dyn Fn() + Send + Sync>>>,
}

struct Life {
    device: Device,
    state: State,
    /// When the device last said that it is alive.
    last_sign: u64,
    /// The link as the device said last.
    has_link: bool,
    trouble: Option<Reason>,
    messages: u32,
    wall_clock: WallClock,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Working,
    Resetting,
    /// A reset has failed; the next is tried at this time, for this reason.
    Pausing(u64, Reason),
}

impl Ena {
    /// Starts a device.
    pub(super) fn start(name: String, parts: Parts) -> Result<Arc<Self>, Failure> {
        let mut device = Device::new(parts)?;
        device.begin_reset(Reason::Normal)?;
        while !device.go_on()? {
            core::hint::spin_loop();
        }
        let no_memory = "finds no memory";
        let abilities = device.introduce()?;
        let card = Self {
            name,
            abilities,
            receiver: SpinLock::new(Receiver::new(abilities).ok_or(no_memory)?),
            sender: SpinLock::new(Sender::new(abilities).ok_or(no_memory)?),
            life: SpinLock::new(Life {
                device,
                state: State::Working,
                last_sign: 0,
                has_link: true,
                trouble: None,
                messages: 0,
                wall_clock: WallClock::default(),
            }),
            on_receive: SpinLock::new(None),
        };
        card.begin(&mut card.life.lock())?;
        Ok(Arc::new(card))
    }

    /// Makes the queues of a device that was reset, and lets it work. After a failure it knows of no memory that could be given back.
    fn begin(&self, life: &mut Life) -> Result<(), Failure> {
        let mut sender = self.sender.lock();
        let sender = &mut *sender;
        let (depth, device) = (self.abilities.transmit_depth, &mut life.device);
        device.make_queues(Direction::Transmit, depth, &mut sender.ring, &sender.completions)?;
        let mut receiver = self.receiver.lock();
        let receiver = &mut *receiver;
        let depth = self.abilities.receive_depth;
        let queue = device.make_queues(Direction::Receive, depth, &mut receiver.ring, &receiver.completions)?;
        let unmask =
            ring::register(device.registers(), queue.unmask).ok_or("puts a register outside its own memory")?;
        life.last_sign = time::monotonic();
        life.has_link = true;
        life.trouble = None;
        life.device.open_events();
        sender.begin();
        receiver.begin(unmask);
        Ok(())
    }

    /// A line on the console, unless there were many already.
    fn say(&self, life: &mut Life, what: impl fmt::Display) {
        life.messages += 1;
        if life.messages <= MESSAGES || life.messages.is_power_of_two() {
            console::write_line(format_args!("network card {} {what}", self.name));
        }
    }

    /// The device's first interrupt came: it has said something.
    pub(super) fn hear(&self) {
        // Whoever holds the lock looks there as well.
        if let Some(mut life) = self.life.try_lock()
            && life.state == State::Working
        {
            self.take_events(&mut life);
        }
    }

    /// The interrupt of the I/O queues came: no more will until somebody has looked.
    pub(super) fn notice(&self) {
        self.receiver.lock().disarm();
        self.call();
    }

    fn call(&self) {
        let call = self.on_receive.lock().clone();
        if let Some(call) = call {
            call();
        }
    }

    fn take_events(&self, life: &mut Life) {
        let mut new_hints: Option<Hints> = None;
        let (mut link, mut warning, mut trouble, mut is_alive) = (None, None, None, false);
        life.device.take_events(|event| match event {
            Event::Link { is_up } => link = Some(is_up),
            Event::FatalError => trouble = Some(Reason::Generic),
            Event::Warning(syndrome) => warning = Some(syndrome),
            Event::NewHints(hints) => new_hints = Some(hints),
            Event::KeepAlive => is_alive = true,
            Event::WantsReset => trouble = Some(Reason::DeviceRequest),
            Event::Other => {}
        });
        if is_alive {
            life.last_sign = time::monotonic();
        }
        if let Some(hints) = new_hints {
            life.device.set_hints(hints);
        }
        life.trouble = life.trouble.or(trouble);
        if let Some(syndrome) = warning {
            self.say(life, format_args!("warns, with syndrome {syndrome}"));
        }
        if let Some(is_up) = link.filter(|&is_up| is_up != life.has_link) {
            life.has_link = is_up;
            self.sender.lock().has_link = is_up;
            self.say(life, if is_up { "has a link again" } else { "has lost its link" });
        }
    }

    /// Why a device that is thought to work has to be reset.
    fn find_trouble(&self, life: &mut Life) -> Option<Reason> {
        self.take_events(life);
        let hints = life.device.hints;
        let is_silent = |patience: u64| time::monotonic().saturating_sub(life.last_sign) > patience;
        if self.abilities.is_kept_alive && hints.keep_alive.or(KEEP_ALIVE_TIME).is_some_and(is_silent) {
            return Some(Reason::KeepAlive);
        }
        let mut sender = self.sender.lock();
        sender.collect();
        let most = hints.late_completions.unwrap_or(0);
        let is_late = |patience: u64| sender.is_late(patience, most);
        if hints.transmit_completion.or(COMPLETION_TIME).is_some_and(is_late) {
            return Some(Reason::MissingTransmitCompletions);
        }
        let sending = sender.trouble;
        drop(sender);
        let receiver = self.receiver.lock();
        let gap = receiver.has_gap().then_some(Reason::MalformedReceiveDescriptor);
        life.trouble.or(sending).or(receiver.trouble).or(gap)
    }

    /// Keeps the wall clock by the card's, where it has one.
    fn correct_wall_clock(&self, life: &mut Life) {
        let Some(sample) = life.device.phc.read() else {
            return;
        };
        if let Some(by) = life.wall_clock.correct(sample) {
            let (milliseconds, bound) = (by / 1_000_000, sample.bound / 1000);
            self.say(
                life,
                format_args!("has set the wall clock, by {milliseconds} ms, to within {bound} µs"),
            );
        }
    }

    fn begin_reset(&self, life: &mut Life, reason: Reason) {
        self.sender.lock().stop();
        self.receiver.lock().stop();
        self.say(life, format_args!("{} and is reset", reason.sentence()));
        life.state = State::Resetting;
        if let Err(failure) = life.device.begin_reset(reason) {
            self.pause(life, failure);
        }
    }

    fn pause(&self, life: &mut Life, failure: Failure) {
        self.sender.lock().stop();
        self.receiver.lock().stop();
        let seconds = RESET_PAUSE / 1_000_000_000;
        self.say(
            life,
            format_args!("{failure}; it carries no packets, and is reset again in {seconds} s"),
        );
        let reason = match failure {
            Failure::Silent(_) | Failure::Nonsense(_) => Reason::Admin,
            _ => Reason::Initialization,
        };
        life.state = State::Pausing(time::monotonic() + RESET_PAUSE, reason);
    }

    /// Goes on with a reset; true when the device works again.
    fn go_on(&self, life: &mut Life) -> Result<bool, Failure> {
        if !life.device.go_on()? {
            return Ok(false);
        }
        // From here on the device reaches nothing that it is not told of again.
        self.sender.lock().forget();
        self.receiver.lock().forget();
        if !life.device.introduce()?.keeps(&self.abilities) {
            return Err("has become another after a reset".into());
        }
        self.begin(life)?;
        life.state = State::Working;
        Ok(true)
    }
}

impl Card for Ena {
    fn mac(&self) -> [u8; 6] {
        self.abilities.mac
    }

    fn mtu(&self) -> usize {
        // As Linux has it: of what the network carries the device says nothing.
        self.abilities.max_mtu.min(ETHERNET_MTU).into()
    }

    fn max_mtu(&self) -> usize {
        self.abilities.max_mtu.into()
    }

    fn offloads(&self, version: Version) -> Offloads {
        self.abilities.offloads(version)
    }

    fn on_receive(&self, call: Arc<dyn Fn() + Send + Sync>) {
        *self.on_receive.lock() = Some(call);
    }

    fn receive(&self, handler: &mut dyn FnMut(&[u8], bool)) -> bool {
        let Some(packet) = self.receiver.lock().take() else {
            return false;
        };
        packet.read(handler);
        self.receiver.lock().give_back(packet);
        true
    }

    fn send(&self, outgoing: Outgoing, pieces: &mut dyn Iterator<Item = &[u8]>) -> bool {
        self.sender.lock().send(outgoing, pieces)
    }

    fn flush(&self) {
        self.sender.lock().ring.tell();
    }

    fn watch(&self) -> Option<u64> {
        let mut life = self.life.lock();
        let life = &mut *life;
        match life.state {
            State::Working => {
                if let Some(reason) = self.find_trouble(life) {
                    self.begin_reset(life, reason);
                } else {
                    self.correct_wall_clock(life);
                }
            }
            State::Resetting => match self.go_on(life) {
                Ok(true) => {
                    self.say(life, "works again");
                    self.call();
                }
                Ok(false) => {}
                Err(failure) => self.pause(life, failure),
            },
            State::Pausing(until, reason) => {
                if time::monotonic() >= until {
                    self.begin_reset(life, reason);
                }
            }
        }
        // An interrupt was lost.
        let is_overdue = self.receiver.lock().is_overdue();
        if is_overdue {
            self.notice();
        }
        Some(match life.state {
            State::Working => time::monotonic() + LOOK,
            State::Resetting => time::monotonic() + RESET_STEP,
            State::Pausing(until, _) => until,
        })
    }
}
