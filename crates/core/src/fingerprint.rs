//! A number that says whether two machines map clients alike: it is made of all that a pool's mapping
//! is made of, and of nothing else.

use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::mapping::version;
use crate::spec::{Balance, Pool, Server};

/// Bits of a fingerprint: as many as a number of Prometheus's, which are floating point, has exactly.
const BITS: u32 = 52;

/// The fingerprint of a pool's mapping under a seed. Under `source` the order of the file does not count,
/// nor do addresses and ids.
pub(crate) fn of(pool: &Pool, seed: u64) -> u64 {
    let own = pool.balance == Balance::Source;
    let mut hasher = SipHasher13::new();
    write_text(&mut hasher, version(pool.balance));
    hasher.write(&seed.to_le_bytes());
    hasher.write(&[pool.key.v4, pool.key.v6]);
    let mut servers: Vec<&Server> = pool.servers.iter().collect();
    if own {
        servers.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    }
    for server in servers {
        write_text(&mut hasher, &server.name);
        hasher.write(&server.weight.to_le_bytes());
        hasher.write(&[server.backup.into()]);
        if !own {
            hasher.write(&server.id.to_le_bytes());
            write_text(&mut hasher, &server.addr.text);
        }
    }
    hasher.finish() >> (u64::BITS - BITS)
}

/// With its end, so that no two lists of texts are the same bytes.
fn write_text(hasher: &mut SipHasher13, text: &str) {
    hasher.write(text.as_bytes());
    hasher.write(&[0xff]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::vectors::pool;

    // Goal: pools that map alike have the same number and others have not. Method: each thing that a
    // mapping is made of changed alone, and for each mapping what it does not look at.
    #[test]
    fn what_counts_and_what_does_not() {
        for balance in [Balance::Source, Balance::HaproxySourceConsistent, Balance::NginxHash] {
            let changed = |change: &dyn Fn(&mut Pool)| {
                let mut pool = pool(balance, &[1, 2, 3]);
                change(&mut pool);
                of(&pool, 7)
            };
            let before = changed(&|_| {});
            assert!(before < 1 << BITS);
            assert_ne!(before, of(&pool(balance, &[1, 2, 3]), 8));
            assert_ne!(before, changed(&|pool| pool.balance = Balance::HaproxySource));
            assert_ne!(before, changed(&|pool| pool.key.v6 = 48));
            assert_ne!(before, changed(&|pool| pool.servers[1].weight = 1));
            assert_ne!(before, changed(&|pool| pool.servers[1].backup = true));
            assert_ne!(before, changed(&|pool| pool.servers[1].name = "other".into()));
            assert_ne!(before, changed(&|pool| pool.servers.truncate(2)));
            assert_eq!(before, changed(&|pool| pool.attempts = 7));
            let own = balance == Balance::Source;
            assert_eq!(own, before == changed(&|pool| pool.servers.swap(0, 2)));
            assert_eq!(own, before == changed(&|pool| pool.servers[1].id = 9));
            assert_eq!(own, before == changed(&|pool| pool.servers[1].addr.text = "h:1".into()));
        }
    }
}
