// All that a user does with one official SDK before one target, in the order in which the test has the target
// answer: what came of it is one line of JSON.
//   BASE_URL=http://127.0.0.1:4000 API_KEY=... node formats.mjs openai|anthropic MODEL
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [, , sdk, model] = process.argv;
const question = "When is high water?";
const pixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const place = { type: "object", properties: { place: { type: "string" } }, required: ["place"] };
const tide = {
  type: "object",
  properties: { place: { type: "string" }, hour: { type: "integer" } },
  required: ["place", "hour"],
  additionalProperties: false,
};

async function failure(call) {
  try {
    await call();
    return { name: "none" };
  } catch (error) {
    return { name: error.constructor.name, status: error.status, message: String(error.message) };
  }
}

function openai(retries) {
  const client = new OpenAI({
    baseURL: process.env.BASE_URL + "/v1", apiKey: process.env.API_KEY, maxRetries: retries,
  });
  const tools = ["tide", "wind"].map((name) => ({
    type: "function", function: { name, description: `The ${name}.`, parameters: place },
  }));
  const asked = { model, messages: [{ role: "user", content: question }] };
  const told = ({ choices: [{ message, finish_reason }], usage }) => ({
    text: message.content || null,
    calls: (message.tool_calls ?? []).map((one) => [one.function.name, JSON.parse(one.function.arguments)]),
    finish: finish_reason,
    usage: usage && [usage.prompt_tokens, usage.completion_tokens],
  });
  const create = (more) => client.chat.completions.create({ ...asked, ...more });
  const stream = (more) =>
    client.chat.completions
      .stream({ ...asked, stream_options: { include_usage: true }, ...more })
      .finalChatCompletion();
  return {
    told, create, stream,
    tools: { tools },
    after: ({ choices: [{ message }] }) => ({
      tools,
      messages: [
        ...asked.messages,
        message,
        ...message.tool_calls.map((one) => ({
          role: "tool", tool_call_id: one.id, content: `${one.function.name}: calm`,
        })),
      ],
    }),
    picture: {
      messages: [{ role: "user", content: [
        { type: "text", text: "What is it?" },
        { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } },
      ] }],
    },
    form: {
      response_format: { type: "json_schema", json_schema: { name: "tide", schema: tide, strict: true } },
    },
    async broken() {
      let text = "";
      const failed = await failure(async () => {
        for await (const chunk of await create({ stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
      });
      return { text, ...failed };
    },
  };
}

function anthropic(retries) {
  const client = new Anthropic({
    baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: retries,
  });
  const tools = ["tide", "wind"].map((name) => ({
    name, description: `The ${name}.`, input_schema: place,
  }));
  const asked = { model, max_tokens: 200, messages: [{ role: "user", content: question }] };
  const told = ({ content, stop_reason, usage }) => ({
    text: content.filter((one) => one.type === "text").map((one) => one.text).join("") || null,
    calls: content.filter((one) => one.type === "tool_use").map((one) => [one.name, one.input]),
    finish: stop_reason,
    usage: [usage.input_tokens, usage.output_tokens],
  });
  const create = (more) => client.messages.create({ ...asked, ...more });
  const stream = (more) => client.messages.stream({ ...asked, ...more }).finalMessage();
  return {
    told, create, stream,
    tools: { tools },
    after: ({ content }) => ({
      tools,
      messages: [
        ...asked.messages,
        { role: "assistant", content },
        { role: "user", content: content.filter((one) => one.type === "tool_use").map((one) => ({
          type: "tool_result", tool_use_id: one.id, content: `${one.name}: calm`,
        })) },
      ],
    }),
    picture: {
      messages: [{ role: "user", content: [
        { type: "text", text: "What is it?" },
        { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } },
      ] }],
    },
    form: { output_config: { format: { type: "json_schema", schema: tide } } },
    async broken() {
      let text = "";
      const failed = await failure(async () => {
        for await (const event of await create({ stream: true }))
          if (event.type === "content_block_delta") text += event.delta.text ?? "";
      });
      return { text, ...failed };
    },
  };
}

const make = sdk === "openai" ? openai : anthropic;
const once = make(0);
const found = {};
found.whole = once.told(await once.create({}));
found.streamed = once.told(await once.stream({}));
found.call = once.told(await once.create(once.tools));
const calls = await once.stream(once.tools);
found.calls = once.told(calls);
found.after = once.told(await once.create(once.after(calls)));
found.picture = once.told(await once.create(once.picture));
found.form = JSON.parse(once.told(await once.create(once.form)).text);
found.refused = await failure(() => once.create({}));
found.broken = await once.broken();
const began = performance.now();
found.retried = once.told(await make(1).create({}));
found.waited_ms = performance.now() - began;
console.log(JSON.stringify(found));
