//! Programs of the classic Berkeley Packet Filter, as far as `seccomp(2)` allows them.

use alloc::vec::Vec;

use abi::Errno;
use linux_raw_sys::ptrace as bpf;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct sock_filter`
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Instruction {
    code: u16,
    /// Instructions to leave out where a condition is true, and where it is not.
    jump_true: u8,
    jump_false: u8,
    /// The constant.
    k: u32,
}

/// `struct seccomp_data`: what a program sees of a call.
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
pub struct CallData {
    /// Which call.
    pub number: i32,
    /// By whose numbers (`AUDIT_ARCH_…`).
    pub architecture: u32,
    /// Where the thread goes on after the call.
    pub instruction_pointer: u64,
    /// The argument registers.
    pub arguments: [u64; 6],
}

/// Words of [`CallData`].
const WORDS: usize = size_of::<CallData>() / 4;
/// The size of [`CallData`], as a program asks for it.
const LENGTH: u32 = size_of::<CallData>() as u32;
/// Words that a program may keep something in.
const MEMORY: usize = bpf::BPF_MEMWORDS as usize;

// The codes, which are sums of a class, an operation or mode, and where the operand comes from.
const CLASS: u16 = 7;
const OPERATION: u16 = 0xf0;
const X: u16 = bpf::BPF_X as u16;
const LOAD: u16 = bpf::BPF_LD as u16;
const LOAD_X: u16 = bpf::BPF_LDX as u16;
const STORE: u16 = bpf::BPF_ST as u16;
const STORE_X: u16 = bpf::BPF_STX as u16;
const CALCULATE: u16 = bpf::BPF_ALU as u16;
const JUMP: u16 = bpf::BPF_JMP as u16;
const RETURN: u16 = bpf::BPF_RET as u16;
const MOVE: u16 = bpf::BPF_MISC as u16;
const ABSOLUTE: u16 = bpf::BPF_ABS as u16;
const SIZE: u16 = bpf::BPF_LEN as u16;
const IN_MEMORY: u16 = bpf::BPF_MEM as u16;
const IMMEDIATE: u16 = bpf::BPF_IMM as u16;
const RETURN_A: u16 = RETURN | bpf::BPF_A as u16;
const JUMP_ALWAYS: u16 = JUMP | bpf::BPF_JA as u16;
const X_OF_A: u16 = MOVE | bpf::BPF_TAX as u16;
const A_OF_X: u16 = MOVE | bpf::BPF_TXA as u16;
const ADD: u16 = bpf::BPF_ADD as u16;
const SUBTRACT: u16 = bpf::BPF_SUB as u16;
const MULTIPLY: u16 = bpf::BPF_MUL as u16;
const DIVIDE: u16 = bpf::BPF_DIV as u16;
const OR: u16 = bpf::BPF_OR as u16;
const AND: u16 = bpf::BPF_AND as u16;
const SHIFT_LEFT: u16 = bpf::BPF_LSH as u16;
const SHIFT_RIGHT: u16 = bpf::BPF_RSH as u16;
const NEGATE: u16 = bpf::BPF_NEG as u16;
const EXCLUSIVE_OR: u16 = bpf::BPF_XOR as u16;
const EQUAL: u16 = bpf::BPF_JEQ as u16;
const GREATER: u16 = bpf::BPF_JGT as u16;
const GREATER_OR_EQUAL: u16 = bpf::BPF_JGE as u16;
const ANY_BIT: u16 = bpf::BPF_JSET as u16;

impl Instruction {
    /// Whether a program may hold it with `behind` instructions behind it: it jumps to one of those, and reads only what there is.
    fn is_allowed(self, behind: usize) -> bool {
        let Self { code, k, .. } = self;
        const NEGATE_A: u16 = CALCULATE | NEGATE;
        const LOAD_CALL: u16 = LOAD | ABSOLUTE;
        const LOAD_SIZE: u16 = LOAD | SIZE;
        const LOAD_X_SIZE: u16 = LOAD_X | SIZE;
        const LOAD_CONSTANT: u16 = LOAD | IMMEDIATE;
        const LOAD_X_CONSTANT: u16 = LOAD_X | IMMEDIATE;
        const LOAD_KEPT: u16 = LOAD | IN_MEMORY;
        const LOAD_X_KEPT: u16 = LOAD_X | IN_MEMORY;
        match code {
            LOAD_CALL => k < LENGTH && k.is_multiple_of(4),
            LOAD_KEPT | LOAD_X_KEPT | STORE | STORE_X => (k as usize) < MEMORY,
            LOAD_SIZE | LOAD_X_SIZE | LOAD_CONSTANT | LOAD_X_CONSTANT => true,
            NEGATE_A | X_OF_A | A_OF_X | RETURN | RETURN_A => true,
            JUMP_ALWAYS => (k as usize) < behind,
            _ if code & !(OPERATION | X | CLASS) != 0 => false,
            _ => match (code & CLASS, code & OPERATION) {
                (CALCULATE, ADD | SUBTRACT | MULTIPLY | AND | OR | EXCLUSIVE_OR) => true,
                (CALCULATE, DIVIDE) => code & X != 0 || k != 0,
                (CALCULATE, SHIFT_LEFT | SHIFT_RIGHT) => code & X != 0 || k < u32::BITS,
                (JUMP, EQUAL | GREATER | GREATER_OR_EQUAL | ANY_BIT) => {
                    usize::from(self.jump_true.max(self.jump_false)) < behind
                }
                _ => false,
            },
        }
    }

    /// How many instructions it may leave out.
    fn jumps(self) -> impl Iterator<Item = usize> {
        let (first, second) = match (self.code & CLASS, self.code) {
            (_, JUMP_ALWAYS) => (Some(self.k as usize), None),
            (JUMP, _) => (Some(usize::from(self.jump_true)), Some(usize::from(self.jump_false))),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// A program that was found to end, whatever the call is.
#[derive(Debug)]
pub struct Program(Vec<Instruction>);

impl Program {
    /// Refuses what Linux refuses: instructions that are not for system calls, jumps that leave the program, an end without a result, and memory that is
    /// read before anything was stored there.
    pub fn new(instructions: Vec<Instruction>) -> Result<Self, Errno> {
        let count = instructions.len();
        let returns = |last: &Instruction| matches!(last.code, RETURN | RETURN_A);
        let are_allowed = || {
            let mut numbered = instructions.iter().enumerate();
            numbered.all(|(at, instruction)| instruction.is_allowed(count - at - 1))
        };
        if count > bpf::BPF_MAXINSNS as usize
            || !instructions.last().is_some_and(returns)
            || !are_allowed()
            || !reads_what_was_stored(&instructions)
        {
            return Err(Errno::INVAL);
        }
        Ok(Self(instructions))
    }

    /// How many instructions it has.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// What it says of a call. It only ever goes forward, so it ends.
    pub fn run(&self, call: &CallData) -> u32 {
        let words: [u32; WORDS] = zerocopy::transmute!(*call);
        let (mut a, mut x) = (0_u32, 0_u32);
        let mut memory = [0_u32; MEMORY];
        let mut at = 0;
        // It was checked that places are in their range: the remainders change nothing.
        while let Some(&Instruction {
            code,
            jump_true,
            jump_false,
            k,
        }) = self.0.get(at)
        {
            at += 1;
            let place = k as usize;
            let load = || match code & !CLASS {
                ABSOLUTE => words[place / 4 % WORDS],
                SIZE => LENGTH,
                IN_MEMORY => memory[place % MEMORY],
                _ => k,
            };
            let operand = if code & X == 0 { k } else { x };
            match code & CLASS {
                LOAD => a = load(),
                LOAD_X => x = load(),
                STORE => memory[place % MEMORY] = a,
                STORE_X => memory[place % MEMORY] = x,
                CALCULATE => {
                    a = match code & OPERATION {
                        ADD => a.wrapping_add(operand),
                        SUBTRACT => a.wrapping_sub(operand),
                        MULTIPLY => a.wrapping_mul(operand),
                        // As Linux: the program ends with nothing.
                        DIVIDE => match a.checked_div(operand) {
                            Some(quotient) => quotient,
                            None => return 0,
                        },
                        OR => a | operand,
                        AND => a & operand,
                        SHIFT_LEFT => a.wrapping_shl(operand),
                        SHIFT_RIGHT => a.wrapping_shr(operand),
                        NEGATE => a.wrapping_neg(),
                        _ => a ^ operand,
                    }
                }
                JUMP => {
                    let is_true = match code & OPERATION {
                        EQUAL => a == operand,
                        GREATER => a > operand,
                        GREATER_OR_EQUAL => a >= operand,
                        ANY_BIT => a & operand != 0,
                        _ => {
                            at += place;
                            continue;
                        }
                    };
                    at += usize::from(if is_true { jump_true } else { jump_false });
                }
                RETURN if code == RETURN_A => return a,
                RETURN => return k,
                _ if code == X_OF_A => x = a,
                _ => a = x,
            }
        }
        // Its last instruction returns.
        bpf::SECCOMP_RET_KILL_PROCESS
    }
}

/// Whether each word of memory that is read was stored before, whichever way led there.
fn reads_what_was_stored(instructions: &[Instruction]) -> bool {
    // Words that all ways to an instruction have stored, a bit each.
    let mut stored = alloc::vec![u16::MAX; instructions.len()];
    let mut before = 0;
    for (at, instruction) in instructions.iter().enumerate() {
        before &= stored[at];
        let word = 1_u16.checked_shl(instruction.k).unwrap_or(0);
        match instruction.code & CLASS {
            STORE | STORE_X => before |= word,
            LOAD | LOAD_X if instruction.code & !CLASS == IN_MEMORY && before & word == 0 => return false,
            JUMP => {
                for jump in instruction.jumps() {
                    stored[at + 1 + jump] &= before;
                }
                // Nothing comes to the next one but by a jump.
                before = u16::MAX;
            }
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec;

    use super::*;

    const fn plain(code: u16, k: u32) -> Instruction {
        jump(code, 0, 0, k)
    }

    const fn jump(code: u16, jump_true: u8, jump_false: u8, k: u32) -> Instruction {
        Instruction {
            code,
            jump_true,
            jump_false,
            k,
        }
    }

    const CALL: CallData = CallData {
        number: 39,
        architecture: 0xc000_003e,
        instruction_pointer: 0x1_2345_6789,
        arguments: [7, 0xffff_ffff_0000_0000, 0, 0, 0, 0x8000_0000_0000_0001],
    };

    fn run(instructions: &[Instruction]) -> Option<u32> {
        Some(Program::new(instructions.to_vec()).ok()?.run(&CALL))
    }

    #[test]
    fn a_program_sees_the_words_of_the_call() {
        let word = |at| run(&[plain(LOAD | ABSOLUTE, at), plain(RETURN_A, 0)]);
        assert_eq!(
            [0, 4, 8, 12, 16, 28, 56, 60].map(word),
            [39, 0xc000_003e, 0x2345_6789, 1, 7, u32::MAX, 1, 0x8000_0000].map(Some)
        );
        assert_eq!([1, 62, 64, u32::MAX].map(word), [None; 4]);
    }

    #[test]
    fn a_whitelist_answers_by_number() {
        let list = |number| {
            [
                plain(LOAD | ABSOLUTE, 0),
                jump(JUMP | EQUAL, 1, 0, number),
                plain(RETURN, bpf::SECCOMP_RET_ERRNO | 1),
                plain(RETURN, bpf::SECCOMP_RET_ALLOW),
            ]
        };
        assert_eq!(run(&list(39)), Some(bpf::SECCOMP_RET_ALLOW));
        assert_eq!(run(&list(40)), Some(bpf::SECCOMP_RET_ERRNO | 1));
    }

    #[test]
    fn arithmetic_is_of_32_bits_and_a_division_by_zero_ends_with_nothing() {
        let calculate = |operation: u16, a: u32, x: u32| {
            run(&[
                plain(LOAD_X | IMMEDIATE, x),
                plain(LOAD | IMMEDIATE, a),
                plain(CALCULATE | operation | X, 0),
                plain(RETURN_A, 0),
            ])
        };
        assert_eq!(calculate(ADD, u32::MAX, 2), Some(1));
        assert_eq!(calculate(SUBTRACT, 1, 2), Some(u32::MAX));
        assert_eq!(calculate(MULTIPLY, 1 << 31, 3), Some(1 << 31));
        assert_eq!(calculate(DIVIDE, 7, 2), Some(3));
        assert_eq!(calculate(DIVIDE, 7, 0), Some(0));
        assert_eq!(calculate(SHIFT_LEFT, 1, 33), Some(2), "by the low five bits");
        assert_eq!(calculate(SHIFT_RIGHT, 4, 1), Some(2));
        assert_eq!(calculate(EXCLUSIVE_OR, 6, 3), Some(5));
        assert_eq!(calculate(bpf::BPF_MOD as u16, 7, 2), None);
    }

    #[test]
    fn memory_is_read_only_where_every_way_has_stored() {
        let ways = |jump_false| {
            run(&[
                jump(JUMP | EQUAL, 0, jump_false, 0),
                plain(STORE, 3),
                plain(LOAD | IN_MEMORY, 3),
                plain(RETURN_A, 0),
            ])
        };
        assert_eq!([ways(0), ways(1)], [Some(0), None]);
        assert_eq!(run(&[plain(STORE, 16), plain(RETURN, 0)]), None);
    }

    #[test]
    fn what_does_not_end_with_a_result_is_refused() {
        assert_eq!(run(&[]), None);
        assert_eq!(run(&[plain(LOAD | IMMEDIATE, 0)]), None);
        assert_eq!(run(&[plain(JUMP_ALWAYS, 1), plain(RETURN, 0)]), None);
        assert_eq!(run(&[jump(JUMP | EQUAL, 0, 1, 0), plain(RETURN, 0)]), None);
        let long = |count| run(&vec![plain(RETURN, 5); count]);
        assert_eq!([long(4096), long(4097)], [Some(5), None]);
    }

    /// Instructions of all kinds, allowed ones more often than others.
    fn instruction() -> impl Strategy<Value = Instruction> {
        let codes = prop_oneof![
            8 => prop::sample::select(vec![
                LOAD | ABSOLUTE, LOAD | SIZE, LOAD | IN_MEMORY, LOAD_X | IN_MEMORY, STORE, STORE_X, JUMP_ALWAYS, JUMP | EQUAL,
                JUMP | ANY_BIT | X, CALCULATE | ADD, CALCULATE | DIVIDE | X, CALCULATE | SHIFT_LEFT | X, X_OF_A, A_OF_X, RETURN_A,
            ]),
            1 => any::<u16>(),
        ];
        let constants = prop_oneof![4 => 0..16_u32, 1 => any::<u32>()];
        (codes, 0..6_u8, 0..6_u8, constants).prop_map(|(code, yes, no, k)| jump(code, yes, no, k))
    }

    proptest! {
        #[test]
        fn any_program_is_refused_or_ends(
            mut instructions in prop::collection::vec(instruction(), 0..12),
            returns: bool,
            number: i32,
        ) {
            if returns {
                instructions.push(plain(RETURN_A, 0));
            }
            if let Ok(program) = Program::new(instructions) {
                program.run(&CallData { number, ..CALL });
            }
        }
    }
}
