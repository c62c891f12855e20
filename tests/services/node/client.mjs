// One scenario with the official SDK against a gateway: what came of it is one line of JSON.
//   BASE_URL=http://127.0.0.1:4000/v1 API_KEY=... node client.mjs whole|streamed|errors|abort|others
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "hello" }];

async function failure(call) {
  try {
    await call();
    return { name: "none" };
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, param: error.param };
  }
}

const scenarios = {
  async whole() {
    const { data, response } = await client.chat.completions
      .create({ model: "chat", messages, max_tokens: 7 })
      .withResponse();
    return {
      content: data.choices[0].message.content,
      model: data.model,
      output: data.usage.completion_tokens,
      target: response.headers.get("x-baseload-target"),
      request_id: data._request_id,
    };
  },

  async streamed() {
    const stream = await client.chat.completions.create({
      model: "chat", messages, max_tokens: 9, stream: true, stream_options: { include_usage: true },
    });
    let content = "", events = 0, usage = null;
    for await (const chunk of stream) {
      events += 1;
      content += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    return { content, events, output: usage.completion_tokens };
  },

  async errors() {
    const ask = (more, options) => () =>
      client.chat.completions.create({ model: "chat", messages, ...more }, options);
    const stranger = { headers: { authorization: "Bearer bl_wrong" } };
    const broken = [{ role: "user", content: "[twin fault=cut,after_tokens=3]" }];
    return {
      key: await failure(ask({}, stranger)),
      model: await failure(ask({ model: "other" })),
      field: await failure(ask({ max_tokens: 0 })),
      residency: await failure(ask({}, { headers: { "x-baseload-class": "nowhere" } })),
      broken: await failure(async () => {
        for await (const _ of await ask({ messages: broken, stream: true, max_tokens: 9 })());
      }),
    };
  },

  async abort() {
    const stream = await client.chat.completions.create({
      model: "chat", messages, max_tokens: 5000, ignore_eos: true, stream: true,
    });
    let events = 0;
    for await (const _ of stream) {
      events += 1;
      if (events === 5) {
        stream.controller.abort();
        break;
      }
    }
    return { events };
  },

  async others() {
    const models = [];
    for await (const model of client.models.list()) models.push(model.id);
    const embedding = await client.embeddings.create({ model: "chat", input: "hello" });
    const completion = await client.completions.create({ model: "chat", prompt: "once", max_tokens: 4 });
    return {
      models,
      dimensions: embedding.data[0].embedding.length,
      output: completion.usage.completion_tokens,
    };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));
