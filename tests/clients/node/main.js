"use strict";
// Every call of `serf-rpc` against an agent; see ../run.py for the stage.
//
// The library hands out only the last message of a request that one piece of the connection holds, so a
// record may be lost to the next one, whoever the agent is: what depends on that is asked again until it
// comes. It keeps its request numbers to itself, too; `lib/rpc` knows them.

const SerfRPC = require("serf-rpc");
const rpc = require("serf-rpc/lib/rpc");
const { deepStrictEqual: equal, match, ok } = require("assert");
const { PATIENCE_MS, check, pause, play, within } = require("./checks");

const [host, port] = process.env.STAGE_RPC.split(":");
const { STAGE_TOKEN: token, STAGE_PEER: peer, STAGE_KEY: key, STAGE_ANOTHER_KEY: another } = process.env;

const serf = new SerfRPC();

/** Calls a command of the library; an answer with an error is thrown. */
function call(command, body) {
  return new Promise((resolve, reject) => {
    const answer = (err, response) => (err ? reject(new Error(response.Error)) : resolve(response));
    if (body === undefined) serf[command](answer);
    else serf[command](body, answer);
  });
}

async function refused(command, body, text) {
  let response;
  try {
    response = await call(command, body);
  } catch (problem) {
    return match(problem.message, text);
  }
  throw new Error(command + " was not refused: " + JSON.stringify(response));
}

async function until(ask) {
  const deadline = Date.now() + PATIENCE_MS - 1000;
  for (;;) {
    try {
      return await ask();
    } catch (problem) {
      if (Date.now() > deadline) throw problem;
      await pause(20);
    }
  }
}

async function statuses() {
  const { Members } = await call("members");
  return Object.fromEntries(Members.map(({ Name, Status }) => [Name, Status]).sort());
}

const sees = (wanted) => until(async () => equal(await statuses(), wanted));
const bytes = (payload) => (payload === null ? null : Buffer.from(payload).toString("latin1"));

/** Repeats `provoke` until a record of the stream or monitor `seq` matches. */
async function record(seq, matches, provoke) {
  let found;
  const listener = (data) => {
    if (matches(data)) found = data;
  };
  serf.events.on(seq, listener);
  try {
    await until(async () => {
      await provoke();
      await pause(100);
      ok(found, "no record came");
    });
  } finally {
    serf.events.removeListener(seq, listener);
  }
  return found;
}

/** Sends a query and gathers its records until it is done. */
async function ask(query) {
  const seq = rpc.seq;
  const records = [];
  const done = new Promise((resolve) => {
    serf.events.on(seq, (data) => {
      if (data.Type === "done") resolve();
      else if (data.Type) records.push([data.Type, data.From, bytes(data.Payload)]);
    });
  });
  await call("query", query);
  await within(done, "the query was never done");
  return records;
}

async function connections() {
  await check("handshake", () => new Promise((resolve, reject) => {
    serf.connect({ rpc_host: host, rpc_port: port }, (err) => (err ? reject(err) : resolve()));
  }));
  await check("auth-refused", () => refused("auth", { AuthKey: "wrong" }, /Invalid authentication token/));
  await check("auth", () => call("auth", { AuthKey: token }));
}

async function membership() {
  await check("join", async () => {
    equal(await call("join", { Existing: [peer] }), { Num: 1 });
    await sees({ n1: "alive", n2: "alive", n3: "alive" });
  });
  await check("join-refused", async () => equal(await call("join", { Existing: ["127.0.0.99:7946"] }), { Num: 0 }));
  await check("members", async () => {
    const { Members } = await call("members");
    const found = Members.find(({ Name }) => Name === "n2");
    equal([...found.Addr], [127, 0, 0, 12]);
    equal([found.Port, found.Tags, found.DelegateCur], [7946, { role: "db" }, 5]);
  });
  for (const [name, filter, wanted] of [
    ["name", { Name: "n[12]" }, ["n1", "n2"]],
    ["tags", { Tags: { role: "d.", shard: "7" }, Status: "alive" }, ["n3"]],
    ["status", { Status: "failed" }, []],
  ]) {
    await check("members-filtered-" + name, async () => {
      const { Members } = await call("members-filtered", filter);
      equal(Members.map(({ Name }) => Name).sort(), wanted);
    });
  }
  await check("tags", async () => {
    await call("tags", { Tags: { rack: "a1", empty: "" }, DeleteTags: ["dc", "unknown"] });
    await until(async () => {
      const { Members } = await call("members-filtered", { Name: "n1" });
      equal(Members[0].Tags, { role: "web", rack: "a1", empty: "" });
    });
  });
  await check("tags-too-long", () => refused("tags", { Tags: { long: "x".repeat(600) } }, /^Encoded length of tags exceeds limit of 512 bytes$/));
}

async function streams() {
  const seq = rpc.seq;
  await check("stream", async () => equal(await call("stream", { Type: "user,query:ask" }), { Error: "", Seq: seq }));
  await check("stream-refused", () => refused("stream", { Type: "nonsense" }, /^Invalid event filter$/));
  for (const [name, payload, wanted] of [["deploy", Buffer.from([0, 1, 0xff, 0x78]), "\0\x01\xffx"], ["text", "plain", "plain"], ["ping", null, null]]) {
    await check("event-" + name, async () => {
      const found = await record(seq, (data) => data.Name === name, () => call("event", { Name: name, Payload: payload, Coalesce: false }));
      equal([found.Event, bytes(found.Payload) || null, found.Coalesce], ["user", wanted, false]);
    });
  }
  await check("event-too-long", () => refused("event", { Name: "x", Payload: "x".repeat(600) }, /^user event exceeds configured limit of 512 bytes/));
  await check("respond", async () => {
    serf.events.on(seq, (data) => {
      if (data.Event === "query") call("respond", { ID: data.ID, Payload: Buffer.from([0, 0xfe]) }).catch(() => {});
    });
    await until(async () => equal(await ask({ Name: "ask", Payload: "15m", Timeout: 1e9 }), [["response", "n1", "\0\xfe"]]));
  });
  await check("respond-unknown", () => refused("respond", { ID: 4711 }, /^No pending queries matching ID$/));
  await check("listen", async () => {
    let found;
    await until(async () => {
      // The answer to a stream must not share its piece with a record.
      serf.listen("user:heard", (data) => (found = data));
      await pause(100);
      await call("event", { Name: "heard", Coalesce: false });
      await pause(100);
      ok(found, "no record came");
    });
    equal([found.Event, found.Name], ["user", "heard"]);
  });
  await check("stop-stream", async () => {
    await call("stop", { Stop: seq });
    let late = false;
    serf.events.on(seq, () => (late = true));
    await call("event", { Name: "after", Coalesce: false });
    await pause(300);
    equal(late, false);
  });
}

async function monitor() {
  const seq = rpc.seq;
  await check("monitor", async () => {
    serf.monitor({ LogLevel: "DEBUG" }, () => {});
    await record(seq, (data) => /Requesting user event send: watched/.test(data.Log), () => call("event", { Name: "watched", Coalesce: false }));
  });
  await check("monitor-twice", () => refused("monitor", { LogLevel: "INFO" }, /^Monitor already exists$/));
  await check("stop-monitor", () => call("stop", { Stop: seq }));
  await check("monitor-refused", () => refused("monitor", { LogLevel: "loud" }, /^Unknown log level: LOUD$/));
}

async function queries() {
  for (const [name, query, wanted] of [
    ["query", { Name: "load", FilterNodes: ["n2"], Timeout: 1e9 }, [["response", "n2", "0.42"]]],
    ["query-payload", { Name: "echo", Payload: "hello", FilterTags: { shard: "^7$" }, Timeout: 1e9 }, [["response", "n3", "hello\n"]]],
    ["query-ack", { Name: "silence", FilterNodes: ["n2"], RequestAck: true, Timeout: 1e9 }, [["ack", "n2", null]]],
  ]) {
    await check(name, () => until(async () => equal(await ask(query), wanted)));
  }
  await check("query-refused", () => refused("query", { Name: "_serf_conflict" }, /^Queries cannot contain the '_serf_' prefix$/));
}

async function keys() {
  const listed = async (wanted) => {
    const found = await call("list-keys");
    equal([found.Keys, found.NumNodes, found.NumErr], [wanted, 3, 0]);
  };
  await check("list-keys", () => listed({ [key]: 3 }));
  await check("install-key", async () => {
    const found = await call("install-key", { Key: another });
    equal([found.NumNodes, found.NumResp, found.NumErr], [3, 3, 0]);
    await listed({ [key]: 3, [another]: 3 });
  });
  await check("use-key", async () => equal((await call("use-key", { Key: another })).NumResp, 3));
  await check("remove-key", async () => {
    equal((await call("remove-key", { Key: key })).NumResp, 3);
    await listed({ [another]: 3 });
  });
  await check("remove-key-refused", async () => {
    const found = await call("remove-key", { Key: another });
    equal([found.NumErr, found.Messages.n2], [3, "Removing the primary key is not allowed"]);
  });
}

async function departures() {
  await check("stats", async () => {
    const found = await call("stats");
    equal([found.agent, found.serf.encrypted, found.serf.members], [{ name: "n1" }, "true", "3"]);
  });
  await check("force-leave", async () => {
    process.kill(Number(process.env.STAGE_VICTIM), "SIGKILL");
    await sees({ n1: "alive", n2: "alive", n3: "failed" });
    await call("force-leave", { Node: "n3" });
    await sees({ n1: "alive", n2: "alive", n3: "left" });
  });
  await check("leave", () => call("leave"));
}

play([connections, membership, streams, monitor, queries, keys, departures]);
