// urql lists text/event-stream in the Accept header of every query; JSON is what it must get.
import { Client, fetchExchange } from "@urql/core";
import { show, told } from "./told.mjs";

const types = new Set();
const client = new Client({
  url: told.url,
  exchanges: [fetchExchange],
  fetchSubscriptions: true,
  preferGetMethod: false,
  fetchOptions: { headers: { authorization: `Bearer ${told.client}` } },
  fetch: async (...args) => {
    const response = await fetch(...args);
    types.add(response.headers.get("content-type"));
    return response;
  },
});

const answers = [];
for (const [query, variables] of told.documents) {
  const { data, error } = await client.query(query, variables).toPromise();
  answers.push({ query, fields: Object.keys(data ?? {}), error: error?.message ?? null });
}
const mutation = "mutation { signOut { userErrors { code } } }";
const done = await client.mutation(mutation, {}).toPromise();
show({ answers, types: [...types], mutation: done.data, error: done.error?.message ?? null });
