/** A throw-away Ethereum node. */
import { realpath } from "node:fs/promises";
import { startChild } from "../stack/child.ts";
import { freePort } from "../stack/ports.ts";
import { StackError } from "../stack/stack-error.ts";

// By npx, as npm packages for other machines than this one need not exist in a registry: Deno would ask for all of them.
const anvilPackage = `@foundry-rs/anvil-${Deno.build.os}-${
  Deno.build.arch === "aarch64" ? "arm64" : "amd64"
}@1.7.1`;

/** A running node; blocks and accounts are its own. */
export interface Anvil {
  /** `127.0.0.1:port` */
  host: string;
  rpcUrl: string;
  /** Asks the node's JSON-RPC, past everything under test. */
  // deno-lint-ignore no-explicit-any
  call(method: string, ...params: unknown[]): Promise<any>;
  /** Makes blocks. */
  mine(blocks?: number): Promise<void>;
  /** How many transactions of all blocks carry this calldata, `0x` and hex. */
  countMined(calldata: string): Promise<number>;
  /** Ends the node; its chain is kept if it has a state file, what was not mined is lost. */
  stop(): Promise<void>;
}

/**
 * Starts a node of a chain.
 *
 * @param mining whether each transaction makes a block at once; otherwise only `mine` does
 * @param stateFile where the chain is kept when the node stops, and read from when it starts
 * @param port a free one unless given
 */
export async function startAnvil(
  { mining = true, chainId = 31_337, stateFile, port = freePort() }: {
    mining?: boolean;
    chainId?: number;
    stateFile?: string;
    port?: number;
  } = {},
): Promise<Anvil> {
  const home = await Deno.makeTempDir({ prefix: "anvil-" });
  const lines: string[] = [];
  const listening = Promise.withResolvers<void>();
  const node = startChild({
    command: await (program ??= findAnvil()),
    args: [
      ...["--host", "127.0.0.1", "--port", String(port), "--chain-id", String(chainId), "--accounts", "1"],
      ...(mining ? [] : ["--no-mining"]),
      ...(stateFile ? ["--state", stateFile] : []),
    ],
    env: { HOME: home },
    stopSignal: "SIGINT",
    onLine(line) {
      lines.push(line);
      if (line.startsWith("Listening on ")) listening.resolve();
    },
  });
  node.ended.then(() => listening.reject(new Error(`Anvil did not start: ${lines.join("\n")}`)));
  await listening.promise;

  const host = `127.0.0.1:${port}`;
  const rpcUrl = `http://${host}`;
  const call: Anvil["call"] = async (method, ...params) => {
    const response = await fetch(rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    const { result, error } = await response.json();
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  return {
    host,
    rpcUrl,
    call,
    mine: async (blocks = 1) => void await call("anvil_mine", blocks),
    async countMined(calldata) {
      let count = 0;
      for (let block = Number(await call("eth_blockNumber")); block > 0; block--) {
        const { transactions } = await call("eth_getBlockByNumber", `0x${block.toString(16)}`, true);
        count += transactions.filter(({ input }: { input: string }) => input === calldata).length;
      }
      return count;
    },
    async stop() {
      await node.stop(5_000);
      await Deno.remove(home, { recursive: true });
    },
  };
}

let program: Promise<string> | undefined;

/** The path of the program, which npx downloads when it is not there. */
async function findAnvil(): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("npx", {
    args: ["-y", "-p", anvilPackage, "-c", "command -v anvil"],
    stdin: "null",
  }).output();
  if (success) return await realpath(new TextDecoder().decode(stdout).trim());
  throw new StackError(
    "anvil.missing",
    `The Ethereum node for tests, ${anvilPackage}, cannot be had from npm: ${
      new TextDecoder().decode(stderr).trim()
    }`,
  );
}
