"""Makes calls with the official OpenAI SDK, as told on standard input, one JSON object a line.

A command: {"id", "base_url", "headers": {..}, "stream_until": null | n, "body": {..}}
  body          the arguments of chat.completions.create
  stream_until  for streams: close the response after this many chunks, in the middle of it

An answer, one a line, in any order: {"id", "request": {"headers", "body"}, "response": null | {"status", "headers",
"body"}, "parsed": null | {..}, "chunks": [..], "error": null | {"class", "message"}}
  bodies are base64 of the bytes on the wire (before any content decoding), whatever the SDK made of them
  parsed is what the SDK returned, chunks what its stream yielded

Calls run side by side. Ends with standard input.
"""

import base64
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai


class Tee(httpx2.SyncByteStream):
    """A response's bytes on their way to the SDK, kept."""

    def __init__(self, stream, kept):
        self.stream = stream
        self.kept = kept

    def __iter__(self):
        for part in self.stream:
            self.kept.extend(part)
            yield part

    def close(self):
        self.stream.close()


class Wire(httpx2.HTTPTransport):
    """What really went over the connection."""

    def __init__(self):
        super().__init__()
        self.request = None
        self.response = None
        self.body = bytearray()

    def handle_request(self, request):
        self.request = {"headers": pairs(request.headers), "body": encoded(request.content)}
        response = super().handle_request(request)
        self.response = {"status": response.status_code, "headers": pairs(response.headers)}
        response.stream = Tee(response.stream, self.body)
        return response

    def seen(self):
        response = self.response and {**self.response, "body": encoded(bytes(self.body))}
        return {"request": self.request, "response": response}


def pairs(headers):
    return [[name.decode("latin-1").lower(), value.decode("latin-1")] for name, value in headers.raw]


def encoded(content):
    return base64.b64encode(content).decode()


def call(command):
    wire = Wire()
    answer = {"id": command["id"], "parsed": None, "chunks": [], "error": None}
    try:
        with openai.OpenAI(
            api_key="sk-standin-0123456789",
            base_url=command["base_url"],
            default_headers=command["headers"],
            max_retries=0,
            timeout=60,
            http_client=httpx2.Client(transport=wire, timeout=60),
        ) as client:
            talk(client, command, answer)
    except Exception as error:  # every failure is an answer
        answer["error"] = {"class": type(error).__name__, "message": str(error)}
    return {**answer, **wire.seen()}


def talk(client, command, answer):
    result = client.chat.completions.create(**command["body"])
    if not command["body"].get("stream"):
        answer["parsed"] = result.model_dump(mode="json")
        return
    with result as chunks:
        for chunk in chunks:
            answer["chunks"].append(chunk.model_dump(mode="json"))
            if len(answer["chunks"]) == command["stream_until"]:
                return


def main():
    lock = threading.Lock()

    def run(command):
        line = json.dumps(call(command))
        with lock:
            print(line, flush=True)

    with ThreadPoolExecutor(max_workers=16) as pool:
        print(json.dumps({"sdk": openai.__version__}), flush=True)
        for line in sys.stdin:
            pool.submit(run, json.loads(line))


main()
