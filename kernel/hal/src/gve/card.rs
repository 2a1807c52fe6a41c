//! The card as the network sees it, and what looks after the device: its status, late completions, resets.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use super::abilities::Abilities;
use super::device::{Device, Parts};
use super::failure::Failure;
use super::receiver::Receiver;
use super::register::{self, Reason};
use super::sender::Sender;
use crate::network::{Card, Offloads, Outgoing, Version};
use crate::sync::SpinLock;
use crate::{console, time};

/// How often a device that works is looked after, in nanoseconds.
const LOOK: u64 = 1_000_000_000;
/// How often a reset is.
const RESET_STEP: u64 = 10_000_000;
/// How long after a reset that failed the next one is tried.
const RESET_PAUSE: u64 = 10_000_000_000;
/// Messages after which only every 2^n-th is shown.
const MESSAGES: u32 = 8;

pub(super) struct Gve {
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
    /// The link as the device said last.
    has_link: bool,
    messages: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Working,
    Resetting,
    /// A reset has failed; the next is tried at this time.
    Pausing(u64),
}

impl Gve {
    /// Starts a device.
    pub(super) fn start(name: String, parts: Parts) -> Result<Arc<Self>, Failure> {
        let mut device = Device::new(parts)?;
        if device.status() == register::GONE {
            return Err("does not answer".into());
        }
        if device.is_in_use() {
            reset(&mut device)?;
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
                has_link: true,
                messages: 0,
            }),
            on_receive: SpinLock::new(None),
        };
        let begun = card.begin(&mut card.life.lock());
        if let Err(failure) = begun {
            // The device may know the queues' pages: they are given back only when it has forgotten them.
            let is_reset = reset(&mut card.life.lock().device).is_ok();
            if !is_reset {
                core::mem::forget(card);
            }
            return Err(failure);
        }
        Ok(Arc::new(card))
    }

    /// Makes the queues of a device that was reset, and lets it work.
    fn begin(&self, life: &mut Life) -> Result<(), Failure> {
        let mut sender = self.sender.lock();
        let mut receiver = self.receiver.lock();
        let [transmit, receive] = life.device.make_queues(&self.abilities, &sender, &receiver)?;
        sender.begin(transmit);
        receiver.begin(receive);
        drop((sender, receiver));
        self.look_at_link(life, life.device.status());
        Ok(())
    }

    /// A line on the console, unless there were many already.
    fn say(&self, life: &mut Life, what: impl fmt::Display) {
        life.messages += 1;
        if life.messages <= MESSAGES || life.messages.is_power_of_two() {
            console::write_line(format_args!("network card {} {what}", self.name));
        }
    }

    fn look_at_link(&self, life: &mut Life, status: u32) {
        let has_link = status & register::DEVICE_STATUS_LINK != 0;
        self.sender.lock().has_link = has_link;
        if has_link != life.has_link {
            life.has_link = has_link;
            self.say(life, if has_link { "has a link" } else { "has no link" });
        }
    }

    /// The management interrupt came: the device has changed its status. A reset waits until somebody looks after it.
    pub(super) fn hear(&self) {
        // Whoever holds the lock looks there as well, or will soon.
        if let Some(mut life) = self.life.try_lock()
            && life.state == State::Working
        {
            let status = life.device.status();
            if status != register::GONE {
                self.look_at_link(&mut life, status);
            }
        }
    }

    /// The interrupt of the receive queue came: no more will until somebody has looked.
    pub(super) fn notice(&self) {
        self.receiver.lock().disarm();
        self.call();
    }

    /// The interrupt of the transmit queue came.
    pub(super) fn notice_sent(&self) {
        self.sender.lock().notice();
    }

    fn call(&self) {
        let call = self.on_receive.lock().clone();
        if let Some(call) = call {
            call();
        }
    }

    /// Why a device that is thought to work has to be reset.
    fn find_trouble(&self, life: &mut Life) -> Option<Reason> {
        let status = life.device.status();
        if status == register::GONE {
            return Some(Reason::Gone);
        }
        if life.device.is_reset() {
            return Some(Reason::WasReset);
        }
        if status & register::DEVICE_STATUS_RESET != 0 {
            return Some(Reason::DeviceRequest);
        }
        self.look_at_link(life, status);
        let mut sender = self.sender.lock();
        sender.collect();
        let late = sender.is_late().then_some(Reason::MissingTransmitCompletions);
        let sending = sender.trouble.or(late);
        drop(sender);
        let receiver = self.receiver.lock();
        let gap = receiver.has_gap().then_some(Reason::MalformedReceiveDescriptor);
        sending.or(receiver.trouble).or(gap)
    }

    fn begin_reset(&self, life: &mut Life, reason: Reason) {
        self.sender.lock().stop();
        self.receiver.lock().stop();
        self.say(life, format_args!("{} and is reset", reason.sentence()));
        life.state = State::Resetting;
        life.device.begin_reset();
    }

    fn pause(&self, life: &mut Life, failure: Failure) {
        self.sender.lock().stop();
        self.receiver.lock().stop();
        let seconds = RESET_PAUSE / 1_000_000_000;
        self.say(
            life,
            format_args!("{failure}; it carries no packets, and is reset again in {seconds} s"),
        );
        life.state = State::Pausing(time::monotonic() + RESET_PAUSE);
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

/// Resets a device and waits until it is.
fn reset(device: &mut Device) -> Result<(), Failure> {
    device.begin_reset();
    while !device.go_on()? {
        core::hint::spin_loop();
    }
    Ok(())
}

impl Card for Gve {
    fn mac(&self) -> [u8; 6] {
        self.abilities.mac
    }

    fn mtu(&self) -> usize {
        self.abilities.mtu.into()
    }

    fn max_mtu(&self) -> usize {
        self.abilities.max_mtu.into()
    }

    fn offloads(&self, _version: Version) -> Offloads {
        Offloads {
            checksums: true,
            segmented: self.abilities.most_segmented(),
        }
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
        self.sender.lock().tell();
    }

    fn watch(&self) -> Option<u64> {
        let mut life = self.life.lock();
        let life = &mut *life;
        match life.state {
            State::Working => {
                if let Some(reason) = self.find_trouble(life) {
                    self.begin_reset(life, reason);
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
            State::Pausing(until) => {
                if time::monotonic() >= until {
                    self.begin_reset(life, Reason::Again);
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
            State::Pausing(until) => until,
        })
    }
}
