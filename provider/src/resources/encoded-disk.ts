import { encodeDisk, openBootDiskFor, type BuiltImage, type DiskFormat } from "../image/index.js";

/** Lends a way to read an image's disk, from its beginning each time, in a format whose files have no holes. */
export async function withEncodedDisk<T>(
  image: BuiltImage,
  format: Extract<DiskFormat, "gce-tar" | "vmdk">,
  use: (open: () => AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  const disk = await openBootDiskFor(image, format);
  try {
    return await use(async function* () {
      for await (const { data } of encodeDisk(disk, format)) yield data;
    });
  } finally {
    await disk.close();
  }
}
