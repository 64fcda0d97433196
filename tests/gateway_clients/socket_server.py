"""A WebSocket service: tells what it was asked with, echoes, and ends as it is told."""

import asyncio
import json

import websockets


async def serve(socket, path=None):
    headers = socket.request_headers
    await socket.send(json.dumps({
        "path": socket.path,
        "origin": headers.get("Origin"),
        "cookie": headers.get("Cookie"),
        "host": headers.get("Host"),
        "agent": headers.get("User-Agent"),
        "subprotocol": socket.subprotocol,
        "extensions": [extension.name for extension in socket.extensions],
    }))
    try:
        async for message in socket:
            if message == "close":
                await socket.close(4002, "as asked")
            elif message == "ping":
                # The service asks too: the answer comes from the client.
                await (await socket.ping(b"are you there?"))
                await socket.send("ponged")
            elif message == "fragments":
                await socket.send([b"x" * 300_000] * 10)
            else:
                await socket.send(message)
    except websockets.exceptions.ConnectionClosed:
        pass
    finally:
        print("left", socket.close_code, socket.close_reason, flush=True)


async def main():
    async with websockets.serve(serve, "127.0.0.1", 0, max_size=None, subprotocols=["quotes.v2"],
                                origins=["https://desk.example.com"]) as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
