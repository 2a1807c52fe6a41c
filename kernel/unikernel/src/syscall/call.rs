//! A system call as the application made it.

/// Number and arguments of a call, and where the thread stood.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Which call.
    pub number: usize,
    /// The argument registers.
    pub arguments: [usize; 6],
    /// The caller's stack pointer.
    pub stack_pointer: usize,
}

impl Call {
    /// An argument that is an address, a length or a whole register.
    pub fn word(&self, index: usize) -> usize {
        self.arguments[index]
    }

    /// An argument that is an `int`: the upper half of the register does not count.
    pub fn int(&self, index: usize) -> i32 {
        self.arguments[index] as i32
    }

    /// An argument that is an `unsigned int`.
    pub fn unsigned(&self, index: usize) -> u32 {
        self.arguments[index] as u32
    }

    /// An argument that is a `long`, such as a file offset.
    pub fn long(&self, index: usize) -> i64 {
        self.arguments[index] as i64
    }
}
