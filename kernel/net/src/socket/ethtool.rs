//! `SIOCETHTOOL`: what is known of a card's link (`linux/ethtool.h`), which is that there is one.

use abi::Errno;

use file::UserMemory;

use crate::ip::Interface;

const GSET: u32 = 0x01;
const GLINK: u32 = 0x0a;
const GLINKSETTINGS: u32 = 0x4c;
/// `SPEED_UNKNOWN` in each byte, `DUPLEX_UNKNOWN`, `PORT_OTHER`.
const UNKNOWN: u8 = 0xff;
/// Words of each of the three masks of link modes, as Linux 6.1 has them.
const MASK_WORDS: u8 = 4;

/// Serves the command at `argument`.
pub(super) fn control(interface: Interface, argument: usize, memory: &mut dyn UserMemory) -> file::Result<()> {
    let mut command = [0; 4];
    memory.read(argument, &mut command)?;
    match (u32::from_ne_bytes(command), interface) {
        (GLINK, _) => memory.write(argument + 4, &1u32.to_ne_bytes())?,
        (GSET, Interface::Ethernet) => {
            // `struct ethtool_cmd`
            let mut answer = [0; 44];
            answer[..4].copy_from_slice(&command);
            answer[12..16].fill(UNKNOWN);
            answer[28..30].fill(UNKNOWN);
            memory.write(argument, &answer)?;
        }
        (GLINKSETTINGS, Interface::Ethernet) => {
            // `struct ethtool_link_settings`, and the masks when the caller knows their length; else it is told it.
            const HEAD: usize = 48;
            const WORDS_AT: usize = 15;
            let mut answer = [0; HEAD + 3 * 4 * MASK_WORDS as usize];
            memory.read(argument, &mut answer[..HEAD])?;
            let length = if answer[WORDS_AT] == MASK_WORDS {
                answer.len()
            } else {
                HEAD
            };
            answer[4..HEAD].fill(0);
            answer[WORDS_AT] = if length == HEAD {
                MASK_WORDS.wrapping_neg()
            } else {
                MASK_WORDS
            };
            if length > HEAD {
                answer[4..10].fill(UNKNOWN);
            }
            memory.write(argument, &answer[..length])?;
        }
        _ => return Err(Errno::OPNOTSUPP.into()),
    }
    Ok(())
}
