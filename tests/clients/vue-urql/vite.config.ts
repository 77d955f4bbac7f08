import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: { modulePreload: { polyfill: false } },
  plugins: [vue()],
});
