//! The admin queue.

use super::defs::admin;
use super::faults::AdminFault;
use super::fields::{be32, is_zero};
use super::state::State;
use crate::dma::reach::Reach;

/// How the driver told where the admin queue lies: by a page, or by an address and a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Pfn,
    Address,
}

pub(super) struct AdminQueue {
    pub(super) address: u64,
    depth: usize,
    pub(super) way: Way,
    /// Commands that the driver has told of, and those that were carried out, modulo 2^32.
    told: u32,
    pub(super) executed: u32,
    /// What a fault does to the next command.
    obstacle: Option<AdminFault>,
}

impl AdminQueue {
    pub(super) fn new(address: u64, depth: usize, way: Way) -> Self {
        Self {
            address,
            depth,
            way,
            told: 0,
            executed: 0,
            obstacle: None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.depth * admin::COMMAND_SIZE
    }
}

/// How a command ends: a status when it fails.
pub(super) type Outcome = Result<(), u32>;

impl State {
    /// The doorbell of the admin queue: how many commands there were ever, modulo 2^32.
    pub(super) fn ring_admin(&mut self, told: u32) {
        let Some(queue) = &mut self.admin else {
            let is_lost = self.registers.is_lost;
            self.demand(
                is_lost,
                "the doorbell of an admin queue that is not set up: no adminq_pfn, nor an address \
                 with driver status RUN",
            );
            return;
        };
        let waiting = told.wrapping_sub(queue.executed);
        let before = queue.told.wrapping_sub(queue.executed);
        if waiting >= before && waiting as usize <= queue.depth {
            queue.told = told;
            self.go_on_with_commands();
            return;
        }
        let (last, executed, depth) = (queue.told, queue.executed, queue.depth);
        self.violate(format_args!(
            "the admin doorbell says {told}; {last} was the last, and {executed} commands of a \
             queue of {depth} were carried out"
        ));
    }

    /// Carries commands out, until there are no more or a fault is in the way.
    fn go_on_with_commands(&mut self) {
        while self.is_alive()
            && let Some(queue) = self
                .admin
                .as_ref()
                .filter(|queue| queue.told != queue.executed && queue.obstacle.is_none())
        {
            let index = queue.executed as usize % queue.depth;
            let at = queue.address + (index * admin::COMMAND_SIZE) as u64;
            let mut command = [0; admin::COMMAND_SIZE];
            self.fetch(&"the admin queue", at, &mut command);
            let opcode = be32(&command, 0);
            match self.faults.of_command(opcode) {
                None => self.execute(at, &command, None),
                Some(AdminFault::Status(status)) => self.execute(at, &command, Some(status)),
                Some(obstacle) => {
                    if let Some(queue) = &mut self.admin {
                        queue.obstacle = Some(obstacle);
                    }
                }
            }
        }
    }

    fn execute(&mut self, at: u64, command: &[u8; admin::COMMAND_SIZE], failure: Option<u32>) {
        let status = failure.unwrap_or_else(|| self.carry_out(command).err().unwrap_or(admin::PASSED));
        self.store(&"the admin queue", at + admin::STATUS as u64, &status.to_be_bytes());
        if let Some(queue) = &mut self.admin {
            queue.executed = queue.executed.wrapping_add(1);
        }
    }

    /// Carries out what [`AdminFault::Late`] holds back.
    pub(super) fn release_commands(&mut self) {
        let Some(queue) = self
            .admin
            .as_mut()
            .filter(|queue| queue.obstacle == Some(AdminFault::Late))
        else {
            return;
        };
        queue.obstacle = None;
        self.go_on_with_commands();
    }

    fn carry_out(&mut self, command: &[u8; admin::COMMAND_SIZE]) -> Outcome {
        let opcode = be32(command, 0);
        let status = be32(command, admin::STATUS);
        let parameters = &command[admin::PARAMETERS..];
        self.demand(
            status == admin::UNSET,
            format_args!("admin command {opcode:#x} comes with status {status:#x}, which the device sets"),
        );
        let length = match opcode {
            admin::DESCRIBE_DEVICE
            | admin::VERIFY_DRIVER_COMPATIBILITY
            | admin::SET_DRIVER_PARAMETER
            | admin::GET_PTYPE_MAP => 16,
            admin::CONFIGURE_DEVICE_RESOURCES => 40,
            admin::REGISTER_PAGE_LIST | admin::REPORT_STATS => 24,
            admin::UNREGISTER_PAGE_LIST | admin::DESTROY_TX_QUEUE | admin::DESTROY_RX_QUEUE => 4,
            admin::CREATE_TX_QUEUE => 48,
            admin::DECONFIGURE_DEVICE_RESOURCES => 0,
            admin::REPORT_LINK_SPEED => 8,
            _ => parameters.len(),
        };
        self.demand(
            is_zero(&parameters[length..]),
            format_args!("admin command {opcode:#x} has {length} bytes of parameters, and others follow"),
        );
        if self.configuration.unimplemented.contains(&opcode) {
            return Err(admin::ERROR_UNIMPLEMENTED);
        }
        match opcode {
            admin::DESCRIBE_DEVICE => self.describe(parameters),
            admin::CONFIGURE_DEVICE_RESOURCES => self.configure_resources(parameters),
            admin::REGISTER_PAGE_LIST => self.register_page_list(parameters),
            admin::UNREGISTER_PAGE_LIST => self.unregister_page_list(parameters),
            admin::CREATE_TX_QUEUE => self.create_transmitter(parameters),
            admin::CREATE_RX_QUEUE => self.create_receiver(parameters),
            admin::DESTROY_TX_QUEUE => self.destroy_transmitter(parameters),
            admin::DESTROY_RX_QUEUE => self.destroy_receiver(parameters),
            admin::DECONFIGURE_DEVICE_RESOURCES => self.deconfigure_resources(),
            admin::SET_DRIVER_PARAMETER => self.set_parameter(parameters),
            admin::REPORT_STATS => self.set_statistics(parameters),
            admin::REPORT_LINK_SPEED => self.report_link_speed(parameters),
            admin::GET_PTYPE_MAP => self.report_packet_types(parameters),
            admin::VERIFY_DRIVER_COMPATIBILITY => self.verify_compatibility(parameters),
            admin::CONFIGURE_RSS
            | admin::QUERY_FLOW_RULES
            | admin::REPORT_NIC_TIMESTAMP
            | admin::QUERY_RSS
            | admin::EXTENDED_COMMAND => Err(admin::ERROR_UNIMPLEMENTED),
            _ => {
                self.violate(format_args!(
                    "admin opcode {opcode:#x}, which gve_adminq.h does not name"
                ));
                Err(admin::ERROR_INVALID_ARGUMENT)
            }
        }
    }
}
