//! Boots and drives each device once: the disk's first page, the network card's address, entropy, the firmware configuration.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use hal::mem::Frame;
use hal::virtio::{Block, Kind, Network, Outgoing, seed_random};

hal::entry!(main);

fn say(text: &str) {
    hal::console::write(text.as_bytes());
    hal::console::write(b"\n");
}

fn main(boot: hal::boot::Boot) -> ! {
    for word in boot.arguments() {
        say(&format!("argument {word}"));
    }
    say(&format!(
        "fw_cfg {:?}",
        hal::fw_cfg::read("opt/org.pulumi.unikernel/config.json").map(|bytes| bytes.len())
    ));
    for device in hal::bus::virtio_devices(&boot) {
        say(&format!("found {:?}", device.kind()));
        match device.kind() {
            Kind::Block => {
                let disk = Block::start(device).expect("a disk");
                let frames: alloc::vec::Vec<_> = (0..4).map(|_| Frame::allocate_zeroed().expect("memory")).collect();
                let inner = frames.clone();
                disk.read(
                    0,
                    &frames,
                    Box::new(move |ok| {
                        let mut magic = [0; 4];
                        inner[0].read(1024, &mut magic);
                        say(&format!("read {ok} {magic:x?}"));
                    }),
                );
                say(&format!("disk {}", disk.size()));
            }
            Kind::Network => {
                let card = Network::start(device).expect("a card");
                let mut frame = [0u8; 42];
                frame[..6].fill(0xff);
                frame[6..12].copy_from_slice(&card.mac());
                // Who has 10.0.2.2?
                frame[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
                frame[22..28].copy_from_slice(&card.mac());
                frame[28..32].copy_from_slice(&[10, 0, 2, 15]);
                frame[38..42].copy_from_slice(&[10, 0, 2, 2]);
                say(&format!(
                    "card {:x?} {} sent {}",
                    card.mac(),
                    card.mtu(),
                    card.send(Outgoing::default(), [&frame[..]].into_iter())
                ));
                card.flush();
                let receiver = card.clone();
                card.on_receive(alloc::sync::Arc::new(move || {
                    while receiver
                        .receive(&mut |packet, _| say(&format!("received {} {:x?}", packet.len(), &packet[..12])))
                    {
                    }
                }));
            }
            Kind::Entropy => say(&format!("entropy {}", seed_random(device))),
            Kind::Other(_) => (),
        }
    }
    let end = hal::time::monotonic() + 200_000_000;
    while hal::time::monotonic() < end {
        hal::timer::arm(Some(end));
        hal::cpu::idle();
        hal::interrupt::dispatch();
    }
    hal::power::exit(3)
}
