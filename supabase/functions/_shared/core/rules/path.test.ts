import assert from "node:assert/strict";
import fc from "fast-check";
import { parsePath, readPath } from "./path.ts";

const fields: [field: string, keys: string[]][] = [
  ["lane", ["lane"]],
  ["user.address.city", ["user", "address", "city"]],
  ["items.0.sku", ["items", "0", "sku"]],
  ["items[0].sku", ["items", "0", "sku"]],
  ["grid[0][12]", ["grid", "0", "12"]],
  ["[3].sku", ["3", "sku"]],
  ["http\\.status", ["http.status"]],
  ["list\\[0]", ["list[0]"]],
  ["windows\\\\path.size", ["windows\\path", "size"]],
  ["c:\\temp", ["c:\\temp"]],
  ["ends\\", ["ends\\"]],
  ["a..b", ["a", "", "b"]],
  ["a[b].c", ["a[b]", "c"]],
  ["a[01]", ["a[01]"]],
  ["a[0]b", ["a[0]b"]],
];

for (const [field, keys] of fields) {
  Deno.test(`the field ${field} leads along ${JSON.stringify(keys)}`, () => {
    assert.deepEqual(parsePath(field), keys);
  });
}

Deno.test("every key can be written in a field", () => {
  const keys = fc.array(fc.string({ unit: fc.constantFrom(..."ab01.[]\\") }), { minLength: 1 });
  fc.assert(fc.property(keys, (keys) => {
    const field = keys.map((key) => key.replace(/[.[\\]/g, "\\$&")).join(".");
    assert.deepEqual(parsePath(field), keys);
  }));
});

const event = { a: { b: null, "": 1, length: 3 }, list: [{ c: "x" }, "text"], text: "abc", "a.b": 2 };
const read = (field: string) => readPath(event, parsePath(field));

Deno.test("a path leads to own properties and elements", () => {
  assert.equal(read("list[0].c"), "x");
  assert.equal(read("list.1"), "text");
  assert.equal(read("a\\.b"), 2);
  assert.equal(read("a."), 1);
  assert.equal(read("a.length"), 3);
});

Deno.test("null is a value, and nothing is behind it", () => {
  assert.equal(read("a.b"), null);
  assert.equal(read("a.b.c"), undefined);
});

Deno.test("texts and numbers hold nothing, lists only their elements", () => {
  for (
    const field of [
      "text.0",
      "text.length",
      "list.length",
      "list.2",
      "list.-1",
      "list.00",
      "list.c",
      "list.1.0",
    ]
  ) {
    assert.equal(read(field), undefined, field);
  }
});

Deno.test("names of prototypes lead nowhere", () => {
  const names = new Set(
    [Object.prototype, Array.prototype, String.prototype].flatMap(Object.getOwnPropertyNames),
  );
  for (const name of names) {
    for (const value of [{}, [1], Object.create(null), "text", 1, true]) {
      assert.equal(readPath(value, [name]), undefined, name);
      assert.equal(readPath({ value }, ["value", name, "constructor"]), undefined, name);
    }
  }
});

Deno.test("__proto__ leads nowhere even as a key of the data", () => {
  const event = JSON.parse('{"__proto__": {"admin": true}, "constructor": {"name": "Builders Ltd"}}');
  assert.equal(readPath(event, ["__proto__", "admin"]), undefined);
  assert.equal(readPath(event, ["constructor", "name"]), "Builders Ltd");
});

Deno.test("an event that is no object has no fields", () => {
  for (const event of [undefined, null, 1, "text", true]) assert.equal(readPath(event, ["a"]), undefined);
});
