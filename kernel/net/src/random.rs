//! Keyed hashing and secrets: initial sequence numbers, ports, cookies and tables that strangers cannot collide in.

use core::hash::Hasher;
use core::net::IpAddr;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::environment::Environment;
use crate::ip::Endpoint;

/// SipHash-2-4's key, and numbers drawn from it.
pub(crate) struct Secret {
    key: (u64, u64),
    /// Multiplier and offset of the quick hash of tables.
    table: (u64, u64),
    counter: AtomicU64,
}

impl Secret {
    pub(crate) fn new(environment: &dyn Environment) -> Self {
        let mut seed = [0; 32];
        environment.random(&mut seed);
        let word = |index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&seed[index * 8..index * 8 + 8]);
            u64::from_le_bytes(bytes)
        };
        Self {
            key: (word(0), word(1)),
            table: (word(2) | 1, word(3)),
            counter: AtomicU64::new(0),
        }
    }

    /// A hash of a connection's ends that cannot be foretold without the key; `purpose` and `salt` tell uses apart.
    #[expect(
        deprecated,
        reason = "core's SipHasher is the keyed SipHash-2-4 that is needed; std's replacement cannot be keyed"
    )]
    pub(crate) fn hash(&self, local: Endpoint, remote: Endpoint, purpose: u64, salt: u64) -> u64 {
        let mut hasher = core::hash::SipHasher::new_with_keys(self.key.0, self.key.1);
        hasher.write_u64(purpose);
        hasher.write_u64(salt);
        for end in [local, remote] {
            match end.address {
                IpAddr::V4(address) => hasher.write(&address.octets()),
                IpAddr::V6(address) => hasher.write(&address.octets()),
            }
            hasher.write_u16(end.port);
        }
        hasher.finish()
    }

    /// A number that nobody can foretell.
    pub(crate) fn next(&self) -> u64 {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        self.hash(Endpoint::UNSPECIFIED_V4, Endpoint::UNSPECIFIED_V4, u64::MAX, count)
    }

    /// The quick hash of tables: multiplications by secret odd numbers.
    #[inline]
    pub(crate) fn table_hash(&self, local: Endpoint, remote: Endpoint) -> u64 {
        let fold = |address: IpAddr| match address {
            IpAddr::V4(address) => u64::from(u32::from_ne_bytes(address.octets())),
            IpAddr::V6(address) => {
                let bits = u128::from_ne_bytes(address.octets());
                ((bits >> 64) as u64).wrapping_mul(self.table.0).rotate_left(29) ^ bits as u64
            }
        };
        let (multiplier, offset) = self.table;
        let mut hash = fold(local.address) ^ offset;
        hash = (hash.wrapping_mul(multiplier)).rotate_left(31) ^ fold(remote.address);
        hash = (hash.wrapping_mul(multiplier)).rotate_left(31) ^ (u64::from(local.port) << 16 | u64::from(remote.port));
        hash = hash.wrapping_mul(multiplier);
        hash ^ (hash >> 32)
    }
}
