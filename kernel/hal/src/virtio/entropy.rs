//! Sources of entropy (section 5.4).

use alloc::sync::Arc;

use super::device::{Kind, Notifier, Transport, VirtioDevice};
use super::queue::{Part, Queue};
use crate::dma::Buffer;
use crate::random;
use crate::sync::SpinLock;

use alloc::boxed::Box;

/// Bytes to ask for: twice the generator's key.
const LENGTH: usize = 64;

struct Source {
    queue: SpinLock<Queue>,
    transport: Box<dyn Transport>,
}

/// Asks the device for entropy and mixes it into the generator when it comes; false when the device is none or does not work.
pub fn seed_random(mut device: VirtioDevice) -> bool {
    if device.kind() != Kind::Entropy || device.negotiate(0).is_none() {
        return false;
    }
    let place: Arc<SpinLock<Option<Arc<Source>>>> = Arc::new(SpinLock::new(None));
    let handler_place = place.clone();
    let queue = device.queue(
        0,
        2,
        Arc::new(move || {
            let source = handler_place.lock().clone();
            if let Some(source) = source {
                source.serve();
            }
        }),
    );
    let (Some((mut queue, Notifier(notify))), Some(buffer)) = (queue, Buffer::page()) else {
        return false;
    };
    queue.push([], [Part::Buffer(buffer, LENGTH)]);
    *place.lock() = Some(Arc::new(Source {
        queue: SpinLock::new(queue),
        transport: device.start(),
    }));
    notify();
    true
}

impl Source {
    fn serve(&self) {
        self.transport.acknowledge_interrupt();
        let mut buffer = None;
        let used = self.queue.lock().pop(|part| {
            if let Part::Buffer(part, _) = part {
                buffer = Some(part);
            }
        });
        if let (Some((_, written)), Some(buffer)) = (used, buffer) {
            random::mix(&buffer.bytes()[..written.min(LENGTH)]);
        }
    }
}
