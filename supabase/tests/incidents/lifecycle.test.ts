/** Incidents against a model of their lifecycle: what breaks, heals, is taken and resolved in any order, at any time. */
import { deepEqual } from "node:assert/strict";
import fc from "fast-check";
import postgres from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });
await sql`select tests.all_is_well()`;

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SERVICES = ["acme", "beta"] as const;
type Service = typeof SERVICES[number];

type Step =
  | { verb: "break" | "mend" | "acknowledge" | "resolve"; service: Service }
  | { verb: "window"; service: Service; delay: number; seconds: number }
  | { verb: "cancelWindows" }
  | { verb: "follow"; seconds: number };

/** One integration's incidents, as the lifecycle wants them. Times are seconds of the test's clock. */
class Model {
  isWrong = false;
  status: string | null = null;
  opened = 0;
  attempts = 0;
  autoHealed = false;
  said: string[] = [];
  private checked = 0;
  private since = 0;
  private quietUntil = -Infinity;
  private lastSaid = 0;
  private resolvedAt = 0;
  private isTold = false;
  private isPaged = false;
  private reopenings: number[] = [];
  private clearSince: number | null = null;

  follow(now: number, windowEnd: number | null): void {
    if (this.isWrong) this.followSignal(now, windowEnd);
    else if (this.status === "RESOLVED" && now - this.resolvedAt >= DAY) this.status = "CLOSED";
    else if (this.isOpen() && this.hasBeenQuiet(now)) this.end(now, true);
  }

  acknowledge(): boolean {
    if (!this.isOpen() || this.status === "ACKNOWLEDGED") return false;
    this.status = "ACKNOWLEDGED";
    if (this.isTold) this.said.push("acknowledged");
    if (this.isPaged) this.said.push("page acknowledge");
    return true;
  }

  resolve(now: number): boolean {
    if (!this.isOpen()) return false;
    this.end(now, false);
    return true;
  }

  private isOpen(): boolean {
    return !["RESOLVED", "CLOSED", null].includes(this.status);
  }

  private hasBeenQuiet(now: number): boolean {
    const [first, , third] = this.reopenings.slice(-3);
    if (third === undefined || third - first! >= HOUR) return true;
    this.clearSince ??= now;
    return now - this.clearSince >= 30 * MINUTE;
  }

  private end(now: number, autoHealed: boolean): void {
    Object.assign(this, { status: "RESOLVED", resolvedAt: now, autoHealed, clearSince: null });
    if (this.isTold) this.said.push("resolved");
    if (this.isPaged) this.said.push("page resolve");
  }

  private begin(now: number): void {
    if (this.status === "RESOLVED" && now - this.resolvedAt < HOUR) this.reopenings.push(now);
    else {
      this.opened++;
      this.reopenings = [];
      this.quietUntil = -Infinity;
    }
    Object.assign(this, { status: "AUTO_HEALING", since: now, attempts: 0, autoHealed: false });
    this.isTold = this.isPaged = false;
  }

  private followSignal(now: number, windowEnd: number | null): void {
    const look = now - now % (5 * MINUTE);
    if (!this.isOpen()) this.begin(now);
    else if (look > this.checked && windowEnd === null && this.status !== "ESCALATED") this.attempts++;
    this.checked = look;
    this.clearSince = null;
    this.quietUntil = windowEnd ?? Math.min(this.quietUntil, now);
    if (windowEnd === null) this.tell(now);
  }

  private tell(now: number): void {
    if (!this.isTold) this.said.push("opened");
    this.isTold = true;
    const age = now - Math.max(this.since, this.quietUntil);
    if (this.status === "AUTO_HEALING" && (this.attempts >= 3 || age >= 15 * MINUTE)) {
      Object.assign(this, { status: "ESCALATED", isPaged: true, lastSaid: now });
      this.said.push("escalated", "page trigger");
    } else if (this.status === "ESCALATED" && now - Math.max(this.lastSaid, this.quietUntil) >= HOUR) {
      this.lastSaid = now;
      this.said.push("reminder");
    }
  }
}

/** Does a step to the database and to the models; both must take it, or both refuse it. */
class World {
  private now = 0;
  private windows: { service: Service; from: number; to: number }[] = [];
  readonly models: Record<Service, Model> = { acme: new Model(), beta: new Model() };

  async take(step: Step): Promise<void> {
    switch (step.verb) {
      case "break":
      case "mend":
        this.models[step.service].isWrong = step.verb === "break";
        await sql`select ${sql.unsafe(`tests.${step.verb}`)}(${step.service})`;
        break;
      case "acknowledge":
        deepEqual(await this.ask(step), this.models[step.service].acknowledge());
        break;
      case "resolve":
        deepEqual(await this.ask(step), this.models[step.service].resolve(this.now));
        break;
      case "window":
        await this.announce(step.service, this.now + step.delay, this.now + step.delay + step.seconds);
        break;
      case "cancelWindows":
        this.windows = [];
        await sql`delete from maintenance_windows`;
        break;
      case "follow":
        this.now += step.seconds;
        for (const service of SERVICES) this.models[service].follow(this.now, this.windowEnd(service));
        await sql`select advance_incidents(${at(this.now)})`;
    }
  }

  private async announce(service: Service, from: number, to: number): Promise<void> {
    this.windows.push({ service, from, to });
    await sql`insert into maintenance_windows (dedup_pattern, starts_at, ends_at, reason)
      values (${`%:${service}`}, ${at(from)}, ${at(to)}, 'a test')`;
  }

  private windowEnd(service: Service): number | null {
    const ends = this.windows.filter((w) => w.service === service && w.from <= this.now && this.now < w.to)
      .map(({ to }) => to);
    return ends.length ? Math.max(...ends) : null;
  }

  /** Whether the database lets a person do it. */
  private async ask({ verb, service }: { verb: string; service: Service }): Promise<boolean> {
    try {
      await sql`select ${sql.unsafe(`${verb}_incident`)}((tests.incident(${service})).id, 'ada', null, ${
        at(this.now)
      })`;
      return true;
    } catch (error) {
      const refusal = (error as postgres.PostgresError).hint;
      const expected = this.models[service].opened ? "incident.transition_refused" : "incident.unknown";
      deepEqual(refusal, expected);
      return false;
    }
  }
}

/** The test's clock begins at midnight, as `tests.at()`. */
function at(seconds: number): string {
  return new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();
}

async function observe(): Promise<unknown> {
  return await sql`
    select s.service, i.status, coalesce(i.attempts, 0) as attempts, coalesce(i.auto_healed, false) as healed,
      (select count(*)::int from incidents c where c.dedup_key = 'integration:' || s.service) as opened, tests.said(s.service) as said
    from unnest(${[...SERVICES]}::text[]) s (service), tests.incident(s.service) i order by 1`;
}

function expected({ models }: World): unknown {
  return SERVICES.map((service) => {
    const { status, attempts, autoHealed: healed, opened, said } = models[service];
    return { service, status, attempts, healed, opened, said: said.join(", ") || null };
  });
}

const service = fc.constantFrom(...SERVICES);
const seconds = fc.constantFrom(1, MINUTE, 5 * MINUTE - 1, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, DAY);
const delay = fc.constantFrom(0, MINUTE, HOUR);
const follow = fc.record({ verb: fc.constant("follow" as const), seconds });
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: follow, weight: 12 },
  {
    arbitrary: fc.record({ verb: fc.constantFrom("break", "mend", "acknowledge", "resolve"), service }),
    weight: 10,
  },
  { arbitrary: fc.record({ verb: fc.constant("window" as const), service, delay, seconds }), weight: 2 },
  { arbitrary: fc.constant({ verb: "cancelWindows" as const }), weight: 1 },
);

async function followsTheModel(steps: Step[]): Promise<void> {
  await sql`select tests.mend(variadic ${[...SERVICES]}::text[])`;
  await sql`truncate incidents, outbox, maintenance_windows`;
  const world = new World();
  for (const step of steps) {
    await world.take(step);
    deepEqual([...await observe() as unknown[]], expected(world), JSON.stringify(step));
  }
}

Deno.test("in whatever order things break, heal, are taken, resolved or kept quiet, incidents follow their lifecycle", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 60 }), followsTheModel),
    { numRuns: 70 },
  );
  const [off] = await sql`
    select count(*)::int from audit_log a where a.action like 'incident.%' and not exists (
      select from incident_transitions t
      where t.from_status is not distinct from a.payload ->> 'from_status' and t.action = a.action and t.to_status = a.result)`;
  deepEqual(off!.count, 0, "what the audit log says of incidents is in the table of transitions");
});

Deno.test("what comes and goes for hours follows the lifecycle as well", async () => {
  const flap = (["break", "mend"] as const).flatMap((verb): fc.Arbitrary<Step>[] => [
    fc.constant({ verb, service: "acme" as const }),
    fc.record({
      verb: fc.constant("follow" as const),
      seconds: fc.constantFrom(1, MINUTE, 10 * MINUTE, 29 * MINUTE, 30 * MINUTE),
    }),
  ]);
  const flaps = fc.array(fc.tuple(...flap), { minLength: 8, maxLength: 20 }).map((list) => list.flat());
  await fc.assert(fc.asyncProperty(flaps, followsTheModel), { numRuns: 20 });
});
