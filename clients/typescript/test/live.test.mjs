// Against a real HTTP server of Node's own, which says what each test wants.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, beforeEach, test } from "node:test";
import { Live } from "../dist/index.js";

let server, url, answer, asked, live, sockets;

beforeEach(async () => {
  asked = [];
  sockets = new Set();
  server = createServer((request, response) => {
    const query = new URL(request.url, "http://x").searchParams;
    const one = { keys: query.getAll("key"), since: query.getAll("since"), headers: request.headers, response };
    asked.push(one);
    answer(one);
  });
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0);
  await once(server, "listening");
  url = `http://127.0.0.1:${server.address().port}/live/`;
  live = new Live({ url, retry: 5, poll: 5 });
});

afterEach(() => {
  live.close();
  sockets.forEach((socket) => socket.destroy());
  server.close();
});

const stream = ({ response }) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.write("retry: 5\n\n");
};
const say = ({ response }, event, key, version, value) =>
  response.write(`id: ${version}\nevent: ${event}\ndata: ${JSON.stringify({ key, version, value })}\n\n`);

async function until(condition) {
  const end = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < end, `not within 5 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test("several keys share a stream; values come, none twice, none older", async () => {
  answer = stream;
  const seen = [];
  live.subscribe("a/1", (found) => seen.push([found.event, found.version, found.value]));
  live.subscribe("b/1", () => {});
  await until(() => asked.length === 1);
  assert.deepEqual(asked[0].keys, ["a/1", "b/1"]);
  await until(() => live.state === "open");
  for (const version of [5, 5, 4, 7]) say(asked[0], "value", "a/1", version, { n: version });
  await until(() => live.version("a/1") === 7);
  say(asked[0], "gone", "a/1", 7);
  await until(() => seen.length === 3);
  assert.deepEqual(seen, [["value", 5, { n: 5 }], ["value", 7, { n: 7 }], ["gone", 7, undefined]]);
  assert.equal(live.value("a/1"), undefined);
});

test("an event may come in pieces", async () => {
  answer = stream;
  live.subscribe("a/1", () => {});
  await until(() => live.state === "open");
  const text = `event: value\ndata: {"key":"a/1","version":3,"value":"é"}\n\n`;
  for (const byte of Buffer.from(text)) asked[0].response.write(Buffer.from([byte]));
  await until(() => live.value("a/1") === "é");
});

test("cut off, it comes back with the version of each key", async () => {
  answer = stream;
  live.subscribe("a/1", () => {});
  live.subscribe("b/1", () => {});
  await until(() => live.state === "open");
  say(asked[0], "value", "a/1", 9, 1);
  await until(() => live.version("a/1") === 9);
  asked[0].response.destroy();
  await until(() => asked.length === 2);
  assert.deepEqual(asked[1].since, ["9", "0"]);
  say(asked[1], "value", "a/1", 11, 2);
  await until(() => live.value("a/1") === 2);
});

test("who unsubscribes is told nothing, and the last ends the stream", async () => {
  answer = stream;
  const seen = [];
  const end = live.subscribe("a/1", (found) => seen.push(found));
  const other = live.subscribe("b/1", () => {});
  await until(() => live.state === "open");
  end();
  await until(() => asked.length === 2);
  assert.deepEqual(asked[1].keys, ["b/1"]);
  other();
  await until(() => live.state === "closed" && asked.length === 2);
  assert.deepEqual(seen, []);
});

test("without streams it polls by ETag", async () => {
  let version = 1;
  answer = ({ headers, response }) => {
    if (!headers.accept.includes("json")) return response.writeHead(501).end();
    if (headers["if-none-match"] === `"${version}"`) return response.writeHead(304).end();
    const found = [{ event: "value", key: "a/1", version, value: version * 10 }];
    response.writeHead(200, { ETag: `"${version}"` }).end(JSON.stringify(found));
  };
  live.subscribe("a/1", () => {});
  await until(() => live.value("a/1") === 10);
  assert.equal(live.state, "polling");
  version = 2;
  await until(() => live.value("a/1") === 20);
});

test("values without a version are told each time", async () => {
  let value = 1;
  answer = ({ headers, response }) => {
    if (!headers.accept.includes("json")) return response.writeHead(501).end();
    const found = [{ event: "value", key: "a/1", version: null, value }];
    response.writeHead(200).end(JSON.stringify(found));
  };
  live.subscribe("a/1", () => {});
  await until(() => live.value("a/1") === 1);
  value = 2;
  await until(() => live.value("a/1") === 2);
});

test("a stream that has gone silent is opened anew", async () => {
  answer = stream;
  live.subscribe("a/1", () => {});
  await until(() => live.state === "open");
  asked[0].response.write("event: alive\ndata: 0.01\n\n");
  await until(() => asked.length > 1);
});

test("what may not be seen is denied, and not asked for again", async () => {
  answer = ({ response }) => response.writeHead(403).end();
  const seen = [];
  live.subscribe("a/1", (found) => seen.push(found.event));
  await until(() => seen.length === 1);
  assert.deepEqual([seen[0], live.state], ["denied", "closed"]);
  assert.equal(asked.length, 1);
});

test("a server that is busy is asked again", async () => {
  answer = (one) => (asked.length < 3 ? one.response.writeHead(503).end() : stream(one));
  live.subscribe("a/1", () => {});
  await until(() => live.state === "open");
});
