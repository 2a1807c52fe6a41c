"""A Flask application that uses what CPython has for doing several things at once."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from flask import Flask, jsonify, request

app = Flask(__name__)


def square(number):
    return number * number


def add_to(counter, times):
    for _ in range(times):
        with counter.get_lock():
            counter.value += 1


@app.get("/")
def index():
    return jsonify(python=sys.version.split()[0], process=os.getpid(), parent=os.getppid())


@app.get("/grow")
def grow():
    taken = []
    while True:
        taken.append(bytearray(b"x" * (1 << 20)))


@app.get("/multiprocessing")
def processes():
    context = multiprocessing.get_context("fork")
    counter = context.Value("i", 0)
    adders = [context.Process(target=add_to, args=(counter, 250)) for _ in range(4)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    with context.Pool(3) as pool:
        squares = pool.map(square, range(20))
        # The end of the block sends SIGTERM, which gunicorn has handled in its children: one that still waits for work would wait for ever.
        pool.close()
        pool.join()
    queue = context.Queue()
    sender = context.Process(target=queue.put, args=({"from": "child"},))
    sender.start()
    message = queue.get(timeout=60)
    sender.join()
    return jsonify(
        counter=counter.value, squares=squares, message=message, exits=[adder.exitcode for adder in adders]
    )


@app.get("/executors")
def executors():
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(lambda _: threading.current_thread().name, range(100)))
    with ProcessPoolExecutor(2) as workers:
        squares = list(workers.map(square, range(10)))
    return jsonify(threads=len(names) > 0, squares=squares)


async def talk():
    """A server and its clients in one event loop, and a subprocess beside them."""

    async def echo(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def ask(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"question {number}\n".encode())
        answer = (await reader.read()).decode().strip()
        writer.close()
        return answer

    async def run():
        process = await asyncio.create_subprocess_exec(
            "tr", "a-z", "A-Z", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        output, _ = await process.communicate(b"from a subprocess")
        return output.decode()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        return await asyncio.gather(run(), asyncio.to_thread(square, 12), *(ask(number) for number in range(5)))


@app.get("/asyncio")
def with_asyncio():
    return jsonify(asyncio.run(talk()))


@app.post("/signal/<name>")
def send(name):
    """What gunicorn's master does at a signal: TTIN adds a worker, TTOU ends one, HUP replaces all."""
    os.kill(os.getppid(), getattr(signal, f"SIG{name}"))
    return "", 202


@app.post("/echo")
def echo():
    return request.get_data()
