// The archive format of an initial RAM disk: "newc" cpio, see cpio(5) and Documentation/driver-api/early-userspace of Linux.

const align = (length) => (4 - (length % 4)) % 4;

function header(inode, { name, mode, size }) {
  const fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, Buffer.byteLength(name) + 1, 0];
  const text = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
  return Buffer.from(text + "\0".repeat(align(text.length)));
}

/**
 * @param {{ name: string, mode: number, data?: Buffer }[]} entries Folders before what is in them; modes with the file type.
 * @returns {Buffer}
 */
export function cpio(entries) {
  const parts = [];
  [...entries, { name: "TRAILER!!!", mode: 0 }].forEach(({ name, mode, data = Buffer.alloc(0) }, i) => {
    parts.push(header(i + 1, { name, mode, size: data.length }), data, Buffer.alloc(align(data.length)));
  });
  return Buffer.concat(parts);
}
