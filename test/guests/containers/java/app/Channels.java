import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.DatagramChannel;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/** Files and sockets by the channels of {@code java.nio}. */
final class Channels {
    private static final int SIZE = 3_000_001;

    private Channels() {}

    static String files() throws Exception {
        Path folder = Files.createTempDirectory("files");
        try (var watcher = folder.getFileSystem().newWatchService()) {
            folder.register(watcher, StandardWatchEventKinds.ENTRY_CREATE);
            byte[] data = new byte[SIZE];
            new Random(1).nextBytes(data);
            Path first = folder.resolve("first");
            Path second = folder.resolve("second");

            // Written through a mapping, copied in the kernel, read back in pieces.
            boolean locked;
            try (var channel = FileChannel.open(
                    first, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                var mapping = channel.map(FileChannel.MapMode.READ_WRITE, 0, SIZE);
                mapping.put(data);
                mapping.force();
                try (var lock = channel.tryLock(0, 100, false)) {
                    locked = lock.isValid();
                }
                try (var target = FileChannel.open(second, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                    for (long at = 0; at < SIZE; ) at += channel.transferTo(at, SIZE - at, target);
                }
            }
            boolean same;
            try (var channel = AsynchronousFileChannel.open(second, StandardOpenOption.READ)) {
                var piece = ByteBuffer.allocateDirect(70_000);
                int read = channel.read(piece, 1_000_000).get();
                byte[] bytes = new byte[read];
                piece.flip().get(bytes);
                same = read == 70_000 && Arrays.equals(bytes, 0, read, data, 1_000_000, 1_000_000 + read);
            }
            Files.copy(first, folder.resolve("third"), StandardCopyOption.COPY_ATTRIBUTES);
            Files.move(folder.resolve("third"), folder.resolve("fourth"));
            Files.createSymbolicLink(folder.resolve("link"), first);
            Files.setPosixFilePermissions(second, PosixFilePermissions.fromString("rw-r-----"));
            var names = new ArrayList<String>();
            try (var list = Files.list(folder)) {
                list.forEach(path -> names.add(path.getFileName().toString()));
            }
            Collections.sort(names);

            var seen = watcher.poll(60, TimeUnit.SECONDS).pollEvents().get(0).context();
            return Json.object(
                "locked", locked,
                "same", same && Files.mismatch(first, folder.resolve("fourth")) == -1,
                "names", Json.array(names.toArray()),
                "link", Files.isSameFile(folder.resolve("link"), first),
                "permissions", PosixFilePermissions.toString(Files.getPosixFilePermissions(second)),
                "space", Files.getFileStore(folder).getTotalSpace() > SIZE,
                "type", Files.getFileStore(folder).type(),
                "seen", seen.toString());
        } finally {
            try (var all = Files.list(folder)) {
                for (Path path : (Iterable<Path>) all::iterator) Files.delete(path);
            }
            Files.delete(folder);
        }
    }

    /** One selector over a listener, a datagram channel, a pipe and the connections of ten clients. */
    static String sockets() throws Exception {
        try (var selector = Selector.open();
                var listener = ServerSocketChannel.open();
                var datagrams = DatagramChannel.open(StandardProtocolFamily.INET)) {
            listener.setOption(StandardSocketOptions.SO_REUSEADDR, true);
            listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)).configureBlocking(false);
            listener.register(selector, SelectionKey.OP_ACCEPT);
            datagrams.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)).configureBlocking(false);
            datagrams.register(selector, SelectionKey.OP_READ);
            var pipe = Pipe.open();
            pipe.source().configureBlocking(false).register(selector, SelectionKey.OP_READ);

            var clients = new ArrayList<Thread>();
            var answers = Collections.synchronizedList(new ArrayList<String>());
            var address = listener.getLocalAddress();
            for (int i = 0; i < 10; i++) {
                int number = i;
                var client = new Thread(() -> {
                    try (var channel = SocketChannel.open(address)) {
                        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                        channel.write(ByteBuffer.wrap(("client " + number).getBytes()));
                        channel.shutdownOutput();
                        answers.add(new String(channel.socket().getInputStream().readAllBytes()));
                    } catch (Exception failure) {
                        answers.add(failure.toString());
                    }
                });
                client.start();
                clients.add(client);
            }
            try (var sender = DatagramChannel.open(StandardProtocolFamily.INET)) {
                sender.send(ByteBuffer.wrap("datagram".getBytes()), datagrams.getLocalAddress());
            }
            pipe.sink().write(ByteBuffer.wrap("pipe".getBytes()));

            var others = new ArrayList<String>();
            for (int served = 0; served < 10 || others.size() < 2; ) {
                if (selector.select(60_000) == 0) throw new IllegalStateException("nothing is ready");
                for (var keys = selector.selectedKeys().iterator(); keys.hasNext(); keys.remove()) {
                    var key = keys.next();
                    var buffer = ByteBuffer.allocate(100);
                    if (key.isAcceptable()) {
                        var channel = listener.accept();
                        if (channel == null) continue;
                        channel.configureBlocking(false).register(selector, SelectionKey.OP_READ);
                    } else if (key.channel() == datagrams) {
                        datagrams.receive(buffer);
                        others.add(text(buffer));
                    } else if (key.channel() == pipe.source()) {
                        pipe.source().read(buffer);
                        others.add(text(buffer));
                    } else {
                        var channel = (SocketChannel) key.channel();
                        if (channel.read(buffer) > 0) {
                            channel.write(ByteBuffer.wrap(text(buffer).toUpperCase().getBytes()));
                        } else {
                            channel.close();
                            served++;
                        }
                    }
                }
            }
            for (var client : clients) client.join();
            pipe.sink().close();
            pipe.source().close();
            Collections.sort(answers);
            Collections.sort(others);
            var interfaces = NetworkInterface.networkInterfaces().map(NetworkInterface::getName).sorted();
            return Json.object(
                "answers", Json.array(answers.toArray()),
                "others", Json.array(others.toArray()),
                "unix", unix(),
                "interfaces", Json.array(interfaces.toArray()));
        }
    }

    private static String unix() throws Exception {
        Path folder = Files.createTempDirectory("unix");
        Path path = folder.resolve("socket");
        try (var listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(path));
            try (var client = SocketChannel.open(UnixDomainSocketAddress.of(path));
                    var server = listener.accept()) {
                client.write(ByteBuffer.wrap("over a path".getBytes()));
                var buffer = ByteBuffer.allocate(100);
                server.read(buffer);
                return text(buffer);
            }
        } finally {
            Files.deleteIfExists(path);
            Files.delete(folder);
        }
    }

    private static String text(ByteBuffer buffer) {
        return StandardCharsets.UTF_8.decode(buffer.flip()).toString();
    }
}
