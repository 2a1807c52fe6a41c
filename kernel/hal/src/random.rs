//! Random numbers: `ChaCha20` keyed from everything that the machine offers.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use crate::arch;
use crate::sync::SpinLock;

// Vector registers hold the user's values while the kernel runs.
#[cfg(all(target_os = "none", not(chacha20_backend = "soft")))]
compile_error!("the kernel needs --cfg chacha20_backend=\"soft\", as .cargo/config.toml has it");

static GENERATOR: SpinLock<Option<ChaCha20Rng>> = SpinLock::new(None);

/// Bytes of output after which the generator takes a new key, so that earlier output cannot be computed from its state.
const REKEY_AFTER: u128 = 1 << 20;

/// Fills a buffer with random bytes.
pub fn fill(buffer: &mut [u8]) {
    let mut guard = GENERATOR.lock();
    let generator = guard.get_or_insert_with(|| seeded(&[0; 32]));
    generator.fill_bytes(buffer);
    if generator.get_word_pos() * 4 > REKEY_AFTER {
        let mut key = [0; 32];
        generator.fill_bytes(&mut key);
        *generator = seeded(&key);
    }
}

/// A random number.
pub fn number() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Stirs bytes of any quality into the generator's key, such as those of virtio-rng.
pub fn mix(bytes: &[u8]) {
    let mut guard = GENERATOR.lock();
    for chunk in bytes.chunks(32) {
        let mut key = [0; 32];
        guard.get_or_insert_with(|| seeded(&[0; 32])).fill_bytes(&mut key);
        key.iter_mut().zip(chunk).for_each(|(key, byte)| *key ^= byte);
        *guard = Some(seeded(&key));
    }
}

/// A generator keyed by `key` and the CPU's own random numbers.
fn seeded(key: &[u8; 32]) -> ChaCha20Rng {
    let mut key = *key;
    for word in key.chunks_mut(8) {
        let random = arch::hardware_random().to_le_bytes();
        word.iter_mut().zip(random).for_each(|(byte, random)| *byte ^= random);
    }
    ChaCha20Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_differ_and_mixing_changes_them() {
        let (first, second) = (super::number(), super::number());
        assert_ne!(first, second);
        super::mix(b"a device's bytes, longer than one key of thirty-two");
        assert_ne!(super::number(), second);
    }
}
