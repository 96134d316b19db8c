// The official MCP client in TypeScript, over HTTP and stdio.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const request = "Find work items owned by DEVU-7, then prioritize them";
const address = new URL(process.env.OPENAI_BASE_URL.replace(/\/v1$/, "/mcp"));
const [command, ...args] = process.env.PLATYPUS_MCP.split(" ");
const transports = {
  http: () => new StreamableHTTPClientTransport(address),
  stdio: () => new StdioClientTransport({ command, args, env: process.env, stderr: "ignore" }),
};

for (const [name, transport] of Object.entries(transports)) {
  test(`${name}: plan`, async () => {
    const client = new Client({ name: "checks", version: "1.0.0" });
    await client.connect(transport(), { timeout: 300_000 }); // a process that is started loads its model first
    const { tools } = await client.listTools();
    const good = await client.callTool({ name: tools[0].name, arguments: { request } });
    const steps = good.structuredContent.plans[0].plan.map((step) => step.tool_name);
    assert.deepEqual(steps, ["works_list", "prioritize_objects"]);
    const bad = await client.callTool({ name: tools[0].name, arguments: { request, k: 99 } });
    assert.ok(bad.isError);
    await client.close();
  });
}
