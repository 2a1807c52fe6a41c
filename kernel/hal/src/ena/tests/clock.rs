//! The card's clock, and what the machine's makes of it.

use super::*;
use crate::ena::command::Feature;
use crate::ena::model::{PhcOffer, PhcTime};

const HOUR: u64 = 3600 * SECOND;
/// What a busy host may take between two lines of a test.
const TOLERANCE: u64 = 600 * SECOND;

fn with_clock(offer: PhcOffer) -> Configuration {
    let usual = Configuration::default();
    Configuration {
        features: usual.features | 1 << Feature::PhcConfig as u32,
        phc: Some(offer),
        ..usual
    }
}

/// What a clock tells that is so much ahead of the machine's.
fn ahead(by: u64) -> PhcTime {
    PhcTime {
        origin: time::realtime() - time::monotonic() + by,
        ..PhcTime::default()
    }
}

/// A second passes, and the driver looks.
fn second(rig: &Rig) {
    time::advance(SECOND);
    rig.device.second();
    rig.card.watch();
    rig.device.assert_obeyed();
}

/// Whether the machine's clock is so much ahead of what it was.
fn is_ahead(before: u64, by: u64) -> bool {
    (before + by..before + by + TOLERANCE).contains(&time::realtime())
}

#[test]
fn ena_clocks_set_the_machines() {
    let rig = Rig::new(&with_clock(PhcOffer::default()));
    let before = time::realtime();
    rig.device.set_phc_time(ahead(HOUR));
    second(&rig);
    assert!(is_ahead(before, 0), "nobody has confirmed it yet");
    second(&rig);
    assert!(is_ahead(before, HOUR));
    assert_eq!(rig.device.phc_requests(), 2, "once a second");
    // The device forgets where to answer in a reset, and is told again.
    rig.device.ask_for_reset();
    rig.device.deliver();
    rig.watch_through_reset();
    let asked = rig.device.phc_requests();
    second(&rig);
    assert_eq!(rig.device.phc_requests(), asked + 1);
    rig.check();
}

#[test]
fn ena_clocks_that_fail_are_not_followed() {
    let usual = ahead(HOUR);
    let silent = [
        PhcTime {
            error_flags: 1,
            ..usual
        },
        PhcTime {
            error_flags: 2,
            ..usual
        },
        PhcTime { is_mute: true, ..usual },
        PhcTime {
            is_of_another: true,
            ..usual
        },
    ];
    for failure in silent {
        let offer = PhcOffer {
            expire_timeout: 1,
            block_timeout: 2_500_000,
            ..PhcOffer::default()
        };
        let rig = Rig::new(&with_clock(offer));
        let before = time::realtime();
        rig.device.set_phc_time(failure);
        for _ in 0..9 {
            second(&rig);
        }
        assert!(is_ahead(before, 0), "{failure:?}");
        let asked = rig.device.phc_requests();
        assert!(
            (1..=4).contains(&asked),
            "{asked} times, and is left alone for 2.5 s each time"
        );
        rig.check();
    }
}

#[test]
fn ena_clocks_that_tell_what_cannot_be_are_not_followed() {
    let usual = ahead(HOUR);
    let still = PhcTime {
        stands_still: true,
        ..usual
    };
    let told = [
        still,
        PhcTime { origin: 0, ..still },
        PhcTime {
            origin: u64::MAX,
            ..still
        },
        PhcTime { origin: 0, ..usual },
        PhcTime {
            error_bound: u32::MAX,
            ..usual
        },
    ];
    for told in told {
        let rig = Rig::new(&with_clock(PhcOffer::default()));
        let before = time::realtime();
        rig.device.set_phc_time(told);
        for _ in 0..20 {
            second(&rig);
        }
        assert!(is_ahead(before, 0), "{told:?}");
        assert_eq!(rig.device.phc_requests(), 20);
        rig.check();
    }
}

#[test]
fn ena_does_without_a_clock_that_is_not_known_or_refused() {
    let rig = Rig::new(&with_clock(PhcOffer {
        version: 1,
        ..PhcOffer::default()
    }));
    second(&rig);
    assert_eq!(rig.device.phc_requests(), 0);
    rig.check();
    drop(rig);
    let _alone = alone_with_the_clock();
    // The bit without the clock: the device refuses to describe it.
    let refusing = Configuration {
        phc: None,
        ..with_clock(PhcOffer::default())
    };
    let device = model::Ena::new(refusing.clone());
    assert!(start(&device, &refusing).is_ok());
    device.assert_obeyed();
    let wild = with_clock(PhcOffer {
        wild_doorbell: Some(u32::MAX - 3),
        ..PhcOffer::default()
    });
    let device = model::Ena::new(wild.clone());
    let failure = start(&device, &wild).err().expect("no card");
    assert_eq!(
        alloc::format!("{failure}"),
        "puts its clock's doorbell outside its own memory"
    );
}
