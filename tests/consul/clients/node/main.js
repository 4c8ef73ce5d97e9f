"use strict";
// The npm package `consul` against a server; see ../run.py for the stage.

const Consul = require("consul");
const { deepStrictEqual: equal, ok } = require("assert");
const { PATIENCE_MS, check, pause, play } = require("./checks");

const [host, port] = process.env.STAGE_HTTP.split(":");
const consul = new Consul({ host, port: Number(port) });

/** Asks again until `ask` answers something true, or patience ends. */
async function until(ask, what) {
  const deadline = Date.now() + PATIENCE_MS - 1000;
  for (;;) {
    const value = await ask();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(what);
    await pause(20);
  }
}

async function keys() {
  ok(await consul.kv.set("node/a", "ünï"));
  ok(await consul.kv.set({ key: "node/b", value: Buffer.from([0, 255]), flags: 7 }));
  equal((await consul.kv.get("node/a")).Value, "ünï");
  const raw = await consul.kv.get({ key: "node/b", buffer: true });
  equal([...raw.Value], [0, 255]);
  equal(raw.Flags, 7);
  equal(await consul.kv.keys("node/"), ["node/a", "node/b"]);
  equal((await consul.kv.get({ key: "node", recurse: true })).length, 2);
  await consul.kv.del({ key: "node", recurse: true });
  equal(await consul.kv.get("node/a"), undefined);
}

async function compareAndSet() {
  ok(await consul.kv.set({ key: "node-cas", value: "1", cas: "0" }));
  ok(!(await consul.kv.set({ key: "node-cas", value: "2", cas: "0" })));
  const { ModifyIndex } = await consul.kv.get("node-cas");
  ok(await consul.kv.set({ key: "node-cas", value: "2", cas: String(ModifyIndex) }));
  ok(!(await consul.kv.del({ key: "node-cas", cas: String(ModifyIndex) })));
}

async function locks() {
  const mine = await consul.session.create({ name: "mine", ttl: "1s", lockdelay: "1ms" });
  const other = await consul.session.create({ name: "other", lockdelay: "1ms" });
  ok(await consul.kv.set({ key: "node-lock", value: "x", acquire: mine.ID }));
  ok(!(await consul.kv.set({ key: "node-lock", value: "y", acquire: other.ID })));
  for (const end = Date.now() + 3000; Date.now() < end; await pause(300)) {
    equal((await consul.session.renew(mine.ID))[0].ID, mine.ID);
  }
  equal((await consul.kv.get("node-lock")).Session, mine.ID);
  ok(await consul.kv.set({ key: "node-lock", value: "x", release: mine.ID }));
  ok(await consul.kv.set({ key: "node-lock", value: "y", acquire: other.ID }));
  await consul.session.destroy(other.ID);
  equal((await consul.kv.get("node-lock")).Session, undefined);
  await until(async () => (await consul.session.get(mine.ID)) === undefined, "a session outlives its TTL");
  equal((await consul.session.node("node1")).length, 0);
}

async function watches() {
  await consul.kv.set("node-watched", "1");
  const watch = consul.watch({ method: consul.kv.get, options: { key: "node-watched", wait: "10s" } });
  const seen = [];
  watch.on("change", (data) => seen.push(data.Value));
  watch.on("error", (problem) => seen.push(String(problem)));
  try {
    await until(async () => seen.length === 1, "nothing seen");
    await consul.kv.set("node-watched-not", "x");
    await consul.kv.set("node-watched", "2");
    await until(async () => seen.length === 2, "the change is not seen");
    equal(seen, ["1", "2"]);
  } finally {
    watch.end();
  }
}

async function services() {
  await consul.agent.service.register({
    id: "node-1", name: "node", tags: ["x"], port: 81, meta: { a: "b" },
    check: { ttl: "1h", status: "critical" },
  });
  equal((await consul.agent.service.list())["node-1"].Port, 81);
  equal((await consul.agent.checks())["service:node-1"].Status, "critical");
  await consul.agent.check.pass({ id: "service:node-1", note: "good" });
  equal((await consul.agent.checks())["service:node-1"].Output, "good");
  const healthy = () => consul.health.service({ service: "node", passing: true });
  await until(async () => (await healthy()).length === 1, "not healthy");
  await consul.agent.check.fail("service:node-1");
  await until(async () => (await healthy()).length === 0, "still healthy");
  equal((await consul.health.checks("node"))[0].Status, "critical");
  await consul.agent.service.maintenance({ id: "node-1", enable: true, reason: "r" });
  await consul.agent.service.maintenance({ id: "node-1", enable: false });
  await consul.agent.service.deregister("node-1");
  await until(async () => !("node" in (await consul.catalog.service.list())), "still there");
}

async function catalog() {
  equal(await consul.catalog.datacenters(), ["dc1"]);
  equal((await consul.catalog.node.list()).map((node) => node.Node), ["node1"]);
  equal((await consul.catalog.service.nodes("consul")).length, 1);
  ok("consul" in (await consul.catalog.node.services("node1")).Services);
  equal((await consul.health.node("node1"))[0].CheckID, "serfHealth");
  ok((await consul.health.state("any")).length >= 1);
  equal((await consul.agent.members()).length, 1);
  equal((await consul.agent.self()).Member.Name, "node1");
  equal(await consul.status.peers(), [await consul.status.leader()]);
}

async function transactions() {
  const answer = await consul.transaction.create([
    { KV: { Verb: "set", Key: "node-txn", Value: Buffer.from("1").toString("base64") } },
    { KV: { Verb: "get", Key: "node-txn" } },
  ]);
  equal(answer.Results.length, 2);
  let refused;
  await consul.transaction.create([{ KV: { Verb: "check-not-exists", Key: "node-txn" } }]).catch((problem) => (refused = problem));
  equal(refused.response.statusCode, 409);
}

async function events() {
  const fired = await consul.event.fire("node-event", "load");
  const list = await until(async () => {
    const found = await consul.event.list("node-event");
    return found.length && found;
  }, "no event");
  equal(list[0].ID, fired.ID);
}

play([
  () => check("kv", keys),
  () => check("kv-cas", compareAndSet),
  () => check("lock", locks),
  () => check("watch", watches),
  () => check("services", services),
  () => check("catalog", catalog),
  () => check("txn", transactions),
  () => check("event", events),
]);
