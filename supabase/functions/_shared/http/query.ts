/** For a route's `input`: the query by its parameters' names; one that is given twice is its values, separated by commas. */
export function queryOf(_body: unknown, { searchParams }: URL): Record<string, string> {
  return Object.fromEntries(
    [...new Set(searchParams.keys())].map((key) => [key, searchParams.getAll(key).join(",")]),
  );
}
