import * as net from "node:net";

/** What a served disk does with a read. */
export type Answer = "data" | "error" | "late" | "never";

/** When a late answer comes. */
const LATE_MS = 1500;

const MAGIC = Buffer.from("NBDMAGICIHAVEOPT");
const OPTION_MAGIC = Buffer.from("IHAVEOPT");
const OPTION_REPLY_MAGIC = Buffer.from("0003e889045565a9", "hex");
const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;
/** `NBD_FLAG_FIXED_NEWSTYLE`. */
const HANDSHAKE_FLAGS = 1;
/** `NBD_FLAG_HAS_FLAGS`. */
const TRANSMISSION_FLAGS = 1;
const [OPTION_GO, REPLY_ACK, REPLY_INFO, REPLY_UNSUPPORTED] = [7, 1, 3, 0x80000001];
const [READ, DISCONNECT] = [0, 2];
const EIO = 5;

/** Bytes of a connection, to be awaited by number. */
async function* reader(socket: net.Socket): AsyncGenerator<Buffer, void, number> {
  let received: Buffer = Buffer.alloc(0);
  let wanted = yield Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    received = Buffer.concat([received, chunk]);
    while (received.length >= wanted) {
      const part = received.subarray(0, wanted);
      received = received.subarray(wanted);
      wanted = yield part;
    }
  }
}

/** Fields of 16, 32 and 64 bits, big endian. */
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/**
 * Serves a disk by the Network Block Device protocol, and fails or falls silent where it is told to: what QEMU's own devices
 * then do is what a guest sees of a failing or stalled disk.
 */
export class FailingDisk {
  private readonly server = net.createServer((socket) => void this.serve(socket).catch(() => socket.destroy()));
  private readonly sockets = new Set<net.Socket>();

  private constructor(
    private readonly content: Buffer,
    private readonly answer: (offset: number, length: number) => Answer,
  ) {}

  /** Serves `content` at the path of a Unix socket. `answer` decides what each read gets. */
  static async listen(
    path: string,
    content: Buffer,
    answer: (offset: number, length: number) => Answer,
  ): Promise<FailingDisk> {
    const disk = new FailingDisk(content, answer);
    await new Promise<void>((resolve, reject) => disk.server.once("error", reject).listen(path, resolve));
    return disk;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private async serve(socket: net.Socket): Promise<void> {
    this.sockets.add(socket.on("error", () => undefined));
    const bytes = reader(socket);
    await bytes.next(0);
    const take = async (count: number): Promise<Buffer> => {
      const { value } = await bytes.next(count);
      if (!value) throw new Error("the connection has ended");
      return value;
    };
    socket.write(Buffer.concat([MAGIC, u16(HANDSHAKE_FLAGS)]));
    await take(4);
    while (!(await this.negotiate(socket, take)));
    while (await this.transmit(socket, take));
    socket.end();
  }

  /** One option of the handshake; true when the transmission phase begins. */
  private async negotiate(socket: net.Socket, take: (count: number) => Promise<Buffer>): Promise<boolean> {
    const header = await take(16);
    if (!header.subarray(0, 8).equals(OPTION_MAGIC)) throw new Error("no option");
    const option = header.readUInt32BE(8);
    await take(header.readUInt32BE(12));
    const reply = (kind: number, data: Buffer): void => {
      socket.write(Buffer.concat([OPTION_REPLY_MAGIC, u32(option), u32(kind), u32(data.length), data]));
    };
    if (option !== OPTION_GO) {
      reply(REPLY_UNSUPPORTED, Buffer.alloc(0));
      return false;
    }
    const exportInformation = Buffer.concat([u16(0), u64(this.content.length), u16(TRANSMISSION_FLAGS)]);
    reply(REPLY_INFO, exportInformation);
    reply(REPLY_ACK, Buffer.alloc(0));
    return true;
  }

  /** One request; false when the client leaves. */
  private async transmit(socket: net.Socket, take: (count: number) => Promise<Buffer>): Promise<boolean> {
    const request = await take(28);
    if (request.readUInt32BE(0) !== REQUEST_MAGIC) throw new Error("no request");
    const kind = request.readUInt16BE(6);
    const handle = request.subarray(8, 16);
    const offset = Number(request.readBigUInt64BE(16));
    const length = request.readUInt32BE(24);
    if (kind === DISCONNECT) return false;
    const reply = (error: number, data: Buffer = Buffer.alloc(0)): void => {
      socket.write(Buffer.concat([u32(REPLY_MAGIC), u32(error), handle, data]));
    };
    const answer = kind === READ ? this.answer(offset, length) : "data";
    const data = kind === READ ? this.content.subarray(offset, offset + length) : undefined;
    if (answer === "error") reply(EIO);
    else if (answer === "data") reply(0, data);
    else if (answer === "late") setTimeout(reply, LATE_MS, 0, data);
    return true;
  }
}
