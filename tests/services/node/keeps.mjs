// Two turns of a conversation, the second with what the SDK keeps of the first answer.
//   BASE_URL=http://127.0.0.1:4000 node keeps.mjs anthropic|chat|responses whole|streamed
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [, , api, how] = process.argv;
const asked = { role: "user", content: "Hi" };
const options = { apiKey: "k", maxRetries: 0 };

const turns = {
  async anthropic(messages) {
    const client = new Anthropic({ ...options, baseURL: process.env.BASE_URL });
    const body = { model: "m", max_tokens: 9, messages };
    const message =
      how === "whole" ? await client.messages.create(body) : await client.messages.stream(body).finalMessage();
    return [{ role: "assistant", content: message.content }];
  },

  async chat(messages) {
    const { chat } = new OpenAI({ ...options, baseURL: process.env.BASE_URL });
    const body = { model: "m", messages };
    const answer =
      how === "whole"
        ? await chat.completions.create(body)
        : await chat.completions.stream(body).finalChatCompletion();
    return [answer.choices[0].message];
  },

  async responses(input) {
    const { responses } = new OpenAI({ ...options, baseURL: process.env.BASE_URL });
    const body = { model: "m", input };
    const answer = how === "whole" ? await responses.create(body) : await responses.stream(body).finalResponse();
    return answer.output;
  },
};

const said = await turns[api]([asked]);
await turns[api]([asked, ...said, asked]);
