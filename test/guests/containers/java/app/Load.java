import java.lang.management.ManagementFactory;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** Work for the collector, the signal handlers and the scheduler. */
final class Load {
    private Load() {}

    /** Four threads allocate many times the heap, each keeping some of it and verifying what it kept. */
    static String collect() throws Exception {
        var threads = Executors.newFixedThreadPool(4);
        try {
            var sums = new ArrayList<Future<Long>>();
            for (int i = 0; i < 4; i++) {
                int seed = i;
                sums.add(threads.submit(() -> allocate(seed)));
            }
            long blocks = 0;
            for (var sum : sums) blocks += sum.get();
            long collections = 0;
            for (var collector : ManagementFactory.getGarbageCollectorMXBeans())
                collections += collector.getCollectionCount();
            return Json.object("blocks", blocks, "collected", collections > 0);
        } finally {
            threads.shutdown();
        }
    }

    private static long allocate(int seed) {
        record Block(int number, byte[] data) {}
        var kept = new ArrayDeque<Block>();
        long verified = 0;
        for (int number = 0; number < 8_000; number++) {
            var data = new byte[8_192];
            for (int at = 0; at < data.length; at += 512) data[at] = (byte) (number * 31 + at / 512 + seed);
            kept.add(new Block(number, data));
            if (kept.size() <= 200) continue;
            var block = kept.remove();
            for (int at = 0; at < data.length; at += 512)
                if (block.data[at] != (byte) (block.number * 31 + at / 512 + seed))
                    throw new IllegalStateException("block " + block.number + " has changed");
            verified++;
        }
        return verified;
    }

    /** Exceptions that begin as signals: an access below the first page, a division by zero, a stack that meets its guard pages. */
    static String traps() {
        int nulls = 0;
        int divisions = 0;
        for (int i = 0; i < 20_000; i++) {
            try {
                nulls += lengthOf(i % 100 == 0 ? null : "text");
            } catch (NullPointerException expected) {
                nulls -= 1;
            }
            try {
                divisions += 100 / (i % 100);
            } catch (ArithmeticException expected) {
                divisions -= 1;
            }
        }
        int overflows = 0;
        for (int i = 0; i < 3; i++) {
            try {
                descend(0);
            } catch (StackOverflowError expected) {
                overflows++;
            }
        }
        return Json.object("nulls", nulls, "divisions", divisions, "overflows", overflows);
    }

    private static int lengthOf(String text) {
        return text.length();
    }

    private static int descend(int depth) {
        return descend(depth + 1) + 1;
    }

    /** Two hundred threads that meet, contend for a monitor, park, and are interrupted. */
    static String threads() throws Exception {
        int count = 200;
        var barrier = new CyclicBarrier(count);
        var monitor = new Object();
        var total = new AtomicLong();
        var entered = new long[1];
        var threads = new ArrayList<Thread>();
        for (int i = 0; i < count; i++) {
            var thread = new Thread(() -> {
                try {
                    barrier.await(60, TimeUnit.SECONDS);
                    for (int turn = 0; turn < 20; turn++) {
                        synchronized (monitor) {
                            entered[0]++;
                        }
                        total.incrementAndGet();
                    }
                    Thread.sleep(1);
                } catch (Exception failure) {
                    throw new IllegalStateException(failure);
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (var thread : threads) thread.join();

        var interrupted = new boolean[1];
        var sleeper = new Thread(() -> {
            try {
                Thread.sleep(600_000);
            } catch (InterruptedException expected) {
                interrupted[0] = true;
            }
        });
        sleeper.start();
        sleeper.interrupt();
        sleeper.join();
        var figures = ManagementFactory.getThreadMXBean();
        return Json.object(
            "entered", entered[0],
            "total", total.get(),
            "interrupted", interrupted[0],
            "peak", figures.getPeakThreadCount() >= count,
            "time", figures.getCurrentThreadCpuTime() > 0);
    }
}
