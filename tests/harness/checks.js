"use strict";
// What the programs for Node share: each check is one line, `ok NAME` or `not ok NAME: REASON`.

const PATIENCE_MS = 15000;
let failed = false;

async function check(name, action) {
  try {
    await within(action(), "no answer");
    console.log("ok " + name);
  } catch (problem) {
    failed = true;
    console.log("not ok " + name + ": " + String(problem.message).replace(/\s+/g, " "));
  }
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(what)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs the parts one after another, and ends with 1 if a check failed. */
async function play(parts) {
  for (const part of parts) await part();
  process.exit(failed ? 1 : 0);
}

module.exports = { PATIENCE_MS, check, pause, play, within };
