//! Sending and receiving.

use abi::{Errno, MessageHeader, MultiMessageHeader};
use alloc::vec::Vec;
use core::mem::offset_of;
use file::{File, OpenFile};
use net::{Destination, Message, MessageFlags, ReceivedMessage, SocketType};

use super::{address, as_socket, control, destination, message_waiting, socket_file};
use crate::memory::{Segment, UserBuffers};
use crate::process::Thread;
use crate::signal::Signal;
use crate::syscall::transfer::{MAX_TRANSFER, advance, raise, read_vectors};
use crate::syscall::wait::deadline_after;
use crate::syscall::{Call, Error, Result, Waiting, retry};

fn flags(bits: u32) -> MessageFlags {
    MessageFlags::from_bits_retain(bits)
}

/// Sends segments: streams whole unless an error comes between, datagrams at once.
async fn send(thread: &Thread, file: &OpenFile, segments: &mut [Segment], message: &mut Message) -> Result {
    let socket = as_socket(file)?;
    let waiting = message_waiting(file, true, message.flags.contains(MessageFlags::DONTWAIT));
    let total: usize = segments.iter().map(|segment| segment.length).sum();
    let mut done = 0;
    loop {
        let result = retry(thread, socket, waiting, || {
            socket.send(&mut UserBuffers::new(segments), message)
        })
        .await;
        match result {
            Ok(count) => {
                done += count;
                if done >= total || count == 0 || socket.socket_type() != SocketType::Stream {
                    return Ok(done);
                }
                advance(segments, count);
                // They went with the first bytes.
                message.control.clear();
            }
            Err(_) if done > 0 => return Ok(done),
            Err(error) => {
                if matches!(error, Error::Errno(Errno::PIPE)) && !message.flags.contains(MessageFlags::NOSIGNAL) {
                    raise(thread, Signal::PIPE);
                }
                return Err(error);
            }
        }
    }
}

/// `sendto(fd, buffer, length, flags, address, address length)`
pub(crate) async fn sendto(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let destination = match call.word(4) {
        0 => None,
        pointer => Some(read_destination(thread, pointer, call.int(5)).await?),
    };
    let mut message = Message {
        destination,
        flags: flags(call.unsigned(3)),
        ..Message::default()
    };
    let mut segments = [Segment {
        address: call.word(1),
        length: call.word(2).min(MAX_TRANSFER),
    }];
    send(thread, &file, &mut segments, &mut message).await
}

async fn read_destination(thread: &Thread, pointer: usize, length: i32) -> Result<Destination> {
    let address = address::read(thread, pointer, length).await?;
    destination(thread, address).await
}

async fn send_message(thread: &Thread, file: &OpenFile, header: &MessageHeader, bits: u32) -> Result {
    let destination = match header.name {
        0 => None,
        _ if header.name_length == 0 => None,
        pointer => {
            let length = header.name_length.min(128) as i32;
            Some(read_destination(thread, pointer, length).await?)
        }
    };
    let control = match header.control {
        0 => Vec::new(),
        pointer => control::read(thread, pointer, header.control_length).await?,
    };
    let mut segments = read_vectors_of(thread, header).await?;
    let mut message = Message {
        destination,
        flags: flags(bits),
        control,
    };
    send(thread, file, &mut segments, &mut message).await
}

async fn read_vectors_of(thread: &Thread, header: &MessageHeader) -> Result<Vec<Segment>> {
    if header.vector_count > 1024 {
        return Err(Errno::MSGSIZE.into());
    }
    Ok(read_vectors(thread, header.vectors, header.vector_count).await?)
}

/// `sendmsg(fd, message, flags)`
pub(crate) async fn sendmsg(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let header: MessageHeader = thread.memory.read(call.word(1)).await?;
    send_message(thread, &file, &header, call.unsigned(2)).await
}

/// `MSG_WAITFORONE`, which `linux-raw-sys` lacks: after the first message, wait no more.
const MSG_WAITFORONE: u32 = 0x1_0000;

/// The most messages of one call, as on Linux.
const MOST_MESSAGES: usize = 1024;

/// `sendmmsg(fd, messages, count, flags)`
pub(crate) async fn sendmmsg(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let count = (call.unsigned(2) as usize).min(MOST_MESSAGES);
    for index in 0..count {
        let pointer = call.word(1) + index * size_of::<MultiMessageHeader>();
        let sent = async {
            let header: MessageHeader = thread.memory.read(pointer).await?;
            let length = send_message(thread, &file, &header, call.unsigned(3)).await? as u32;
            thread
                .memory
                .write(pointer + offset_of!(MultiMessageHeader, length), &length)
                .await?;
            Ok(())
        }
        .await;
        match sent {
            Ok(()) => {}
            Err(_) if index > 0 => return Ok(index),
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Receives into segments: a stream until there is as much as `SO_RCVLOWAT` says, or with `MSG_WAITALL` until they are full, its end or an error. A
/// stream gives all that has arrived, though memory that was not there may have stopped the copy: who reads less than was asked for takes it that there
/// is no more.
async fn receive(
    thread: &Thread,
    file: &OpenFile,
    segments: &mut [Segment],
    flags: MessageFlags,
    waiting: Waiting,
) -> Result<ReceivedMessage> {
    let socket = as_socket(file)?;
    let total: usize = segments.iter().map(|segment| segment.length).sum();
    let mut fault = None;
    let mut first = retry(thread, socket, waiting, || {
        let mut sink = UserBuffers::new(segments);
        let received = socket.receive(&mut sink, flags);
        fault = sink.fault();
        received
    })
    .await?;
    if socket.socket_type() != SocketType::Stream {
        return Ok(first);
    }
    if flags.contains(MessageFlags::PEEK) {
        while let Some(missing) = fault.take()
            && thread.memory.fault_in(missing).await.is_ok()
        {
            let mut sink = UserBuffers::new(segments);
            match socket.receive(&mut sink, flags) {
                Ok(again) => first = again,
                Err(_) => break,
            }
            fault = sink.fault();
        }
        return Ok(first);
    }
    let enough = if flags.contains(MessageFlags::WAITALL) {
        total
    } else {
        total.min(socket.least())
    };
    let mut last = first.length;
    while (first.length < enough || fault.is_some()) && first.length < total && last > 0 && first.control.is_empty() {
        advance(segments, last);
        let waiting = Waiting {
            nonblocking: waiting.nonblocking || first.length >= enough,
            ..waiting
        };
        let result = retry(thread, socket, waiting, || {
            let mut sink = UserBuffers::new(segments);
            let received = socket.receive(&mut sink, flags);
            fault = sink.fault();
            received
        })
        .await;
        match result {
            Ok(more) => {
                last = more.length;
                first.length += last;
                first.control.extend(more.control);
            }
            Err(_) => break,
        }
    }
    Ok(first)
}

/// `recvfrom(fd, buffer, length, flags, address, address length)`
pub(crate) async fn recvfrom(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let flags = flags(call.unsigned(3));
    let mut segments = [Segment {
        address: call.word(1),
        length: call.word(2).min(MAX_TRANSFER),
    }];
    let waiting = message_waiting(&file, false, flags.contains(MessageFlags::DONTWAIT));
    let received = receive(thread, &file, &mut segments, flags, waiting).await?;
    if call.word(4) != 0 {
        address::write(thread, received.address.as_ref(), call.word(4), call.word(5)).await?;
    }
    Ok(received.length)
}

async fn receive_message(thread: &Thread, file: &OpenFile, pointer: usize, bits: u32, waiting: Waiting) -> Result {
    let mut header: MessageHeader = thread.memory.read(pointer).await?;
    let flags = flags(bits);
    let mut segments = read_vectors_of(thread, &header).await?;
    let received = receive(thread, file, &mut segments, flags, waiting).await?;
    let length = received.length;
    let mut result = received.flags;
    if header.name != 0 {
        let room = i32::try_from(header.name_length).map_err(|_| Errno::INVAL)? as usize;
        let whole = address::write_cut(thread, received.address.as_ref(), header.name, room).await?;
        header.name_length = whole as u32;
    } else {
        header.name_length = 0;
    }
    let room = if header.control == 0 { 0 } else { header.control_length };
    let close_on_exec = flags.contains(MessageFlags::CMSG_CLOEXEC);
    let written = control::write(thread, received.control, header.control, room, close_on_exec).await?;
    header.control_length = written.length;
    result.set(MessageFlags::CTRUNC, written.cut);
    header.flags = (result | flags & MessageFlags::CMSG_CLOEXEC).bits();
    thread.memory.write(pointer, &header).await?;
    Ok(length)
}

/// `recvmsg(fd, message, flags)`
pub(crate) async fn recvmsg(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let bits = call.unsigned(2);
    let waiting = message_waiting(&file, false, flags(bits).contains(MessageFlags::DONTWAIT));
    receive_message(thread, &file, call.word(1), bits, waiting).await
}

/// `recvmmsg(fd, messages, count, flags, time)`
pub(crate) async fn recvmmsg(thread: &Thread, call: &Call) -> Result {
    let file = socket_file(thread, call.int(0))?;
    let count = (call.unsigned(2) as usize).min(MOST_MESSAGES);
    let bits = call.unsigned(3);
    let end = deadline_after(thread, call.word(4)).await?;
    let mut waiting = message_waiting(&file, false, flags(bits).contains(MessageFlags::DONTWAIT));
    for index in 0..count {
        let pointer = call.word(1) + index * size_of::<MultiMessageHeader>();
        let received = async {
            let length = receive_message(thread, &file, pointer, bits & !MSG_WAITFORONE, waiting).await? as u32;
            thread
                .memory
                .write(pointer + offset_of!(MultiMessageHeader, length), &length)
                .await?;
            Ok(())
        }
        .await;
        match received {
            Ok(()) => {}
            Err(_) if index > 0 => return Ok(index),
            Err(error) => return Err(error),
        }
        waiting.nonblocking |= bits & MSG_WAITFORONE != 0;
        // As on Linux, the time is looked at only between messages.
        if end.is_some_and(|end| hal::time::monotonic() >= end) {
            return Ok(index + 1);
        }
    }
    Ok(count)
}
