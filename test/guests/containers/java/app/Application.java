import com.sun.management.OperatingSystemMXBean;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

/** The JDK's own HTTP server, with a thread pool; each path uses something else of what the machine below has to give. */
public final class Application {
    private interface Answer {
        String to(HttpExchange exchange) throws Exception;
    }

    private final HttpServer server;

    private Application(HttpServer server) {
        this.server = server;
    }

    public static void main(String[] arguments) throws IOException {
        var application = new Application(HttpServer.create(new InetSocketAddress(8080), 0));
        application.start();
    }

    private void start() {
        answer("/", exchange -> machine());
        answer("/collect", exchange -> Load.collect());
        answer("/traps", exchange -> Load.traps());
        answer("/threads", exchange -> Load.threads());
        answer("/processes", exchange -> Processes.run());
        answer("/files", exchange -> Channels.files());
        answer("/sockets", exchange -> Channels.sockets());
        answer("/fetch", exchange -> fetch("http://localhost:8080/echo", "a question"));
        answer("/echo", exchange -> new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
        server.setExecutor(Executors.newFixedThreadPool(16));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(0);
            System.out.println("asked to end");
        }));
        server.start();
        System.out.println("Java " + Runtime.version().feature() + " listens");
    }

    private void answer(String path, Answer answer) {
        server.createContext(path, exchange -> {
            int status = 200;
            String text;
            try {
                text = answer.to(exchange);
            } catch (Throwable failure) {
                failure.printStackTrace();
                status = 500;
                text = failure.toString();
            }
            byte[] body = text.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
            try (var output = exchange.getResponseBody()) {
                output.write(body);
            }
        });
    }

    /** What a server answers, which may be this one. */
    private static String fetch(String url, String question) throws IOException {
        var connection = new URL(url).openConnection();
        connection.setDoOutput(true);
        try (var output = connection.getOutputStream()) {
            output.write(question.getBytes(StandardCharsets.UTF_8));
        }
        try (var input = connection.getInputStream()) {
            return new String(input.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** What the virtual machine has found out about the machine. */
    private static String machine() {
        var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        var runtime = Runtime.getRuntime();
        var collectors = ManagementFactory.getGarbageCollectorMXBeans().stream().map(GarbageCollectorMXBean::getName);
        return Json.object(
            "java", Runtime.version().feature(),
            "process", ProcessHandle.current().pid(),
            "system", System.getProperty("os.name") + " " + System.getProperty("os.arch"),
            "user", System.getProperty("user.name"),
            "processors", runtime.availableProcessors(),
            "memory", system.getTotalMemorySize(),
            "free", system.getFreeMemorySize(),
            "committed", system.getCommittedVirtualMemorySize(),
            "swap", system.getTotalSwapSpaceSize(),
            "heap", runtime.maxMemory(),
            "collectors", Json.array(collectors.toArray()));
    }
}
