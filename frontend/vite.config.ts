/**
 * `npm run dev`: the page from its sources, with the answers of a TensorBoard that runs already.
 * TENSORBOARD is its address, with its path prefix if it has one; the built page comes from build.mjs.
 */
import { defineConfig } from "vite";

const TENSORBOARD = process.env.TENSORBOARD ?? "http://localhost:6006";
const ROUTES = "^/(runs|diagnosis|compare|table|rules|report)(\\?|$)";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: {
    proxy: {
      [ROUTES]: {
        target: TENSORBOARD,
        changeOrigin: true,
        rewrite: (path) => `/data/plugin/lossdiag${path}`,
      },
    },
  },
});
