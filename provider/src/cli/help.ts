export const OVERVIEW = `Runs an unmodified Linux application as a virtual machine of its own.

Usage:
  unikernel run SOURCE [options] [-- ARG…]     build, and run in the foreground
  unikernel build SOURCE -o FILE [-- ARG…]     build a disk that boots everywhere
  unikernel inspect FILE|SOURCE                tell what is in it
  unikernel help COMMAND

SOURCE is told apart by what it is:
  ./image                an OCI image layout folder (./image:tag picks one image of several)
  web.tar                an archive of \`docker save\`, or of an OCI layout
  ruby:3.1               an image in a registry
  ./server               an executable; its shared libraries are taken along
  ./rootfs -- COMMAND    a folder, and what to run in it
  main.ts                a program for Node.js, which --runtime names
  web.img                a disk made by \`unikernel build\`

To keep an application running, describe it in a Pulumi program: see the README.
`;

/** Options that become part of the image. */
const IMAGE_OPTIONS = `      --read-only         let the application write to no file of the image's
      --tmpfs PATH[:OPTION,…]
                          mount a file system in memory: size=16m, mode=755, uid=, gid=, exec; may be repeated
      --allow-exec-written
                          let files be executed that were written at run time`;

export const COMMANDS: Record<string, string> = {
  run: `Builds SOURCE, and runs it in the foreground with the console on this terminal.

Usage: unikernel run SOURCE [options] [-- ARG…]

  -p, --publish [ADDRESS:]HOST:GUEST[/udp]
                          reach a port of the guest through a port of this machine; PORT is short for PORT:PORT,
                          ADDRESS is 127.0.0.1 unless given; may be repeated
  -m, --memory MEMORY     "64 MiB", "1 GiB" (default: 128 MiB)
  -c, --cpus CPUS         1 to 8 (default: 1)
  -e, --env KEY=VALUE     set an environment variable; KEY alone takes its value from here; may be repeated
      --machine MACHINE   q35, pc or microvm (default: q35)
      --runtime SOURCE    where a TypeScript or JavaScript program gets its Node.js from
  -i, --interactive       give the application this command's standard input; without it, it reads the end of a file
  -t, --tty               give the application this terminal: every key goes to it, ^C too
${IMAGE_OPTIONS}
  -v, --verbose           tell how it is run
  -h, --help

ARG… are arguments for the application. They replace the container's own; for a folder they are the whole command line.

^C, SIGTERM and SIGHUP (a terminal that is closed) ask the application to end: it gets the container's stop signal, or
SIGTERM. A second one ends the machine at once, and so do ten seconds after the terminal was closed. Lines of the kernel
go to standard error, the application's to standard output. No stream is a terminal for the application; what is typed
with -i is sent line by line, and ^D ends it.

With -t standard input, output and error are a terminal for the application, as large as this one. The kernel's lines
appear there as well. A guest that does not react to what is typed is ended from elsewhere: by a signal to this command.

Exit status: the application's own (128 plus the number of the signal that ended it); 125 when it could not be built or
started; 2 when the command line is wrong.
`,
  build: `Builds SOURCE and writes its disk to FILE: a disk that boots under UEFI and BIOS, with the kernel on it.

Usage: unikernel build SOURCE -o FILE [options] [-- ARG…]

  -o, --output FILE       where to write the disk
  -f, --format FORMAT     what the file is to be; by default what FILE's name says, else raw:
                            raw       the disk's bytes, for KVM and bare metal
                            qcow2     for QEMU, OpenStack, Proxmox
                            vmdk      stream-optimized, for vSphere and AWS's import
                            vhd       fixed, for Azure
                            gce-tar   disk.raw in a .tar.gz, for Google Compute Engine
                            erofs     the root file system alone, without a kernel
  -e, --env KEY=VALUE     an environment variable to build in; may be repeated
      --runtime SOURCE    where a TypeScript or JavaScript program gets its Node.js from
${IMAGE_OPTIONS}
  -h, --help

The same SOURCE gives the same bytes on any machine. \`unikernel run FILE\` runs a raw disk, and \`unikernel inspect FILE\`
reads any. The boot loader is not signed: a machine whose firmware has Secure Boot on does not start it.

Exit status: 0; 1 when it could not be built; 2 when the command line is wrong.
`,
  inspect: `Tells what a disk, or the disk that SOURCE would be built to, has in it: command line, files, sizes, digest.

Usage: unikernel inspect FILE|SOURCE [options] [-- ARG…]

      --json              everything, as JSON
      --files             every file, not just the largest
      --runtime SOURCE    where a TypeScript or JavaScript program gets its Node.js from
  -h, --help

Exit status: 0; 1 when there is nothing to inspect; 2 when the command line is wrong.
`,
};
