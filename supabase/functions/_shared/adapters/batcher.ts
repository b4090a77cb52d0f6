/**
 * Turns calls that arrive one by one into batches: a call that finds nothing in flight goes out at once, calls that
 * arrive while a batch is in flight go out together with the next one. Under load the batches grow by themselves and
 * nobody ever waits for a timer.
 *
 * When a batch fails and `isRefusedInput(error)` says that nothing of it took effect because of an item's content, it is
 * halved until the bad item stands alone, so that one poisoned item fails only its own caller. Any other failure reaches
 * every caller of the batch.
 *
 * @param run Processes the items and returns one result for each, in the same order.
 * @returns A function that resolves to its own item's result, or rejects with its own error.
 */
export function createBatcher<Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  { maxBatch, isRefusedInput }: { maxBatch: number; isRefusedInput: (error: unknown) => boolean },
): (item: Item) => Promise<Result> {
  type Call = { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void };
  const waiting: Call[] = [];
  let inFlight = false;

  async function settle(calls: Call[]): Promise<void> {
    try {
      const results = await run(calls.map((call) => call.item));
      if (results.length !== calls.length) {
        throw new Error(`A batch of ${calls.length} items got ${results.length} results`);
      }
      calls.forEach((call, index) => call.resolve(results[index]!));
    } catch (error) {
      if (calls.length === 1 || !isRefusedInput(error)) return calls.forEach((call) => call.reject(error));
      const half = Math.ceil(calls.length / 2);
      await settle(calls.slice(0, half));
      await settle(calls.slice(half));
    }
  }

  async function drain(): Promise<void> {
    inFlight = true;
    while (waiting.length > 0) await settle(waiting.splice(0, maxBatch));
    inFlight = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!inFlight) void drain();
    });
}
