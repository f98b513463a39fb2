// A line of JSON in, a line of JSON out: how roam speaks with its servers and clients.

import { createInterface } from "node:readline";

export function say(value) {
  console.log(JSON.stringify(value));
}

// Answers each command `{"do": NAME, ...}` by the function of that name, one after the other, until
// the input ends; so a program cannot outlive the roam that has started it.
export async function obey(commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    try {
      say(await commands[command.do](command));
    } catch (error) {
      say({ error: String(error) });
    }
  }
  process.exit(0);
}

// Does something for every element, so many at once, and keeps the order of the results.
export async function each(elements, atOnce, act) {
  const results = new Array(elements.length);
  let next = 0;
  const worker = async () => {
    while (next < elements.length) {
      const index = next++;
      results[index] = await act(elements[index]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, elements.length) }, worker));
  return results;
}

// Ends a wait that would never end, with an error that says what was waited for.
export async function bounded(work, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within 20 s`)), 20_000);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

export function microsecondsSince(start) {
  return Math.round((performance.now() - start) * 1000);
}

// Command line options: `--name s1 --port 0 --redis PATH`.
export function options() {
  const words = process.argv.slice(2);
  const given = {};
  for (let index = 0; index < words.length; index += 2) {
    given[words[index].replace(/^--/, "")] = words[index + 1];
  }
  return given;
}
