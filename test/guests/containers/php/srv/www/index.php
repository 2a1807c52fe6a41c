<?php
// Uses what PHP has: sessions, a database, shared memory, other processes. Each path answers JSON.
declare(strict_types=1);

require __DIR__ . "/answers.php";

$path = parse_url($_SERVER["REQUEST_URI"], PHP_URL_PATH);
if (PHP_SAPI === "cli-server" && $path !== "/" && is_file(__DIR__ . $path)) {
    return false;
}
header("Content-Type: application/json");
try {
    $answer = match ($path) {
        "/" => machine(),
        "/session" => session(),
        "/notes" => notes(),
        "/opcache" => opcache(),
        "/patterns" => patterns(),
        "/processes" => processes(),
        "/upload" => upload(),
        "/slow" => slow(),
        default => null,
    };
    http_response_code($answer === null ? 404 : 200);
    echo json_encode($answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);
} catch (Throwable $failure) {
    http_response_code(500);
    echo $failure;
}
