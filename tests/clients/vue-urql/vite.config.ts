import { readFileSync } from "node:fs";
import { minifyIntrospectionQuery } from "@urql/introspection";
import vue from "@vitejs/plugin-vue";
import { buildSchema, introspectionFromSchema } from "graphql";
import { defineConfig } from "vite";

// With the schema Graphcache knows which fragments fit, and shows what it has of a page at once.
const sdl = readFileSync(new URL("../../../schema/schema.graphql", import.meta.url), "utf-8");
const schema = minifyIntrospectionQuery(introspectionFromSchema(buildSchema(sdl)));

export default defineConfig({
  base: "./",
  build: { modulePreload: { polyfill: false } },
  define: { SCHEMA: JSON.stringify(schema) },
  plugins: [vue()],
});
