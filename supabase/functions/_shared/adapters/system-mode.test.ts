import assert from "node:assert/strict";
import { DatabaseError } from "../ports.ts";
import { createSystemMode } from "./system-mode.ts";

/** A database whose answers a test gives, one for each question. */
function build() {
  const questions: PromiseWithResolvers<unknown>[] = [];
  const mode = createSystemMode({
    rpc<T>(name: string) {
      assert.equal(name, "read_system_mode");
      const question = Promise.withResolvers<unknown>();
      questions.push(question);
      return question.promise as Promise<T>;
    },
  });
  /** The nth question, as soon as the database is asked it. */
  async function question(nth: number) {
    while (questions.length < nth) await Promise.resolve();
    return questions[nth - 1]!;
  }
  return { mode, questions, question };
}

Deno.test("the mode is read anew for every question", async () => {
  const { mode, questions, question } = build();
  for (const [index, safeMode] of [false, true, false].entries()) {
    const asked = mode.isSafe();
    (await question(index + 1)).resolve({ mode: safeMode ? "safe" : "normal", safeMode });
    assert.equal(await asked, safeMode);
  }
  assert.equal(questions.length, 3);
});

Deno.test("a question never gets an answer that was read before it was asked; those that come together share one", async () => {
  const { mode, questions, question } = build();
  const before = mode.isSafe();
  const after = Array.from({ length: 50 }, () => mode.isSafe());
  questions[0]!.resolve({ safeMode: false });
  assert.equal(await before, false);
  (await question(2)).resolve({ safeMode: true });
  assert.deepEqual(new Set(await Promise.all(after)), new Set([true]));
  assert.equal(questions.length, 2);
});

Deno.test("whatever is no answer is an error, never a mode", async () => {
  for (const answer of [null, {}, { safeMode: null }, { safeMode: "false" }, []]) {
    const { mode, questions } = build();
    const asked = mode.isSafe();
    questions[0]!.resolve(answer);
    await assert.rejects(asked, { code: "system_mode.unreadable", status: 503 });
  }
  const { mode, questions } = build();
  const asked = mode.isSafe();
  questions[0]!.reject(new DatabaseError("database.timeout", "late", 504));
  await assert.rejects(asked, { code: "database.timeout" });
});
