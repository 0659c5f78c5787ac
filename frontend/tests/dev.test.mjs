// @vitest-environment node
/** `npm run dev`: the page from its sources, what it asks for from a TensorBoard. */
import { createServer as createTensorBoard } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const PREFIX = "/some/where";
const before = process.env.TENSORBOARD;
const tensorboard = createTensorBoard((request, response) => response.end(`answer to ${request.url}`));
let server;
let page = "";

beforeAll(async () => {
  await new Promise((listening) => tensorboard.listen(0, "localhost", listening));
  process.env.TENSORBOARD = `http://localhost:${tensorboard.address().port}${PREFIX}`;
  const { createServer } = await import("vite");
  const options = { server: { port: 0, hmr: false }, optimizeDeps: { noDiscovery: true }, logLevel: "error" };
  server = await createServer({ root: ROOT, configFile: join(ROOT, "vite.config.ts"), ...options });
  await server.listen();
  page = `http://localhost:${server.httpServer.address().port}`;
}, 60_000);

afterAll(async () => {
  if (before === undefined) delete process.env.TENSORBOARD;
  else process.env.TENSORBOARD = before;
  await server?.close();
  tensorboard.close();
});

async function get(path) {
  return (await fetch(`${page}${path}`)).text();
}

test("the page calls the same function as TensorBoard does, from the sources", async () => {
  const script = /src="(\/index\.html[^"]*)"/.exec(await get("/"))[1].replaceAll("&amp;", "&");
  expect(await get(script)).toContain("/src/app.tsx");
  expect(await get("/src/app.tsx")).toContain("function render()");
});

test.each(["runs", "diagnosis", "compare", "table", "rules", "report"])(
  "TensorBoard answers %s",
  async (route) => {
    expect(await get(`/${route}?run=a`)).toBe(`answer to ${PREFIX}/data/plugin/lossdiag/${route}?run=a`);
  },
);

test("nothing else is asked of TensorBoard", async () => {
  expect(await get("/src/views/report/Report.tsx")).not.toContain("answer to");
});
