import { plugins } from "../_shared/rules/plugins/registry.ts";
import { createPluginsEndpoint } from "./endpoint.ts";

export default { fetch: createPluginsEndpoint(plugins) };
