import java.io.File;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Other programs, by {@code ProcessBuilder}. */
final class Processes {
    private Processes() {}

    static String run() throws Exception {
        var sort = new ProcessBuilder("sort").redirectErrorStream(true).start();
        try (var input = sort.outputWriter()) {
            input.write("b\na\n");
        }
        var sorted = new String(sort.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        var builder = new ProcessBuilder("sh", "-c", "echo $GREETING from $(pwd); echo trouble >&2; exit 3");
        builder.environment().put("GREETING", "good day");
        builder.directory(new File("/tmp"));
        var shell = builder.start();
        var said = new String(shell.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        var complained = new String(shell.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);

        var pipeline = ProcessBuilder.startPipeline(
            List.of(new ProcessBuilder("echo", "one two"), new ProcessBuilder("tr", "a-z", "A-Z")));
        var piped = new String(pipeline.get(1).getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        var sleeper = new ProcessBuilder("sleep", "600").start();
        var info = sleeper.toHandle().info();
        boolean child = ProcessHandle.current().children().anyMatch(sleeper.toHandle()::equals);
        sleeper.destroy();
        if (!sleeper.waitFor(60, TimeUnit.SECONDS)) throw new IllegalStateException("sleep goes on");

        return Json.object(
            "sorted", sorted,
            "said", said,
            "complained", complained,
            "exit", shell.waitFor(),
            "piped", piped,
            "child", child,
            "command", info.command().orElse("unknown"),
            "started", info.startInstant().isPresent(),
            "destroyed", sleeper.exitValue());
    }
}
