<?php
declare(strict_types=1);

function machine(): array
{
    return ["php" => PHP_VERSION, "server" => PHP_SAPI, "system" => PHP_OS, "user" => posix_getpwuid(posix_geteuid())["name"]];
}

/** A counter in a session, which is a file that is locked while a request has it. */
function session(): array
{
    session_start();
    $_SESSION["count"] = ($_SESSION["count"] ?? 0) + 1;
    $path = session_save_path() ?: sys_get_temp_dir();
    return ["count" => $_SESSION["count"], "file" => is_file("$path/sess_" . session_id())];
}

/** Rows of a database that all workers write. */
function notes(): array
{
    $database = new PDO("sqlite:/tmp/notes.sqlite3", options: [PDO::ATTR_TIMEOUT => 60]);
    $database->exec("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, process INTEGER, text TEXT)");
    if ($_SERVER["REQUEST_METHOD"] === "POST") {
        $database->beginTransaction();
        $insert = $database->prepare("INSERT INTO notes (process, text) VALUES (?, ?)");
        for ($i = 0; $i < 10; $i++) {
            $insert->execute([getmypid(), file_get_contents("php://input")]);
        }
        $database->commit();
    }
    [$count, $sum] = $database->query("SELECT count(*), sum(id) FROM notes")->fetch(PDO::FETCH_NUM);
    return ["count" => $count, "sum" => $sum];
}

/** Compiled scripts, in memory that the workers share. */
function opcache(): array
{
    $status = opcache_get_status();
    $file = __DIR__ . "/index.php";
    return [
        "enabled" => $status["opcache_enabled"],
        "scripts" => array_map(basename(...), array_column($status["scripts"], "full_path")),
        "hits" => $status["scripts"][$file]["hits"],
        "used" => $status["memory_usage"]["used_memory"],
    ];
}

/** A regular expression, which PCRE compiles to machine code, and work for the collector of cycles. */
function patterns(): array
{
    $words = 0;
    for ($i = 0; $i < 200; $i++) {
        $words += preg_match_all('/\b(?<word>[a-z]+)(\d*)\b/', str_repeat("some words and n$i ", 20), $matches);
    }
    for ($i = 0; $i < 20_000; $i++) {
        $one = new stdClass();
        $one->other = new stdClass();
        $one->other->one = $one;
    }
    return ["words" => $words, "collected" => gc_status()["runs"] > 0, "jit" => ini_get("pcre.jit")];
}

function processes(): array
{
    exec("echo $((6 * 7)) | tr 2 3; exit 3", $lines, $status);
    $sort = proc_open(["sort"], [["pipe", "r"], ["pipe", "w"]], $pipes, "/", ["LC_ALL" => "C"]);
    fwrite($pipes[0], "b\na\n");
    fclose($pipes[0]);
    $sorted = stream_get_contents($pipes[1]);
    $exit = proc_close($sort);
    [$one, $other] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    fwrite($one, "over a socket");
    return ["lines" => $lines, "status" => $status, "sorted" => $sorted, "exit" => $exit, "told" => fread($other, 100)];
}

function upload(): array
{
    ["tmp_name" => $name, "size" => $size] = $_FILES["file"];
    move_uploaded_file($name, "/tmp/uploaded");
    return ["size" => $size, "hash" => hash_file("sha256", "/tmp/uploaded")];
}

/** Long enough that others have to be served by other processes. */
function slow(): array
{
    usleep(300_000);
    return ["process" => getmypid()];
}
