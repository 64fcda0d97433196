"""A WebSocket client that asks as a browser does: origin, cookie, compression offered, pings, large messages in fragments."""

import asyncio
import json
import os
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

URL = sys.argv[1]
ORIGIN = "https://desk.example.com"


def connect(origin=ORIGIN, compressed=True):
    # What Chromium and Firefox offer.
    offer = [ClientPerMessageDeflateFactory(client_max_window_bits=True)] if compressed else None
    return websockets.connect(
        URL, origin=origin, extensions=offer, compression=None, subprotocols=["quotes.v3", "quotes.v2"], max_size=None,
        user_agent_header="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        extra_headers={"Cookie": "session=42", "Cache-Control": "no-cache", "Pragma": "no-cache",
                       "Sec-Fetch-Mode": "websocket", "Accept-Language": "en-GB"})


async def main():
    for compressed in (True, False):
        async with connect(compressed=compressed) as socket:
            told = json.loads(await socket.recv())
            assert told["origin"] == ORIGIN and told["cookie"] == "session=42", told
            assert told["path"] == "/socket?room=1" and told["subprotocol"] == "quotes.v2", told
            assert told["agent"].startswith("Mozilla/5.0"), told
            assert told["extensions"] == (["permessage-deflate"] if compressed else []), told
            assert [e.name for e in socket.extensions] == told["extensions"], told

            # Text, and pings from both sides.
            await socket.send("Grüße ✓")
            assert await socket.recv() == "Grüße ✓"
            await asyncio.wait_for(await socket.ping(b"hello"), 30)
            await socket.send("ping")
            assert await socket.recv() == "ponged"

            # Five megabytes that cannot be packed, in fragments; and fragments from the other side.
            parts = [os.urandom(250_000) for _ in range(20)]
            await socket.send(parts)
            assert await socket.recv() == b"".join(parts)
            await socket.send("fragments")
            assert await socket.recv() == b"x" * 3_000_000

            # Many at once, in order.
            for number in range(500):
                await socket.send(str(number))
            for number in range(500):
                assert await socket.recv() == str(number)
            await socket.close(4001, "enough")
        assert socket.close_code == 4001, socket.close_code

    # The service ends it: its code and its reason come through.
    async with connect() as socket:
        await socket.recv()
        await socket.send("close")
        try:
            await socket.recv()
            raise AssertionError("it goes on")
        except websockets.exceptions.ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4002, "as asked"), closed

    # What the service refuses is refused.
    try:
        await connect(origin="https://elsewhere.example.com")
        raise AssertionError("a wrong origin was let in")
    except websockets.exceptions.InvalidStatusCode as refused:
        assert refused.status_code == 403, refused
    print("OK")


asyncio.run(main())
