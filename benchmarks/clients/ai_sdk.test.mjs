// The Vercel AI SDK: createOpenAI (whose default is /v1/responses), its chat models, and openai-compatible.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, Output, stepCountIs, streamObject, streamText, tool } from "ai";
import { z } from "zod";

const ask = "Find work items owned by DEVU-7, then prioritize them";
const baseURL = process.env.OPENAI_BASE_URL;
const openai = createOpenAI({ baseURL, apiKey: "none" });
const compatible = createOpenAICompatible({ name: "platypus", baseURL, supportsStructuredOutputs: true, includeUsage: true });
const plain = createOpenAICompatible({ name: "platypus", baseURL });
const models = { openai: openai("embedded"), "openai.chat": openai.chat("embedded"), compatible: compatible("embedded") };

const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, sky: "clear" }),
});
const tools = {
  works_list: tool({
    description: "Lists work items, all of them or those of these owners",
    inputSchema: z.object({ owned_by: z.array(z.string()) }),
    execute: async ({ owned_by }) => owned_by.map((name) => `ISSUE-${name}`),
  }),
  prioritize_objects: tool({
    description: "Sorts work items, the most urgent first",
    inputSchema: z.object({ objects: z.array(z.string()) }),
    execute: async ({ objects }) => objects.toSorted(),
  }),
};
const Trip = z.object({ city: z.string(), days: z.number().int() });
const called = (steps) => steps.flatMap((step) => step.toolCalls.map((call) => call.toolName));

for (const [name, model] of Object.entries(models)) {
  test(`${name}: plan`, async () => {
    const answer = await generateText({ model, system: "You plan.", prompt: "Book me a flight to Lisbon" });
    assert.ok(answer.text.length > 0 && answer.usage.inputTokens > 0);
    assert.equal(answer.warnings?.length ?? 0, 0);
  });

  test(`${name}: tools`, async () => {
    const answer = await generateText({ model, prompt: "What is the weather in Lisbon?", tools: { weather } });
    assert.equal(answer.toolCalls[0].toolName, "weather");
    assert.equal(typeof answer.toolCalls[0].input.city, "string");
    assert.equal(answer.finishReason, "tool-calls");
  });

  test(`${name}: agent`, async () => {
    const answer = await generateText({ model, prompt: ask, tools, stopWhen: stepCountIs(5) });
    assert.deepEqual(called(answer.steps), ["works_list", "prioritize_objects"]);
    assert.match(answer.text, /ISSUE-DEVU-7/);
  });

  test(`${name}: tool_choice`, async () => {
    const prompt = "What is the weather in Lisbon?";
    for (const toolChoice of ["auto", "required", "none", { type: "tool", toolName: "weather" }]) {
      const answer = await generateText({ model, prompt, tools: { weather }, toolChoice });
      assert.equal(answer.toolCalls.length > 0, toolChoice !== "none");
    }
  });

  test(`${name}: stream`, async () => {
    const answer = streamText({ model, prompt: ask, tools, stopWhen: stepCountIs(5) });
    const kinds = new Set();
    for await (const part of answer.fullStream) {
      assert.notEqual(part.type, "error", String(part.error));
      kinds.add(part.type);
    }
    assert.ok(kinds.has("tool-call") && kinds.has("tool-result") && kinds.has("text-delta"));
    assert.deepEqual(called(await answer.steps), ["works_list", "prioritize_objects"]);
    assert.match(await answer.text, /ISSUE-DEVU-7/);
    assert.ok((await answer.totalUsage).outputTokens > 0);
  });

  test(`${name}: form`, async () => {
    const answer = await generateObject({ model, schema: Trip, prompt: "3 days in Porto" });
    Trip.parse(answer.object);
  });

  test(`${name}: stream_form`, async () => {
    const answer = streamObject({ model, schema: Trip, prompt: "3 days in Porto" });
    for await (const _ of answer.partialObjectStream);
    Trip.parse(await answer.object);
  });

  test(`${name}: form_as_output`, async () => {
    const answer = await generateText({ model, output: Output.object({ schema: Trip }), prompt: "3 days in Porto" });
    Trip.parse(answer.output);
  });

  test(`${name}: form_and_tools`, async () => {
    const output = Output.object({ schema: Trip });
    const prompt = "3 days in Porto";
    const answer = await generateText({ model, output, prompt, tools: { weather }, stopWhen: stepCountIs(5) });
    Trip.parse(answer.output);
  });

  test(`${name}: conversation`, async () => {
    const first = await generateText({ model, prompt: "What is the weather in Lisbon?", tools: { weather } });
    const messages = [
      { role: "user", content: "What is the weather in Lisbon?" },
      ...first.response.messages,
      { role: "user", content: "What is the weather in Porto?" },
    ];
    const second = await generateText({ model, messages, tools: { weather } });
    assert.equal(second.toolCalls[0].toolName, "weather");
  });

  test(`${name}: conversation_after_text`, async () => {
    const first = await generateText({ model, prompt: "Book me a flight to Lisbon", toolChoice: "none" });
    const messages = [
      { role: "user", content: "Book me a flight to Lisbon" },
      ...first.response.messages,
      { role: "user", content: "What is the weather in Porto?" },
    ];
    const second = await generateText({ model, messages, tools: { weather } });
    assert.equal(second.toolCalls[0].toolName, "weather");
  });
}

test("compatible: errors", async () => {
  const asked = generateObject({ model: plain("embedded"), schema: Trip, prompt: "3 days in Porto", maxRetries: 0 });
  await assert.rejects(asked, /an answer in JSON needs a schema/);
});

test("openai: errors", async () => {
  await assert.rejects(generateText({ model: openai("none"), prompt: "x", maxRetries: 0 }), /none/);
});
