/** `deno task reset`: empties the data of the local stack. */
import { readArguments } from "./command-line.ts";
import { lockData, removeData } from "./stack/database.ts";
import { prepareHome } from "./stack/paths.ts";
import { exitOnStackError } from "./stack/stack-error.ts";

readArguments("reset");
await exitOnStackError(async () => {
  const home = await prepareHome();
  const unlock = await lockData(home);
  await removeData(home);
  await unlock();
  console.log("The local stack is empty: the next start begins with a fresh database.");
});
