import { deepEqual, equal, notEqual, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  hasTemplates,
  MAX_RENDERED_BYTES,
  renderTemplates,
  TemplateError,
  templateProblems,
} from "./template.ts";

const event = {
  eventId: "e-1",
  eventType: "payment",
  amount: 12.5,
  paid: false,
  nothing: null,
  items: [{ sku: "a-1" }, { sku: "b-2" }],
  "http.status": 503,
};
const tooLarge = { name: "TemplateError", code: "template.too_large" };

Deno.test("a text that is nothing but a placeholder becomes the value itself", () => {
  const cases: [template: string, value: unknown][] = [
    ["{{event}}", event],
    ["{{event.amount}}", 12.5],
    ["{{event.paid}}", false],
    ["{{event.nothing}}", null],
    ["{{event.items}}", event.items],
    ["{{event.items.1.sku}}", "b-2"],
    ["{{event.items[1]}}", { sku: "b-2" }],
    ["{{event.http\\.status}}", 503],
    ["{{ event.amount }}", 12.5],
    ["{{\tevent }}", event],
    ["{{event.missing}}", null],
    ["{{event.items.7}}", null],
  ];
  for (const [template, value] of cases) deepEqual(renderTemplates(template, event), value, template);
});

Deno.test("inside a longer text strings stay as they are, other values are JSON and missing ones nothing", () => {
  const cases: [template: string, text: string][] = [
    ["Paid {{event.amount}} ({{event.eventType}})", "Paid 12.5 (payment)"],
    [" {{event.paid}}", " false"],
    ["{{event.nothing}}!", "null!"],
    ["<{{event.missing}}>", "<>"],
    ["{{event.items}}.", '[{"sku":"a-1"},{"sku":"b-2"}].'],
    ["{{event.eventType}}{{event.eventId}}", "paymente-1"],
    ["{{{event.eventType}}}", "{payment}"],
  ];
  for (const [template, text] of cases) equal(renderTemplates(template, event), text, template);
});

Deno.test("templates are rendered wherever they are in a payload, and nothing else of it changes", () => {
  const payload = { lane: 1, who: ["{{event.eventId}}", { of: "{{event.eventType}}s" }], "{{event}}": null };
  const before = structuredClone(payload);
  deepEqual(renderTemplates(payload, event), {
    lane: 1,
    who: ["e-1", { of: "payments" }],
    "{{event}}": null,
  });
  deepEqual(payload, before);
});

Deno.test("what an event brings is never rendered again", () => {
  const hostile = { a: "{{event}}", b: "{{", c: "event.a}}", items: ["{{event.a}}"] };
  deepEqual(renderTemplates("{{event}}", hostile), hostile);
  equal(renderTemplates("<{{event.a}}>", hostile), "<{{event}}>");
  equal(renderTemplates("{{event.b}}{{event.c}}", hostile), "{{event.a}}");
  equal(renderTemplates("{{event.items}} ", hostile), '["{{event.a}}"] ');
});

Deno.test("quotes and line breaks of an event cannot change the shape of a payload", () => {
  const hostile = { name: '", "admin": true, "x": "\n\\' };
  const rendered = renderTemplates({ user: "{{event.name}}", text: "Hello {{event.name}}" }, hostile);
  deepEqual(JSON.parse(JSON.stringify(rendered)), { user: hostile.name, text: `Hello ${hostile.name}` });
});

Deno.test("a name like __proto__ is data and changes no prototype", () => {
  const hostile = JSON.parse('{"__proto__": {"admin": true}, "a": {"__proto__": {"admin": true}}}');
  const payload = JSON.parse('{"__proto__": "{{event.a}}", "whole": "{{event}}"}');
  const rendered = renderTemplates(payload, hostile) as Record<string, unknown>;
  deepEqual(Object.keys(rendered), ["__proto__", "whole"]);
  equal(Object.getPrototypeOf(rendered), Object.prototype);
  equal((rendered.whole as Record<string, unknown>).admin, undefined);
  equal(({} as Record<string, unknown>).admin, undefined);
  for (const path of ["__proto__", "constructor", "toString", "items.length", "eventType.length"]) {
    equal(renderTemplates(`{{event.${path}}}`, event), null, path);
  }
});

Deno.test("a result of 64 kB is rendered, one byte more is refused", () => {
  const fitting = { text: "x".repeat(MAX_RENDERED_BYTES - '{"text":""}'.length) };
  deepEqual(renderTemplates("{{event}}", fitting), fitting);
  throws(() => renderTemplates("{{event}}", { text: fitting.text + "x" }), tooLarge);
  const wide = { text: "€".repeat(MAX_RENDERED_BYTES / 3) };
  throws(() => renderTemplates("{{event}}", wide), tooLarge);
});

Deno.test("a template that multiplies an event is refused before it fills the memory", () => {
  const large = { text: "x".repeat(60_000) };
  throws(() => renderTemplates(Array(5_000).fill("{{event}}"), large), tooLarge);
  throws(() => renderTemplates("{{event.text}}".repeat(4_000), large), tooLarge);
});

Deno.test("an event that is nested too deeply, or contains itself, is refused", () => {
  const deep = JSON.parse('{"a":'.repeat(20_000) + "1" + "}".repeat(20_000));
  for (const template of ["{{event}}", "deep: {{event}}"]) {
    throws(() => renderTemplates(template, deep), tooLarge, template);
  }
  ok(!hasTemplates(deep));
  deepEqual(templateProblems(deep).length, 1);
  const endless: Record<string, unknown> = {};
  endless.self = [endless, endless];
  throws(() => renderTemplates("{{event}}", endless), tooLarge);
  deepEqual(templateProblems(endless).length, 1);
  ok(!hasTemplates(endless));
});

Deno.test("braces around anything but a path into the event are a problem that says where", () => {
  const payload = {
    good: ["{{event}}", "{{ event.a }} and {{event.b.0}}", "{ }", "a }} b", "{{{event.a}}}"],
    typo: "{{evnt.x}}",
    list: [{ of: "for {{event.a}} see {{ rule.name }}" }],
    open: "{{event.a}",
    empty: "{{event.}}",
    "{{event.a}}": 1,
  };
  deepEqual(templateProblems(payload), [
    'typo: "{{evnt.x}}" is no template: write {{event}} or {{event.path}}',
    'list.0.of: "{{ rule.name }}" is no template: write {{event}} or {{event.path}}',
    'open: "{{event.a}" is no template: write {{event}} or {{event.path}}',
    'empty: "{{event.}}" is no template: write {{event}} or {{event.path}}',
    'the name "{{event.a}}" holds a template: only values may',
  ]);
  deepEqual(templateProblems("{{x}}"), ['"{{x}}" is no template: write {{event}} or {{event.path}}']);
  equal(templateProblems(Array(1_000).fill("{{x}}")).length, 20);
});

Deno.test("text between braces that is no template stays as it is", () => {
  for (const text of ["{{evnt.x}}", "{{}}", "{{event", "{event}", "{{event.}}", "{{ eventful }}"]) {
    equal(renderTemplates(text, event), text);
    ok(!hasTemplates({ a: [text] }), text);
  }
});

Deno.test("braces without an end take no time", () => {
  for (const hostile of ["{{", "{{event.", "{{ ", "{{event.a} ", " ".repeat(60) + "{{"]) {
    const text = hostile.repeat(60_000 / hostile.length);
    equal(renderTemplates(text, event), text);
    ok(templateProblems(text).length === 1);
  }
});

/** JSON without -0, which JSON does not keep. */
const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)));
const someEvent = fc.dictionary(fc.string(), json).map((value) => JSON.parse(JSON.stringify(value)));
const template = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(
      "{{event}}",
      "{{event.a}}",
      "a {{event.a}} b {{event.b.0}}",
      "{{event.b}}{{event}}",
      "{{x}}",
    ),
    json,
    fc.array(tie("node"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("node"), { maxKeys: 4 }),
  ),
})).node;

Deno.test("whatever is rendered is JSON, the same each time, and changes neither template nor event", () => {
  fc.assert(fc.property(template, someEvent, (value, event) => {
    const [valueBefore, eventBefore] = [JSON.stringify(value), JSON.stringify(event)];
    const rendered = renderTemplates(value, event);
    equal(JSON.stringify(JSON.parse(JSON.stringify(rendered))), JSON.stringify(rendered));
    equal(JSON.stringify(renderTemplates(value, event)), JSON.stringify(rendered));
    equal(JSON.stringify(value), valueBefore);
    equal(JSON.stringify(event), eventBefore);
    if (!hasTemplates(value)) equal(JSON.stringify(rendered), valueBefore);
  }));
});

Deno.test("the size that is counted is the size of the JSON", () => {
  fc.assert(
    fc.property(json, (value) => {
      const bytes = new TextEncoder().encode(JSON.stringify(value)).length;
      const filler = (length: number) => ({ value, filler: "x".repeat(length) });
      const fitting = MAX_RENDERED_BYTES - bytes - '{"value":,"filler":""}'.length;
      deepEqual(renderTemplates(filler(fitting), {}), filler(fitting));
      throws(() => renderTemplates(filler(fitting + 1), {}), TemplateError);
    }),
    { numRuns: 50 },
  );
});

Deno.test("a rendered value shares nothing with the event", () => {
  const rendered = renderTemplates("{{event}}", event) as typeof event;
  notEqual(rendered.items, event.items);
});
