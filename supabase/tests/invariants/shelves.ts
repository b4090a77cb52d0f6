/** A small table with an invariant of its own: no shelf carries more than its limit. */
import type { Sql } from "postgres";

/** Registers `SHELVES`, which watches `shelves` and `boxes`; a shelf carries boxes of a weight of 10 at most. */
export async function createShelves(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create table public.shelves (id integer primary key, most integer not null);
    create table public.boxes (id integer primary key, shelf integer not null, weight integer not null);
    create index on public.boxes (shelf);
    create function public.check_shelves(p_entities text[] default null)
    returns table (entity text, expected text, actual text, details jsonb) language sql stable set search_path = '' as $$
      select s.id::text, 'at most ' || s.most, sum(b.weight)::text, null::jsonb
      from public.shelves s join public.boxes b on b.shelf = s.id
      where p_entities is null or s.id = any (p_entities::integer[])
      group by s.id, s.most having sum(b.weight) > s.most
    $$;
    select register_invariant('SHELVES', 'check_shelves', 'P1', '{"shelves": "id", "boxes": "shelf"}');`)
    .simple();
}

/** What `run_invariant()` answers, as far as tests look at it. */
export interface Answer {
  mode: string;
  open_violations: number;
  opened: number;
  cleared: number;
  error: { code: string; message: string } | null;
}

/** Runs `SHELVES` and returns the answer. */
export async function runShelves(sql: Sql, mode = "incremental"): Promise<Answer> {
  const [row] = await sql<[{ answer: Answer }]>`select run_invariant('SHELVES', ${mode}) as answer`;
  return row.answer;
}

/** The open violations as they are stored, and as the check finds them now: they must be the same. */
export async function openViolations(sql: Sql): Promise<{ stored: string[]; real: string[] }> {
  const [row] = await sql<[{ stored: string[]; real: string[] }]>`select
    to_jsonb(array(select entity || ': ' || actual from invariant_violations
      where invariant = 'SHELVES' and cleared_at is null order by 1)) as stored,
    to_jsonb(array(select entity || ': ' || actual from check_shelves() order by 1)) as real`;
  return row;
}
