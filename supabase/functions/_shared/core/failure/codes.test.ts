import { deepStrictEqual, ok } from "node:assert/strict";
import { CODES, SQLSTATE_CLASSES } from "./codes.ts";
import { PROVIDER_CODES } from "./provider-codes.ts";

function repeated(words: string[]): string[] {
  const spelled = words.map((word) => word.toLowerCase().replace(/(?!^-\d)[^a-z\d]/g, ""));
  return spelled.filter((word, index) => spelled.indexOf(word) !== index);
}

Deno.test("no code has two meanings", () => {
  const words = Object.values(CODES).flat().flatMap((line) => line.slice(line.indexOf(": ") + 2).split(" "));
  deepStrictEqual(repeated(words), []);
});

Deno.test("no number has two meanings at one provider, and no name selects two tables", () => {
  for (const { names, codes } of PROVIDER_CODES) {
    deepStrictEqual(repeated(Object.values(codes).flatMap((list) => list.split(" "))), [], names);
  }
  deepStrictEqual(repeated(PROVIDER_CODES.flatMap(({ names }) => names.split(" "))), []);
});

Deno.test("every line of codes says where they are used, and holds no stray blanks", () => {
  for (const line of Object.values(CODES).flat()) ok(/^[a-z0-9, .]+: \S+(?: \S+)*$/.test(line), line);
  for (const { codes, names } of PROVIDER_CODES) {
    for (const list of Object.values(codes)) ok(/^\S+(?: \S+)*$/.test(list), `${names}: ${list}`);
  }
});

Deno.test("SQLSTATE classes are two characters, as PostgreSQL's manual lists them", () => {
  ok(Object.keys(SQLSTATE_CLASSES).every((key) => /^[\dA-Z]{2}$/.test(key)));
});
